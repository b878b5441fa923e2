"""From the text of a source file to what it defines, imports and calls."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Final

from zaxy.services.capture.bounded import clip
from zaxy.services.capture.code.languages import KINDS, SUBJECT_KINDS, Language, not_installed

if TYPE_CHECKING:
    from tree_sitter import Node, Parser, Query

    _Definition = tuple[Node, str, Mapping[str, list[Node]]]

MAX_SYMBOLS: Final = 5_000
"""How many definitions of one file become symbols."""

_MAX_DEPTH: Final = 500
"""How deep in a syntax tree is looked: the time taken grows with the square of the depth."""

_MAX_UNREAD: Final = 5_000
"""How many parts in a row may fit no rule: the time taken grows with the square of that too."""

_MAX_NAME_CHARACTERS: Final = 200
_MAX_SIGNATURE_CHARACTERS: Final = 300
_MAX_DOC_CHARACTERS: Final = 600
_MAX_DOC_LINES: Final = 30
_CALLED: Final = re.compile(r"[\w$]+(?:(?:\.|::|->|\?\.)[\w$]+)*")
_DEFINED: Final = re.compile(r"(?:[\w$#]+\.)*(?:~?[\w$#]+|operator.{1,20})")
_LAST_NAME: Final = re.compile(r"[\w$]+\Z")
_SEPARATOR: Final = re.compile(r"::|->|\?\.")
_COMMENT_MARKS: Final = re.compile(r"^\s*(?:/\*\*?!?|//[/!]?|\*/|\*|#+)?\s?|\s*\*/\s*$")
_QUOTES: Final = re.compile(r"^\w{0,2}(\"\"\"|'''|\"|')|(\"\"\"|'''|\"|')$")
_BETWEEN: Final = frozenset({"attribute_item", "decorator"})


@dataclass(frozen=True, slots=True)
class Symbol:
    """A definition.

    Attributes:
        name: Its name with those of what it stands in, such as ``Parser.parse``.
        kind: What it is: ``class``, ``function``, ``method`` …
        signature: How it is declared, in one line.
        doc: What its documentation says.
        line_from: Its first line, from 1.
        line_to: Its last line.
        calls: What it calls, as written, each once, parts joined by dots.
    """

    name: str
    kind: str
    signature: str
    doc: str
    line_from: int
    line_to: int
    calls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Import:
    """Something that a file takes from elsewhere.

    Attributes:
        source: From where, as written.
        item: What of it, empty where all of it is meant.
        alias: What the file calls it, empty where that is its own name.
    """

    source: str
    item: str = ""
    alias: str = ""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a source file holds.

    Attributes:
        symbols: What it defines, in order.
        imports: What it takes from elsewhere.
        calls: What it calls outside of any symbol.
        package: The package that it says it belongs to.
        has_errors: Whether some of it is not what its language's grammar takes.
    """

    symbols: tuple[Symbol, ...]
    imports: tuple[Import, ...]
    calls: tuple[str, ...] = ()
    package: str = ""
    has_errors: bool = False


@dataclass(slots=True)
class _Open:
    """A definition that the walk is in."""

    name: str
    end: int
    kind: str
    place: int = -1
    calls: dict[str, None] = field(default_factory=dict)


def parse_source(text: str, language: Language) -> Parsed:
    """Return what a source file holds. What cannot be parsed is passed over, the rest is taken.

    Args:
        text: The file's text.
        language: Its language.

    Raises:
        MissingDependencyError: The extra ``code`` is not installed.
        ValueError: Next to nothing of it is in that language.
    """
    parser, query = _grammar(language)
    from tree_sitter import QueryCursor

    tree = parser.parse(text.encode("utf-8"))
    if _is_hopeless(tree.root_node):
        raise ValueError(f"is not written in {language.name}, by its ending")
    cursor = QueryCursor(query)
    cursor.set_max_start_depth(_MAX_DEPTH)
    definitions: list[_Definition] = []
    calls: list[tuple[int, str]] = []
    imports: dict[Import, None] = {}
    package = ""
    for _, found in cursor.matches(tree.root_node):
        kind = next((name for name in found if name in KINDS), None)
        if kind is not None:
            definitions.append((found[kind][0], kind, found))
        elif "call" in found:
            calls.append((found["call"][0].start_byte, _called(found)))
        elif "package" in found:
            package = _text(found["package"][0])
        else:
            imports.update(dict.fromkeys(_imports(found)))
    symbols, outside = _nested(definitions, calls, language)
    return Parsed(symbols, tuple(imports), outside, package, tree.root_node.has_error)


@lru_cache(maxsize=16)
def _grammar(language: Language) -> tuple[Parser, Query]:
    try:
        import tree_sitter

        grammar = tree_sitter.Language(getattr(import_module(language.package), language.entry)())
    except ImportError as error:
        raise not_installed(error) from error
    return tree_sitter.Parser(grammar), tree_sitter.Query(grammar, language.query)


def _is_hopeless(root: Node) -> bool:
    """Return whether somewhere a very long row of parts fits no rule."""
    waiting = [root] if root.has_error else []
    while waiting:
        node = waiting.pop()
        if node.is_error and node.child_count > _MAX_UNREAD:
            return True
        waiting += (child for child in node.children if child.has_error)
    return False


def _nested(
    definitions: Sequence[_Definition], calls: Sequence[tuple[int, str]], language: Language
) -> tuple[tuple[Symbol, ...], tuple[str, ...]]:
    """Return the symbols, each with its calls, and the calls outside of them: one walk in the order of the text."""
    symbols: list[Symbol] = []
    root = _Open("", 1 << 62, "module")
    opened = [root]
    done: list[_Open] = []
    places: list[tuple[int, int, str | _Definition]] = [
        (one[0].start_byte, -one[0].end_byte, one) for one in definitions
    ]
    places += [(start, 0, called) for start, called in calls]
    for start, _, found in sorted(places, key=lambda place: place[:2]):
        while opened[-1].end <= start:
            opened.pop()
        if isinstance(found, str):
            opened[-1].calls[found] = None
        elif opened[-1].kind in SUBJECT_KINDS and len(symbols) < MAX_SYMBOLS and _plain(_text(found[2]["name"][0])):
            inner = _entered(found, opened[-1], language, symbols)
            done.append(inner)
            opened.append(inner)
    for one in done:
        if one.place >= 0:
            symbols[one.place] = replace(symbols[one.place], calls=_called_names(one))
    return tuple(symbols), _called_names(root)


def _entered(found: _Definition, outer: _Open, language: Language, symbols: list[Symbol]) -> _Open:
    """Return a definition as one that the walk is in; what is more than a part of another one becomes a symbol."""
    node, kind, captured = found
    owner = _plain(_text(captured["owner"][0])) if "owner" in captured else ""
    name = ".".join(part for part in (outer.name, owner, _plain(_text(captured["name"][0]))) if part)
    inner = _Open(clip(name, _MAX_NAME_CHARACTERS), node.end_byte, kind)
    if kind != "part":
        is_method = kind == "function" and (bool(owner) or outer.kind != "module")
        inner.place = len(symbols)
        symbols.append(
            Symbol(
                inner.name,
                "method" if is_method else kind,
                _signature(node),
                _doc(node, language),
                node.start_point[0] + 1,
                max(node.start_point[0] + 1, node.end_point[0] + bool(node.end_point[1])),
            )
        )
    return inner


def _called_names(one: _Open) -> tuple[str, ...]:
    return tuple(name for name in one.calls if name)


def _called(found: Mapping[str, list[Node]]) -> str:
    """Return what a call names: all of it where that is names joined by dots, else the last of them."""
    told = _text(found["call"][0])
    if "object" in found:
        told = f"{_text(found['object'][0])}.{told}"
    whole = _CALLED.fullmatch(told) if len(told) <= _MAX_NAME_CHARACTERS else None
    if whole is None:
        last = _LAST_NAME.search(told)
        told = last[0] if last is not None else ""
    return _SEPARATOR.sub(".", told)[:_MAX_NAME_CHARACTERS]


def _imports(found: Mapping[str, list[Node]]) -> Iterator[Import]:
    if "use" in found:
        yield from _used(" ".join(_text(found["use"][0]).split()), "")
    elif "source" in found:
        told = {name: _text(found[name][0]) if name in found else "" for name in ("source", "item", "alias")}
        yield Import(told["source"].strip("\"'<>`"), told["item"].strip("\"'"), told["alias"])


def _used(tree: str, before: str) -> Iterator[Import]:
    """Yield what a ``use`` of Rust takes in: ``a::{b, c::d as e}`` names ``a::b`` and ``a::c::d``."""
    head, brace, rest = tree.partition("{")
    if not brace:
        path, _, alias = (before + tree.strip()).partition(" as ")
        source, _, item = path.rpartition("::")
        whole = not source or item in ("*", "self")
        yield Import(source or item, "" if whole else item, alias)
        return
    depth = start = 0
    inner = rest.rpartition("}")[0]
    for place, character in enumerate(f"{inner},"):
        depth += (character == "{") - (character == "}")
        if character == "," and depth == 0:
            if inner[start:place].strip():
                yield from _used(inner[start:place].strip(), before + head.strip())
            start = place + 1


def _signature(node: Node) -> str:
    """Return how a definition is declared: what comes before its body, or its first line."""
    told = _text(node)
    body = node.child_by_field_name("body") or _value_body(node)
    if body is not None:
        told = (node.text or b"")[: body.start_byte - node.start_byte].decode("utf-8", "replace")
    else:
        told = told.partition("\n")[0]
    return clip(" ".join(told.split()).rstrip(" {:=;").removesuffix(" =>"), _MAX_SIGNATURE_CHARACTERS)


def _value_body(node: Node) -> Node | None:
    value = node.child_by_field_name("value")
    return value.child_by_field_name("body") if value is not None else None


def _doc(node: Node, language: Language) -> str:
    if language.name == "python":
        return _docstring(node)
    outer = node.parent
    while outer is not None and outer.parent is not None and _begins_with(outer, node):
        node, outer = outer, outer.parent
    told: list[str] = []
    before, line = node.prev_sibling, node.start_point[0]
    while before is not None and len(told) < _MAX_DOC_LINES and line - before.end_point[0] <= 1:
        if "comment" in before.type:
            told.insert(0, _text(before))
        elif before.type not in _BETWEEN:
            break
        line = before.start_point[0]
        before = before.prev_sibling
    lines = (_COMMENT_MARKS.sub("", line) for line in "\n".join(told).splitlines())
    return clip("\n".join(line.rstrip() for line in lines).strip(), _MAX_DOC_CHARACTERS)


def _begins_with(parent: Node, node: Node) -> bool:
    return parent.start_point[0] == node.start_point[0] or parent.type == "template_declaration"


def _docstring(node: Node) -> str:
    body = node.child_by_field_name("body")
    first = body.named_children[0] if body is not None and body.named_children else None
    if first is not None and first.type == "expression_statement" and first.named_children:
        first = first.named_children[0]
    if first is None or first.type != "string":
        return ""
    lines = _QUOTES.sub("", _text(first)).splitlines()
    return clip("\n".join(line.strip() for line in lines).strip(), _MAX_DOC_CHARACTERS)


def _plain(name: str) -> str:
    """Return a name without what marks it as a pointer, a reference or generic, parts joined by dots; empty for none.

    Words before it are what a preprocessor would take away. A key of an object that is worked out is no name.
    """
    words = re.sub(r"\s*::\s*", "::", re.split(r"[<[]", name, maxsplit=1)[0]).strip("*&'\" ").split()
    found = _DEFINED.fullmatch(
        _SEPARATOR.sub(".", "".join(words[-2:] if "operator" in words else words[-1:])).strip(".")
    )
    return found[0] if found is not None else ""


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")
