"""Chat models of OpenAI's interface over real HTTP: forms of answers, limits, prices, faults, retries, cancellation."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from keepstone import AuthenticationError, BadReplyError, ProviderError, RateLimitError, TimedOutError
from keepstone.chat import ChatMessage, ChatReply, ChatRequest, ToolCall
from keepstone.llms.anthropic import AnthropicChatModel
from keepstone.llms.openai import OpenAIChatModel
from keepstone.testing import CHAT_FAULTS, ChatServer, ScriptedChatModel
from tests.providers.asking import PLAIN, SAID, SCHEMA, SHAPED, SYSTEM, TEA, TOOLED, ask, likes
from tests.providers.server import Answer, Server

AT_ONCE = {"Retry-After": "0"}


@pytest.fixture
def odd() -> Iterator[Server]:
    """Return a server whose answers a test writes itself, byte for byte."""
    with Server() as running:
        yield running


def asked(server: ChatServer | Server, *requests: ChatRequest, **settings: Any) -> list[ChatReply]:
    settings = {"api_key": "sk-test", **settings}
    return ask(lambda: OpenAIChatModel("mini", base_url=server.url, **settings), *requests)


def bodies(server: ChatServer) -> list[Any]:
    return [r.body for r in server.requests]


def message(text: Any, **usage: Any) -> Answer:
    return Answer({"choices": [{"message": {"content": text}, "finish_reason": "stop"}], "usage": usage})


def test_a_schema_is_asked_for_as_the_format_of_the_response() -> None:
    with ChatServer([TEA]) as server:
        (reply,) = asked(server, SHAPED, prices={"mini": (2.0, 10.0)})
    (request,) = server.requests
    assert (request.path, request.headers["authorization"]) == ("/v1/chat/completions", "Bearer sk-test")
    assert request.body["response_format"]["json_schema"] == {"name": "facts", "strict": True, "schema": SCHEMA}
    assert request.body["messages"][0] == {"role": "system", "content": SYSTEM.content}
    assert server.model.calls == [SHAPED]
    assert likes(reply) == TEA
    assert (reply.model, reply.finish, reply.attempts, reply.tool_calls) == ("openai:mini", "stop", 1, ())
    assert reply.input_tokens
    assert reply.output_tokens
    assert reply.price_usd == pytest.approx((2 * reply.input_tokens + 10 * reply.output_tokens) / 1e6)
    assert reply.milliseconds > 0


@pytest.mark.parametrize("how", ["refuses", "ignores"])
@pytest.mark.parametrize(
    ("without", "form"),
    [
        ((), "schema"),
        (("response_format",), "tool"),
        (("response_format", "tools"), "words"),
        (("response_format", "tool_choice"), "words"),
    ],
)
def test_the_form_of_the_answer_is_found_once_and_remembered(how: Any, without: Any, form: str) -> None:
    def answer(request: ChatRequest) -> Any:
        wants_json = request.schema is not None or "JSON schema" in request.messages[0].content
        return TEA if wants_json else "Sure! You like tea."

    async def run(server: ChatServer) -> None:
        model = OpenAIChatModel("mini", api_key=None, base_url=server.url)
        assert model.form == "schema"
        first = await model.reply(SHAPED)
        tried = len(server.requests)
        second = await model.reply(SHAPED)
        assert likes(first) == likes(second) == TEA
        assert model.form == form
        assert (first.attempts, second.attempts, len(server.requests) - tried) == (tried, 1, 1)
        await model.close()

    with ChatServer(answer, **{how: without}) as server:
        asyncio.run(run(server))
        assert len(server.requests) == {"schema": 2, "tool": 3, "words": 4}[form]


def test_what_was_tried_in_vain_is_paid_for_too() -> None:
    with ChatServer(["Sure!", TEA], ignores=["response_format"]) as server:
        (reply,) = asked(server, SHAPED, prices={"openai:mini": (1.0, 1.0)})
    assert reply.output_tokens is not None
    assert reply.price_usd is not None
    with ChatServer([TEA]) as server:
        (alone,) = asked(server, SHAPED, prices={"openai:mini": (1.0, 1.0)})
    assert alone.output_tokens is not None
    assert alone.price_usd is not None
    assert reply.output_tokens > alone.output_tokens
    assert reply.price_usd > alone.price_usd


def test_a_form_that_worked_is_kept_when_an_answer_is_bad() -> None:
    with ChatServer([TEA, "not JSON", TEA]) as server:
        replies = asked(server, SHAPED, SHAPED, SHAPED)
    assert [r.text for r in replies][1] == "not JSON"
    assert all("response_format" in body for body in bodies(server))


def test_a_form_that_worked_is_left_when_the_endpoint_refuses_it_later(odd: Server) -> None:
    odd.script = [message('{"likes": "tea"}'), Answer({"error": "no such field: response_format"}, 422)]
    odd.script += [message('{"likes": "mate"}'), message('{"likes": "coffee"}')]
    replies = asked(odd, SHAPED, SHAPED, SHAPED)
    assert [likes(r)["likes"] for r in replies] == ["tea", "mate", "coffee"]
    assert ["response_format" in r.body for r in odd.requests] == [True, True, False, False]
    # The tool was not called; the text was JSON all the same.
    assert "tools" in odd.requests[-1].body


def test_when_no_form_gives_json_the_first_answer_comes_back() -> None:
    with ChatServer(["one", "two", "three", TEA]) as server:
        first, second = asked(server, SHAPED, SHAPED)
    assert (first.text, first.attempts) == ("one", 3)
    assert likes(second) == TEA


def test_the_schema_in_words_is_in_the_language_of_the_messages() -> None:
    chinese = replace(SHAPED, messages=(ChatMessage(role="system", content="你会读别人说的话。"), SAID))
    alone = replace(SHAPED, messages=(SAID,))
    with ChatServer(lambda _: TEA, refuses=["response_format", "tools"]) as server:
        asked(server, SHAPED, chinese, alone)
    english, other, added = (r.messages for r in server.model.calls)
    assert english[0].content.startswith(SYSTEM.content + "\n\nAnswer with one JSON value")
    assert "只用一个符合下面 JSON schema" in other[0].content
    assert '"likes"' in other[0].content
    assert [m.role for m in added] == ["system", "user"]


@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"likes": "龙井茶"}\n```',
        '<think>They like {tea}.</think>\n{"likes": "龙井茶"}',
        '<think>so</think>\n```\n{"likes":\n"龙井茶"}\n```\n',
        ' {"likes": "龙井茶"} ',
    ],
)
def test_json_is_taken_out_of_its_wrapping(text: str) -> None:
    with ChatServer([text]) as server:
        assert likes(asked(server, SHAPED)[0]) == TEA


def test_tools_are_offered_and_their_calls_come_back_raw() -> None:
    calls = (ToolCall(name="remember", arguments='{"text": "茶"'), ToolCall(name="forget", arguments="{}"))
    with ChatServer([ChatReply(text="", model="x", tool_calls=calls)]) as server:
        (reply,) = asked(server, TOOLED)
    assert server.model.calls == [TOOLED]
    assert reply.tool_calls == calls
    assert bodies(server)[0]["tools"][0]["function"]["name"] == "remember"
    assert "tool_choice" not in bodies(server)[0]


def test_plain_text_is_asked_for_without_a_form() -> None:
    with ChatServer(["Tea it is."]) as server:
        (reply,) = asked(server, PLAIN)
    assert reply.text == "Tea it is."
    assert set(bodies(server)[0]) == {"model", "messages", "max_tokens"}


@pytest.mark.parametrize("refused", [(), ("max_tokens",), ("max_tokens", "max_completion_tokens")])
def test_the_limit_of_the_answer_goes_by_the_name_that_the_endpoint_knows(refused: tuple[str, ...]) -> None:
    with ChatServer(lambda _: TEA, refuses=refused) as server:
        asked(server, SHAPED, SHAPED)
    names = [[n for n in body if n.startswith("max_")] for body in bodies(server)]
    steps = [["max_tokens"], ["max_completion_tokens"], []]
    assert names == [*steps[: len(refused)], steps[len(refused)], steps[len(refused)]]


def test_a_limit_that_is_too_large_once_is_tried_again_next_time(odd: Server) -> None:
    large = Answer({"error": {"message": "max_tokens is too large: at most 100 are left"}}, 400)
    odd.script = [large, large, message("short"), message("long")]
    assert [r.text for r in asked(odd, PLAIN, PLAIN)] == ["short", "long"]
    assert "max_tokens" in odd.requests[-1].body


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (400, "This model's maximum context length is 4096 tokens"),
        (404, "The model `mini` does not exist or you do not have access to it."),
        (404, 'model "mini" not found, try pulling it first'),
        (400, "your credit balance is too low"),
    ],
)
def test_what_has_nothing_to_do_with_the_form_is_raised_at_once(odd: Server, status: int, text: str) -> None:
    odd.script = [Answer({"error": {"message": text}}, status)]
    with pytest.raises(ProviderError, match=str(status)) as caught:
        asked(odd, SHAPED)
    assert not caught.value.retryable
    assert len(odd.requests) == 1


def test_when_every_form_is_refused_the_first_refusal_is_raised(odd: Server) -> None:
    odd.script = [Answer(f"bad request {n}", 400) for n in range(3)]
    with pytest.raises(ProviderError, match="bad request 0"):
        asked(odd, SHAPED)
    odd.script = [Answer("no tools here", 501)]
    with pytest.raises(ProviderError, match="no tools here"):
        asked(odd, TOOLED)


def test_a_refusal_is_an_answer(odd: Server) -> None:
    filtered = {"choices": [{"message": {"content": "I ca"}, "finish_reason": "content_filter"}]}
    odd.script = [Answer(filtered), Answer({"error": {"code": "content_filter", "message": "blocked"}}, 400)]
    replies = asked(odd, SHAPED, SHAPED)
    with ChatServer([CHAT_FAULTS["refusal"]({})]) as server:
        replies += asked(server, SHAPED)
    assert [r.finish for r in replies] == ["refusal"] * 3
    assert "can't help" in replies[2].text


def test_an_answer_that_was_cut_says_so() -> None:
    cut = ChatReply(text='{"likes": "龙', model="x", finish="length")
    with ChatServer([cut]) as server:
        (reply,) = asked(server, SHAPED)
    assert (reply.finish, reply.text, len(server.requests)) == ("length", '{"likes": "龙', 1)


@pytest.mark.parametrize(
    "usage",
    [{}, {"prompt_tokens": None}, {"prompt_tokens": -1, "completion_tokens": "2"}, {"cost": "free"}, {"cost": True}],
)
def test_usage_that_says_nothing_is_none(odd: Server, usage: dict[str, Any]) -> None:
    odd.script = [message("Tea", **usage)]
    (reply,) = asked(odd, PLAIN, prices={"mini": (1.0, 1.0)})
    assert (reply.input_tokens, reply.price_usd) == (None, None)


def test_a_price_that_the_provider_states_wins(odd: Server) -> None:
    odd.script = [message("Tea", prompt_tokens=10, completion_tokens=10, cost=0.25)]
    (reply,) = asked(odd, PLAIN, prices={"mini": (1.0, 1.0)}, provider="openrouter")
    assert reply.price_usd == 0.25
    assert odd.requests[0].body["usage"] == {"include": True}


def test_another_host_has_no_list_price() -> None:
    with ChatServer([TEA]) as server:
        (reply,) = ask(lambda: OpenAIChatModel("gpt-5-mini", api_key=None, base_url=server.url), SHAPED)
    assert reply.price_usd is None


def test_parameters_go_along() -> None:
    with ChatServer([TEA]) as server:
        asked(server, SHAPED, parameters={"temperature": 0})
    assert bodies(server)[0]["temperature"] == 0


@pytest.mark.parametrize("content", [[{"type": "text", "text": "Te"}, {"type": "text", "text": "a"}], "Tea"])
def test_text_may_come_in_parts(odd: Server, content: Any) -> None:
    odd.script = [message(content)]
    assert asked(odd, PLAIN)[0].text == "Tea"


NO_MESSAGE = [{"choices": []}, {"choices": {}}, {}, [], "null", "not JSON", "[" * 90_000, {"choices": [{"message": 1}]}]


@pytest.mark.parametrize("body", NO_MESSAGE, ids=range(len(NO_MESSAGE)))
def test_replies_without_a_message_are_bad(odd: Server, body: Any) -> None:
    odd.script = [Answer(body)]
    with pytest.raises(BadReplyError) as caught:
        asked(odd, SHAPED, attempts=1)
    assert caught.value.retryable


def test_bad_replies_are_asked_for_again(odd: Server) -> None:
    odd.script = [Answer({"choices": []}), message('{"likes": "tea"}')]
    assert asked(odd, SHAPED)[0].attempts == 2


def test_an_error_under_a_good_status_is_an_error(odd: Server) -> None:
    odd.script = [Answer({"error": {"code": 429, "message": "upstream"}}), message("Tea")]
    assert asked(odd, PLAIN)[0].attempts == 2
    odd.script = [Answer({"error": {"code": 400, "message": "upstream"}})]
    with pytest.raises(ProviderError, match="upstream") as caught:
        asked(odd, PLAIN)
    assert not caught.value.retryable


@pytest.mark.parametrize("name", ["rate_limited", "overloaded", "cut_body"])
def test_faults_that_pass_are_outlived(name: str) -> None:
    with ChatServer([CHAT_FAULTS[name]({}), TEA]) as server:
        (reply,) = asked(server, SHAPED)
    assert (likes(reply), reply.attempts) == (TEA, 2)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("rate_limited", RateLimitError),
        ("overloaded", ProviderError),
        ("cut_body", ProviderError),
        ("timeout", TimedOutError),
        ("endless_stream", BadReplyError),
    ],
)
def test_faults_that_stay_are_raised(name: str, kind: type[ProviderError]) -> None:
    with ChatServer(lambda _: CHAT_FAULTS[name]({})) as server:
        with pytest.raises(ProviderError) as caught:
            asked(server, SHAPED, attempts=2, timeout_seconds=0.5, reply_bytes_max=500_000)
        assert len(server.requests) == 2
    assert type(caught.value) is kind
    assert caught.value.retryable


def test_a_key_that_is_refused_is_not_told() -> None:
    with ChatServer(api_key="sk-right") as server, pytest.raises(AuthenticationError) as caught:
        asked(server, SHAPED, api_key="sk-wrong")
    assert "sk-wrong" not in str(caught.value)


def test_a_key_in_an_error_is_cut_out(odd: Server) -> None:
    odd.script = [Answer("we do not know sk-test", 402)]
    with pytest.raises(ProviderError, match="we do not know …"):
        asked(odd, PLAIN)


def test_an_empty_account_is_not_asked_again(odd: Server) -> None:
    odd.script = [Answer({"error": {"code": "insufficient_quota"}}, 429, AT_ONCE)] * 3
    with pytest.raises(RateLimitError) as caught:
        asked(odd, PLAIN)
    assert (len(odd.requests), caught.value.retryable) == (1, False)


def test_a_redirection_is_not_followed(odd: Server) -> None:
    odd.script = [Answer("", 307, {"Location": odd.url + "/elsewhere"})]
    with pytest.raises(ProviderError, match="307"):
        asked(odd, PLAIN)
    assert len(odd.requests) == 1


def test_a_body_that_drips_has_an_end() -> None:
    """A limit on each read would never be reached."""
    with ChatServer(lambda _: CHAT_FAULTS["endless_stream"]({})) as server, pytest.raises(TimedOutError):
        asked(server, PLAIN, attempts=1, timeout_seconds=0.3, reply_bytes_max=10**12)


def test_the_deadline_is_for_all_attempts_together(odd: Server) -> None:
    odd.script = [Answer("slow down", 429, {"Retry-After": "30"})] * 9
    with pytest.raises(RateLimitError) as caught:
        asked(odd, PLAIN, deadline_seconds=2.0)
    assert (len(odd.requests), caught.value.retry_after) == (1, 30)


def test_no_more_than_the_limit_run_at_once() -> None:
    async def run(server: ChatServer) -> None:
        model = OpenAIChatModel("mini", api_key=None, base_url=server.url, concurrency=2)
        await asyncio.gather(*(model.reply(PLAIN) for _ in range(6)))
        await model.close()

    with ChatServer(ScriptedChatModel(lambda _: "Tea", delay=0.05)) as server:
        asyncio.run(run(server))
    assert (server.most_at_once, len(server.requests)) == (2, 6)


def test_a_call_that_is_cancelled_gives_its_place_back() -> None:
    async def run(server: ChatServer) -> str:
        model = OpenAIChatModel("mini", api_key=None, base_url=server.url, concurrency=1)
        first = asyncio.ensure_future(model.reply(PLAIN))
        await asyncio.to_thread(arrived.wait)
        waiting = asyncio.ensure_future(model.reply(PLAIN))
        await asyncio.sleep(0.01)
        for call in (first, waiting):
            call.cancel()
        gone = await asyncio.gather(first, waiting, return_exceptions=True)
        assert [type(g) for g in gone] == [asyncio.CancelledError] * 2
        answer = (await model.reply(PLAIN)).text
        await model.close()
        return answer

    def hang(_: ChatRequest) -> ProviderError:
        arrived.set()
        return TimedOutError("scripted", "no answer", retryable=True)

    arrived = threading.Event()
    with ChatServer([hang, "Tea"]) as server:
        assert asyncio.run(run(server)) == "Tea"
        assert len(server.requests) == 2


def test_one_model_serves_two_loops() -> None:
    with ChatServer([TEA, TEA]) as server:
        model = OpenAIChatModel("mini", api_key=None, base_url=server.url)
        assert [likes(ask(lambda: model, SHAPED)[0]) for _ in range(2)] == [TEA, TEA]


@pytest.mark.parametrize("interface", ["openai", "anthropic"])
@pytest.mark.parametrize("name", CHAT_FAULTS)
def test_no_fault_breaks_an_adapter(name: str, interface: str) -> None:
    """Each is an answer, which is for the caller to check, or an error of ours that says whether to try again."""
    good = {"changes": [{"op": "add", "text": "喜欢龙井茶。", "sources": ["m1"]}]}
    limits: dict[str, Any] = {"attempts": 1, "timeout_seconds": 0.5, "reply_bytes_max": 2_000_000}

    def once(server: ChatServer) -> ChatReply:
        if interface == "openai":
            return asked(server, SHAPED, **limits)[0]
        return ask(lambda: AnthropicChatModel("m", api_key=None, base_url=server.root, **limits), SHAPED)[0]

    faulty = CHAT_FAULTS[name](good)
    with ChatServer(lambda _: faulty) as server:
        if not isinstance(faulty, ChatReply):
            with pytest.raises(ProviderError) as caught:
                once(server)
            assert caught.value.retryable
            return
        reply = once(server)
    assert reply.finish == faulty.finish
    # Anthropic's arguments come parsed, and are written anew.
    assert reply.text.replace(" ", "") == faulty.text.replace(" ", "")


def test_loops_that_have_ended_are_let_go() -> None:
    async def crowd(model: OpenAIChatModel) -> weakref.ref[asyncio.AbstractEventLoop]:
        await asyncio.gather(*(model.reply(PLAIN) for _ in range(3)))
        await model.close()
        return weakref.ref(asyncio.get_running_loop())

    with ChatServer(lambda _: "Tea") as server:
        model = OpenAIChatModel("mini", api_key=None, base_url=server.url, concurrency=1)
        first = asyncio.run(crowd(model))
        asyncio.run(crowd(model))
    gc.collect()
    assert first() is None
