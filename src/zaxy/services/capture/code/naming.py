"""What modules, symbols and called things are called beyond their file, as far as the file itself tells.

A name is given only where it follows from the file's own text and place: what a file defines and what it imports. What
a variable holds is not guessed.
"""

from __future__ import annotations

import posixpath
from pathlib import Path, PurePosixPath
from typing import Final

from zaxy.services.capture.code.languages import LANGUAGES, Language
from zaxy.services.capture.code.manifests import go_module
from zaxy.services.capture.code.syntax import Import, Parsed

_OWN: Final = frozenset({"self", "this", "cls", "Self", "super"})
_SCRIPTS: Final = frozenset({"javascript", "typescript"})
_RUST_ENTRIES: Final = frozenset({"lib", "main", "mod"})


class Surroundings:
    """What of a codebase decides how its modules are called.

    Args:
        top: Its folder.
        repository: Its name, empty where it is no repository.
    """

    def __init__(self, top: Path, repository: str) -> None:
        self.top = top
        self.repository = repository
        self._has_file: dict[str, bool] = {}
        self._go_modules: dict[str, str] = {}

    def has_file(self, path: str) -> bool:
        """Return whether it has a file at a path within it."""
        if path not in self._has_file:
            self._has_file[path] = (self.top / path).is_file()
        return self._has_file[path]

    def go_module(self, folder: str) -> str:
        """Return the module that a folder's ``go.mod`` names, empty where there is none."""
        if folder not in self._go_modules:
            try:
                text = (self.top / folder / "go.mod").read_text("utf-8", "replace")
            except OSError:
                text = ""
            self._go_modules[folder] = go_module(text)
        return self._go_modules[folder]


class Names:
    """Names what one file defines and calls.

    Args:
        path: The file's path within its codebase, with ``/``.
        language: Its language.
        parsed: What it holds.
        around: The codebase.
    """

    def __init__(self, path: str, language: Language, parsed: Parsed, around: Surroundings) -> None:
        self._path = PurePosixPath(path)
        self._language = language
        self._around = around
        self._defined = frozenset(symbol.name for symbol in parsed.symbols)
        self.module = parsed.package or self._module()
        """What the file's module is called."""
        self._bound = {self._local(one): self._target(one) for one in parsed.imports}

    def symbol(self, name: str) -> str:
        """Return what a symbol of the file is called beyond it."""
        return f"{self.module}.{name}" if self.module else name

    def imported(self, one: Import) -> str:
        """Return what module or file an import names."""
        return self._source(one.source)

    def called(self, name: str, within: str) -> str | None:
        """Return what is called, by its name beyond the file; None where the file alone does not tell.

        Args:
            name: The call as written, parts joined by dots.
            within: The symbol that makes the call, empty outside of any.
        """
        first, _, rest = name.partition(".")
        if first in _OWN:
            owner = within.rpartition(".")[0]
            own = f"{owner}.{rest}"
            return self.symbol(own) if own in self._defined else None
        for scope in self._scopes(within):
            if f"{scope}{name}" in self._defined:
                return self.symbol(f"{scope}{name}")
        target = self._bound.get(first)
        if target:
            return f"{target}.{rest}" if rest else target
        return None

    def _scopes(self, within: str) -> list[str]:
        """Return the beginnings of names that a bare name may stand for, the nearest first."""
        if not self._language.has_implicit_members:
            return [""]
        parts = within.split(".")
        return [*(".".join(parts[:count]) + "." for count in range(len(parts) - 1, 0, -1)), ""]

    def _module(self) -> str:
        stem = self._path.with_suffix("").as_posix()
        if self._language.name == "python":
            return self._python_module()
        if self._language.name == "go":
            return self._go_package()
        if self._language.name == "rust":
            return self._rust_module()
        return self._within(stem.removesuffix("/index") if self._language.name in _SCRIPTS else stem)

    def _within(self, path: str) -> str:
        """Return a path that is unique beyond this codebase."""
        return f"{self._around.repository}/{path}" if self._around.repository else path

    def _python_module(self) -> str:
        folder, parts = self._path.parent, [self._path.stem] if self._path.stem != "__init__" else []
        while folder.name and self._around.has_file((folder / "__init__.py").as_posix()):
            parts.insert(0, folder.name)
            folder = folder.parent
        return ".".join(parts)

    def _go_package(self) -> str:
        folder = self._path.parent
        for parent in (folder, *folder.parents):
            module = self._around.go_module(parent.as_posix())
            if module:
                return posixpath.normpath(f"{module}/{folder.relative_to(parent).as_posix()}")
        return self._within(folder.as_posix())

    def _rust_module(self) -> str:
        crate, parts = self._crate()
        if parts and parts[-1] in _RUST_ENTRIES:
            parts = parts[:-1]
        return ".".join((crate, *parts))

    def _crate(self) -> tuple[str, tuple[str, ...]]:
        """Return the name of the file's crate and the parts of its path within that."""
        parts = self._path.with_suffix("").parts
        if "src" not in parts:
            return self._around.repository.replace("-", "_"), parts
        place = len(parts) - 1 - parts[::-1].index("src")
        crate = parts[place - 1] if place else self._around.repository
        return crate.replace("-", "_"), parts[place + 1 :]

    def _local(self, one: Import) -> str:
        """Return what a file calls what it imports."""
        if one.alias or one.item:
            return one.alias or one.item
        if self._language.name == "python":
            return one.source.partition(".")[0]
        return one.source.rpartition("." if self._language.name == "java" else "/")[2].rpartition("::")[2]

    def _target(self, one: Import) -> str:
        if self._language.name == "python" and not one.item and not one.alias:
            return one.source.partition(".")[0]
        source = self._source(one.source)
        return f"{source}.{one.item}" if one.item else source

    def _source(self, told: str) -> str:
        """Return what a module that an import names is called beyond the file."""
        language = self._language.name
        if language == "python" and told.startswith("."):
            ups = len(told) - len(told.lstrip("."))
            package = self.module.split(".")
            kept = package[: len(package) - ups + (self._path.stem == "__init__")]
            return ".".join((*kept, *filter(None, (told.lstrip("."),))))
        if language in _SCRIPTS and told.startswith("."):
            path = posixpath.normpath(f"{self._path.parent.as_posix()}/{told}")
            stem = path.removesuffix(posixpath.splitext(path)[1]) if posixpath.splitext(path)[1] in LANGUAGES else path
            return self._within(stem.removesuffix("/index"))
        if language == "rust":
            return self._rust_path(told)
        if language in ("c", "c++") and told:
            near = posixpath.normpath(f"{self._path.parent.as_posix()}/{told}")
            found = next((path for path in (near, told, f"include/{told}") if self._around.has_file(path)), None)
            return self._within(posixpath.splitext(found)[0]) if found else told
        return told

    def _rust_path(self, told: str) -> str:
        first, *rest = told.split("::")
        here = self.module.split(".")
        if first == "crate":
            return ".".join((here[0], *rest))
        if first == "self":
            return ".".join((*here, *rest))
        if first == "super":
            ups = 1
            while rest and rest[0] == "super":
                ups, rest = ups + 1, rest[1:]
            return ".".join((*here[:-ups], *rest))
        return ".".join((first, *rest))
