"""Which addresses the server may connect to for others: public ones, looked up once and then kept to.

A name is resolved here, and the connection goes to the address that was checked, so that a name that resolves to
another address a moment later (DNS rebinding) changes nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from urllib.parse import SplitResult, urlsplit

from keepstone.errors import InvalidRequestError, KeepstoneError

URL_CHARS_MAX = 2_000

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# What leads to IPv4 addresses by another road: IPv4-compatible, NAT64, 6to4, its relay, Teredo.
_DETOURS = tuple(
    map(
        ipaddress.ip_network,
        ("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "192.88.99.0/24", "2001::/32"),
    )
)


class RefusedAddressError(KeepstoneError):
    """The host is not one that the server may connect to, or has no address."""


def check_url(url: str, *, to_private_hosts: bool) -> SplitResult:
    """Return a URL that a webhook may have.

    Raises:
        InvalidRequestError: it is not http or https, has no host, or holds a name or password; or its host is an
            address that is refused.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidRequestError("url is no address.") from error
    if len(url) > URL_CHARS_MAX or not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidRequestError(f"url has up to {URL_CHARS_MAX} printable ASCII characters without blanks.")
    if parts.scheme not in ("http", "https") or not host or port == 0:
        raise InvalidRequestError("url begins with https:// or http://, and names a host.")
    if parts.username is not None or parts.password is not None:
        raise InvalidRequestError("url holds no name and no password; the signature says who sends.")
    literal = _literal(host)
    if literal is not None and not to_private_hosts and not is_public(literal):
        raise InvalidRequestError("url is an address of a private network; the settings do not allow these.")
    return parts


async def resolve(host: str, port: int, *, to_private_hosts: bool) -> str:
    """Return the address to connect to for *host*.

    Raises:
        RefusedAddressError: it has none, or one of its addresses is not public.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise RefusedAddressError("The host has no address.") from error
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses:
        raise RefusedAddressError("The host has no address.")
    if not to_private_hosts and not all(is_public(ipaddress.ip_address(a)) for a in addresses):
        raise RefusedAddressError("The host has an address of a private network.")
    return addresses[0]


def is_public(address: _Address) -> bool:
    """Whether an address is one of the Internet, and not of this machine or of a network around it."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None or address.scope_id is not None:
            return False
        if address.is_site_local:
            return False
    if any(address in network for network in _DETOURS if network.version == address.version):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _literal(host: str) -> _Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
