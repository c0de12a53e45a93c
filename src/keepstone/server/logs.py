"""The log of a server: one line an event to stderr, as text or JSON, with the request's id and never with content.

Our own lines are written without content. What libraries log may quote anything, so that of their lines only the place
is told; and of exceptions the places and the types, not what they say.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

OURS = ("keepstone", "uvicorn")
# What lines may have beside their words.
EXTRAS = ("request_id", "status", "milliseconds")


def configure(format: str, level: str, stream: TextIO | None = None) -> None:
    """Let this process log to *stream*, by default stderr, from *level* on; *format* is text or json.

    Other libraries are heard from warnings on, uvicorn from `info` on.
    """
    out = stream or sys.stderr
    least = logging.getLevelNamesMapping()[level.upper()]
    rendering: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if format == "json"
        else structlog.dev.ConsoleRenderer(colors=out.isatty(), pad_event_to=0)
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(allow=EXTRAS),
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                _without_foreign_words,
                _without_values,
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, rendering],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(least, logging.WARNING))
    for name in OURS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.setLevel(least if name == "keepstone" else max(least, logging.INFO))
    # It writes paths and queries as they came; our own line for each request has the pattern of the route.
    logging.getLogger("uvicorn.access").setLevel(logging.CRITICAL)
    logging.captureWarnings(True)


def _without_foreign_words(logger: Any, method: str, event: EventDict) -> EventDict:
    record: logging.LogRecord = event["_record"]
    if record.name.partition(".")[0] not in OURS:
        event["event"] = f"{record.module}:{record.lineno} logged something; it may quote content and is left out"
    return event


def _without_values(logger: Any, method: str, event: EventDict) -> EventDict:
    """Put the places of an exception, and the types of it and its causes, where it stood."""
    given = event.pop("exc_info", None)
    error = given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["exception"] = "\n".join(_places(error))
    return event


def _places(error: BaseException) -> Iterator[str]:
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield type(found).__qualname__
        yield from _frames(found.__traceback__)
        found = found.__cause__ or found.__context__


def _frames(trace: TracebackType | None) -> Iterator[str]:
    for frame in traceback.extract_tb(trace):
        yield f"  {frame.filename}:{frame.lineno} in {frame.name}"
