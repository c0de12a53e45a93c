"""The application: every surface over one service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

import keepstone
from keepstone.server import native, problems
from keepstone.server.health import router as health
from keepstone.server.middleware import Surroundings
from keepstone.server.service import Service
from keepstone.server.tracing import TracedRequests

DESCRIPTION = "Memory for applications built on language models: what was said, found again."


def create_app(service: Service) -> FastAPI:
    """Return the application over *service*, which starts and stops with it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await service.start()
        try:
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
    app.include_router(native.router())
    problems.install(app)
    app.add_middleware(Surroundings, settings=service.settings)
    if service.settings.otel:
        app.add_middleware(TracedRequests)
    return app
