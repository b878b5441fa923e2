"""Pages of the viewer, taken apart: what stands in their markup, and what their data says."""

from __future__ import annotations

import base64
import gzip
import json
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

HOSTILE = (
    "</script><script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    '"><svg onload=window.hacked=1>',
    "javascript:window.hacked=1//",
    "{{script}} {{data}} ${window.hacked=1} <!-- ]]> \u2028\u2029 &lt;b&gt;",
    "__proto__",
    "constructor",
)
"""Texts that would run, or break the page, if anything took them for more than text."""


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        text: All of it.
        elements: Each element's name and attributes, in order.
        blocks: The data, by the id of its element.
        scripts: What a browser would run.
    """

    text: str
    elements: list[tuple[str, dict[str, str | None]]]
    blocks: dict[str, Any]
    scripts: list[str]

    @property
    def policy(self) -> dict[str, str]:
        """Its Content-Security-Policy, by directive."""
        (told,) = [of["content"] for name, of in self.elements if of.get("http-equiv") == "Content-Security-Policy"]
        return dict(part.split(" ", 1) for part in (told or "").split("; "))

    def all(self, kind: str) -> list[Any]:
        """Return what the blocks of one kind hold, in their order."""
        names = sorted(
            (name for name in self.blocks if name.startswith(f"{kind}-")), key=lambda name: int(name[len(kind) + 1 :])
        )
        return [item for name in names for item in self.blocks[name]]


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[dict[str, str | None], str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.elements and self.elements[-1][0] == "script":
            self.texts.append((self.elements[-1][1], data))


def parsed(text: str) -> Page:
    """Return a page as an HTML parser sees it."""
    parser = _Parser()
    parser.feed(text)
    packed = [
        (str(of["id"]), data) for of, data in parser.texts if of.get("type") == "application/gzip" and data.strip()
    ]
    assert all(re.fullmatch(r"[A-Za-z0-9+/]+=*", data) for _, data in packed)
    blocks = {name: json.loads(gzip.decompress(base64.b64decode(data))) for name, data in packed}
    scripts = [data for of, data in parser.texts if "type" not in of and data.strip()]
    return Page(text, parser.elements, blocks, scripts)
