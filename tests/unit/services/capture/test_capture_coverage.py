"""Coverage reports."""

from __future__ import annotations

from pathlib import Path

import pytest

from zaxy.services.capture.code.coverage import Covered, is_report, ranges, read_report

COBERTURA = """<?xml version="1.0" ?>
<!DOCTYPE coverage SYSTEM "http://example.org/nothing-is-fetched.dtd">
<coverage><sources><source>/src/shop</source></sources><packages><package><classes>
<class filename="parser.py"><methods/><lines>
<line number="1" hits="1"/><line number="2" hits="0"/><line number="3" hits="0"/></lines></class>
<class filename="parser.py" name="Inner"><lines><line number="2" hits="4"/></lines></class>
<class filename="empty.py"><lines/></class>
</classes></package></packages></coverage>"""

LCOV = "TN:\nSF:src/a.js\nFN:1,f\nDA:1,5\nDA:2,0\nDA:2,0\nend_of_record\nSF:src/b.js\nDA:7,1,abc\nend_of_record\n"

COVERAGE_PY = '{"meta": {}, "files": {"a.py": {"executed_lines": [1, 2], "missing_lines": [9, 3], "summary": {}}}}'


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("coverage.xml", COBERTURA, [Covered("/src/shop/parser.py", 2, (3,)), Covered("/src/shop/empty.py", 0, ())]),
        ("lcov.info", LCOV, [Covered("src/a.js", 1, (2,)), Covered("src/b.js", 1, ())]),
        ("coverage.json", COVERAGE_PY, [Covered("a.py", 2, (3, 9))]),
    ],
)
def test_a_report_tells_which_lines_were_run(tmp_path: Path, name: str, text: str, told: list[Covered]) -> None:
    (tmp_path / name).write_text(text)
    assert is_report(name)
    assert list(read_report(tmp_path / name)) == told


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("coverage.xml", b"<coverage>"),
        ("coverage.xml", b'<coverage><class><lines><line number="1" hits="1"/></lines></class></coverage>'),
        (
            "coverage.xml",
            b'<coverage><class filename="a"><lines><line number="x" hits="1"/></lines></class></coverage>',
        ),
        ("lcov.info", b"SF:a\nDA:1\nend_of_record\n"),
        ("lcov.info", b"<html>\n"),
        ("lcov.info", b"\xff\xfe"),
        ("coverage.json", b"{"),
        ("coverage.json", b'{"files": {"a.py": {}}}'),
        ("coverage.json", b'{"files": []}'),
        ("coverage.json", b"[]"),
    ],
)
def test_what_is_no_report_of_its_kind_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=r"\w"):
        list(read_report(tmp_path / name))


def test_neighbouring_lines_are_told_as_ranges() -> None:
    assert ranges((3, 4, 5, 9, 11, 12)) == "3-5, 9, 11-12"
    assert ranges(()) == ""
    assert ranges(tuple(range(0, 1_000, 2))).endswith("198, …")


def test_the_share_of_lines_has_one_decimal() -> None:
    assert (Covered("a", 2, (3,)).percent, Covered("a", 0, ()).percent) == (66.7, 100.0)
