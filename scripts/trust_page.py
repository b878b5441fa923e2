"""Write the figures of a test run into the table of docs/trust.md: ``python scripts/trust_page.py FIGURES PAGE``.

The page's rows name what is promised; the last column is what the tests in ``tests/trust`` said of each row. A row that
a run said nothing of says so.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from pathlib import Path

_ROW = re.compile(r"^\| *(\d+) *\|(.*)\|(.*)\|(?:[^|\n]*)\|$", re.MULTILINE)


def main(arguments: list[str]) -> int:
    """Rewrite the page; 1 when a row that is not marked as later has no figure."""
    figures_path, page_path = map(Path, arguments)
    said: defaultdict[int, list[str]] = defaultdict(list)
    extents = set()
    for told in json.loads(figures_path.read_text(encoding="utf-8")):
        sampled = " (sample)" if told["extent"] == "sample" else ""
        said[told["row"]].append(told["figure"].replace("|", "\\|").replace("\n", " ") + sampled)
        extents.add(told["extent"])
    silent: list[int] = []
    shown = 3

    def row(match: re.Match[str]) -> str:
        number = int(match[1])
        if not said[number]:
            silent.append(number)
        more = f"; and {len(said[number]) - shown} more" if len(said[number]) > shown else ""
        figure = "; ".join(said[number][:shown]) + more or "no figure in the last run"
        return f"| {number} |{match[2]}|{match[3]}| {figure} |"

    page = page_path.read_text(encoding="utf-8")
    page_path.write_text(_ROW.sub(row, page), encoding="utf-8")
    print(f"{page_path}: {len(said)} rows from a {' and '.join(sorted(extents))} run; silent rows: {silent or 'none'}")
    return 1 if silent else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
