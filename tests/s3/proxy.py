"""A small HTTP proxy in front of the S3 server that does what networks and servers do at times."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

ERROR = """<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>{code}</Code><Message>{code} by the test</Message></Error>"""


@dataclass(frozen=True)
class Seen:
    """A request as it came: method, key with the bucket, query, headers in small letters."""

    method: str
    path: str
    query: str
    headers: dict[str, str]


@dataclass
class Fault:
    """What to do to the first `times` requests that match.

    Attributes:
        method: GET, PUT, ...
        part: of the key (decoded) or of the query.
        times: how many requests.
        code: an error answer of S3's, with its status, instead of forwarding.
        before: called before the request is forwarded.
        cut_after: bytes of the body after which the connection is reset.
        lose_answer: the server does it, the client never hears of it.
        edit: changes the answer's body.
        edit_request: changes the request's body.
        date: the answer's Date header.
    """

    method: str
    part: str = ""
    times: int = 10**9
    code: str = ""
    status: int = 503
    before: Callable[[], object] | None = None
    cut_after: int | None = None
    lose_answer: bool = False
    edit: Callable[[bytes], bytes] | None = None
    edit_request: Callable[[bytes], bytes] | None = None
    date: str = ""
    met: int = field(default=0, init=False)

    def matches(self, seen: Seen) -> bool:
        here = self.part in seen.path or self.part in seen.query
        return self.method == seen.method and here and self.met < self.times


class Proxy:
    """Forwards to a server on this machine; `faults` may be changed at any time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.faults: list[Fault] = []
        self.seen: list[Seen] = []
        self.guard = threading.Lock()
        owner = self

        class Handler(_Handler):
            proxy = owner

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def add(self, method: str, part: str = "", **what: object) -> Fault:
        fault = Fault(method, part, **what)
        self.faults.append(fault)
        return fault

    def count(self, method: str, part: str = "") -> int:
        return sum(s.method == method and (part in s.path or part in s.query) for s in self.seen)

    def take(self, seen: Seen) -> Fault | None:
        with self.guard:
            self.seen.append(seen)
            fault = next((fault for fault in self.faults if fault.matches(seen)), None)
            if fault is not None:
                fault.met += 1
            return fault

    def forward(self, handler: BaseHTTPRequestHandler, body: bytes) -> tuple[HTTPResponse, bytes]:
        """The server's answer, and its body."""
        with contextlib.closing(HTTPConnection("127.0.0.1", self._port)) as connection:
            connection.putrequest(
                handler.command, handler.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in handler.headers.items():
                if name.lower() not in ("expect", "connection"):
                    connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer, answer.read()

    @contextlib.contextmanager
    def running(self) -> Iterator[Proxy]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        fault = self.proxy.take(
            Seen(self.command, unquote(parts.path), unquote(parts.query), headers)
        ) or Fault("")
        if fault.before is not None:
            fault.before()
        if fault.code:
            self._answer(fault.status, {}, ERROR.format(code=fault.code).encode())
            return
        if fault.edit_request:
            body = fault.edit_request(body)
        answer, data = self.proxy.forward(self, body)
        if fault.lose_answer:
            self._reset()
            return
        self._pass_on(answer, data, fault)

    def _pass_on(self, answer: HTTPResponse, data: bytes, fault: Fault) -> None:
        headers = {
            name: value
            for name, value in answer.getheaders()
            if name.lower() not in ("connection", "transfer-encoding", "content-length")
        }
        if self.command == "HEAD":
            headers["Content-Length"] = answer.getheader("Content-Length", "0")
        if fault.date:
            headers = {k: v for k, v in headers.items() if k.lower() != "date"}
            headers["Date"] = fault.date
        self._answer(
            answer.status, headers, fault.edit(data) if fault.edit else data, fault.cut_after
        )

    def _answer(
        self, status: int, headers: dict[str, str], data: bytes, cut_after: int | None = None
    ) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers and status not in (204, 304):
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[:cut_after])
        if cut_after is not None:
            self._reset()

    def _reset(self) -> None:
        """Ends the connection as a crashed router does: no goodbye, a reset."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _handle  # noqa: N815
