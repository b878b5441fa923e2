"""What of a foreign text reaches a terminal."""

from __future__ import annotations

import json

import pytest

from zaxy.interfaces.cli.text import block, counted, one_line, say_json, visible


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("title\x1b]0;owned\x07", "title\\x1b]0;owned\\x07"),
        ("overwritten\rby this", "overwritten\\x0dby this"),
        ("rub\x08out\x7f", "rub\\x08out\\x7f"),
        ("eight bit \x9b31m", "eight bit \\x9b31m"),
        ("turned \u202earound\u202c and \u2066inside\u2069", "turned \\u202earound\\u202c and \\u2066inside\\u2069"),
        ("half \ud83d a pair", "half \\ud83d a pair"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("from Windows\r\nline", "from Windows\nline"),
        ("Grüße, 日本, 🎉", "Grüße, 日本, 🎉"),
    ],
)
def test_control_characters_are_shown_as_escapes(given: str, shown: str) -> None:
    assert visible(given) == shown


def test_json_shows_what_a_terminal_would_obey_as_escapes_that_mean_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    hostile = {"title\x1b]0;x\x07": "a\x9b2J b\u202e c\u2028 d\x7f e\n f\r Grüße 🎉"}
    say_json(hostile)
    printed = capsys.readouterr().out
    assert printed == visible(printed)
    assert json.loads(printed) == hostile
    assert "Grüße 🎉" in printed


def test_a_name_with_line_breaks_cannot_forge_a_line() -> None:
    assert one_line("ann\n  [9] forged\u2028line") == "ann [9] forged line"


def test_a_quotation_is_wrapped_to_the_terminal_and_keeps_its_lines() -> None:
    shown = block("one two three four five six seven\n    indented code", "  ", 24)
    assert shown == "  one two three four\n  five six seven\n      indented code"


def test_a_long_quotation_is_cut_on_a_terminal_only() -> None:
    text = "\n".join(f"line {number}" for number in range(50))
    assert "line 19" in block(text, "", 80)
    assert "line 20" not in block(text, "", 80)
    assert "more" in block(text, "", 80)
    assert block(text, "", None) == text


def test_counts_read_as_english() -> None:
    assert [counted(0, "event"), counted(1, "event"), counted(1200, "event")] == ["0 events", "1 event", "1,200 events"]
