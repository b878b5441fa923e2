"""What is read of a source file in each language, and what its names are called beyond it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from code_samples import SAMPLES

from zaxy.errors import MissingDependencyError
from zaxy.services.capture.code.languages import LANGUAGES
from zaxy.services.capture.code.naming import Surroundings
from zaxy.services.capture.code.pieces import FILE_TYPE, source_pieces
from zaxy.services.capture.code.syntax import MAX_SYMBOLS, parse_source
from zaxy.services.capture.document_files import DocumentFile
from zaxy.services.capture.sources import Piece

TOLD = {
    "src/shop/parser.py": """\
8-8 constant LIMIT
11-27 class Parser
17-24 method Parser.parse: os.path.join shop.parser.Parser.check shop.deep.table.Table json.loads ? table.fill inner
26-27 method Parser.check: shop.rules.check shop.clock.now
31-33 function main: shop.parser.Parser shop.parser.Parser.check ? parse
shop.parser imports json os.path shop.clock shop shop.deep.table; calls shop.parser.main
""",
    "web/src/parser.ts": """\
7-16 class Parser
9-12 method Parser.parse: shop/web/src/parser.Parser.check ? JSON.parse
13-15 method Parser.check: shop/web/src/rules.check shop/web/clock.now
18-18 interface Order
19-19 type Price
20-20 enum Size
22-25 function main: shop/web/src/parser.Parser node:fs.readFileSync
shop/web/src/parser imports node:fs shop/web/src/rules shop/web/clock; calls shop/web/src/parser.main
""",
    "web/lib/old.js": """\
4-4 function Reader
6-6 class Box
6-6 method Box.open: shop/web/lib/old.Box.close
6-6 method Box.close
7-7 function numbers: shop/web/lib/old.Reader
shop/web/lib/old imports path shop/web/lib/join; calls path.resolve
""",
    "store/store.go": """\
10-12 type Store
14-14 type Reader
17-20 function Open: fmt.Println example.com/shop/clock.Now example.com/shop/store.check
22-22 function check
24-27 method Store.Close ? s.db.Close
example.com/shop/store imports fmt database/sql example.com/shop/clock
""",
    "crates/shop-core/src/parser.rs": """\
7-9 struct Parser
11-11 trait Read
11-11 method Read.read
15-20 method Parser.parse: shop_core.parser.Parser.check shop_core.clock.now ? println
21-21 method Parser.check: shop_core.parser.Parser.limit
22-22 method Parser.limit
25-25 constant LIMIT
27-29 module inner
28-28 function inner.deep
31-31 function main: shop_core.parser.inner.deep
shop_core.parser imports std.collections shop_core.clock shop_core.rules
""",
    "src/main/java/org/shop/Parser.java": """\
7-27 class Parser
11-11 method Parser.Parser: org.shop.Parser.check
16-21 method Parser.parse: org.shop.Parser.check org.shop.time.Clock.now ? Order
23-23 method Parser.check
25-25 enum Parser.Size
26-26 interface Parser.Inner
26-26 method Parser.Inner.read
org.shop imports java.util.List org.shop.time.Clock
""",
    "src/parser.c": """\
4-4 constant LIMIT
5-5 macro TWICE
7-7 struct order
8-8 type order_t
9-9 enum size
11-11 function check
14-19 function parse: shop/src/parser.check ? printf
21-21 function check: shop/src/parser.TWICE
shop/src/parser imports stdio.h shop/src/rules
""",
    "src/parser.hpp": """\
2-15 module shop
6-11 class shop.Parser
8-8 method shop.Parser.parse
9-9 method shop.Parser.limit: shop/src/parser.shop.Parser.check
10-10 method shop.Parser.check
13-13 function shop.counter
14-14 function shop.Parser.parse ? rules.check Order
16-16 type Text
shop/src/parser imports shop/src/rules
""",
}
"""Lines, kind and name of each symbol, what it calls, and after ``?`` what it calls by no name beyond the file."""


def pieces_of(name: str, text: str, top: Path) -> list[Piece]:
    language = LANGUAGES[PurePosixPath(name).suffix]
    return source_pieces(DocumentFile(top / name, name, "shop"), text, language, Surroundings(top, "shop"))


def told(piece: Piece) -> str:
    """Return a piece in one line."""
    payload = piece.payload
    calls = " ".join(payload.get("calls", ()))
    if piece.event_type == FILE_TYPE:
        imports = " ".join(payload["imports"])
        return f"{payload['module']} imports {imports}" + (f"; calls {calls}" if calls else "")
    unresolved = payload.get("calls_unresolved", ())
    line = f"{payload['line_from']}-{payload['line_to']} {payload['kind']} {payload['symbol']}"
    return line + (f": {calls}" if calls else "") + (f" ? {' '.join(unresolved)}" if unresolved else "")


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A codebase that the samples stand in: a Python package, a Go module and a header."""
    for name, text in (("src/shop/__init__.py", ""), ("go.mod", "module example.com/shop\n"), ("src/rules.h", "")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("name", SAMPLES)
def test_a_source_file_tells_what_it_defines_imports_and_calls(name: str, top: Path) -> None:
    assert [told(piece) for piece in pieces_of(name, SAMPLES[name], top)] == TOLD[name].splitlines()


@pytest.mark.parametrize("name", SAMPLES)
def test_a_definition_is_told_with_its_documentation_and_without_its_body(name: str, top: Path) -> None:
    symbols = {
        one.payload["symbol"].rpartition(".")[2]: one.payload for one in pieces_of(name, SAMPLES[name], top)[:-1]
    }
    documented = {one: payload["doc"] for one, payload in symbols.items() if "doc" in payload}
    assert set(documented.values()) <= {
        *("Reads one order.\n\nSlowly.", "Reads one order.\nSlowly.", "Reads an order.", "Reads orders."),
        *("Return the order.", "Returns the order.", "Store keeps orders.", "Open opens it."),
    }
    assert documented or name.endswith(".js")
    assert not any("\n" in one["signature"] or one["signature"].endswith(("{", ":", ";")) for one in symbols.values())


@pytest.mark.parametrize(
    ("suffix", "text", "names"),
    [
        (".hpp", "PUBLIC\ninline int\nBox::\nsize() { return 1; }\n", ["Box.size"]),
        (
            ".hpp",
            "class Box { ~Box(); Box& operator=(const Box& o); bool operator ()(int) {} };",
            ["Box", "Box.~Box", "Box.operator=", "Box.operator()"],
        ),
        (".hpp", "struct Box { int (*read)(int); void (*)(int); };", ["Box"]),
        (".js", "class Box { [key]() {} 'quoted'() {} #own() {} }", ["Box", "Box.quoted", "Box.#own"]),
        (".go", "package a\nfunc (b *Box[T]) Size() int { return 1 }\n", ["Box.Size"]),
        (".rs", "impl<T> fmt::Display for a::Box<T> { fn fmt(&self) {} }", ["a.Box.fmt"]),
    ],
)
def test_a_name_is_told_without_what_stands_around_it(suffix: str, text: str, names: list[str]) -> None:
    assert [one.name for one in parse_source(text, LANGUAGES[suffix]).symbols] == names


def test_signatures_are_in_one_line() -> None:
    text = "def parse(\n    text: str,\n    *,\n    quiet: bool = False,\n) -> dict[str, int]:\n    return {}\n"
    (symbol,) = parse_source(text, LANGUAGES[".py"]).symbols
    assert symbol.signature == "def parse( text: str, *, quiet: bool = False, ) -> dict[str, int]"


@pytest.mark.parametrize("suffix", LANGUAGES)
@pytest.mark.parametrize(
    "text", ["", "\n", "\ufeff", "}{)(\"'`", "class", "def f(:\n", "\x01\x7f" * 50, "é" * 99, "((((" * 500]
)
def test_what_is_no_source_file_is_read_as_far_as_it_goes(suffix: str, text: str, tmp_path: Path) -> None:
    pieces = pieces_of(f"file{suffix}", text, tmp_path)
    assert pieces[-1].event_type == FILE_TYPE
    assert len(pieces) <= 2


@pytest.mark.parametrize("text", ["(" * 1_000_000, "def f():\n    " + "{" * 100_000])
def test_a_file_of_which_nothing_can_be_read_is_refused_in_little_time(text: str) -> None:
    with pytest.raises(ValueError, match="is not written in python"):
        parse_source(text, LANGUAGES[".py"])


def test_in_a_tree_of_any_depth_the_upper_part_is_read() -> None:
    deep = parse_source(f"def f():\n    return {'g(' * 50_000}{')' * 50_000}\n", LANGUAGES[".py"])
    assert [(one.name, one.calls) for one in deep.symbols] == [("f", ("g",))]


def test_a_broken_file_keeps_what_can_be_read_and_says_so(tmp_path: Path) -> None:
    pieces = pieces_of("a.py", "def good():\n    pass\n\n\ndef bad(:\n", tmp_path)
    assert pieces[0].payload["symbol"] == "good"
    assert pieces[-1].payload["syntax_errors"] is True


def test_the_symbols_of_a_file_have_a_bound() -> None:
    assert len(parse_source("def f(): pass\n" * (MAX_SYMBOLS + 50), LANGUAGES[".py"]).symbols) == MAX_SYMBOLS


@pytest.mark.parametrize(
    ("name", "text", "calls"),
    [
        ("src/shop/a.py", "import os\nos.getcwd()\n", ["os.getcwd"]),
        ("src/shop/a.py", "from ..far import f\nf()\n", ["far.f"]),
        ("src/shop/__init__.py", "from .near import f\nf()\n", ["shop.near.f"]),
        (
            "web/a.ts",
            "export * from './b';\nimport d, {x as y} from '../c/index.ts';\ny(); d.e();\n",
            ["shop/c.x", "shop/c.e"],
        ),
        (
            "a/main.go",
            'package main\nimport k "example.com/shop/kit/v2"\nvar x = k.New()\n',
            ["example.com/shop/kit/v2.New"],
        ),
        ("src/a/mod.rs", "use super::b::{c::{d as e}, f};\nstatic X: u8 = e();\nfn g() { f(); }\n", []),
    ],
)
def test_a_call_is_named_by_what_the_file_imports(name: str, text: str, calls: list[str], top: Path) -> None:
    assert pieces_of(name, text, top)[-1].payload.get("calls", []) == calls


def test_a_method_may_name_a_sibling_only_where_the_language_has_that(tmp_path: Path) -> None:
    python = pieces_of("a.py", "class A:\n    def f(self): g()\n    def g(self): pass\n", tmp_path)
    java = pieces_of("A.java", "class A { void f() { g(); } void g() {} }", tmp_path)
    assert "calls" not in python[1].payload
    assert java[1].payload["calls"] == ["shop/A.A.g"]


@pytest.mark.parametrize("module", ["tree_sitter", "tree_sitter_python"])
def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    language = replace(LANGUAGES[".py"], query="(identifier) @call")  # another one, so that none is known yet
    with pytest.raises(MissingDependencyError, match=f"{module} is not installed") as raised:
        parse_source("f()", language)
    assert raised.value.remedy == "install it: pip install 'zaxy-memory[code]'"
