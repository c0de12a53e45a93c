"""Rate limits for each key."""

from __future__ import annotations

from collections.abc import Mapping

from keepstone.server.access import Principal
from keepstone.server.service import Service


def check_rate(service: Service, principal: Principal) -> Mapping[str, str]:
    """Count one request of a key, and return the headers that say what is left.

    Raises:
        RefusedError: 429, the limit is reached.
    """
    return {}
