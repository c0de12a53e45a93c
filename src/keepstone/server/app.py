"""The application: every surface over one service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING

from fastapi import FastAPI, Response
from fastapi.responses import RedirectResponse

import keepstone
from keepstone.server import native, openapi, problems
from keepstone.server.health import router as health
from keepstone.server.measuring import router as measuring
from keepstone.server.middleware import Surroundings
from keepstone.server.service import Service
from keepstone.server.tracing import TracedRequests

if TYPE_CHECKING:
    from keepstone.server.mcp.http import McpFace

DESCRIPTION = "Memory for applications built on language models: what was said, found again."


def create_app(service: Service) -> FastAPI:
    """Return the application over *service*, which starts and stops with it."""
    mcp = _mcp(service) if service.settings.mcp else None

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await service.start()
        try:
            async with mcp.running() if mcp is not None else nullcontext():
                yield
        finally:
            await service.stop()

    app = FastAPI(
        title="Keepstone",
        version=keepstone.__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        # The framework's own traces hold queries and what was refused; ours hold neither.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.service = service
    app.include_router(health)
    app.include_router(measuring)
    app.include_router(native.router())
    _include_wanted(app, service)
    if mcp is not None:
        app.include_router(mcp.router())
    problems.install(app)
    openapi.install(app)
    app.add_middleware(Surroundings, settings=service.settings)
    if service.settings.otel:
        app.add_middleware(TracedRequests)
    return app


def _include_wanted(app: FastAPI, service: Service) -> None:
    """Add the surfaces that the settings want; what they need is loaded only then."""
    wanted = service.settings
    if wanted.mem0 or wanted.mem0_oss:
        from keepstone.server import mem0

        for is_wanted, router in ((wanted.mem0, mem0.hosted), (wanted.mem0_oss, mem0.open_source)):
            if is_wanted:
                app.include_router(router())
    if wanted.proxy:
        from keepstone.server import proxy

        app.include_router(proxy.router(service))
    if wanted.dashboard:
        from keepstone.server import ui

        app.include_router(ui.router())
        app.add_api_route("/", _to_dashboard, include_in_schema=False)


async def _to_dashboard() -> Response:
    """Send a browser that asks for nothing more to the dashboard."""
    return RedirectResponse("/ui/", 303)


def _mcp(service: Service) -> McpFace:
    # The SDK takes long to import, and a server may do without.
    from keepstone.server.mcp.http import McpFace

    return McpFace(service)
