"""Files, symbols, dependencies and coverage of source code."""

from __future__ import annotations

from vocabulary_events import extracted, facts, mentions, relations

SYMBOL = {
    "path": "src/shop/parser.py",
    "repository": "shop",
    "symbol": "OrderParser.parseHTTPText",
    "kind": "method",
    "qualified_name": "shop.parser.OrderParser.parseHTTPText",
    "signature": "def parseHTTPText(self, text)",
    "doc": "Return the order.",
    "line_from": 3,
    "line_to": 9,
    "calls": ["json.loads"],
    "calls_unresolved": ["table.fill"],
    "digest": "ab" * 8,
}


def test_a_symbol_is_defined_by_its_file_and_calls_others() -> None:
    found = extracted("code.symbol.indexed", SYMBOL)
    name = "shop.parser.OrderParser.parseHTTPText"
    assert facts(found) == {f"symbol:{name}": ""}
    assert mentions(found) == ["file:shop/src/shop/parser.py", "symbol:json.loads"]
    assert relations(found) == [f"shop/src/shop/parser.py DEFINES {name}", f"{name} CALLS json.loads"]


def test_a_symbol_is_found_by_the_words_of_its_name_its_documentation_and_what_it_calls() -> None:
    text = extracted("code.symbol.indexed", SYMBOL).text
    assert text.startswith("parseHTTPText parse http text\n")
    assert {"Return the order.", "table.fill", "def parseHTTPText(self, text)"} <= set(text.split("\n"))
    assert "ab" * 8 not in text
    assert "shop\n" not in text


def test_a_file_imports_modules_and_defines_one() -> None:
    payload = {"path": "src/shop/parser.py", "repository": "shop", "module": "shop.parser", "imports": ["json", "os"]}
    found = extracted("code.file.indexed", {**payload, "calls": ["shop.parser.main"], "lines": 12, "index": 1})
    name = "shop/src/shop/parser.py"
    assert facts(found) == {f"file:{name}": ""}
    assert relations(found) == [
        f"{name} DEFINES shop.parser",
        f"{name} IMPORTS json",
        f"{name} IMPORTS os",
        f"{name} CALLS shop.parser.main",
    ]


def test_a_file_outside_of_a_repository_is_named_by_its_path() -> None:
    assert facts(extracted("code.file.indexed", {"path": "/home/ann/a.py"})) == {"file:/home/ann/a.py": ""}


def test_a_manifest_depends_on_packages() -> None:
    payload = {"path": "pyproject.toml", "repository": "shop", "packages": ["click", "orjson"]}
    found = extracted("code.dependencies.indexed", {**payload, "dependencies": ["click >=8", "orjson"]})
    name = "shop/pyproject.toml"
    assert relations(found) == [f"{name} DEPENDS_ON click", f"{name} DEPENDS_ON orjson"]
    assert "click >=8" in found.text


def test_coverage_is_a_share_of_a_file() -> None:
    found = extracted(
        "code.coverage.indexed", {"path": "a.py", "repository": "shop", "percent": 87.5, "missing": "3-5"}
    )
    assert facts(found) == {"coverage:shop/a.py": "87.5%"}
    assert relations(found) == ["shop/a.py OF shop/a.py"]
    assert found.text.startswith("test coverage of a.py: 87.5%\n")


def test_what_another_program_wrote_there_states_what_can_be_read_of_it() -> None:
    for kind in ("file", "symbol", "dependencies", "coverage"):
        assert facts(extracted(f"code.{kind}.indexed", {"path": 5, "imports": {"a": 1}, "calls": [["x"]]})) == {}


def test_what_an_earlier_version_recorded_of_imports_dependencies_and_calls_leads_from_one_to_another() -> None:
    imported = {"path": "a.py", "module": "json", "name": "loads", "kind": "from_import", "start_line": 1}
    assert relations(extracted("code.import.indexed", imported)) == ["a.py IMPORTS json"]
    needed = {"source_path": "a.py", "target_path": "b.py", "module": "b", "import_name": "now"}
    assert relations(extracted("code.dependency.indexed", needed)) == ["a.py IMPORTS b", "a.py DEPENDS_ON b.py"]
    called = {"path": "a.py", "caller": "main", "callee": "now", "callee_qualified_name": "b.now"}
    assert relations(extracted("code.call.indexed", called)) == ["main CALLS b.now"]
    symbol = {"path": "a.py", "name": "now", "qualified_name": "Clock.now", "start_line": 1, "end_line": 2}
    assert relations(extracted("code.symbol.indexed", symbol)) == ["a.py DEFINES Clock.now"]
