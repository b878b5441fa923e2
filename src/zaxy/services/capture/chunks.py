"""Cutting a document into pieces that can be found and quoted: along headings, definitions, paragraphs, lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate
from typing import Final

from zaxy.services.capture.bounded import clip

MAX_CHUNK_CHARACTERS: Final = 1_500

_LEAD_IN_CHARACTERS: Final = 200
"""A part this short (a heading, "for example:") goes with what follows it, even when that must be cut."""

_MAX_HEADING_CHARACTERS: Final = 120
_MARKDOWN: Final = frozenset({".md", ".markdown", ".mdx", ".mkd"})
_RST: Final = frozenset({".rst"})
_CODE: Final = re.compile(
    r"\.(?:pyi?|[cm]?jsx?|tsx?|go|rs|java|kts?|scala|[ch]|cc|[ch]pp|cs|swift|rb|php|p[lm]|lua|sh|bash|zsh|sql|r|jl|ex|exs"
    r"|erl|hs|ml|clj|dart|vue|svelte|proto|zig|nim|mm?)"
)
_DEFINITION: Final = re.compile(
    r"(?:(?:export|default|pub(?:\(\w+\))?|public|private|abstract|static|final|async|unsafe) )*"
    r"(?:def|class|fn|func|fun|function|struct|enum|trait|impl|interface|type|module|namespace|message|service)"
    r" +[\w.$<]+"
)
_RST_MARKS: Final = frozenset("=-~^\"'`#*+:.")
_FENCES: Final = ("```", "~~~")

Span = tuple[int, int]
"""Lines from the first index up to, not including, the second."""


class Kind(Enum):
    """How a document is built, which decides where it may be cut."""

    MARKDOWN = "markdown"
    RST = "rst"
    CODE = "code"
    TEXT = "text"

    @classmethod
    def of(cls, suffix: str) -> Kind:
        """Return the kind that files with this suffix (``.md``) have."""
        lower = suffix.lower()
        if lower in _MARKDOWN:
            return cls.MARKDOWN
        if lower in _RST:
            return cls.RST
        return cls.CODE if _CODE.fullmatch(lower) else cls.TEXT


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document.

    Attributes:
        section: Path of headings that it stands under (``Guide > Install``), or for code the top-level definition.
        line_from: Its first line, from 1.
        line_to: Its last line, inclusive.
        content: Its text, without blank lines at the ends.
    """

    section: str
    line_from: int
    line_to: int
    content: str


@dataclass(frozen=True, slots=True)
class _Heading:
    line: int
    level: int
    text: str


def cut(text: str, kind: Kind) -> tuple[str, list[Chunk]]:
    """Return a document's title (its first heading, may be empty) and its chunks, in order.

    Every line that is not blank is in exactly one chunk. A chunk never crosses a heading, so that a change in one
    section leaves the text of the others' chunks alone. A line is cut only when it alone is longer than a chunk.

    Args:
        text: The whole document; lines end with LF or CRLF.
        kind: Where it may be cut.
    """
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    headings = _headings(lines, kind)
    cutter = _Cutter(lines, kind)
    chunks: list[Chunk] = []
    for span, section in _sections(lines, headings):
        chunks.extend(cutter.chunks(span, section))
    return (headings[0].text if headings else ""), chunks


def _headings(lines: list[str], kind: Kind) -> list[_Heading]:
    if kind is Kind.MARKDOWN:
        return list(_markdown_headings(lines))
    return list(_rst_headings(lines)) if kind is Kind.RST else []


def _markdown_headings(lines: list[str]) -> Iterator[_Heading]:
    for index, (line, fenced) in enumerate(zip(lines, _fenced(lines), strict=True)):
        stripped = line.lstrip(" ")
        level = len(stripped) - len(stripped.lstrip("#"))
        if fenced or not 1 <= level <= 6 or len(line) - len(stripped) > 3:
            continue
        if stripped[level : level + 1] in {"", " ", "\t"} and (text := stripped[level:].strip().rstrip("#").rstrip()):
            yield _Heading(index, level, clip(text, _MAX_HEADING_CHARACTERS))


def _fenced(lines: list[str]) -> list[bool]:
    """Return for each line whether it is in a fenced block, its fences included."""
    inside, fence = [], ""
    for line in lines:
        start = line.lstrip(" ")[:3]
        opens = not fence and start in _FENCES
        closes = bool(fence) and start == fence
        inside.append(bool(fence) or opens)
        fence = start if opens else "" if closes else fence
    return inside


def _rst_headings(lines: list[str]) -> Iterator[_Heading]:
    levels: dict[str, int] = {}
    for index in range(1, len(lines)):
        title, line = lines[index - 1].strip(), lines[index].rstrip()
        if not title or len(line) < max(3, len(title)) or len(set(line)) > 1 or line[0] not in _RST_MARKS:
            continue
        if title[0] in _RST_MARKS and len(set(title)) == 1:
            continue
        overlined = index >= 2 and lines[index - 2].rstrip() == line
        level = levels.setdefault(line[0] * (1 + overlined), len(levels) + 1)
        yield _Heading(index - 1 - overlined, level, clip(title, _MAX_HEADING_CHARACTERS))


def _sections(lines: list[str], headings: list[_Heading]) -> Iterator[tuple[Span, str]]:
    """Yield each section's lines and heading path. A heading with nothing under it stays with the next section."""
    path: list[_Heading] = []
    start = 0
    for number, heading in enumerate(headings):
        end = headings[number + 1].line if number + 1 < len(headings) else len(lines)
        if not path and any(line.strip() for line in lines[start : heading.line]):
            yield (start, heading.line), ""
            start = heading.line
        path = [above for above in path if above.level < heading.level] + [heading]
        body = lines[heading.line + 1 : end]
        if any(line.strip() for line in body) or number + 1 == len(headings):
            yield (start, end), " > ".join(above.text for above in path)
            start = end
    if not headings:
        yield (0, len(lines)), ""


class _Cutter:
    """Cuts spans of one document's lines."""

    def __init__(self, lines: list[str], kind: Kind) -> None:
        self._lines = lines
        self._kind = kind
        self._before = list(accumulate((len(line) + 1 for line in lines), initial=0))
        self._fenced = _fenced(lines) if kind is Kind.MARKDOWN else [False] * len(lines)
        self._definition = ""

    def chunks(self, span: Span, section: str) -> Iterator[Chunk]:
        """Yield the chunks of one section."""
        splitters: list[Callable[[Span], list[Span]]] = [self._paragraphs, self._single_lines]
        if self._kind is Kind.CODE:
            splitters.insert(0, self._definitions)
        for part in self._pack(span, splitters):
            written = [index for index in range(*part) if self._lines[index].strip()]
            if written:
                start, end = written[0], written[-1] + 1
                named = self._defined(start, end) if self._kind is Kind.CODE else section
                yield from self._emit(start, end, named)

    def _emit(self, start: int, end: int, section: str) -> Iterator[Chunk]:
        content = "\n".join(self._lines[start:end])
        if end - start > 1:
            yield Chunk(section, start + 1, end, content)
            return
        for offset in range(0, len(content), MAX_CHUNK_CHARACTERS):
            if (piece := content[offset : offset + MAX_CHUNK_CHARACTERS]).strip():
                yield Chunk(section, start + 1, end, piece)

    def _pack(self, span: Span, splitters: list[Callable[[Span], list[Span]]]) -> Iterator[Span]:
        """Yield spans that fit a chunk, as large as the parts of the first splitter allow; cut finer what does not."""
        if self._size(span) <= MAX_CHUNK_CHARACTERS or not splitters:
            yield span
            return
        first, *finer = splitters
        open_span: Span | None = None
        for part in first(span):
            joined = part if open_span is None else (open_span[0], part[1])
            if self._size(joined) <= MAX_CHUNK_CHARACTERS:
                open_span = joined
                continue
            if open_span is not None and (not finer or self._size(open_span) > _LEAD_IN_CHARACTERS):
                yield open_span
                joined = part
            open_span = None
            if self._size(joined) > MAX_CHUNK_CHARACTERS:
                yield from self._pack(joined, finer)
            else:
                open_span = joined
        if open_span is not None:
            yield open_span

    def _size(self, span: Span) -> int:
        return self._before[span[1]] - self._before[span[0]] - 1

    def _paragraphs(self, span: Span) -> list[Span]:
        """Return the runs of lines that blank lines part, each with the blank lines after it."""
        starts = [
            index
            for index in range(span[0] + 1, span[1])
            if self._lines[index].strip() and not self._lines[index - 1].strip() and not self._fenced[index - 1]
        ]
        return list(zip([span[0], *starts], [*starts, span[1]], strict=True))

    def _definitions(self, span: Span) -> list[Span]:
        """Return paragraphs joined to what begins without indentation: a definition with its whole body."""
        joined: list[Span] = []
        for start, end in self._paragraphs(span):
            if joined and self._lines[start][0] in " \t)]}":
                joined[-1] = (joined[-1][0], end)
            else:
                joined.append((start, end))
        return joined

    def _single_lines(self, span: Span) -> list[Span]:
        return [(index, index + 1) for index in range(*span)]

    def _defined(self, start: int, end: int) -> str:
        """Return the definition a chunk of code begins, else the one it continues."""
        found = [match[0] for line in self._lines[start:end] if (match := _DEFINITION.match(line[:400]))]
        section = clip(found[0] if found else self._definition, _MAX_HEADING_CHARACTERS)
        self._definition = found[-1] if found else self._definition
        return section
