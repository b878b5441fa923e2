"""Editing TOML and YAML by whole lines: the table of one server, added or taken out; nothing else is touched.

These editors know only the layout that people and programs write. Whoever uses them compares what the new text says
with what it should say, so that a layout which they do not know is left alone and never spoiled.
"""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any, Final

from zaxy.errors import MissingDependencyError
from zaxy.services.operations.onboarding.additions import Addition, Place, ShapeError

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


class TomlText:
    """TOML documents: a server is a table of its own at the end."""

    def parse(self, text: str) -> Any:
        """Return what a text says, or raise a `ValueError` when it is not TOML."""
        return tomllib.loads(text)

    def insert(self, text: str, addition: Addition) -> str:
        """Return the text with a table in it that it does not hold yet."""
        fields = "".join(f"{key} = {_literal(value)}\n" for key, value in addition.value.items())
        gap = "\n" if text.strip() else ""
        return f"{_whole_lines(text)}{gap}{_header(addition.place)}\n{fields}"

    def cut(self, text: str, place: Place) -> str:
        """Return the text without a table."""
        header = rf"^[ \t]*{re.escape(_header(place))}[ \t]*\r?\n"
        return _cut(text, rf"(?:^[ \t]*\r?\n)?{header}(?:^[ \t]*[\w-]+[ \t]*=.*(?:\n|\Z))*")


class YamlText:
    """YAML documents: a server is a block under the key of all servers."""

    def parse(self, text: str) -> Any:
        """Return what a text says; a blank one is an empty object.

        Raises:
            ValueError: It is not YAML.
            MissingDependencyError: There is nothing here to read it with.
        """
        try:
            import yaml
        except ImportError as error:
            told = "PyYAML is not installed, which reads the client's configuration"
            raise MissingDependencyError(told, remedy="pip install pyyaml") from error
        try:
            found = yaml.safe_load(text)
        except (yaml.YAMLError, RecursionError) as error:
            raise ValueError(" ".join(str(error).split())) from error
        return {} if found is None else found

    def insert(self, text: str, addition: Addition) -> str:
        """Return the text with a block in it that it does not hold yet."""
        group, name = addition.place
        text = _whole_lines(text)
        found = re.search(rf"^{re.escape(group)}:[ \t]*(?:#.*)?\r?\n", text, re.MULTILINE)
        if found is None:
            if re.search(rf"^['\"]?{re.escape(group)}['\"]?[ \t]*:", text, re.MULTILINE):
                raise ShapeError(f"what stands under {group} is not laid out as a block")
            return f"{text}{group}:\n{_block(name, addition.value, '  ')}"
        inner = re.compile(r"(?:[ \t]*(?:#.*)?\r?\n)*([ ]+)\S").match(text, found.end())
        block = _block(name, addition.value, inner[1] if inner else "  ")
        return text[: found.end()] + block + text[found.end() :]

    def cut(self, text: str, place: Place) -> str:
        """Return the text without a block, and without the key above it when nothing else is there."""
        group, name = place
        named = re.escape(str(group if len(self.parse(text)[group]) == 1 else name))
        return _cut(text, rf"^(?P<indent>[ ]*){named}:[ \t]*\r?\n(?:^(?P=indent)[ ]+\S.*(?:\n|\Z))*")


def _header(place: Place) -> str:
    keys = (key if _BARE_KEY.fullmatch(key) else _literal(key) for key in map(str, place))
    return f"[{'.'.join(keys)}]"


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _block(name: str, fields: dict[str, Any], indent: str) -> str:
    lines = [f"{name}:", *(f"  {key}: {_literal(value)}" for key, value in fields.items())]
    return "".join(f"{indent}{line}\n" for line in lines)


def _whole_lines(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def _cut(text: str, lines: str) -> str:
    pattern = re.compile(lines, re.MULTILINE)
    if len(list(pattern.finditer(text))) != 1:
        raise ShapeError("its lines are not laid out as they were written")
    return pattern.sub("", text)
