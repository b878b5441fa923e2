"""A witness over HTTP, as C2SP tlog-witness says: it cosigns checkpoints, and serves the last one of each log.

There are no accounts. A request counts by the log's signature in it, the checkpoints are there to be shown, and a page
in a browser that reached the server could do no more than anybody else. Each request is bounded in size and time; on an
open network a reverse proxy in front adds TLS and a limit on how often one client may ask.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from zaxy.eventloom.proof.notes import VerifierKey
from zaxy.eventloom.proof.witness import Reply, Witness, open_witness
from zaxy.eventloom.proof.witness_protocol import ADD_CHECKPOINT_PATH, MAX_REQUEST_BYTES, PLAIN_TEXT
from zaxy.interfaces.http.serving import listening, run_server, url_of

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8300

Ready = Callable[[str, VerifierKey], None]
"""Told the server's address and the witness's key once requests are taken."""


def make_app(
    witness: Witness, *, on_start: Callable[[], None] = lambda: None, body_timeout_seconds: float = 10
) -> Starlette:
    """Return the web application of a witness.

    Args:
        witness: Answers the requests.
        on_start: Called when the application starts.
        body_timeout_seconds: How long a request's body may take to arrive.
    """

    async def add_checkpoint(request: Request) -> Response:
        try:
            async with asyncio.timeout(body_timeout_seconds):
                body = await _read_body(request)
        except TimeoutError:
            return _plain(408, "the request took too long")
        if body is None:
            return _plain(413, f"a request has at most {MAX_REQUEST_BYTES:,} bytes")
        return _response(await run_in_threadpool(witness.add_checkpoint, body))

    async def checkpoint(request: Request) -> Response:
        return _response(await run_in_threadpool(witness.checkpoint, request.path_params["digest"]))

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        on_start()
        yield

    routes = [
        Route(ADD_CHECKPOINT_PATH, add_checkpoint, methods=["POST"]),
        Route("/{digest}/checkpoint", checkpoint, methods=["GET"]),
    ]
    app = Starlette(routes=routes, lifespan=lifespan)
    app.router.redirect_slashes = False
    return app


def serve_witness(
    folder: Path, *, host: str = DEFAULT_HOST, port: int = DEFAULT_PORT, on_ready: Ready | None = None
) -> None:
    """Serve a folder's witness until SIGTERM or SIGINT; requests that have begun are finished first.

    Args:
        folder: The witness's folder, as `make_witness_folder` makes it. Logs added meanwhile count at once.
        host: Address to listen on.
        port: Port to listen on; 0 for any free one.
        on_ready: Told the address and the key once requests are taken.

    Raises:
        KeyUnavailableError: The folder holds no key, or others may read it.
        IntegrityError: The record of what the witness cosigned is gone.
        UnavailableError: The address cannot be listened on.
    """
    witness = open_witness(folder)
    with listening(host, port) as listener:
        url = url_of(listener)
        run_server(make_app(witness, on_start=lambda: on_ready(url, witness.verifier) if on_ready else None), listener)


async def _read_body(request: Request) -> bytes | None:
    """Return the body, or None when it is too long; no more than that is ever held."""
    parts, length = [], 0
    with contextlib.suppress(ClientDisconnect):  # what came is then no request, and its answer reaches nobody
        async for part in request.stream():
            parts.append(part)
            length += len(part)
            if length > MAX_REQUEST_BYTES:
                return None
    return b"".join(parts)


def _response(reply: Reply) -> Response:
    return Response(reply.body, reply.status, media_type=None, headers={"Content-Type": reply.content_type})


def _plain(status: int, text: str) -> Response:
    return _response(Reply(status, PLAIN_TEXT, f"{text}\n".encode()))
