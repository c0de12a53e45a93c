"""Profiles. Ours are views that are made anew at each call, so that there is nothing to wait for."""

from __future__ import annotations

from fastapi import Request, Response

from keepstone.compat.mem0.shapes import Row
from keepstone.errors import InvalidRequestError, NotFoundError
from keepstone.memory import AsyncMemory
from keepstone.profiles import Profile
from keepstone.server.access import Principal
from keepstone.server.mem0 import asking, routes
from keepstone.server.mem0.bodies import ProfileJobBody, ProfileSettingsBody
from keepstone.server.mem0.entities import all_entities
from keepstone.server.native.asking import Held, Who
from keepstone.server.routing import service_of

surface = routes.hosted()

SAMPLE = 3
_JOB = "profile_"


@surface.route("GET", "/v2/entities/user/{user_id}/profile", "profile", "profile")
async def profile(request: Request, user_id: str, who: Who, memory: Held) -> Response:
    """Return what is true of a user now, by section."""
    made = await _made(request, user_id, who, memory)
    return routes.reply(
        {
            "profile": {name: [line.text for line in lines] for name, lines in made.sections.items()},
            "status": "succeeded" if made.lines else "insufficient_data",
            "entity_type": "user",
            "entity_id": user_id,
            "updated_at": service_of(request).clock().isoformat(),
            "generation_count": 1,
        }
    )


async def _made(request: Request, user_id: str, who: Principal, memory: AsyncMemory) -> Profile:
    ids = asking.named_scope(request, who, asking.read(None, {"user_id": user_id}))
    if not (await memory.stats(**ids)).messages:
        raise NotFoundError("No such user.")
    return await memory.profile(**ids)


@surface.route("POST", "/v2/profiles/jobs", "profile", "profile_job")
async def start(request: Request, body: ProfileJobBody, who: Who, memory: Held) -> Response:
    """Say that a profile, or those of a few users, can be read: they are made when they are read."""
    notes: list[str] = []
    routes.ignored(body.strange, notes)
    if body.entity_type != "user":
        raise InvalidRequestError("Profiles are of users.")
    if body.operation == "sample":
        who.check("owners")
        users = [e["id"] for e in await all_entities(request, who) if e["type"] == "user"][: body.limit or SAMPLE]
        job = _job(len(users))
        return routes.reply({**job, "operation": "sample", "sampled": len(users), "entity_ids": users}, notes)
    if body.operation != "trigger" or body.entity_id is None:
        raise InvalidRequestError("operation is trigger, with entity_id, or sample.")
    await _made(request, body.entity_id, who, memory)
    job = _job(1)
    more = {"operation": "trigger", "entity_type": "user", "entity_count_reserved": 1, "replayed": False}
    return routes.reply({**job, **more, "event_id": job["job_id"]}, notes)


def _job(users: int) -> Row:
    id = f"{_JOB}{users}"
    return {"job_id": id, "status": "succeeded", "status_url": f"/v2/profiles/jobs/{id}/"}


@surface.route("GET", "/v2/profiles/jobs/{id}", "profile", "get_profile_job")
async def job(id: str) -> Response:
    """Say that a job is done, as all are."""
    number = id.removeprefix(_JOB)
    if not id.startswith(_JOB) or not (number.isascii() and number.isdigit() and len(number) < 6):
        raise NotFoundError("No such job.")
    users = int(number)
    return routes.reply(
        {
            "job": {
                "id": id,
                "status": "succeeded",
                "enumeration_complete": True,
                "total": users,
                "completed": users,
                "succeeded": users,
                "failed": 0,
                "skipped": 0,
            }
        }
    )


@surface.route("GET", "/v2/profiles/settings", "whoami", "profile_settings")
async def settings() -> Response:
    """Say how profiles are made."""
    return routes.reply(_settings())


@surface.route("POST", "/v2/profiles/settings", "whoami", "set_profile_settings")
async def set_settings(body: ProfileSettingsBody) -> Response:
    """Refuse what would change how profiles are made; what is so already is confirmed."""
    wanted = [v for of_kind in (body.entities or {}).values() for v in of_kind.values() if v]
    if body.enabled is False or wanted or body.strange:
        raise InvalidRequestError("Profiles are always made, with sections of their own: there is nothing to set.")
    return routes.reply(_settings())


def _settings() -> Row:
    user = {"schema": None, "custom_instructions": None}
    return {"enabled": True, "capabilities": {"entity_types": ["user"]}, "entities": {"user": user}}
