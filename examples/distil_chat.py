"""Facts distilled from a chat in English and Chinese: stored, replaced as they change, looked up, and taken back.

Run it with `python examples/distil_chat.py`. It asks a scripted model, and says so; to ask a real one, set its key and
name it: `python examples/distil_chat.py openai:gpt-5-mini`, or with KEEPSTONE_CHAT_MODEL.
"""

import re
import sys
import tempfile
from pathlib import Path

from keepstone import AddResult, Memory, providers
from keepstone.chat import ChatRequest
from keepstone.testing import ScriptedChatModel

# What is said in turn, and what the scripted model makes of it: an operation, a text, and words of what it replaces.
TALK = {
    "lena": (
        ("I live in Lyon and teach ceramics there.", ("add", "User lives in Lyon.", "")),
        ("I am allergic to hazelnuts.", ("add", "User is allergic to hazelnuts.", "")),
        ("We moved: I live in Marseille now.", ("supersede", "User lives in Marseille.", "Lyon")),
    ),
    "小雨": (
        ("周末我喜欢打板球。", ("add", "用户周末喜欢打板球。", "")),
        ("我妹妹在杭州当老师。", ("add", "用户的妹妹在杭州当老师。", "")),
        ("板球不打了，周末改打网球了。", ("supersede", "用户周末改打网球了。", "板球")),
    ),
}
QUESTIONS = {"lena": ("Where do I live?", "Marseille"), "小雨": ("我周末打什么球？", "网球")}


def scripted(request: ChatRequest) -> dict[str, object]:
    """Stand in for a language model: look the last message up in the script."""
    prompt = request.messages[1].content
    for said, (op, text, replaced) in (turn for talk in TALK.values() for turn in talk):
        if f": {said}" in prompt.rpartition("[m1]")[2]:
            known = re.search(rf"\[(k\d+)] [^\n]*{replaced}", prompt) if replaced else None
            target = known[1] if known else None
            return {"changes": [{"op": op, "target": target, "text": text, "sources": ["m1"]}]}
    return {"changes": []}


def show(said: str, result: AddResult) -> None:
    """Print what was said, and what came of it."""
    print(f"> {said}")
    made = result.distilled
    for change in made.changes if made else ():
        print(f"    {change.action:<9} {change.text}")
    for refused in made.refused if made else ():
        print(f"    refused   {refused.text} ({refused.detail})")


def main() -> None:
    named = providers.chat_model(sys.argv[1] if len(sys.argv) > 1 else None)
    print(f"Asking {named.name}.\n" if named else "No model is named: a script answers instead.\n")
    model = named or ScriptedChatModel(scripted)
    with tempfile.TemporaryDirectory() as folder, Memory(Path(folder) / "chat.db", chat_model=model) as memory:
        for user, talk in TALK.items():
            for said, _ in talk:
                show(said, memory.add(said, user_id=user))
            question, wanted = QUESTIONS[user]
            best = memory.search(question, user_id=user, kinds=["fact"], limit=1)
            print(f"? {question}\n    {best[0].text if best else 'no fact'}\n")
            if named is None:
                assert wanted in best[0].text
        used = memory.usage()
        print(f"{used.calls} calls, {used.input_tokens} tokens in, {used.output_tokens} out.")


if __name__ == "__main__":
    main()
