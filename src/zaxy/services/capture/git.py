"""Asking git, without a shell, without the repository's own programs, and with a bound on time."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final

from zaxy.errors import UnavailableError

_ANSWER_SECONDS: Final = 60.0
_READ_BYTES: Final = 65_536

# A git hook's environment names its own repository and would win over the folder that is asked for.
_WITHOUT_REPOSITORY: Final = tuple(
    part
    for name in ("DIR", "WORK_TREE", "INDEX_FILE", "COMMON_DIR", "NAMESPACE", "PREFIX", "OBJECT_DIRECTORY")
    for part in ("-u", f"GIT_{name}")
)
# A repository's configuration may name a program to run for these; reading must not start it.
_WITHOUT_PROGRAMS: Final = ("-c", "core.fsmonitor=false", "-c", "log.showSignature=false", "--no-optional-locks")


class GitFailedError(UnavailableError):
    """Raised when git ran and refused, such as in a folder that is not a repository."""

    code = "git_failed"


def ask_git(folder: Path, arguments: Sequence[str]) -> bytes:
    """Return what a git command prints.

    Args:
        folder: Where it runs.
        arguments: The command and its options.

    Raises:
        GitFailedError: The command failed; the message is git's own first line.
        UnavailableError: git is not installed, or did not answer within a minute.
    """
    command = _command(folder, arguments)
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program, no shell
            command, capture_output=True, timeout=_ANSWER_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(
            f"git {arguments[0]} did not answer within {_ANSWER_SECONDS:.0f} seconds",
            remedy="run it by hand to see why",
        ) from error
    if done.returncode:
        raise _failed(arguments, done.stderr)
    return done.stdout


def stream_git(folder: Path, arguments: Sequence[str]) -> Iterator[bytes]:
    """Yield the NUL-separated parts of what a git command prints, while it runs.

    Args:
        folder: Where it runs.
        arguments: The command and its options, ``-z`` among them.

    Raises:
        GitFailedError: The command failed; parts that came before were yielded.
        UnavailableError: git is not installed.
    """
    with tempfile.TemporaryFile() as errors:
        command = _command(folder, arguments)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as process:  # noqa: S603 - as above
            assert process.stdout is not None
            try:
                yield from _parts(process.stdout)
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            errors.seek(0)
            raise _failed(arguments, errors.read(4_096))


def _parts(stream: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while piece := stream.read(_READ_BYTES):
        *whole, rest = (rest + piece).split(b"\0")
        yield from whole
    if rest:
        yield rest


def _command(folder: Path, arguments: Sequence[str]) -> list[str]:
    git, env = shutil.which("git"), shutil.which("env")
    if git is None or env is None:
        raise UnavailableError("git is not installed", remedy="install git, for example with apt-get install git")
    return [env, *_WITHOUT_REPOSITORY, git, "-C", str(folder), *_WITHOUT_PROGRAMS, *arguments]


def _failed(arguments: Sequence[str], stderr: bytes) -> GitFailedError:
    said = stderr.decode("utf-8", "replace").strip().splitlines()
    return GitFailedError(f"git {arguments[0]}: {said[0][:300] if said else 'failed without a word'}")
