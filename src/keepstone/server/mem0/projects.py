"""The project of a key, which is its tenant. What a project sets at Mem0 is a setting of the server here."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response

from keepstone.compat.mem0.shapes import Row
from keepstone.errors import InvalidRequestError, NotFoundError
from keepstone.server.access import Principal
from keepstone.server.mem0 import routes
from keepstone.server.mem0.adding import ORGANISATION, project_of
from keepstone.server.mem0.bodies import ProjectBody
from keepstone.server.native.asking import Who
from keepstone.server.routing import service_of

surface = routes.hosted()

_PATH = "/api/v1/orgs/organizations/{org}/projects/{project}"


@surface.route("GET", _PATH, "whoami", "project")
async def project(request: Request, org: str, project: str, who: Who) -> Response:
    """Return the project of the key."""
    _check(org, project, who)
    found = _row(request, who)
    wanted = request.query_params.getlist("fields")
    return routes.reply({k: v for k, v in found.items() if not wanted or k in wanted})


@surface.route("PATCH", _PATH, "whoami", "set_project")
async def set_project(request: Request, org: str, project: str, body: ProjectBody, who: Who) -> Response:
    """Refuse what would change the project; what is so already is confirmed."""
    _check(org, project, who)
    found = _row(request, who)
    given: dict[str, Any] = body.model_dump(exclude_unset=True)
    other = sorted(k for k, v in given.items() if v is not None and v != found.get(k))
    if other or not given:
        raise InvalidRequestError(
            "A project is set where the server is started (its instructions, for one); nothing was changed. "
            "custom_instructions, includes and excludes can be sent with each add."
        )
    return routes.reply({"message": "Project is as it was asked to be.", **found})


def _check(org: str, project: str, who: Principal) -> None:
    if (org, project) != (ORGANISATION, project_of(who)):
        raise NotFoundError("No such project.")


def _row(request: Request, who: Principal) -> Row:
    return {
        "id": project_of(who),
        "name": project_of(who),
        "org_id": ORGANISATION,
        "custom_instructions": service_of(request).settings.instructions,
        "agent_custom_instructions": None,
        "custom_categories": None,
        "multilingual": True,
        "memory_depth": None,
        "usecase_setting": None,
    }
