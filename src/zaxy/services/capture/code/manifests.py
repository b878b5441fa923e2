"""What a codebase depends on, as its manifests say."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any, Final
from xml.etree import ElementTree

import orjson

MAX_DEPENDENCIES: Final = 1_000
"""How many dependencies of one manifest are told."""

_REQUIREMENT: Final = re.compile(r"\s*([A-Za-z0-9][\w.-]*)")
_GO_REQUIRE: Final = re.compile(r"^(?:require\s+)?([\w.~-]+(?:/[\w.~-]+)+|[\w-]+\.[\w.-]+)\s+(v\S+)", re.MULTILINE)
_GO_MODULE: Final = re.compile(r"^module\s+\"?([^\s\"]+)", re.MULTILINE)
_NAMED: Final = ("dependencies", "dev-dependencies", "build-dependencies")


@dataclass(frozen=True, slots=True)
class Dependency:
    """A package that a manifest asks for.

    Attributes:
        name: The package.
        wanted: Which versions of it, as written; empty for any.
        group: What it is for, where the manifest says: ``dev``, the name of an extra …
    """

    name: str
    wanted: str = ""
    group: str = ""

    def __str__(self) -> str:
        told = f"{self.name} {self.wanted}".rstrip()
        return f"{told} ({self.group})" if self.group else told


def is_manifest(name: str) -> bool:
    """Return whether a file of that name says what a codebase depends on."""
    return _reader(name) is not None


def read_manifest(name: str, text: str) -> list[Dependency]:
    """Return the dependencies that a manifest asks for, each once, at most `MAX_DEPENDENCIES`.

    Args:
        name: The file's name, which tells its format.
        text: What it holds.

    Raises:
        ValueError: It is not in its format.
    """
    reader = _reader(name)
    try:
        found = dict.fromkeys(reader(text) if reader is not None else ())
    except (ElementTree.ParseError, AttributeError, TypeError) as error:
        raise ValueError(f"not a manifest of its kind: {error}") from error
    return list(found)[:MAX_DEPENDENCIES]


def go_module(text: str) -> str:
    """Return the module that a ``go.mod`` names, empty where it names none."""
    found = _GO_MODULE.search(text)
    return found[1] if found else ""


def _reader(name: str) -> Callable[[str], Iterable[Dependency]] | None:
    return next((reader for pattern, reader in _READERS.items() if fnmatch(name, pattern)), None)


def _requirement(told: object, group: str = "") -> Iterator[Dependency]:
    found = _REQUIREMENT.match(told) if isinstance(told, str) else None
    if found and isinstance(told, str):
        yield Dependency(found[1], told[found.end() :].strip(), group)


def _pyproject(text: str) -> Iterator[Dependency]:
    told = tomllib.loads(text)
    project = told.get("project", {})
    for one in project.get("dependencies", ()):
        yield from _requirement(one)
    for groups in (project.get("optional-dependencies", {}), told.get("dependency-groups", {})):
        for group, listed in groups.items():
            for one in listed:
                yield from _requirement(one, group)


def _requirements(text: str) -> Iterator[Dependency]:
    for line in text.splitlines():
        yield from _requirement(line.partition(" #")[0] if not line.lstrip().startswith(("#", "-")) else "")


def _package_json(text: str) -> Iterator[Dependency]:
    told = orjson.loads(text)
    for member, group in (("dependencies", ""), ("devDependencies", "dev"), ("peerDependencies", "peer")):
        yield from _named(told.get(member, {}), group)


def _cargo(text: str) -> Iterator[Dependency]:
    told = tomllib.loads(text)
    for place in (told, told.get("workspace", {}), *told.get("target", {}).values()):
        for member in _NAMED:
            yield from _named(place.get(member, {}), member.partition("-")[0] if "-" in member else "")


def _named(listed: Mapping[str, Any], group: str) -> Iterator[Dependency]:
    for name, wanted in listed.items():
        told = wanted.get("version", "") if isinstance(wanted, Mapping) else wanted
        yield Dependency(name, told if isinstance(told, str) else "", group)


def _go(text: str) -> Iterator[Dependency]:
    block = ""
    for line in text.splitlines():
        bare = line.partition("//")[0].strip()
        if bare.endswith("("):
            block = bare[:-1].strip()
        elif bare == ")":
            block = ""
        elif (block == "require" or bare.startswith("require ")) and (found := _GO_REQUIRE.match(bare)):
            yield Dependency(found[1], found[2], "indirect" if "// indirect" in line else "")


def _pom(text: str) -> Iterator[Dependency]:
    root = ElementTree.fromstring(text)  # noqa: S314 - expat bounds entities, loads none from outside
    for one in root.iterfind(".//{*}dependency"):
        told = {child.tag.rpartition("}")[2]: (child.text or "").strip() for child in one}
        if told.get("artifactId"):
            name = f"{told.get('groupId', '')}:{told['artifactId']}".lstrip(":")
            yield Dependency(name, told.get("version", ""), told.get("scope", ""))


_READERS: Final[Mapping[str, Callable[[str], Iterable[Dependency]]]] = {
    "pyproject.toml": _pyproject,
    "requirements*.txt": _requirements,
    "package.json": _package_json,
    "Cargo.toml": _cargo,
    "go.mod": _go,
    "pom.xml": _pom,
}
"""What reads a manifest, by the pattern of its name."""
