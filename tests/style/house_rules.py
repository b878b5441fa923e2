"""The house's rules as checks on one source file. Each takes a `Source` and returns findings; none raises or prints."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Final

MAX_POSITIONAL_PARAMETERS: Final = 5

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, order=True)
class Finding:
    """A place that breaks a rule."""

    path: str
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


@dataclass(frozen=True)
class Source:
    """A Python file: its path from the repository's root, with forward slashes, and its text."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed module."""
        return ast.parse(self.text, self.path)

    @property
    def lines(self) -> int:
        """How many lines the file has."""
        return len(self.text.splitlines())

    def within(self, *rooms: str) -> bool:
        """Whether the file is one of these, or lies under one of them."""
        place = PurePosixPath(self.path)
        return any(place.is_relative_to(room) for room in rooms)

    def functions(self) -> Iterator[tuple[str, Function]]:
        """Yield every function and method with its dotted name."""
        yield from _functions(self.tree, "")

    def finding(self, rule: str, node: ast.AST, message: str) -> Finding:
        """Return a finding at a node of this file."""
        return Finding(self.path, getattr(node, "lineno", 1), rule, message)


Rule = Callable[[Source], list[Finding]]


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            yield prefix + child.name, child
            yield from _functions(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.")
        else:
            yield from _functions(child, prefix)


def dotted(node: ast.AST) -> str:
    """Return ``os.path.join`` for such an expression; what does not start at a name starts with a dot."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def positional_parameters(source: Source) -> list[Finding]:
    """Find functions that take more than five positional parameters, ``self`` and ``cls`` not counted."""
    found = []
    for name, function in source.functions():
        named = [parameter.arg for parameter in (*function.args.posonlyargs, *function.args.args)]
        count = len(named) - (named[:1] in (["self"], ["cls"]))
        if count > MAX_POSITIONAL_PARAMETERS:
            message = f"{name} takes {count}, {MAX_POSITIONAL_PARAMETERS} at most: put a * before the rest"
            found.append(source.finding("positional-parameters", function, message))
    return found


def promised_methods(source: Source) -> frozenset[str]:
    """Return the methods whose docstrings protocols of this file give, for every class that implements them."""
    return frozenset(
        method.name
        for protocol in ast.walk(source.tree)
        if isinstance(protocol, ast.ClassDef) and any(_is_protocol(base) for base in protocol.bases)
        for method in protocol.body
        if isinstance(method, Function) and ast.get_docstring(method)
    )


def _is_protocol(base: ast.expr) -> bool:
    named = base.value if isinstance(base, ast.Subscript) else base
    return dotted(named).rpartition(".")[2] == "Protocol"


def docstrings(source: Source, promised: frozenset[str] = frozenset()) -> list[Finding]:
    """Find public modules, classes, functions and methods without a docstring.

    Args:
        source: The file. An empty one, and one whose name begins with an underscore, has nothing to say.
        promised: Methods that a protocol documents; a class that implements them does not repeat it.
    """
    name = PurePosixPath(source.path).stem
    if not source.tree.body or (name.startswith("_") and not name.startswith("__")):
        return []
    missing = (
        [] if ast.get_docstring(source.tree) else [source.finding("docstring", source.tree, "the module has none")]
    )
    return missing + list(_undocumented(source, source.tree, promised))


def _undocumented(source: Source, parent: ast.Module | ast.ClassDef, promised: frozenset[str]) -> Iterator[Finding]:
    for node in parent.body:
        if not isinstance(node, Function | ast.ClassDef) or node.name.startswith(("_", "test_")):
            continue  # the name of a test is its sentence
        overloads = {dotted(decorator).rpartition(".")[2] for decorator in node.decorator_list}
        inherited = isinstance(parent, ast.ClassDef) and node.name in promised
        if not (ast.get_docstring(node) or inherited or overloads & {"overload", "setter", "deleter"}):
            yield source.finding("docstring", node, f"{node.name} has none")
        if isinstance(node, ast.ClassDef):
            yield from _undocumented(source, node, promised)


def printing(source: Source) -> list[Finding]:
    """Find ``print`` anywhere but in the command line: on stdio it would break into the MCP protocol."""
    if source.within("src/zaxy/interfaces/cli"):
        return []
    return [
        source.finding("print", node, "only zaxy.interfaces.cli prints")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and dotted(node.func) == "print"
    ]


_ENVIRONMENT: Final = frozenset({"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"})
_ENVIRONMENT_OPTIONS: Final = frozenset({"envvar", "auto_envvar_prefix"})


def environment(source: Source) -> list[Finding]:
    """Find access to environment variables anywhere but in ``zaxy.config``, click's ``envvar`` options included."""
    if source.within("src/zaxy/config.py", "src/zaxy/config"):
        return []
    message = "only zaxy.config reads the environment"
    return [source.finding("environment", node, message) for node in ast.walk(source.tree) if _reads_environment(node)]


def _reads_environment(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return dotted(node) in {f"os.{name}" for name in _ENVIRONMENT}
    if isinstance(node, ast.ImportFrom):
        return node.module == "os" and any(alias.name in _ENVIRONMENT for alias in node.names)
    return isinstance(node, ast.keyword) and node.arg in _ENVIRONMENT_OPTIONS


_WRITING_CALLS: Final = {
    "os": (
        *("copy_file_range", "fdatasync", "fdopen", "fsync", "ftruncate", "link", "mknod", "posix_fallocate"),
        *("pwrite", "pwritev", "rename", "renames", "replace", "sendfile", "symlink", "sync", "truncate"),
        *("write", "writev"),
    ),
    "shutil": ("copy", "copy2", "copyfile", "copyfileobj", "copytree", "move"),
    "tempfile": ("NamedTemporaryFile", "mkstemp"),  # an unnamed one holds nothing that anybody could lose
}
_WRITES: Final = frozenset(f"{module}.{name}" for module, names in _WRITING_CALLS.items() for name in names)
_METHOD_WRITES: Final = frozenset({"write_text", "write_bytes", "touch", "rename", "hardlink_to", "symlink_to"})
_READ_FLAGS: Final = frozenset({"O_RDONLY", "O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"})
_MODE: Final = re.compile(r"[rwaxbtU+]{1,4}")


def durable_io(source: Source) -> list[Finding]:
    """Find files opened for writing, renamed, cut, synced or locked anywhere but in ``zaxy.files``."""
    if source.within("src/zaxy/files"):
        return []
    return [
        source.finding("durable-io", node, f"{what}: only zaxy.files writes, syncs, renames, cuts and locks files")
        for node in ast.walk(source.tree)
        if (what := _file_write(node))
    ]


def _file_write(node: ast.AST) -> str:
    """Return how a node writes to a file, or nothing."""
    if isinstance(node, ast.Import):
        return "fcntl" if any(alias.name == "fcntl" for alias in node.names) else ""
    if isinstance(node, ast.ImportFrom):
        names = {f"{node.module}.{alias.name}" for alias in node.names}
        return "fcntl" if node.module == "fcntl" else min(names & {*_WRITES, "os.open"}, default="")
    return dotted(node.func) if isinstance(node, ast.Call) and _call_writes(node) else ""


def _call_writes(call: ast.Call) -> bool:
    name = dotted(call.func)
    method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if name == "os.open":
        return _may_write(call)
    if "open" in (name, method):
        return _opens_for_writing(call, method)
    # str.replace takes two arguments, datetime.replace keywords, Path.replace one
    replaced = method == "replace" and len(call.args) == 1 and not call.keywords and name != "dataclasses.replace"
    return replaced or name in _WRITES or method in _METHOD_WRITES


def _may_write(call: ast.Call) -> bool:
    """Whether ``os.open`` is called with anything but flags that are known to read only."""
    flags = [*call.args[1:2], *(keyword.value for keyword in call.keywords if keyword.arg == "flags")]
    parts = [part for flag in flags for part in ast.walk(flag) if not isinstance(part, ast.operator | ast.expr_context)]
    leaves = [part for part in parts if not isinstance(part, ast.BinOp) and dotted(part) != "os"]
    return not leaves or any(dotted(leaf).removeprefix("os.") not in _READ_FLAGS for leaf in leaves)


def _opens_for_writing(call: ast.Call, method: str) -> bool:
    """Whether a mode is given that writes, or one that only running would tell."""
    modes = [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
    if not method:
        modes += call.args[1:2]
        if any(not isinstance(mode, ast.Constant) for mode in modes):
            return True
    else:  # Path.open takes the mode first; gzip.open and io.open take it second
        modes += call.args[:2]
    texts = [mode.value for mode in modes if isinstance(mode, ast.Constant) and isinstance(mode.value, str)]
    return any(_MODE.fullmatch(text) and set(text) & set("wax+") for text in texts)


_DIRECTIVES: Final = re.compile(
    r"noqa(?::\s*[A-Z]+\d+(?:\s*,\s*[A-Z]+\d+)*)?|type:\s*ignore(?:\[[a-z0-9, -]*\])?|pragma:\s*no\s?cover"
)
_REASON: Final = re.compile(r"[^\W\d_]{2,}\W+[^\W\d_]+")


def reasons(source: Source) -> list[Finding]:
    """Find comments that switch a check off and do not say why on the same line."""
    found = []
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type != tokenize.COMMENT:
            continue
        switched_off = _DIRECTIVES.findall(token.string)
        if switched_off and not _REASON.search(_DIRECTIVES.sub(" ", token.string)):
            message = f"{switched_off[0]!r} carries no reason; add one behind it: '# {switched_off[0]}  # because ...'"
            found.append(Finding(source.path, token.start[0], "reason", message))
    return found


_FOREIGN_WORDS: Final = {
    r"\.\./shared\b": "a folder outside the repository",
    r"(?i)\bissues?\s+(?:#\s?)?\d+\b": "a planning number",
    r"(?i)\b(?:this|next|previous|last) issue\b": "planning",
    r"\b(?:T[O]DO|F[I]XME|X[X]X)\b": "work that is not done",
}


def foreign_words(path: str, text: str) -> list[Finding]:
    """Find words that speak of how the repository was made instead of what it is."""
    if path == ".ci/run":  # the one place that may look beside the repository
        return []
    return [
        Finding(path, number, "words", f"{match[0]!r} names {what}")
        for number, line in enumerate(text.splitlines(), start=1)
        for pattern, what in _FOREIGN_WORDS.items()
        if (match := re.search(pattern, line))
    ]
