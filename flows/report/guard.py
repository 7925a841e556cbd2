"""Who may speak to a report's server, and what browsers are told about its pages."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECURITY_HEADERS: Final = {
    # Nothing may come from elsewhere or be inline.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    # Scripts hold the archive's data: no page from elsewhere may load them as its own.
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard:
    """Lets requests through that come from this server's own pages, or from an address bar.

    Refused are a `Host` that is a name of neither this computer nor the user's choice (DNS
    rebinding: a stranger's name that leads here), an `Origin` that is not this server, subresources
    for pages from elsewhere (Fetch Metadata, W3C), and whoever does not know the key.

    Args:
        application: behind it; it sees paths without the key.
        key: the first part of all paths.
        hosts: names that the server has beside IP addresses and `localhost`.
    """

    def __init__(self, application: ASGIApp, key: str, hosts: Sequence[str]) -> None:
        self._application = application
        self._key = key.encode()
        own = {"localhost", socket.gethostname(), socket.getfqdn(), *hosts}
        self._names = {name.lower() for name in own}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        assert scope["type"] == "http"

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
            await send(message)

        key, _, path = scope["path"].removeprefix("/").partition("/")
        status = self._refusal(Headers(scope=scope), scope["method"])
        if status is None and not secrets.compare_digest(key.encode(), self._key):
            status = HTTPStatus.NOT_FOUND
        if status is None:
            inner = {**scope, "path": f"/{path}", "raw_path": None}
            await self._application(inner, receive, sending)
        else:
            answer = JSONResponse({"error": status.phrase.lower()}, status)
            await answer(scope, receive, sending)

    def _refusal(self, headers: Headers, method: str) -> HTTPStatus | None:
        host = headers.get("host", "")
        if not self._is_ours(host):
            return HTTPStatus.MISDIRECTED_REQUEST
        origin = headers.get("origin")
        if origin is not None and origin != f"http://{host}":
            return HTTPStatus.FORBIDDEN
        is_navigation = method == "GET" and headers.get("sec-fetch-mode") == "navigate"
        site = headers.get("sec-fetch-site", "none")
        if site not in ("same-origin", "none") and not is_navigation:
            return HTTPStatus.FORBIDDEN
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self._names or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
