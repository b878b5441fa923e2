"""Write the tables of docs/settings.md from the settings' classes: ``python scripts/settings_page.py [--check]``.

What a setting is called, what it does and whether a file may hold it is in the text of its class; its default is the
class's own. A table stands behind the line ``<!-- table: CLASS -->`` and ends with the next empty line.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from zaxy.config import EmbeddingSettings, RerankerSettings, Settings
from zaxy.evolution_settings import EvolutionSettings
from zaxy.graph_settings import Neo4jSettings
from zaxy.project_settings import HARMLESS
from zaxy.serving_settings import ServingSettings
from zaxy.telemetry_settings import TelemetrySettings

PAGE: Final = Path(__file__).parent.parent / "docs" / "settings.md"
CLASSES: Final = (
    *(Settings, ServingSettings, TelemetrySettings, EmbeddingSettings, EvolutionSettings, RerankerSettings),
    Neo4jSettings,
)
_ATTRIBUTE: Final = re.compile(r"^    (\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)
_NAMES: Final = re.compile(r"\s*\(``([A-Z][A-Z0-9_]+)``(, ``[A-Z0-9_]+_FILE``)?(?:, (``[^)]+``))?\)")
_TABLE: Final = re.compile(r"(?<=<!-- table: )(\w+) -->\n(?:\n(?:\|.*\n)+)?")


def rows(kind: type[Any]) -> Iterator[str]:
    """Yield a line of the table for each setting of a class."""
    defaults = {field.name: field for field in dataclasses.fields(kind)}
    text = inspect.getdoc(kind) or ""
    for attribute, told in _ATTRIBUTE.findall(text.partition("Attributes:")[2]):
        sentence = " ".join(told.split())
        match = _NAMES.search(sentence)
        if match is None:  # a group of settings, which has a table of its own
            continue
        name, has_file, example = match.groups()
        what = _NAMES.sub("", sentence).rstrip(".").replace("``", "`")
        what = re.sub(r"\bNone\b", "unset", what) + (f", such as {example.replace('``', '`')}" if example else "")
        marks = (" †" if name in HARMLESS else "") + (" ‡" if has_file else "")
        yield f"| `{name}`{marks} | {default_of(defaults[attribute])} | {what[:1].lower()}{what[1:]} |"


def default_of(field: dataclasses.Field[Any]) -> str:
    """Return a default as the page shows it."""
    factory = field.default_factory
    value = field.default if field.default is not dataclasses.MISSING else factory()  # type: ignore[misc]  # one of the two is there
    if value is None or (isinstance(value, (tuple, dict, frozenset)) and not value):
        return "unset"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, (frozenset, tuple)):
        return f"`{','.join(sorted(value))}`"
    return f"{value:,}" if isinstance(value, int | float) else f"`{value}`"


def written(page: str) -> str:
    """Return the page with its tables as the classes are now."""
    by_name = {kind.__name__: kind for kind in CLASSES}
    head = "| setting | default | what it does |\n|---|---|---|\n"

    def table(match: re.Match[str]) -> str:
        return f"{match[1]} -->\n\n{head}" + "".join(f"{row}\n" for row in rows(by_name[match[1]]))

    return _TABLE.sub(table, page)


def main() -> int:
    """Write the page, or with ``--check`` only say whether it is current."""
    page = PAGE.read_text(encoding="utf-8")
    current = written(page)
    if "--check" in sys.argv[1:]:
        print("docs/settings.md is current" if page == current else "run: python scripts/settings_page.py")
        return int(page != current)
    PAGE.write_text(current, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
