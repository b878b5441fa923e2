"""The page: one HTML document with its style, its script and, in a file, its data. It asks no other host for anything.

No payload is ever part of the markup. The data is compressed and written in base64, so that nothing in it can end an
element, and the script puts text into the page as text alone: the page's own policy forbids it everything else.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from zaxy import __version__
from zaxy.clock import format_time
from zaxy.eventloom.proof.report import LoomReport
from zaxy.interfaces.viewer.picture import Picture, encode
from zaxy.memory import Memory

CHUNK_EVENTS: Final = 2_000
"""How many events lie in one block of data: what is unpacked at once when one of them is looked at."""

SCRIPTS: Final = ("page.js", "store.js", "graph.js", "list.js", "event.js", "views.js", "live.js", "main.js")
"""The parts of the page's script, in their order."""

_COMPRESSION: Final = 6
_DATA_TYPE: Final = "application/gzip"  # of no type that a browser runs


@dataclass(frozen=True, slots=True)
class _Parts:
    """The page without its data.

    Attributes:
        head: What comes before the rows.
        script: What comes between the rows and the events in full.
        end: What comes after them.
        policy: The Content-Security-Policy that stands in it.
    """

    head: bytes
    script: bytes
    end: bytes
    policy: str


@cache
def _parts(*, is_live: bool) -> _Parts:
    folder = files(__package__) / "static"
    page = (folder / "page.html").read_text("utf-8")
    style = (folder / "style.css").read_text("utf-8")
    script = "\n".join((folder / name).read_text("utf-8") for name in SCRIPTS)
    policy = content_policy(style, script, is_live=is_live)
    for name, value in (("live", str(is_live).lower()), ("policy", policy), ("style", style)):
        page = page.replace(f"{{{{{name}}}}}", value)
    head, rest = page.split("{{data}}")
    middle, end = rest.split("{{details}}")
    before, after = middle.split("{{script}}")
    return _Parts(head.encode(), f"{before}{script}{after}".encode(), end.encode(), policy)


def content_policy(style: str, script: str, *, is_live: bool) -> str:
    """Return the page's Content-Security-Policy: its own style and script by their digests, and nothing else.

    Args:
        style: The content of the style element.
        script: The content of the script element.
        is_live: Whether it may ask the server that it comes from.
    """
    allowed = {
        "default-src": "'none'",
        "script-src": _digest(script),
        "style-src": _digest(style),
        "img-src": "data:",
        "connect-src": "'self'" if is_live else "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in allowed.items())


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def live_page() -> tuple[bytes, str]:
    """Return the page that asks its server for the data, and its policy."""
    parts = _parts(is_live=True)
    return parts.head + parts.script + parts.end, parts.policy


def overview(memory: Memory, report: LoomReport | None, picture: Picture, *, opens_sealed: bool) -> dict[str, Any]:
    """Return what the page tells of the whole memory.

    Args:
        memory: Whose it is.
        report: What a verification said; None while there is none.
        picture: What is shown.
        opens_sealed: Whether sealed events show their text.
    """
    return {
        "zaxy": __version__,
        "path": str(memory.loom.path),
        "loom": memory.loom.identity(),
        "at": memory.clock.now(),
        "written": format_time(memory.clock.now()),
        "count": len(picture.rows),
        "left_out": picture.left_out,
        "damaged": picture.damaged,
        "sealed_shown": opens_sealed,
        "chunk": CHUNK_EVENTS,
        "report": report,
    }


def file_page(told: dict[str, Any], picture: Picture) -> Iterator[bytes]:
    """Yield the page with all its data, in parts.

    The rows come first, the newest in front, then the script, then the events in full: what a reader sees first is
    there before the rest of a large file has been read.

    Args:
        told: What `overview` gives.
        picture: What is shown; its rows are put in the order in which they happened.
    """
    parts = _parts(is_live=False)
    picture.rows.sort(key=lambda row: (-row["occurred"], -row["recorded"], row["session"], -row["seq"]))
    chunks = [picture.rows[at : at + CHUNK_EVENTS] for at in range(0, len(picture.rows), CHUNK_EVENTS)]
    yield parts.head + _block("overview", told)
    yield from _blocks("rows", chunks)
    yield parts.script
    yield from _blocks("details", (picture.details(chunk) for chunk in chunks))
    yield parts.end


def _blocks(kind: str, chunks: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    for number, chunk in enumerate(chunks):
        yield _block(f"{kind}-{number}", chunk)


def _block(name: str, value: Any) -> bytes:
    packed = gzip.compress(encode(value), _COMPRESSION, mtime=0)
    return b'<script type="%s" id="%s">%s</script>\n' % (_DATA_TYPE.encode(), name.encode(), base64.b64encode(packed))
