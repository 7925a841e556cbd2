"""A report over HTTP, for this computer: the same page, which saves its decisions.

Everything is below a path that nobody can guess, so that neither other users of the computer nor
pages from elsewhere get at the archive (see `guard`). What reads or changes decisions also needs
the token in a header, which pages from elsewhere cannot send.
"""

from __future__ import annotations

import getpass
import json
import re
import secrets
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, is_dataclass, replace
from http import HTTPStatus
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from flows.report.folder import INDEX, PICTURES, SUMMARY
from flows.report.guard import Guard
from flows.report.reviews import Applied, ReviewDesk, UnusableDecisions
from flows.report.scripts import script, script_value
from flows.report.summary import Serving
from restoration.errors import RestorationError, UsageError
from storage import DestinationBusy, DestinationStore, NotFound, StorageError

TOKEN_HEADER: Final = "X-Restore-Archive-Token"
MAX_BODY_BYTES: Final = 64 << 20
"""Of a decision file: some 200,000 decisions."""

_FILES: Final = re.compile(
    r"[a-z0-9-]+\.html|assets/[A-Za-z0-9_.-]+|data/[a-z]+(-[0-9]+)?\.js|pictures/[a-z0-9-]+\.webp"
)
"""What a report consists of; decisions are none of it."""
_KEPT: Final = {"Cache-Control": "private, max-age=86400, immutable"}
_NOT_KEPT: Final = {"Cache-Control": "no-store"}
_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "webp": "image/webp",
}


class ReportServer:
    """Serves a report and takes decisions.

    Args:
        folder: of the report.
        desk: where decisions go.
        renew: makes the report again after decisions were applied.
        reviewer: who decides, as far as the page should suggest it.
        hosts: names of this computer beside its addresses.
    """

    def __init__(
        self,
        folder: DestinationStore,
        desk: ReviewDesk,
        renew: Callable[[], object],
        *,
        reviewer: str | None = None,
        hosts: tuple[str, ...] = (),
    ) -> None:
        self.key: Final = secrets.token_urlsafe(24)
        self._token = secrets.token_urlsafe(24)
        self._folder = folder
        self._desk = desk
        self._renew = renew
        self._serving = Serving(self._token, reviewer)
        self._hosts = hosts
        self._applying = threading.Lock()

    @property
    def application(self) -> Guard:
        """The server as an ASGI application."""
        routes = [
            Route("/decisions", self._decisions, methods=["GET"]),
            Route("/decisions", self._save, methods=["POST"]),
            Route("/apply", self._apply, methods=["POST"]),
            Route("/", self._to_index, methods=["GET"]),
            Route("/{name:path}", self._file, methods=["GET"]),
        ]
        return Guard(Starlette(routes=routes), self.key, self._hosts)

    def server(self) -> uvicorn.Server:
        """A server of the application; `run(sockets=[listening(…)])` starts it."""
        config = uvicorn.Config(
            self.application,
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="none",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=5,
        )
        return uvicorn.Server(config)

    async def _to_index(self, request: Request) -> Response:
        return RedirectResponse(f"/{self.key}/{INDEX}", HTTPStatus.SEE_OTHER)

    async def _file(self, request: Request) -> Response:
        name = request.path_params["name"]
        media_type = _TYPES.get(name.rpartition(".")[2])
        if media_type is None or not _FILES.fullmatch(name):
            return _problem("there is no such file", HTTPStatus.NOT_FOUND)
        try:
            data = await run_in_threadpool(self._read, name)
        except NotFound:
            return _problem("there is no such file", HTTPStatus.NOT_FOUND)
        except (StorageError, OSError) as error:
            return _problem(str(error), HTTPStatus.INTERNAL_SERVER_ERROR)
        # Pictures are named by what they show; all else may be renewed at any time.
        is_picture = name.startswith(f"{PICTURES}/")
        caching = _KEPT if is_picture else _NOT_KEPT
        return Response(data, media_type=media_type, headers=caching)

    def _read(self, name: str) -> bytes:
        with self._folder.open(name) as file:
            data = file.read()
        return self._with_token(data) if name == SUMMARY else data

    def _with_token(self, data: bytes) -> bytes:
        """The stored summary, which others may have renewed, with the token that is in no file."""
        try:
            summary = script_value(data, "summary")
        except ValueError:
            summary = None
        if not isinstance(summary, dict):
            raise StorageError(f"{SUMMARY} is damaged; make the report again")
        return script("summary", summary | {"serve": self._serving})

    async def _decisions(self, request: Request) -> Response:
        return await self._answered(request, lambda _: self._desk.files())

    async def _save(self, request: Request) -> Response:
        return await self._answered(request, self._desk.save)

    async def _apply(self, request: Request) -> Response:
        return await self._answered(request, self._apply_and_renew)

    def _apply_and_renew(self, body: object) -> Applied:
        reviewer = body.get("reviewer") if isinstance(body, dict) else None
        if not isinstance(reviewer, str):
            raise UnusableDecisions("say whose decisions are to be applied: reviewer is missing")
        if not self._applying.acquire(blocking=False):
            raise DestinationBusy("decisions are being applied already; wait until that is done")
        try:
            applied = self._desk.apply(reviewer)
            try:
                self._renew()
            except (RestorationError, StorageError, OSError) as error:
                # The decisions are in the manifest, whatever became of the report.
                note = f"the report could not be renewed ({error}); make it again"
                return replace(applied, note=note)
            return applied
        finally:
            self._applying.release()

    async def _answered(self, request: Request, work: Callable[[object], object]) -> Response:
        """What `work` makes of the body, for whoever has the token; in a thread, since it waits."""
        token = request.headers.get(TOKEN_HEADER, "")
        if not secrets.compare_digest(token.encode(), self._token.encode()):
            return _problem(f"the header {TOKEN_HEADER} is wrong", HTTPStatus.FORBIDDEN)
        try:
            body = await _json_body(request) if request.method == "POST" else None
            return JSONResponse(_plain(await run_in_threadpool(work, body)), headers=_NOT_KEPT)
        except UnusableDecisions as error:
            return _problem(str(error), HTTPStatus.UNPROCESSABLE_ENTITY)
        except DestinationBusy as error:
            return _problem(str(error), HTTPStatus.CONFLICT)
        except (RestorationError, StorageError, OSError) as error:
            return _problem(str(error), HTTPStatus.INTERNAL_SERVER_ERROR)


async def _json_body(request: Request) -> object:
    """The body of a request.

    Raises:
        UnusableDecisions: it is no JSON, or too much of it.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise UnusableDecisions("the body must be application/json")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise UnusableDecisions(f"more than {MAX_BODY_BYTES >> 20} MiB of decisions")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UnusableDecisions("the body is no JSON") from error


def _problem(message: str, status: HTTPStatus) -> Response:
    return JSONResponse({"error": message}, status, headers=_NOT_KEPT)


def _plain(value: object) -> object:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def listening(host: str, port: int) -> socket.socket:
    """A socket that the server can use.

    Args:
        host: name or address to listen at.
        port: 0 takes any that is free.

    Raises:
        UsageError: it cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(
            f"port {port} of {host} cannot be used ({reason}); choose another with --port"
        ) from error


def serve(
    listener: socket.socket,
    host: str,
    results: DestinationStore,
    folder: DestinationStore,
    *,
    renew: Callable[[], object],
    tell: Callable[[str], None],
) -> None:
    """Serve a report until Ctrl-C.

    Args:
        listener: from `listening`.
        host: that it listens at.
        results: whose manifest decisions go to.
        folder: of the report.
        renew: makes the report again after decisions were applied.
        tell: hears the page's address once it can be opened.
    """
    desk = ReviewDesk(folder, results)
    page = ReportServer(folder, desk, renew, reviewer=_user(), hosts=(host,))
    shown = f"[{host}]" if ":" in host else host
    tell(f"http://{shown}:{listener.getsockname()[1]}/{page.key}/{INDEX}")
    with suppress(KeyboardInterrupt):
        page.server().run(sockets=[listener])


def _user() -> str | None:
    """Who decides, as the system knows them."""
    with suppress(OSError, KeyError, ImportError):
        return getpass.getuser()
    return None
