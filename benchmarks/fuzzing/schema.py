"""Requests generated from the OpenAPI document of a server, over all of its interfaces."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
DOCUMENT = "/api/v1/openapi.json"
# Says no more than that it would ask elsewhere.
LEFT_OUT = r"^/v1/"


def run(url: str, secret: str, examples: int, seconds: float, chosen: int) -> tuple[Counter[str], list[str]]:
    """Send *examples* requests to each operation, until the time is over; return the answers and what is wrong."""
    document = schemathesis.openapi.from_url(url + DOCUMENT)
    answers, wrong, end = Counter[str](), list[str](), time.monotonic() + seconds
    for found in document.exclude(path_regex=LEFT_OUT).get_all_operations():
        if time.monotonic() > end:
            wrong.append("the time was over before every operation was asked")
            break
        assert isinstance(found, Ok)
        answers["operations"] += 1
        wrong += _asked(found.ok(), secret, examples, chosen, answers)
    return answers, wrong


def _asked(operation: Any, secret: str, examples: int, chosen: int, answers: Counter[str]) -> list[str]:
    @seed(chosen)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: schemathesis.Case[Any]) -> None:
        answer = case.call(headers={"Authorization": f"Bearer {secret}"})
        answers[str(answer.status_code)] += 1
        case.validate_response(answer, checks=CHECKS)

    try:
        ask()
    except (AssertionError, BaseExceptionGroup) as error:
        return [f"{operation.label}: {str(error)[:800]}"]
    return []
