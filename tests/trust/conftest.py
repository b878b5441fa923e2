"""Tests of the promises in `docs/trust.md`: a sample in every run, the full numbers with ``ZAXY_TRUST=full``.

Each test tells its figure; all of them are printed when the run ends, and written as JSON with ``--figures FILE``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from trust_scale import Figure, Scale


@pytest.fixture(scope="session")
def scale() -> Scale:
    """How much of each test to run: ``ZAXY_TRUST=full`` runs all of it."""
    return Scale(os.environ.get("ZAXY_TRUST") == "full")


@pytest.fixture
def figure(request: pytest.FixtureRequest, scale: Scale) -> Figure:
    """Tell what a test found, for the row of the table that its mark names: ``@pytest.mark.row(3)``."""
    mark = request.node.get_closest_marker("row")
    assert mark is not None, "a test that tells a figure is marked with the row it belongs to"

    def tell(text: str) -> None:
        extent = "full" if scale.full else "sample"
        told = {"row": mark.args[0], "test": request.node.nodeid, "figure": text, "extent": extent}
        request.node.user_properties.append(("figure", told))

    return tell


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the figures of all tests, whichever process ran them."""
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.getreports(outcome)]
    told = [value for report in reports for name, value in report.user_properties if name == "figure"]
    told.sort(key=lambda figure: (figure["row"], figure["test"]))
    if told:
        terminalreporter.section("trust")
    for figure in told:
        terminalreporter.write_line(f"row {figure['row']:>2}  {figure['figure']}  [{figure['extent']}]")
    target = config.getoption("--figures")
    if target:
        Path(target).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
