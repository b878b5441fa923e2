"""Tables: aligned, within the terminal, nothing of a piped one lost."""

from __future__ import annotations

import pytest

from zaxy.interfaces.cli.table import Column, columns_of, shortened, show_table, table_lines
from zaxy.interfaces.cli.text import Painted, Part

NAME = Column("Name", gives_way=True)
COUNT = Column("Count", is_number=True)
CITATION = Column("Citation")


def shown(columns: list[Column], rows: list[tuple[Part, ...]], width: int | None = None, indent: str = "") -> list[str]:
    lines = table_lines(columns, rows, width, indent=indent)
    return ["".join(part.text if isinstance(part, Painted) else part for part in line) for line in lines]


def test_columns_stand_below_their_headings_and_numbers_at_the_right() -> None:
    assert shown([NAME, COUNT, CITATION], [("a", "1", "x"), ("longer", "1,000", "y")], indent="  ") == [
        "  Name    Count  Citation",
        "  a           1  x",
        "  longer  1,000  y",
    ]


def test_without_a_terminal_no_cell_is_shortened() -> None:
    assert shown([NAME, CITATION], [("n" * 500, "c" * 500)])[1] == f"{'n' * 500}  {'c' * 500}"


@pytest.mark.parametrize("width", [36, 40, 79])
def test_on_a_terminal_the_widest_column_that_may_gives_way_to_the_width(width: int) -> None:
    citation = "eventloom://a/1"
    lines = shown([NAME, NAME, CITATION], [("n" * 100, "short", citation), ("m", "n" * 30, citation)], width)
    assert max(map(columns_of, lines)) == width
    assert all(line.endswith(citation) for line in lines[1:])
    assert "…" in lines[1]


def test_what_people_copy_is_never_shortened_however_narrow_the_terminal_is() -> None:
    citation = f"eventloom://default/events/1#{'0' * 12}"
    assert shown([NAME, CITATION], [("n" * 100, citation)], 20)[1] == f"nnnnnnn…  {citation}"


def test_wide_characters_and_marks_take_the_columns_that_they_take_on_a_screen() -> None:
    assert [columns_of(text) for text in ("abc", "日本", "e\u0301", "👍", "a\u200db")] == [3, 4, 1, 2, 2]
    assert shown([NAME, CITATION], [("日本", "x"), ("abcd", "y"), ("e\u0301", "z")])[1:] == [
        "日本  x",
        "abcd  y",
        "e\u0301     z",
    ]


@pytest.mark.parametrize(
    ("text", "width", "cut"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdef", 5, "abcd…"),
        ("abc def", 5, "abc…"),
        ("日本語日本語", 6, "日本…"),
        ("日本語日本語", 7, "日本語…"),
        ("abcdef", 1, "…"),
    ],
)
def test_a_text_that_is_cut_ends_in_a_mark_and_fits(text: str, width: int, cut: str) -> None:
    assert shortened(text, width) == cut
    assert columns_of(cut) <= width


def test_a_cell_cannot_break_its_line_or_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show_table([NAME, CITATION], [("two\nlines\x1b[2J", Painted("pain\x1b[0mted", "bad"))])
    assert capsys.readouterr().out.splitlines()[1] == "two lines\\x1b[2J  pain\\x1b[0mted"


def test_a_table_without_rows_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    show_table([NAME], [])
    assert capsys.readouterr().out == ""
