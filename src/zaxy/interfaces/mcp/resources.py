"""The memory as resources: events by their citations, sessions, and a checkout for a task.

Reading one is a call like any tool's, made for the same caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from mcp.types import ListResourcesResult, ReadResourceResult, Resource, ResourceTemplate, TextResourceContents

from zaxy.errors import InvalidInputError, NotFoundError, ZaxyError
from zaxy.ids import check_session_id, parse_citation
from zaxy.interfaces.calls.caller import Caller
from zaxy.interfaces.mcp.answers import ToolCalls, protocol_error
from zaxy.interfaces.serialize import dump

_JSON: Final = "application/json"
_TEXT: Final = "text/plain"
_CHECKOUT: Final = "eventloom://checkout?"
_CHECKOUT_ARGUMENTS: Final = ("query", "session_id", "token_budget")
_LONGEST_SHOWN: Final = 200

TEMPLATES: Final = (
    ResourceTemplate(
        name="event",
        title="A recorded event",
        uri_template="eventloom://{session}/events/{seq}",
        description="What the event says now, what it said before, who changed it and where it comes from. A citation "
        "with its #hash is such an address too, and is checked.",
        mime_type=_JSON,
    ),
    ResourceTemplate(
        name="session",
        title="A session",
        uri_template="eventloom://{session}",
        description="How many events it has, what was recorded last, and whether its log is sound.",
        mime_type=_JSON,
    ),
    ResourceTemplate(
        name="checkout",
        title="A checkout for a task",
        uri_template="eventloom://checkout{?query,session_id,token_budget}",
        description="The cited packet of what memory holds for a task: facts, open work and evidence, within a budget "
        "of tokens.",
        mime_type=_TEXT,
    ),
)
"""What can be read besides the sessions that are listed."""


async def list_resources(calls: ToolCalls, caller: Caller, cursor: str | None) -> ListResourcesResult:
    """Return one page of the sessions that the caller may see.

    Raises:
        MCPError: The cursor is none that was given out.
    """
    page = {} if cursor is None else {"after": cursor}
    try:
        told = (await calls.reply("memory_status", page, caller)).structured
    except ZaxyError as error:
        raise protocol_error(error) from error
    sessions = [
        Resource(
            name=session["session_id"],
            uri=f"eventloom://{session['session_id']}",
            description=f"{session['event_count']} events, the last one recorded {session['latest_timestamp']}",
            mime_type=_JSON,
        )
        for session in told["sessions"]
    ]
    return ListResourcesResult(resources=sessions, next_cursor=told["next_after"])


async def read_resource(calls: ToolCalls, caller: Caller, uri: str) -> ReadResourceResult:
    """Return what an address names.

    Raises:
        MCPError: There is no such resource, or not for this caller.
    """
    try:
        name, arguments = _call_for(uri)
        reply = await calls.reply(name, arguments, caller)
    except ZaxyError as error:
        raise protocol_error(error, uri=uri) from error
    is_packet = name == "memory_checkout"
    text = reply.text if is_packet else dump(reply.structured)
    contents = TextResourceContents(uri=uri, mime_type=_TEXT if is_packet else _JSON, text=text)
    return ReadResourceResult(contents=[contents])


def _call_for(uri: str) -> tuple[str, Mapping[str, str | int]]:
    """Return the call that reads an address.

    Raises:
        InvalidInputError: It is not written like one.
        NotFoundError: Nothing is at such addresses.
    """
    if uri.startswith(_CHECKOUT):
        return "memory_checkout", _asked(uri)
    if "/events/" in uri:
        return "memory_show", {"citation": str(parse_citation(uri))}
    scheme, separator, session_id = uri.rstrip("/").partition("://")
    if scheme != "eventloom" or not separator:
        raise NotFoundError(f"there is no resource {uri[:_LONGEST_SHOWN]!r}", remedy="list the resource templates")
    return "memory_status", {"session_id": check_session_id(session_id)}


def _asked(uri: str) -> Mapping[str, str | int]:
    try:
        asked: dict[str, str | int] = dict(parse_qsl(urlsplit(uri).query, keep_blank_values=True, max_num_fields=16))
    except ValueError:
        raise InvalidInputError("the address has too many arguments") from None
    unknown = [name for name in asked if name not in _CHECKOUT_ARGUMENTS]
    if unknown:
        raise InvalidInputError(f"a checkout has no argument {unknown[0][:_LONGEST_SHOWN]!r}")
    budget = str(asked.get("token_budget", ""))
    if budget.isdecimal() and len(budget) <= len("200000"):
        asked["token_budget"] = int(budget)
    return asked
