"""What an agent reads when a session starts: a checkout of the memory, cited and within a budget."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from zaxy.errors import UnavailableError, ZaxyError
from zaxy.eventloom.loom import Eventloom
from zaxy.services.capture.bounded import clip
from zaxy.services.capture.hooks.client_input import HookInput
from zaxy.services.capture.same_turn import TURN

Ask = Callable[[str, int], Any]
"""Returns the packet for a question and a budget in tokens: its text, what it holds."""

_SERVER_TIMEOUT_SECONDS: Final = 2.0
_SHORTEST_WAIT_SECONDS: Final = 0.001
_LARGEST_ANSWER_BYTES: Final = 4 * 1024 * 1024
_LATEST_EVENTS: Final = 40
_LONGEST_QUESTION: Final = 1_000
_SESSIONS_BEFORE: Final = 2
_GOES_ON: Final = ("resume", "compact")
_HOLDS: Final = ("evidence", "facts", "working_set")


def question_of(given: HookInput, loom: Eventloom) -> str:
    """Return what to look for: what the user said last in a session that goes on, or in the sessions before a new one.

    Args:
        given: The start of the session.
        loom: Where the sessions are.
    """
    if given.occasion in _GOES_ON and (said := _last_prompts(loom, given.session_id)):
        return clip("\n".join(said), _LONGEST_QUESTION)
    stats = loom.stats()
    before = sorted((name for name in stats if name != given.session_id), key=lambda name: -stats[name].modified)
    said = [prompt for name in before[:_SESSIONS_BEFORE] for prompt in _last_prompts(loom, name)]
    opened = f"{PurePath(given.cwd).name} what was done last, what was decided, which goals and tasks are open"
    return clip("\n".join([opened.strip(), *said]), _LONGEST_QUESTION)


def _last_prompts(loom: Eventloom, session_id: str) -> list[str]:
    try:
        latest = loom.log(session_id).tail(_LATEST_EVENTS) if loom.stat(session_id) is not None else []
    except (ZaxyError, OSError):
        return []
    prompts = (event.payload.get("content") for event in latest if (event.event_type, event.actor) == (TURN, "user"))
    return [text for text in prompts if isinstance(text, str)][-2:]


def ask_server(url: str) -> Ask:
    """Return what asks a server on this machine, without the packages that a client for every server needs.

    Args:
        url: Where it listens: ``http://127.0.0.1:8080``.
    """

    def ask(question: str, tokens: int) -> Any:
        body = orjson.dumps({"query": question, "token_budget": tokens})
        try:
            return orjson.loads(_posted(url, "/v1/checkout", body))
        except (OSError, ValueError) as error:
            raise UnavailableError(f"the server at {url} gave no checkout: {error}") from error

    return ask


def _posted(url: str, path: str, body: bytes) -> bytes:
    """Return the answer to one request in HTTP/1.0 (RFC 1945), whose end is the end of the connection."""
    parts = urlsplit(url)
    head = f"POST {path} HTTP/1.0\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
    request = f"{head}User-Agent: zaxy-hook\r\nContent-Length: {len(body)}\r\n\r\n".encode("ascii") + body
    until = time.monotonic() + _SERVER_TIMEOUT_SECONDS
    with socket.create_connection((parts.hostname or "", parts.port or 80), _SERVER_TIMEOUT_SECONDS) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65_536):
            answer += part
            connection.settimeout(max(_SHORTEST_WAIT_SECONDS, until - time.monotonic()))
            if len(answer) > _LARGEST_ANSWER_BYTES:
                raise ValueError("an answer that long is none")
    header, _, content = answer.partition(b"\r\n\r\n")
    status = header.split(b" ", 2)[1:2]
    if status != [b"200"]:
        raise ValueError(f"it answered {b''.join(status).decode('ascii', 'replace')}")
    return content


def text_of(packet: Any) -> str:
    """Return the text of a packet that holds something; nothing for an empty one.

    Args:
        packet: A packet, or the JSON of one.
    """
    told = packet if isinstance(packet, dict) else {name: getattr(packet, name, None) for name in (*_HOLDS, "text")}
    return str(told.get("text") or "") if any(told.get(name) for name in _HOLDS) else ""
