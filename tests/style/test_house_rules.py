"""Each rule of the house style finds what it is there to find, and leaves good code alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from house_rules import (
    Rule,
    Source,
    docstrings,
    durable_io,
    environment,
    foreign_words,
    positional_parameters,
    printing,
    promised_methods,
    reasons,
)
from house_style import (
    FUNCTION_LIMIT,
    MODULE_LIMIT,
    findings,
    function_lengths,
    long_ones,
    module_lengths,
    report,
    too_long,
    unexcused,
)

PLACE = "src/zaxy/services/recall/query.py"


def lines_found(rule: Rule, text: str, path: str = PLACE) -> list[int]:
    return [finding.line for finding in rule(Source(path, text))]


def write_tree(root: Path, files: Mapping[str, str]) -> Path:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return root


def test_a_sixth_positional_parameter_is_found() -> None:
    assert lines_found(positional_parameters, "def f(a, b, c, d, e, g): ...") == [1]
    assert lines_found(positional_parameters, "async def f(a, b, /, c, d, e, g): ...") == [1]
    assert lines_found(positional_parameters, "class C:\n    def f(self, a, b, c, d, e, g): ...") == [2]


def test_self_and_keyword_only_parameters_do_not_count_as_positional() -> None:
    assert not lines_found(positional_parameters, "class C:\n    def f(self, a, b, c, d, e, *, g, h): ...")
    assert not lines_found(positional_parameters, "def f(a, b, c, d, e, *rest, **more): ...")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("x = 1\n", [1]),
        ('"""M."""\ndef f(): ...\n', [2]),
        ('"""M."""\nclass C:\n    """C."""\n    def f(self): ...\n', [4]),
        ('"""M."""\nclass C:\n    """C."""\n    async def f(self): ...\n    class D: ...\n', [4, 5]),
    ],
)
def test_a_public_name_without_a_docstring_is_found(text: str, lines: list[int]) -> None:
    assert lines_found(docstrings, text) == lines


def test_private_nested_overloaded_tested_and_empty_need_no_docstring() -> None:
    good = (
        '"""M."""\n@overload\ndef f(a: int) -> int: ...\ndef f(a):\n    """F."""\n    def inner(): ...\n'
        "def _g(): ...\ndef test_that_it_holds(): ...\nclass _C:\n    def f(self): ...\n"
    )
    assert not lines_found(docstrings, good)
    assert not lines_found(docstrings, "", "src/zaxy/services/__init__.py")
    assert lines_found(docstrings, "import os\n", "src/zaxy/services/__init__.py") == [1]


@pytest.mark.parametrize("base", ["Protocol", "Protocol[T]", "typing.Protocol", "Projection, typing.Protocol[T]"])
def test_a_method_that_a_protocol_documents_need_not_say_it_again(base: str) -> None:
    protocol = Source(PLACE, f'"""M."""\nclass P({base}):\n    """P."""\n    def f(self):\n        """F."""\n')
    implementation = Source(PLACE, '"""M."""\nclass C:\n    """C."""\n    def f(self): ...\n    def g(self): ...\n')
    found = docstrings(implementation, promised_methods(protocol))
    assert [finding.line for finding in found] == [5]
    assert promised_methods(implementation) == frozenset()


def test_printing_is_found_everywhere_but_in_the_command_line() -> None:
    assert lines_found(printing, "x = 1\nprint(x)\n") == [2]
    assert lines_found(printing, "print(1)\n", "src/zaxy/interfaces/mcp/server.py") == [1]
    assert not lines_found(printing, "print(1)\n", "src/zaxy/interfaces/cli/render.py")
    assert not lines_found(printing, "pretty.print(1)\n")


@pytest.mark.parametrize(
    "text",
    [
        "os.environ['HOME']",
        "os.environ.get('HOME')",
        "os.getenv('HOME')",
        "os.putenv('A', 'b')",
        "from os import environ",
        "from os import getenv as read",
        "click.option('--root', envvar='ROOT')",
    ],
)
def test_environment_access_is_found_everywhere_but_in_config(text: str) -> None:
    assert lines_found(environment, text) == [1]
    assert not lines_found(environment, text, "src/zaxy/config.py")


def test_a_name_that_only_looks_like_the_environment_is_left_alone() -> None:
    assert not lines_found(environment, "settings.environ\nfrom os import path\nconfiguration.getenv('A')\n")


@pytest.mark.parametrize(
    "text",
    [
        "open(path, 'w')",
        "open(path, mode='ab')",
        "open(path, 'r+b')",
        "open(path, 'x')",
        "open(path, mode)",
        "io.open(path, 'w')",
        "gzip.open(path, 'wb')",
        "Path(path).open('a')",
        "path.open(mode='w')",
        "os.open(path, os.O_RDWR)",
        "os.open(path, os.O_RDONLY | os.O_CREAT)",
        "os.open(path, flags)",
        "os.open(path, flags=os.O_WRONLY)",
        "os.write(descriptor, data)",
        "os.replace(a, b)",
        "os.rename(a, b)",
        "os.fsync(descriptor)",
        "os.truncate(path, 0)",
        "os.ftruncate(descriptor, 0)",
        "path.write_text('a')",
        "path.write_bytes(b'a')",
        "(root / 'a').rename(b)",
        "path.replace(other)",
        "path.touch()",
        "shutil.move(a, b)",
        "shutil.copytree(a, b)",
        "tempfile.NamedTemporaryFile()",
        "import fcntl",
        "from fcntl import flock",
        "from os import fsync",
        "from os import open as open_file",
    ],
)
def test_a_file_write_is_found_everywhere_but_in_the_durable_file_room(text: str) -> None:
    assert lines_found(durable_io, text) == [1]
    assert not lines_found(durable_io, text, "src/zaxy/files/durable.py")


@pytest.mark.parametrize(
    "text",
    [
        "open(path)",
        "open(path, 'rb')",
        "open(path, encoding='utf-8')",
        "path.open()",
        "path.open('rb')",
        "os.open(path, os.O_RDONLY | os.O_CLOEXEC)",
        "Index.open('write')",
        "text.replace('a', 'b')",
        "moment.replace(tzinfo=UTC)",
        "replace(value, name='b')",
        "dataclasses.replace(value)",
        "path.read_text()",
        "tempfile.mkdtemp()",
        "tempfile.TemporaryFile()",
        "stream.write('a')",
    ],
)
def test_reading_and_other_uses_of_the_same_words_are_not_file_writes(text: str) -> None:
    assert not lines_found(durable_io, text)


@pytest.mark.parametrize(
    "text",
    [
        "x = 1  # noqa",
        "x = 1  # noqa: S101",
        "x = 1  # noqa: S101, PLR2004",
        "x = 1  # type: ignore",
        "x = 1  # type: ignore[assignment, misc]",
        "x = 1  # type: ignore[assignment]  # noqa: S101",
        "x = 1  # pragma: no cover",
        "x = 1  # noqa: S101 reasons",
    ],
)
def test_switching_a_check_off_without_a_reason_is_found(text: str) -> None:
    assert lines_found(reasons, text) == [1]


def test_switching_a_check_off_with_a_reason_is_accepted() -> None:
    assert not lines_found(reasons, "x = 1  # type: ignore[assignment]  # the module is absent on Windows")
    assert not lines_found(reasons, "x = 1  # noqa: S101 - the caller has checked it")
    assert not lines_found(reasons, "text = '# noqa: S101'\n# an ordinary comment\n")


@pytest.mark.parametrize(
    "words",
    [
        ["see ..", "/", "shared/data"],
        ["as issue", " 12 asks"],
        ["as Issue", " #12 asks"],
        ["the next", " issue does it"],
        ["# TO", "DO: later"],
        ["FIX", "ME"],
    ],
)
def test_words_about_how_the_repository_was_made_are_found(words: list[str]) -> None:
    text = "a line\n" + "".join(words) + "\n"
    assert [finding.line for finding in foreign_words("docs/page.md", text)] == [2]
    assert not foreign_words(".ci/run", text)


def test_citations_and_folders_of_users_are_not_such_words() -> None:
    assert not foreign_words("docs/page.md", "eventloom://work/events/12 in /home/ann/notes.jsonl has no issues\n")


def function_of(lines: int) -> str:
    return "class C:\n    @decorated\n    def f(self):\n" + "        x = 1\n" * (lines - 1)


@pytest.mark.parametrize(("lines", "shown", "refused"), [(50, 0, 0), (51, 1, 0), (70, 1, 0), (71, 1, 1)])
def test_a_function_is_shown_over_50_lines_and_refused_over_70(lines: int, shown: int, refused: int) -> None:
    lengths = function_lengths([Source(PLACE, function_of(lines))])
    assert lengths == {f"{PLACE}:C.f": lines}
    assert len(long_ones(lengths, FUNCTION_LIMIT)) == shown
    assert len(too_long(lengths, FUNCTION_LIMIT, {})) == refused


@pytest.mark.parametrize(("lines", "shown", "refused"), [(300, 0, 0), (301, 1, 0), (400, 1, 0), (401, 1, 1)])
def test_a_module_is_shown_over_300_lines_and_refused_over_400(lines: int, shown: int, refused: int) -> None:
    lengths = module_lengths([Source(PLACE, "x = 1\n" * lines)])
    assert len(long_ones(lengths, MODULE_LIMIT)) == shown
    assert len(too_long(lengths, MODULE_LIMIT, {})) == refused


def test_an_excused_module_may_not_grow_and_leaves_the_list_when_it_is_short_enough() -> None:
    assert not too_long({PLACE: 450}, MODULE_LIMIT, {PLACE: 450})
    assert [found.path for found in too_long({PLACE: 451}, MODULE_LIMIT, {PLACE: 450})] == [PLACE]
    assert [found.path for found in too_long({PLACE: 400}, MODULE_LIMIT, {PLACE: 450})] == [PLACE]
    assert [found.path for found in too_long({}, MODULE_LIMIT, {PLACE: 450})] == [PLACE]


def test_an_excuse_hides_the_findings_of_its_file_only_and_must_be_needed() -> None:
    written = durable_io(Source(PLACE, "path.touch()"))
    assert unexcused(written, {}) == written
    assert not unexcused(written, {PLACE: "why"})
    assert [found.rule for found in unexcused(written, {PLACE: "why", "src/other.py": "why"})] == ["excuse"]


def test_a_repository_with_one_of_each_fault_has_one_finding_of_each_kind(tmp_path: Path) -> None:
    faults = '"""M."""\n\nprint(1)\nos.getenv("A")\nos.fsync(1)\nx = 1  # noqa\ndef f(a, b, c, d, e, g): ...\n'
    tree = write_tree(
        tmp_path,
        {
            "src/zaxy/room.py": faults,
            "src/zaxy/long.py": '"""M."""\n' + "x = 1\n" * 400,
            "src/zaxy/deep.py": '"""M."""\n' + function_of(71).replace("class C", "class _C"),
            "docs/page.md": "".join(["FIX", "ME"]),
        },
    )
    assert sorted(finding.rule for finding in findings(tree)) == [
        "docstring",
        "durable-io",
        "environment",
        "long-function",
        "long-module",
        "positional-parameters",
        "print",
        "reason",
        "words",
    ]
    assert report(tree) == ["module of 401 lines: src/zaxy/long.py", "function of 71 lines: src/zaxy/deep.py:_C.f"]
