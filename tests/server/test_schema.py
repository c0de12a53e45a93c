"""The OpenAPI document, and generated requests over all of it: no 5xx, and answers as the document says."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from keepstone.server.access import OPERATIONS
from keepstone.server.openapi import PREFIX, SECURITY_SCHEMES, guarded
from tests.server.serving import Serving, serving

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def shared() -> Iterator[Serving]:
    with serving(requests_a_minute=0, webhooks_to_private_hosts=True) as found:
        with found.client() as client:
            for user, text in (("alice", "I live in Lyon."), ("林", "我对花生过敏。")):
                client.post(f"{PREFIX}/memories", json={"messages": text, "user_id": user})
        yield found


@pytest.mark.parametrize("examples", [2, pytest.param(40, marks=pytest.mark.slow)])
def test_generated_requests_are_answered_as_the_document_says(shared: Serving, examples: int) -> None:
    schema = schemathesis.openapi.from_url(f"{shared.url}{PREFIX}/openapi.json")
    headers = {"Authorization": f"Bearer {shared.secret}"}
    walked, failures = 0, []
    for found in schema.include(path_regex=f"^{PREFIX}|^/mem0|^/metrics|^/healthz|^/readyz").get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        walked += 1

        @settings(
            max_examples=examples,
            derandomize=True,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case: schemathesis.Case[Any]) -> None:
            case.call_and_validate(headers=headers, checks=CHECKS, timeout=60)

        try:
            ask()
        except (AssertionError, BaseExceptionGroup) as error:
            # All of them are told together.
            failures.append(f"{operation.label}: {str(error)[:600]}")
    assert not failures, "\n\n".join(failures)
    assert walked > len(OPERATIONS)


def test_the_document_says_who_may_and_what_can_go_wrong(shared: Serving) -> None:
    with shared.client("") as client:
        document = client.get(f"{PREFIX}/openapi.json").json()
    assert set(document["components"]["securitySchemes"]) == set(SECURITY_SCHEMES)
    assert "HTTPValidationError" not in document["components"]["schemas"]
    known_tags = {tag["name"] for tag in document["tags"]}
    for path, method, told in guarded(document):
        if not path.startswith(PREFIX):
            continue
        assert {"401", "403", "429", "503"} <= set(told["responses"]), path
        assert set(told["tags"]) <= known_tags
        assert told["description"]
        assert ("404" in told["responses"]) >= ("{" in path)
        assert ("413" in told["responses"]) >= ("requestBody" in told)
        if method == "get":
            assert "409" not in told["responses"], path
        for status, answer in told["responses"].items():
            if status >= "400":
                assert answer["content"] == {
                    "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
                }


def test_the_guide_lists_every_route(shared: Serving) -> None:
    with shared.client("") as client:
        document = client.get(f"{PREFIX}/openapi.json").json()
    served = {f"{m.upper()} {p.removeprefix(PREFIX)}" for p, m, _ in guarded(document) if p.startswith(PREFIX)}
    guide = (Path(__file__).parents[2] / "docs" / "rest.md").read_text(encoding="utf-8")
    table = guide.partition("## Routes")[2].partition("\n## ")[0]
    assert set(re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /[^`]*)`", table)) - {"GET /metrics"} == served


def test_the_page_for_people_lists_every_route_and_needs_nothing_else(shared: Serving) -> None:
    with shared.client("") as client:
        document = client.get(f"{PREFIX}/openapi.json").json()
        page = client.get(f"{PREFIX}/docs")
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "<script" not in page.text
    assert "src=" not in page.text
    for path, method, _ in guarded(document):
        if path.startswith(PREFIX):
            assert f"<code>{method.upper()} {path}</code>" in page.text
