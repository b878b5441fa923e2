"""Fetching what an issuer publishes: from the address that was looked at, and from nowhere else."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
import ssl
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from zaxy.errors import UnavailableError
from zaxy.setting_values import is_loopback, is_safe_address

_TIMEOUT_SECONDS: Final = 5.0
_LARGEST_DOCUMENT_BYTES: Final = 256 * 1024
_TRANSLATED: Final = ipaddress.ip_network("64:ff9b::/96")
"""Where NAT64 stands in front of the older protocol (RFC 6052)."""


class FetchError(UnavailableError):
    """Raised when what an issuer publishes cannot be had, or must not be asked for."""

    code = "issuer_unavailable"
    retryable = True


async def fetch_document(
    url: str, *, allow_loopback: bool, timeout_seconds: float = _TIMEOUT_SECONDS
) -> dict[str, Any]:
    """Return a JSON object from an issuer.

    The host's name is resolved once, each address it has is checked, and the connection goes to the first of them: a
    name that means something else a moment later changes nothing. A redirect is not followed, a proxy of the
    environment not asked, and a certificate must be good for the name.

    Args:
        url: Where it is. https, or http to the loopback where that is allowed.
        allow_loopback: Whether the issuer may be on this machine.
        timeout_seconds: How long all of it may take.

    Raises:
        FetchError: The address is not one to ask, or nothing fit came in time.
    """
    try:
        async with asyncio.timeout(timeout_seconds):
            return await _fetch(url, allow_loopback=allow_loopback)
    except TimeoutError as error:
        raise FetchError(f"{url} did not answer within {timeout_seconds:g} seconds") from error


async def _fetch(url: str, *, allow_loopback: bool) -> dict[str, Any]:
    if not is_safe_address(url, allow_loopback=allow_loopback):
        raise FetchError(f"{url[:200]!r} is no address with https://, and is not asked")
    split = urlsplit(url)
    port = split.port or (443 if split.scheme == "https" else 80)
    address = await _resolve(split.hostname or "", port, allow_loopback=allow_loopback)
    body = await _get(split, address, await asyncio.to_thread(_prepare))
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise FetchError(f"{url} did not answer in JSON") from error
    if not isinstance(document, dict):
        raise FetchError(f"{url} did not answer with a JSON object")
    return document


def _prepare() -> ssl.SSLContext:
    """Return what certificates are checked with; in a thread, because reading them and the import take a while."""
    import httpx2  # noqa: F401 -- imported here for `_get`, off the event loop

    return ssl.create_default_context()


async def _get(split: SplitResult, address: str, context: ssl.SSLContext) -> bytes:
    """Return what is at an address, asked for under the name that it was looked up by."""
    import httpx2

    url = split.geturl()
    asked = {"Host": split.netloc, "Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "zaxy"}
    try:
        pinned = httpx2.URL(url).copy_with(host=address)
        async with (  # the caller bounds the time of all steps together
            httpx2.AsyncClient(verify=context, trust_env=False, follow_redirects=False, timeout=None) as client,
            client.stream("GET", pinned, headers=asked, extensions={"sni_hostname": split.hostname}) as response,
        ):
            if response.status_code != 200 or "content-encoding" in response.headers:
                raise FetchError(f"{url} answered {response.status_code}, not with a document")
            body = bytearray()
            async for part in response.aiter_raw():
                body += part
                if len(body) > _LARGEST_DOCUMENT_BYTES:
                    raise FetchError(f"{url} answered with more than {_LARGEST_DOCUMENT_BYTES:,} bytes")
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError) as error:
        raise FetchError(f"{url} cannot be reached: {type(error).__name__}") from error
    return bytes(body)


async def _resolve(host: str, port: int, *, allow_loopback: bool) -> str:
    """Return the first address of a host, all of which must be ones to ask."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise FetchError(f"{host} has no address") from error
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not _may_be_asked(address, allow_loopback=allow_loopback):
            raise FetchError(f"{host} has the address {address}, which is not public, and is not asked")
    return addresses[0]


def _may_be_asked(address: str, *, allow_loopback: bool) -> bool:
    if is_loopback(address):
        return allow_loopback
    try:
        found = ipaddress.ip_address(address)
    except ValueError:  # one of a link, with its interface behind it
        return False
    carried = found if isinstance(found, ipaddress.IPv4Address) else _carried(found)
    return all(each.is_global and not each.is_multicast for each in (found, carried) if each is not None)


def _carried(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the address of the older protocol that traffic to this one ends at, if there is one."""
    if address in _TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    tunnel = address.teredo
    return address.ipv4_mapped or address.sixtofour or (None if tunnel is None else tunnel[1])
