"""Tests of the promises in `docs/trust.md`: a sample in every run, the full numbers with ``ZAXY_TRUST=full``.

Each test tells its figure; all of them are printed when the run ends, and written as JSON with ``--figures FILE``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

import pytest
from trust_scale import Figure, Scale

_LONGEST_FIRST: Final = (
    "test_after_any_cut_of_the_power_what_was_acknowledged_is_there_and_the_log_goes_on",
    "test_nothing_is_left_in_stores_and_answers_wherever_a_process_was_killed",
    "test_a_bit_that_is_flipped_anywhere_is_found_in_its_event_and_the_others_can_be_read",
    "test_projections_fed_bit_by_bit_have_the_digest_of_those_built_at_once_in_random_histories",
    "test_questions_wait_for_a_provider_that_hangs_all_at_once_and_no_longer_than_its_time_limit",
    "test_writers_that_are_killed_at_random_lose_nothing_that_they_acknowledged",
    "test_what_writes_may_fail_or_die_at_any_of_its_system_calls",
    "test_order_and_validity_are_right_in_random_histories_under_a_jumping_clock",
    "test_a_log_that_is_cut_short_anywhere_is_torn_or_damaged_as_far_as_anything_tells",
    "test_a_rebuild_gives_the_same_digest_whatever_the_stores_were_before",
    "test_a_line_without_end_is_damage_and_is_read_in_bounded_time_and_memory",
    "test_a_vault_keeps_its_word_after_any_of_its_system_calls_failed",
    "test_eight_processes_make_one_dense_chain",
    "test_nothing_is_left_of_a_forgotten_note_wherever_the_process_was_killed",
    "test_four_signers_that_are_killed_leave_one_history",
    "test_stores_on_disk_fed_bit_by_bit_have_the_digest_of_rebuilt_ones_in_random_histories",
)
"""What takes a minute or more in full: one that began last would keep all other cores waiting."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In a full run let the longest tests begin first."""
    if os.environ.get("ZAXY_TRUST") == "full":
        ranks = {name: rank for rank, name in enumerate(_LONGEST_FIRST)}
        items.sort(key=lambda item: ranks.get(item.name.partition("[")[0], len(ranks)))


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
