"""How errors become sentences and exit codes."""

from __future__ import annotations

import errno
import json

import pytest
from cli_words import zaxy

from zaxy.errors import BusyError, LogDamagedError, NotFoundError, WriteFailedError
from zaxy.interfaces.cli.failure import as_failure, show_failure


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (NotFoundError("there is no log", remedy="zaxy status"), 2, ["error: there is no log", "  next: zaxy status"]),
        (LogDamagedError("bad", session_id="s", seq=4), 3, ["error: bad"]),
        (BusyError("held", remedy="try again"), 4, ["error: held", "  next: try again"]),
        (WriteFailedError("disk full"), 4, ["error: disk full"]),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), 4, ["error: /x: No space left on device", "df -h"]),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 4, ["error: /x: Permission denied", "ls -ld"]),
        (OSError("odd"), 4, ["error: OSError"]),
        (RuntimeError("a bug"), 4, ["internal error", "please report", "RuntimeError: a bug", "--debug"]),
        (RecursionError(), 4, ["internal error", "RecursionError"]),
    ],
)
def test_every_error_has_a_sentence_and_an_exit_code_and_no_traceback(
    error: Exception, code: int, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert show_failure(error, as_json=False, debug=False) == code
    out, told = capsys.readouterr()
    assert out == ""
    assert all(word in told for word in words), told
    assert "Traceback" not in told


def test_an_error_as_json_goes_to_standard_output_and_nothing_else_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert show_failure(RuntimeError("a bug\x1b[31m"), as_json=True, debug=False) == 4
    out, told = capsys.readouterr()
    assert json.loads(out)["error"]["code"] == "internal"
    assert told == ""


def test_debug_prints_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ZeroDivisionError("really")
    except ZeroDivisionError as error:
        show_failure(error, as_json=False, debug=True)
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert "internal error" in told


def test_the_debug_option_is_there_and_not_in_the_help() -> None:
    done = zaxy("--debug", "query", "", "--eventloom-path", "nowhere")
    assert "Traceback" in done.stderr
    assert done.exit_code == 2
    assert "--debug" not in zaxy("--help").stdout


def test_control_characters_in_an_error_are_shown_as_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    show_failure(NotFoundError("no \x1b[2J here"), as_json=False, debug=False)
    assert capsys.readouterr().err == "error: no \\x1b[2J here\n"


def test_an_error_of_ours_is_shown_as_it_is() -> None:
    error = NotFoundError("there is no log")
    assert as_failure(error) is error
