"""Routes that know their operation: who asks is settled before the body of a request is read."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, cast

from fastapi import Request, Response
from fastapi.routing import APIRoute

from keepstone.control import AuditEntry
from keepstone.errors import KeepstoneError
from keepstone.server import service as services
from keepstone.server.access import OPERATIONS, Principal
from keepstone.server.limiting import check_rate
from keepstone.server.problems import UnauthenticatedError, of_error, request_id, status_of
from keepstone.server.replaying import replayed
from keepstone.server.service import Service
from keepstone.types import Scope

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

# Where a route's operation stands in the OpenAPI document.
OPERATION = "x-keepstone-operation"


def does(operation: str, **more: Any) -> dict[str, Any]:
    """Return the `openapi_extra` of a route that does *operation* of the table."""
    if operation not in OPERATIONS:
        raise KeyError(f"{operation} is not in the table of operations")
    return {OPERATION: operation, **more}


class GuardedRoute(APIRoute):
    """A route that authenticates, authorises, counts against the rate limit, and audits; `does` names its operation.

    A surface derives its own class from it to say its name, and how it finds who asks.
    """

    surface = "rest"

    @property
    def operation(self) -> str:
        """The operation of the table that this route does."""
        extra: dict[str, Any] = self.openapi_extra or {}
        name: str = extra[OPERATION]
        return name

    def get_route_handler(self) -> Handler:
        """Return the handler, with what goes before and after it."""
        inner = super().get_route_handler()
        operation = self.operation

        async def handle(request: Request) -> Response:
            service = service_of(request)
            principal: Principal | None = None
            status = 500
            try:
                principal = await self.authenticate(request, service)
                request.state.principal = principal
                principal.check(operation)
                headers = check_rate(service, principal)
                token = services.actor.set(principal.actor)
                try:
                    response = await replayed(request, principal, service, inner)
                finally:
                    services.actor.reset(token)
                response.headers.update(headers)
                status = response.status_code
            except KeepstoneError as error:
                status = status_of(error)
                return self.refusal(request, error)
            finally:
                self._enter(request, service, principal, operation, status)
            return response

        return handle

    async def authenticate(self, request: Request, service: Service) -> Principal:
        """Return who asks.

        Raises:
            UnauthenticatedError: no valid key came along.
        """
        secret = secret_of(request)
        key = None if secret is None else await service.keys.find(secret)
        if key is None:
            raise UnauthenticatedError
        return Principal(key=key, surface=self.surface)

    def refusal(self, request: Request, error: KeepstoneError) -> Response:
        """Return the answer for an error that was raised on purpose."""
        return of_error(error, request_id(request))

    def _enter(
        self, request: Request, service: Service, principal: Principal | None, operation: str, status: int
    ) -> None:
        scope = getattr(request.state, "scope", None)
        tenant = principal.tenant if principal is not None else ""
        service.auditor.enter(
            AuditEntry(
                at=service.clock(),
                tenant=tenant,
                key_id=principal.key.id if principal is not None else None,
                operation=operation,
                surface=self.surface,
                status=status,
                scope=scope if isinstance(scope, Scope) else Scope(tenant=tenant),
                target=request.path_params.get("id"),
                request_id=request_id(request),
            )
        )


def secret_of(request: Request) -> str | None:
    """Return the secret of the key that came along, in any of the headers that clients use."""
    given = request.headers.get("authorization")
    if given is not None:
        kind, _, secret = given.partition(" ")
        return secret.strip() or None if kind.lower() in ("bearer", "token") else None
    return request.headers.get("x-api-key")


def service_of(request: Request) -> Service:
    """Return the service that a request is served by."""
    return cast(Service, request.app.state.service)


def principal_of(request: Request) -> Principal:
    """Return who asks, in a guarded route."""
    return cast(Principal, request.state.principal)
