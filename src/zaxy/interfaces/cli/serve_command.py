"""``zaxy serve``: the memory for agents, over MCP and HTTP."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any, Final

import click

from zaxy.errors import InvalidInputError, MissingDependencyError
from zaxy.interfaces.cli.failure import show_error
from zaxy.interfaces.cli.options import Outcome, Place, place_options, write_session_option
from zaxy.interfaces.cli.text import tell
from zaxy.serving_settings import MOST_READERS

# by name: interfaces do not know each other, and no other command needs a server's packages
_STDIO_SERVER: Final = "zaxy.interfaces.mcp.server"
_HTTP_SERVER: Final = "zaxy.interfaces.http.server"
_CHECKS: Final = "zaxy.interfaces.http.production"

_DEFAULT_HOST: Final = "127.0.0.1"
_DEFAULT_PORT: Final = 8080


@click.command()
@click.option(
    "--transport",
    type=click.Choice(["stdio", "sse", "http"]),
    default="stdio",
    show_default=True,
    help="How to talk: on standard input and output, or as a web server; sse also serves older MCP clients.",
)
@click.option("--host", metavar="ADDRESS", help=f"Address to listen on.  [default: {_DEFAULT_HOST}]")
@click.option("--port", type=click.IntRange(0, 65_535), help=f"Port to listen on.  [default: {_DEFAULT_PORT}]")
@click.option("--profile", type=click.Choice(["core", "full"]), help="Which MCP tools are listed.  [default: full]")
@click.option(
    "--readers",
    type=click.IntRange(0, MOST_READERS),
    help="Processes that answer questions beside the server's own, some 150 to 200 MB each; 0 for none.  "
    "[default: 2 where there are two processors or more]",
)
@write_session_option
@place_options
def serve(
    place: Place,
    *,
    transport: str,
    host: str | None,
    port: int | None,
    profile: str | None,
    readers: int | None,
    session_id: str | None,
) -> Outcome:
    """Serve this memory to agents and programs.

    On standard input and output it speaks MCP until the input ends. As a web server (--transport http, or sse for older
    clients) it offers MCP at /mcp, the same calls as JSON under /v1, and their description at /openapi.json, until it
    is stopped. Only programs on this machine reach it then; any other address needs credentials.

    \b
    Example:
      zaxy serve
    """
    if transport == "stdio" and (host is not None or port is not None):
        raise InvalidInputError("--host and --port belong to network transports", remedy="leave them out for stdio")
    if transport == "stdio" and readers is not None:
        raise InvalidInputError("--readers belongs to network transports", remedy="leave it out for stdio")
    is_local = transport == "stdio"
    address = _DEFAULT_HOST if host is None else host
    try:
        settings = _server(_CHECKS).load_for_serving(
            host=None if is_local else address,
            eventloom_path=place.eventloom_path,
            session_id=session_id,
            projection_backend=place.projection_backend,
        )
    except InvalidInputError as error:
        findings = () if place.as_json else getattr(error, "findings", ())
        for finding in findings:
            show_error(finding)
        if not findings:
            raise
        return error.exit_code
    given = {"tool_profile": profile, "readers": readers}
    serving = replace(settings.serving, **{name: value for name, value in given.items() if value is not None})
    settings = replace(settings, serving=serving)
    if is_local:
        _server(_STDIO_SERVER).serve_stdio(settings, settings.serving.tool_profile)
        return None
    _server(_HTTP_SERVER).serve_http(
        settings,
        transport=transport,
        host=address,
        port=_DEFAULT_PORT if port is None else port,
        on_ready=lambda url: tell(f"Serving at {url}"),
    )
    return None


def _server(module: str) -> Any:
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"the server cannot be started: there is no module {error.name}",
            remedy="install it again: pip install zaxy-memory",
        ) from error
