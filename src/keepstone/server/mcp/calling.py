"""A call of a tool: who asks, what a tool is, and how its answer or its error is told.

The SDK's lower layer is used, and not its functions-as-tools: that one reads the string "null" as no argument at all,
which would widen a scope, and ignores arguments that it does not know, which would widen a deletion.
"""

from __future__ import annotations

import json
import logging
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp_types import CallToolResult, TextContent, ToolAnnotations
from mcp_types import Tool as ListedTool
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from keepstone.control import AuditEntry, Role
from keepstone.errors import InvalidRequestError, KeepstoneError, LimitError, ScopeError
from keepstone.memory import AsyncMemory
from keepstone.server import problems
from keepstone.server import service as services
from keepstone.server.access import OPERATIONS, Principal, ScopeIds
from keepstone.server.service import Service
from keepstone.types import Scope

log = logging.getLogger("keepstone.server")

SURFACE = "mcp"
ANSWER_CHARS_MAX = 8_000_000
WHOSE = (
    "Say whose memory it is: give user_id (or agent_id, app_id, run_id), or connect with a key that is pinned to a "
    "user, or with `keepstone mcp --user ID`."
)
UNEXPECTED = "Something unexpected went wrong; the server's log has it."


@dataclass(kw_only=True)
class Caller:
    """Whoever calls one tool, and whose memory the call turned out to be about.

    *app* is the application that adds memories, where the address names one; *base_url* is where the server is reached.
    """

    service: Service
    principal: Principal
    app: str | None = None
    base_url: str | None = None
    request_id: str | None = None
    scope: Scope | None = None

    @property
    def memory(self) -> AsyncMemory:
        """The memory, held to what the key may do."""
        return self.service.memory(self.principal)

    def whose(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
    ) -> ScopeIds:
        """Return these ids with those that the key is pinned to.

        Raises:
            ForbiddenError: an id contradicts the pin.
            ScopeError: there is none at all.
        """
        ids = self.principal.ids(user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id)
        self.scope = Scope(tenant=self.principal.tenant, **ids)
        if self.scope.is_empty:
            raise ScopeError(WHOSE)
        return ids

    def enter(self, operation: str, status: int, target: str | None = None) -> None:
        """Enter what was asked into the audit."""
        self.service.auditor.enter(
            AuditEntry(
                at=self.service.clock(),
                tenant=self.principal.tenant,
                # Over stdio there is no key.
                key_id=self.principal.key.id or None,
                operation=operation,
                surface=SURFACE,
                status=status,
                scope=self.scope or self.principal.scope(),
                target=target,
                request_id=self.request_id,
            )
        )


class Answer(BaseModel):
    """What a tool answers, with its schema; what is None is left out."""

    @property
    def plain(self) -> str | None:
        """The answer as text, where JSON is not the best one to read."""
        return None


class Arguments(BaseModel):
    """The arguments of a tool, and what it does. An argument that it does not know is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    @abstractmethod
    async def do(self, caller: Caller) -> Answer:
        """Do what the tool is for."""

    @property
    def target(self) -> str | None:
        """The id of what the call is about, for the audit."""
        return None


class Owned(Arguments):
    """Arguments that say whose memory it is."""

    user_id: str | None = Field(default=None, description="Whose memory. Leave it out if the key is pinned to a user.")
    agent_id: str | None = Field(default=None, description="The agent that the memory is of.")
    app_id: str | None = Field(default=None, description="The application that the memory is of.")
    run_id: str | None = Field(default=None, description="The session that the memory is of.")

    def whose(self, caller: Caller) -> ScopeIds:
        """Return the ids, as the verbs take them; see `Caller.whose`."""
        return caller.whose(user_id=self.user_id, agent_id=self.agent_id, app_id=self.app_id, run_id=self.run_id)


class ById(Arguments):
    """The argument of what is about one memory."""

    memory_id: str = Field(description="The id of a memory, as a search or a list gives it.")

    @property
    def target(self) -> str | None:
        """The id of the memory."""
        return self.memory_id[:256]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool: its operation in the table of `keepstone.server.access`, its arguments, which do it, and its answer.

    `destructive` says that it takes something away, `idempotent` that a second call changes nothing more.
    """

    name: str
    operation: str
    title: str
    arguments: type[Arguments]
    answer: type[Answer]
    destructive: bool = False
    idempotent: bool = False

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return OPERATIONS[self.operation].role is Role.READ

    def listed(self) -> ListedTool:
        """Return the tool as clients are told of it."""
        return ListedTool(
            name=self.name,
            title=self.title,
            description=" ".join((self.arguments.__doc__ or "").split()),
            input_schema=_schema(self.arguments),
            output_schema=_schema(self.answer),
            annotations=ToolAnnotations(
                title=self.title,
                read_only_hint=self.reads,
                destructive_hint=self.destructive,
                idempotent_hint=self.reads or self.idempotent,
                open_world_hint=False,
            ),
        )


async def call(caller: Caller, tool: Tool, given: Mapping[str, Any]) -> CallToolResult:
    """Return what *tool* answers; what goes wrong is an answer too, with a sentence that says what to do."""
    status, target = 200, None
    token = services.actor.set(caller.principal.actor)
    try:
        caller.principal.check(tool.operation)
        arguments = _arguments(tool.arguments, given)
        target = arguments.target
        return _answered(await arguments.do(caller))
    except KeepstoneError as error:
        status = problems.status_of(error)
        return _failed(problems.detail_of(error), problems.code_of(error))
    except Exception as error:
        # A fault of ours must not end the connection of an agent; its text could hold what was said.
        status = 500
        log.error("The tool %s failed: %s", tool.name, type(error).__name__)
        return _failed(UNEXPECTED, "internal")
    finally:
        services.actor.reset(token)
        caller.enter(tool.operation, status, target)


def said(error: ValidationError) -> str:
    """Say what is wrong with arguments, and where, without their values."""
    parts = []
    for one in error.errors(include_url=False, include_context=False, include_input=False)[:5]:
        where = ".".join(str(part) for part in one["loc"])
        parts.append(f"{where[:100]}: {one['msg']}" if where else str(one["msg"]))
    return "; ".join(parts) + "."


def _arguments(kind: type[Arguments], given: Mapping[str, Any]) -> Arguments:
    try:
        return kind.model_validate(dict(given))
    except ValidationError as error:
        raise InvalidRequestError(said(error)) from error
    except RecursionError as error:
        raise LimitError("The arguments are nested too deep.") from error


def _answered(answer: Answer) -> CallToolResult:
    structured = answer.model_dump(mode="json", exclude_none=True)
    text = answer.plain
    if text is None:
        text = json.dumps(structured, ensure_ascii=False)
    if len(text) > ANSWER_CHARS_MAX:
        raise LimitError(f"The answer has more than {ANSWER_CHARS_MAX} characters; ask for fewer memories.")
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=structured)


def _failed(sentence: str, code: str) -> CallToolResult:
    readable = sentence.encode(errors="replace").decode()
    return CallToolResult(
        content=[TextContent(type="text", text=readable)], is_error=True, _meta={"keepstone/code": code}
    )


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    found = model.model_json_schema()
    found.pop("description", None)
    return found
