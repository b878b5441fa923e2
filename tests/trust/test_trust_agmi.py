"""Row 11: the suite ``agent-memory-integrity`` against a loom, by its own command; its attacks by the front door."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from agmi import check
from agmi.attacks.at_rest import AT_REST_ATTACKS_WITH_SNAPSHOT
from agmi.attacks.memory_specific import ALL_MEMORY_ATTACKS
from agmi_adapter import RehashingAdapter, ZaxyAdapter, ZaxyFrontDoor
from trust_scale import Figure

from fault_processes import memory_folder

pytestmark = pytest.mark.row(11)

SUITE = f"agent-memory-integrity {version('agent-memory-integrity')}"
EDITS = {
    "T1 content tamper": "hash_mismatch",
    "T2 tail truncation": "truncated",
    "T3 middle deletion": "broken_chain",
    "T4 reordering": "broken_chain",
    "T5 forged insertion": "hash_mismatch",
    "T6 cross-context replay": "broken_chain",
    "T7 rollback replay": "broken_chain",
    "T8 metadata tamper": "hash_mismatch",
    "T9 snapshot rollback": "truncated",
}
REHASHED = {
    "T1 content tamper": "rewritten",
    "T2 tail truncation": "truncated",
    "T3 middle deletion": "truncated",
    "T4 reordering": "rewritten",
    "T5 forged insertion": "",
    "T6 cross-context replay": "rewritten",
    "T7 rollback replay": "rewritten",
    "T8 metadata tamper": "rewritten",
    "T9 snapshot rollback": "truncated",
}
"""With all hashes computed anew. Whoever may write the file can add a whole record at its end, as any writer does."""

FRONT_DOOR = {
    "memory_injection": {"external": 5, "laundered": 5, "agent-laundered": 5},
    "cross_session_bleed": {"cross-user": 0},
    "retrieval_hijack": {"external": 5, "laundered": 5, "agent-laundered": 5},
    "indirect_prompt_injection": {"external": 5, "laundered": 5, "agent-laundered": 5},
    "update_poisoning": {"external": 5, "laundered": 5, "agent-laundered": 5},
    "metadata_poisoning": {"external": 5, "laundered": 5, "agent-laundered": 5},
}
"""How many of the five fixtures came back in an answer, by the channel that they came in on."""


def test_the_suites_own_check_finds_all_nine_edits_reported(tmp_path: Path, figure: Figure) -> None:
    told = tmp_path / "row.json"
    assert check.main(["--adapter", "agmi_adapter:ZaxyAdapter", "--json", str(told)]) == 0
    rows = json.loads(told.read_text(encoding="utf-8"))["edits"]
    assert [row["edit"] for row in rows] == list(EDITS)
    assert {row["edit"]: row["verdict"] for row in rows} == dict.fromkeys(EDITS, "REPORTED")
    codes = {row["edit"]: row["detail"].partition("(")[2].partition(":")[0] for row in rows}
    assert codes == EDITS
    figure(
        f"{SUITE}: {len(rows)} of {len(AT_REST_ATTACKS_WITH_SNAPSHOT)} edits reported, 0 accepted, its controls pass"
    )


def test_the_suites_own_command_passes(tmp_path: Path) -> None:
    told = tmp_path / "row.json"
    ended = subprocess.run(
        [sys.executable, "-m", "agmi.check", "--adapter", "agmi_adapter:ZaxyAdapter", "--json", str(told)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent), "GITHUB_ACTIONS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    rows = json.loads(told.read_text(encoding="utf-8"))["edits"]
    assert [(row["edit"], row["verdict"]) for row in rows] == [(edit, "REPORTED") for edit in EDITS]


class Blind(ZaxyAdapter):
    """Says that all is well, whatever it is asked about."""

    def verify(self) -> bool:
        return True


class Idle(ZaxyAdapter):
    """Lets no edit reach the files."""

    def _replace(self, session_id: str, lines: list[str]) -> None:
        pass


def test_the_suite_tells_an_adapter_that_sees_nothing_and_one_whose_edits_do_not_land() -> None:
    assert {row["verdict"] for row in check.run(Blind())} == {"ACCEPTED"}
    assert {row["attack"] for row in check.run(Idle()) if row["verdict"] != "ERROR"} == {"snapshot_rollback"}


def test_an_attacker_who_computes_all_hashes_anew_gets_one_edit_past_verification(figure: Figure) -> None:
    rows = check.run(RehashingAdapter())
    assert {row["verdict"] for row in rows} <= {"REPORTED", "ACCEPTED"}
    found = {row["edit"]: row["detail"].partition("(")[2].partition(":")[0] for row in rows}
    for edit, code in REHASHED.items():  # what is seen first depends on which records were chosen
        assert found[edit] in ({code, "rewritten", "truncated"} if code else {""}), (edit, found)
    passed = [row["edit"] for row in rows if row["verdict"] == "ACCEPTED"]
    figure(f"the same with all hashes computed anew: {len(rows) - len(passed)} of 9 reported; accepted: {passed}")


@pytest.mark.slow
def test_what_comes_through_the_front_door_is_what_the_table_says(figure: Figure) -> None:
    with memory_folder() as folder:
        adapter = ZaxyFrontDoor(folder)
        results = [attack().run(adapter) for attack in ALL_MEMORY_ATTACKS]
        adapter.close()
    assert {result.attack: result.error for result in results} == dict.fromkeys(FRONT_DOOR)
    for result in results:
        for channel, outcomes in result.channels.items():
            assert len(outcomes) == 5, (result.attack, channel)
            assert None not in outcomes, (result.attack, channel)
    surfaced = {
        result.attack: {channel: sum(outcomes) for channel, outcomes in result.channels.items()} for result in results
    }
    told = "; ".join(
        f"{attack} " + ", ".join(f"{channel} {count} of 5" for channel, count in channels.items())
        for attack, channels in surfaced.items()
    )
    figure(f"front door: surfaced in answers, of five fixtures each: {told} ({adapter.measured_on()})")
    assert surfaced == FRONT_DOOR
