"""Routes that know their operation: who asks is settled before the body of a request is read."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, cast

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from keepstone.control import AuditEntry
from keepstone.errors import KeepstoneError
from keepstone.server import bodies
from keepstone.server import service as services
from keepstone.server.access import OPERATIONS, Principal
from keepstone.server.problems import RefusedError, UnauthenticatedError, of_error, request_id
from keepstone.server.replaying import replayed
from keepstone.server.service import Service
from keepstone.types import Scope

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

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
    # A route that takes its body as a stream reads it itself.
    streams_body = False

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
            service, status = service_of(request), 500
            started = time.perf_counter()
            try:
                response = await self._guarded(request, service, inner)
                status = response.status_code
                if request.method not in SAFE_METHODS:
                    service.tail.poke()
            except RequestValidationError:
                status = 422
                raise
            except HTTPException as error:
                status = error.status_code
                raise
            finally:
                service.metrics.count(operation, self.surface, status, time.perf_counter() - started)
                self._enter(request, service, operation, status)
            return response

        return handle

    async def _guarded(self, request: Request, service: Service, inner: Handler) -> Response:
        """Answer a request, or refuse it before its body is read."""
        headers: Mapping[str, str] = {}
        try:
            principal = await self.authenticate(request, service)
            request.state.principal = principal
            principal.check(self.operation)
            headers = await service.limiter.count(principal.key.id)
            if not self.streams_body:
                await bodies.check(request)
            token = services.actor.set(principal.actor)
            try:
                response = await replayed(request, principal, service, self.operation, inner)
            finally:
                services.actor.reset(token)
        except UnauthenticatedError as error:
            address = request.client.host if request.client is not None else ""
            response = self.refusal(request, await service.limiter.failed(address) or error)
        except KeepstoneError as error:
            response = self.refusal(request, error)
        except ClientDisconnect:
            response = self.refusal(request, RefusedError(400, "The client left before the end of its request."))
        response.headers.update(headers)
        return response

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

    def _enter(self, request: Request, service: Service, operation: str, status: int) -> None:
        principal: Principal | None = getattr(request.state, "principal", None)
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
