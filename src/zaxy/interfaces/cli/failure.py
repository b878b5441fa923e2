"""What a person or a program is told when a command fails: one sentence, what to do next, and an exit code."""

from __future__ import annotations

import errno
import traceback
from typing import Final

import click

from zaxy.errors import InvalidInputError, UnavailableError, ZaxyError
from zaxy.interfaces.cli.text import Painted, one_line, say_json, tell

INTERRUPTED: Final = 130
"""Exit code after Ctrl-C, as shells give it."""

PIPE_CLOSED: Final = 141
"""Exit code when the reader of our output went away, as shells give it."""

_SYSTEM_REMEDIES: Final = {
    errno.EACCES: "check who may read and write it, for example with ls -ld",
    errno.EPERM: "check who may read and write it, for example with ls -ld",
    errno.EROFS: "it is on read-only storage; name another folder with --eventloom-path",
    errno.ENOSPC: "free some space on that disk, for example after a look with df -h",
    errno.EDQUOT: "free some space on that disk, for example after a look with df -h",
    errno.EMFILE: "raise the limit of open files, for example with ulimit -n 4096",
}


_HELP_WANTED: Final = getattr(click.exceptions, "NoArgsIsHelpError", ())
"""A group without a command: click before 8.2 prints the help by itself."""


class UsageError(InvalidInputError):
    """Raised for what click finds wrong with a command's words."""

    code = "usage"


class SystemRefusedError(UnavailableError):
    """Raised for what the operating system refuses."""

    code = "system"


class InternalError(ZaxyError):
    """Raised for what should never happen."""

    code = "internal"
    exit_code = 4


def as_failure(error: Exception) -> ZaxyError:
    """Return any error as one that can be shown."""
    if isinstance(error, ZaxyError):
        return error
    if isinstance(error, click.ClickException):
        return _usage(error)
    if isinstance(error, OSError):
        return _system(error)
    shown = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return InternalError(
        f"internal error, please report it ({one_line(shown)[:300]})",
        remedy="run it again as zaxy --debug ... and report what is printed",
    )


def _usage(error: click.ClickException) -> ZaxyError:
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = context.command_path if context is not None else "zaxy"
    return UsageError(error.format_message(), remedy=f"{command} --help")


def _system(error: OSError) -> ZaxyError:
    what = error.strerror or type(error).__name__
    where = f"{error.filename}: " if error.filename is not None else ""
    return SystemRefusedError(f"{where}{what}", remedy=_SYSTEM_REMEDIES.get(error.errno or 0, ""))


def show_failure(error: Exception, *, as_json: bool, debug: bool) -> int:
    """Tell what went wrong: JSON on standard output, or two lines on standard error.

    Args:
        error: What was raised.
        as_json: Whether the command was asked for JSON.
        debug: Whether to print the traceback too.

    Returns:
        The exit code.
    """
    if debug:
        tell("".join(traceback.format_exception(error)).rstrip())
    if isinstance(error, click.ClickException) and isinstance(error, _HELP_WANTED) and not as_json:
        tell(error.format_message())
        return error.exit_code
    failure = as_failure(error)
    if as_json:
        from zaxy.interfaces.serialize import error_json

        say_json(error_json(failure))
    else:
        show_error(failure)
    return failure.exit_code


def show_error(error: ZaxyError) -> None:
    """Tell people of an error, on standard error."""
    tell(Painted("error:", "bad"), f" {one_line(error.message)}")
    if error.remedy:
        tell(f"  next: {one_line(error.remedy)}")
