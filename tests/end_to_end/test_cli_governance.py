"""Editing, rolling back, reviewing and forgetting memories from the command line, each command a process."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cli_process import ZAXY, environment, zaxy

from zaxy import EventLog

pytestmark = pytest.mark.slow

LOG = Path(".eventloom") / "default.jsonl"
GATE = {
    *("op", "tier", "confidence", "threshold", "decision", "auto_apply", "requires_review"),
    *("rollback_window_seconds", "reason", "authority_status", "candidate_ref", "citation"),
}


def ok(folder: Path, *words: str, text: str = "", **added: str) -> str:
    """Run a command that must succeed and say nothing on standard error; return what it prints."""
    done = zaxy(folder, *words, text=text, **added)
    assert done.returncode == 0, f"{words}: {done.stderr or done.stdout}"
    assert done.stderr == "", words
    return done.stdout


def answer(folder: Path, *words: str, text: str = "", **added: str) -> Any:
    return json.loads(ok(folder, *words, "--json", text=text, **added))


def refused(folder: Path, *words: str, text: str = "", **added: str) -> str:
    """Run a command that must be refused and write nothing; return what it says."""
    before = held(folder)
    done = zaxy(folder, *words, text=text, **added)
    assert done.returncode in (1, 2, 3, 4), f"{words}: {done.stdout}"
    assert held(folder) == before, f"{words} wrote something"
    assert done.stderr.startswith("error: "), done.stderr
    assert "  next: " in done.stderr or "was forgotten" in done.stderr, done.stderr
    return f"{done.returncode} {done.stderr}"


def held(folder: Path) -> Mapping[str, bytes]:
    """Return what each log of the folder's loom holds."""
    return {path.name: path.read_bytes() for path in (folder / ".eventloom").glob("*.jsonl")}


def said(folder: Path, content: str, *words: str, event_type: str = "note.made") -> str:
    """Record what somebody said and return its citation."""
    payload = json.dumps({"content": content})
    told = answer(folder, "append", event_type, "--actor", "ann", "--payload", payload, *words)
    return str(told["citation"])


def found(folder: Path, question: str, *words: str) -> list[str]:
    """Return what a question finds, in the order it is given."""
    return [hit["content"] for hit in answer(folder, "query", question, *words)["hits"]]


def at_terminal(folder: Path, typed: str, *words: str) -> tuple[int, str]:
    """Run a command whose standard input is a terminal at which somebody types; return its code and what it prints."""
    ours, theirs = pty.openpty()
    try:
        with subprocess.Popen(
            [*ZAXY, *words], cwd=folder, stdin=theirs, stdout=subprocess.PIPE, text=True, env=environment()
        ) as process:
            os.write(ours, typed.encode())
            printed, _ = process.communicate(timeout=120)
        return process.returncode, printed
    finally:
        os.close(ours)
        os.close(theirs)


def editor(folder: Path, script: str) -> dict[str, str]:
    """Return the variables under which a Python script, which gets the file as its word, is the editor."""
    path = folder / "editor.py"
    path.write_text(f"import os, pathlib, signal, sys\npath = pathlib.Path(sys.argv[1])\n{script}\n")
    return {"VISUAL": "", "EDITOR": f"{shlex.quote(sys.executable)} {shlex.quote(str(path))}"}


def test_an_edit_with_the_words_of_3x_is_all_that_answers_show_afterwards(tmp_path: Path) -> None:
    old = said(tmp_path, "The launch is on Monday.")
    event = EventLog(tmp_path / LOG).read(1)
    assert event is not None
    digest = event.hash.removeprefix("sha256:")
    words = ("--target-seq", "1", "--target-hash", digest, "--new-content", "The launch is on Friday.")
    told = answer(tmp_path, "memory", "edit", *words, "--reason", "ann misspoke", "--confidence", "0.9")
    assert told["status"] == "applied"
    assert re.fullmatch(r"correction:[0-9a-f]{24}", told["correction_id"])
    assert {"seq": 1, "hash": digest, "citation": old, "session_id": "default"} == told["target"]
    assert set(told["gate"]) == GATE
    assert told["gate"]["decision"] == "auto_apply"
    new = told["correction_event"]["citation"]

    (hit,) = answer(tmp_path, "query", "when is the launch?")["hits"]
    assert (hit["content"], hit["citation"]) == ("The launch is on Friday.", new)
    assert hit["metadata"]["state"] == "corrected"
    assert hit["metadata"]["corrects"] == [old]
    assert hit["actor"] == "ann"
    packet = ok(tmp_path, "checkout", "when is the launch?")
    assert "Friday" in packet
    assert "Monday" not in packet
    assert sorted(found(tmp_path, "launch", "--history")) == ["The launch is on Friday.", "The launch is on Monday."]
    assert found(tmp_path, "launch", "--known-at", event.recorded_at) == ["The launch is on Monday."]
    assert EventLog(tmp_path / LOG).verify().ok


def test_a_block_goes_out_is_edited_and_comes_back(tmp_path: Path) -> None:
    cited = said(tmp_path, "Bob lives in Rome.\nHe moved there in May.")
    block = ok(tmp_path, "memory", "show", "1", "--session-id", "default", "--editable")
    assert block.startswith("--- zaxy:editable v1 ---\nseq: 1\nhash: ")
    (tmp_path / "block.txt").write_text(block.replace("Rome", "Lisbon"))
    ok(tmp_path, "memory", "edit", "--file", "block.txt", "--reason", "wrong city")
    assert found(tmp_path, "where does Bob live?") == ["Bob lives in Lisbon.\nHe moved there in May."]

    again = ok(tmp_path, "memory", "show", cited, "--editable")
    assert "Lisbon" in again
    ok(tmp_path, "memory", "edit", "--file", "-", "--reason", "wrong month", text=again.replace("May", "June"))
    assert found(tmp_path, "where does Bob live?") == ["Bob lives in Lisbon.\nHe moved there in June."]
    shown = answer(tmp_path, "memory", "show", cited, "--history")
    assert [(step["change"], step["counts"]) for step in shown["history"]] == [
        ("said", False),
        ("corrected", False),
        ("corrected", True),
    ]
    printed = ok(tmp_path, "memory", "show", cited, "--history")
    for part in ("Rome", "Lisbon", "June", "wrong city", "wrong month", "State: corrected"):
        assert part in printed


def test_the_editor_gets_the_block_and_leaves_nothing_behind(tmp_path: Path) -> None:
    cited = said(tmp_path, "The key is under the mat.", "--forgettable")
    script = "pathlib.Path('seen').write_text(str(path)); path.write_text(path.read_text().replace('mat', 'stone'))"
    words = ("memory", "edit", "--citation", cited, "--editor", "--reason", "moved")
    told = answer(tmp_path, *words, **editor(tmp_path, script))
    assert told["correction_id"].startswith("correction:")
    assert found(tmp_path, "where is the key?") == ["The key is under the stone."]
    assert not Path((tmp_path / "seen").read_text()).parent.exists()
    assert b"under the stone" not in b"".join(held(tmp_path).values())  # as sealed as what it corrects


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("pass", "the block was not changed"),
        ("path.write_text(path.read_text().split('---\\nThe')[0] + '---\\n')", "the text is empty"),
        ("path.write_text('nothing')", "line 1 of the block"),
        ("path.write_text(path.read_text().replace('seq: 1', 'seq: 2'))", "names another event"),
        ("path.unlink()", "the editor removed the block"),
        ("sys.exit(3)", "Editing failed"),
    ],
    ids=["unchanged", "emptied", "malformed", "another event", "removed", "failed"],
)
def test_an_edit_in_the_editor_that_cannot_be_taken_writes_nothing(tmp_path: Path, script: str, told: str) -> None:
    cited = said(tmp_path, "The key is under the mat.")
    words = ("memory", "edit", "--citation", cited, "--editor", "--reason", "moved")
    assert told in refused(tmp_path, *words, **editor(tmp_path, script))


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waiting for a process of somebody else needs Linux")
def test_a_kill_during_an_edit_leaves_no_text_behind(tmp_path: Path) -> None:
    cited = said(tmp_path, "The key is under the mat.", "--forgettable")
    script = (
        "children = pathlib.Path(f'/proc/{os.getppid()}/task/{os.getppid()}/children').read_text().split()\n"
        "pathlib.Path('seen').write_text(f'{path}\\n' + ' '.join(children))\n"
        "os.kill(os.getppid(), signal.SIGKILL)"
    )
    script = script.replace("os.kill(", "open('ready', 'w').close(); sys.stdin.readline(); os.kill(")
    words = [*ZAXY, "memory", "edit", "--citation", cited, "--editor", "--reason", "moved"]
    with subprocess.Popen(
        words, cwd=tmp_path, stdin=subprocess.PIPE, env=environment(**editor(tmp_path, script))
    ) as process:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.close()
        assert process.wait(120) == -signal.SIGKILL
    assert (tmp_path / "ready").exists()
    path, children = (tmp_path / "seen").read_text().split("\n")
    for child in children.split():
        wait_for_end(int(child))
    assert not Path(path).parent.exists()


def wait_for_end(process_id: int) -> None:
    """Return when a process, which need not be ours, has ended."""
    import select

    try:
        descriptor = os.pidfd_open(process_id)
    except ProcessLookupError:
        return
    ready, _, _ = select.select([descriptor], [], [], 60)
    os.close(descriptor)
    assert ready, f"process {process_id} goes on"


def test_a_rollback_takes_a_correction_back_and_can_be_taken_back_itself(tmp_path: Path) -> None:
    cited = said(tmp_path, "The launch is on Monday.")
    edit = ("memory", "edit", "--citation", cited, "--new-content", "The launch is on Friday.", "--reason", "no")
    correction = answer(tmp_path, *edit)["correction_event"]["citation"]
    told = answer(tmp_path, "memory", "rollback", "--citation", correction, "--reason", "it was right")
    assert told["reverts"] == {"event_type": "memory.corrected"}
    assert re.fullmatch(r"rollback:[0-9a-f]{24}", told["rollback_id"])
    assert found(tmp_path, "when is the launch?") == ["The launch is on Monday."]
    again = told["rollback_event"]["citation"]
    assert "Rolled back memory.rolled_back" in ok(
        tmp_path, "memory", "rollback", "--citation", again, "--reason", "it was wrong after all"
    )
    assert found(tmp_path, "when is the launch?") == ["The launch is on Friday."]
    assert EventLog(tmp_path / LOG).verify().ok


def test_what_is_forgotten_is_gone_and_the_receipt_can_be_checked(tmp_path: Path) -> None:
    ok(tmp_path, "init")
    cited = said(tmp_path, "Bob takes the blue pills.", "--forgettable")
    assert found(tmp_path, "blue pills") == ["Bob takes the blue pills."]
    assert "Bob takes the blue pills." in ok(tmp_path, "replay", str(LOG))
    words = ("memory", "forget", "--citation", cited, "--reason", "Bob asked")
    assert cited in ok(tmp_path, *words, "--dry-run")
    assert "there is no terminal" in refused(tmp_path, *words)
    assert found(tmp_path, "blue pills") == ["Bob takes the blue pills."]

    told = answer(tmp_path, *words, "--yes", "--receipt", "bob.receipt")
    assert told["erased"] is True
    assert re.fullmatch(r"forget:[0-9a-f]{24}", told["forget_id"])
    assert {"citation", "session_id", "seq", "hash"} == set(told["target"])
    assert told["target"]["citation"] == cited
    assert set(told["gate"]) == GATE
    assert told["receipt"]["memories"][0]["target"]["cell_id"] == told["cell_id"]
    assert found(tmp_path, "blue pills") == []
    assert found(tmp_path, "blue pills", "--history") in ([], ["[FORGOTTEN]"])
    assert "[FORGOTTEN]" in ok(tmp_path, "replay", str(LOG))
    assert "[FORGOTTEN]" in ok(tmp_path, "memory", "log", "--limit", "5")
    assert "[FORGOTTEN]" in ok(tmp_path, "memory", "show", cited)
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"blue pills" not in everything
    ok(tmp_path, "log", "verify")

    key = ok(tmp_path, "log", "key", "show", "--public").strip()
    assert "The receipt holds: 1 forgotten event" in ok(
        tmp_path, "memory", "check-receipt", "bob.receipt", "--public-key", key
    )
    text = (tmp_path / "bob.receipt").read_text()
    assert told["note"] == text
    (tmp_path / "bob.receipt").write_text(text.replace("Bob asked", "Ann asked"))
    assert refused(tmp_path, "memory", "check-receipt", "bob.receipt", "--public-key", key).startswith("3 ")

    assert "was forgotten on" in refused(tmp_path, *words, "--yes")
    assert "was forgotten" in refused(
        tmp_path, "memory", "edit", "--citation", cited, "--new-content", "pills", "--reason", "r"
    )
    assert "was forgotten" in refused(tmp_path, "memory", "show", cited, "--editable")


@pytest.mark.parametrize(
    ("typed", "code", "left"), [("y\n", 0, []), ("n\n", 1, ["Bob is ill."]), ("\n", 1, ["Bob is ill."])]
)
def test_a_terminal_is_asked_before_anything_is_forgotten(
    tmp_path: Path, typed: str, code: int, left: list[str]
) -> None:
    cited = said(tmp_path, "Bob is ill.", "--forgettable")
    before = held(tmp_path)
    done, printed = at_terminal(tmp_path, typed, "memory", "forget", "--citation", cited, "--reason", "Bob asked")
    assert done == code, printed
    assert "Forget 1 memory for good?" in printed
    assert (held(tmp_path) == before) is bool(left)
    assert found(tmp_path, "ill") == left


def test_many_are_forgotten_by_query_actor_and_time(tmp_path: Path) -> None:
    for number, actor in enumerate(("ann", "bob", "ann", "bob"), 1):
        ok(
            tmp_path,
            *("append", "note.made", "--actor", actor, "--forgettable", "--occurred-at", f"2026-0{number}-01"),
            *("--payload", json.dumps({"content": f"whale number {number}"})),
        )
    said(tmp_path, "the whale in the clear")
    many = ("--reason", "tidying")
    planned = answer(tmp_path, "memory", "forget", "--query", "whale", "--dry-run", *many)
    assert len(planned["items"]) == 4
    assert [kept["citation"].split("#")[0] for kept in planned["unsealed"]] == ["eventloom://default/events/5"]
    ok(tmp_path, "memory", "forget", "--actor", "bob", "--before", "2026-03-01", "--yes", *many)
    assert set(found(tmp_path, "whale number")) == {
        *(f"whale number {number}" for number in (1, 3, 4)),
        "the whale in the clear",
    }
    done = zaxy(tmp_path, "memory", "forget", "--query", "whale", "--yes", *many)
    assert done.returncode == 0, done.stderr
    assert found(tmp_path, "whale number") == ["the whale in the clear"]


def test_what_the_policy_holds_back_waits_until_it_is_accepted_or_rejected(tmp_path: Path) -> None:
    held_back = {"EVOLUTION_AUTONOMY_DEFAULT": "require_review"}
    cited = [said(tmp_path, f"The {name} launch is on Monday.") for name in ("first", "second", "third")]
    proposals = []
    for number, citation in enumerate(cited):
        new = f"The launch {number} is on Friday."
        words = ("memory", "edit", "--citation", citation, "--new-content", new, "--reason", "moved")
        told = answer(tmp_path, *words, **held_back)
        assert (told["status"], told["correction_event"]) == ("waiting", None)
        proposals.append(told["proposal"]["citation"])
    assert len(found(tmp_path, "Monday")) == 3
    listed = ok(tmp_path, "memory", "review")
    for part in (*proposals, *cited, "-The first launch is on Monday.", "+The launch 0 is on Friday.", "moved"):
        assert part in listed
    waiting = answer(tmp_path, "memory", "review")["waiting"]
    assert [item["citation"] for item in waiting] == proposals

    ok(tmp_path, "memory", "review", "--reject", proposals[0], "--reason", "it was not moved")
    (accepted,) = answer(tmp_path, "memory", "review", "--accept", proposals[1], "--reason", "right")["reviewed"]
    assert accepted["decision"] == "accepted"
    assert accepted["applied"] is not None
    assert "Accepted" in ok(tmp_path, "memory", "review", "--accept", "--all", "--reason", "right too")
    assert ok(tmp_path, "memory", "review") == "Nothing waits for review.\n"
    assert found(tmp_path, "Monday") == ["The first launch is on Monday."]
    assert sorted(found(tmp_path, "Friday")) == ["The launch 1 is on Friday.", "The launch 2 is on Friday."]


def test_a_persons_own_edit_is_its_own_review(tmp_path: Path) -> None:
    cited = said(tmp_path, "The launch is on Monday.")
    words = ("memory", "edit", "--citation", cited, "--new-content", "The launch is on Friday.", "--reason", "moved")
    told = answer(tmp_path, *words, "--source", "human", EVOLUTION_AUTONOMY_DEFAULT="propose_only")
    assert told["status"] == "applied"
    assert found(tmp_path, "launch") == ["The launch is on Friday."]


def test_the_policy_and_its_gate_answer_as_in_3x(tmp_path: Path) -> None:
    assert ok(tmp_path, "memory", "evolution-policy").splitlines() == [
        "default_tier=auto_with_rollback",
        "rollback_window_seconds=86400",
        *(
            f"  {op}: tier=auto_with_rollback threshold=0.85"
            for op in ("consolidate", "update", "forget", "rule_generate", "promote")
        ),
    ]
    assert not (tmp_path / LOG).exists()
    told = answer(tmp_path, "memory", "evolution-gate", "update", "--confidence", "0.9")
    assert (told["decision"], told["auto_apply"], told["threshold"]) == ("auto_apply", True, 0.85)
    assert told["reason"].startswith(
        "update: auto-applied under auto_with_rollback (confidence 0.900 >= threshold 0.850)"
    )
    assert answer(tmp_path, "memory", "evolution-gate", "update", "--confidence", "0.1")["requires_review"]
    assert answer(tmp_path, "memory", "evolution-gate", "forget", "--confidence", "1")["decision"] == "refused"
    kinds = [event.event_type for event in EventLog(tmp_path / LOG).replay()]
    assert kinds == ["evolution.gate.evaluated"] * 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EVOLUTION_AUTONOMY_DEFAULT", "always"),
        ("EVOLUTION_OP_AUTONOMY", "update:propose_only"),
        ("EVOLUTION_OP_AUTONOMY", "update=sometimes"),
        ("EVOLUTION_ROLLBACK_WINDOW_SECONDS", "a day"),
    ],
)
def test_a_policy_that_does_not_parse_is_refused_by_its_name(tmp_path: Path, name: str, value: str) -> None:
    cited = said(tmp_path, "The launch is on Monday.")
    words = ("memory", "edit", "--citation", cited, "--new-content", "Friday", "--reason", "moved")
    assert f"error: {name} " in refused(tmp_path, *words, **{name: value})


def test_where_an_event_comes_from_is_recorded_and_shown(tmp_path: Path) -> None:
    source = said(tmp_path, "A page says that the port is 4242.", "--source", "tool")
    derived = said(tmp_path, "The port is 4242.", "--derives-from", source)
    shown = answer(tmp_path, "memory", "show", derived)
    assert shown["origin"]["source"] == "agent"
    assert shown["origin"]["via"] == "cli"
    assert shown["origin"]["identity"]
    assert (shown["derives_from"], shown["taint"]) == ([source], "untrusted")
    assert answer(tmp_path, "memory", "show", source)["derived"] == [derived]
    assert answer(tmp_path, "query", "port")["hits"][0]["metadata"]["taint"] == "untrusted"
    ok(tmp_path, "memory", "review", "--accept", source, "--reason", "looked at the page")
    assert answer(tmp_path, "memory", "show", source)["state"] == "endorsed"
    code, printed = at_terminal(
        tmp_path, "", "append", "note.made", "--actor", "ann", "--payload", '{"content": "typed"}', "--json"
    )
    assert code == 0, printed
    assert json.loads(printed)["payload"]["__zaxy_origin"]["source"] == "human"


def test_sources_that_contradict_each_other_are_listed(tmp_path: Path) -> None:
    def prefers(value: str, actor: str, source: str) -> None:
        payload = json.dumps({"user": "ann", "key": "editor", "value": value})
        ok(tmp_path, "append", "user.preference_changed", "--actor", actor, "--payload", payload, "--source", source)

    prefers("vim", "ann", "human")
    assert ok(tmp_path, "memory", "conflicts") == "Nothing contradicts itself.\n"
    prefers("emacs", "bot", "agent")
    (conflict,) = answer(tmp_path, "memory", "conflicts")["conflicts"]
    assert (conflict["current"]["actor"], conflict["current"]["source"]) == ("ann", "human")
    assert [other["actor"] for other in conflict["others"]] == ["bot"]
    printed = ok(tmp_path, "memory", "conflicts")
    assert printed.index("current") < printed.index("history")


def test_an_import_can_be_sealed_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "chat.jsonl").write_text('{"speaker": "Ann", "text": "The vault code is pineapple."}\n')
    ok(tmp_path, "ingest", "jsonl", "chat.jsonl", "--forgettable")
    (tmp_path / "chat.jsonl").unlink()
    assert b"pineapple" not in b"".join(held(tmp_path).values())
    (hit,) = answer(tmp_path, "query", "vault code")["hits"]
    assert hit["content"] == "The vault code is pineapple."
    shown = answer(tmp_path, "memory", "show", hit["citation"])
    assert (shown["origin"]["source"], shown["origin"]["via"]) == ("import", "jsonl")
    ok(tmp_path, "memory", "forget", "--citation", hit["citation"], "--reason", "a secret", "--yes")
    assert b"pineapple" not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_bad_input_is_refused_with_what_to_do_and_nothing_is_written(tmp_path: Path) -> None:
    cited = said(tmp_path, "The launch is on Monday.")
    said(tmp_path, "Bob is ill.", "--forgettable")
    new = ("--new-content", "The launch is on Friday.", "--reason", "moved")
    edit = ("memory", "edit")
    for words, told in (
        (
            (*edit, "--target-seq", "1", "--target-hash", "0" * 64, *new),
            "3 error: event 1 of session default has the hash",
        ),
        ((*edit, "--target-seq", "9", "--session-id", "default", *new), "2 error: there is no event 9"),
        ((*edit, "--target-seq", "1", *new), "2 error: the number 1 alone does not name an event"),
        ((*edit, "--citation", "nonsense", *new), "2 error: 'nonsense' is not a citation"),
        ((*edit, *new), "2 error: no target was named"),
        ((*edit, "--citation", cited, "--reason", "r"), "2 error: the new text is given in none or in several ways"),
        ((*edit, "--citation", cited, "--new-content", "  ", "--reason", "r"), "2 error: the new text is empty"),
        ((*edit, "--citation", cited, "--new-content", "x", "--reason", " "), "2 error: Invalid value for '--reason'"),
        ((*edit, "--citation", cited, *new, "--confidence", "7"), "2 error: "),
        ((*edit, "--file", "missing.txt", "--reason", "r"), "2 error: missing.txt cannot be read"),
        ((*edit, "--file", "-", "--citation", cited, "--reason", "r"), "2 error: a block says itself"),
        (("memory", "rollback", "--citation", cited, "--reason", "r"), "2 error: "),
        (("memory", "forget", "--citation", cited, "--reason", "r", "--yes"), "2 error: "),
        (("memory", "forget", "--reason", "r", "--yes"), "2 error: nothing says which memory to forget"),
        (
            ("memory", "forget", "--query", "giraffes", "--reason", "r", "--yes"),
            "2 error: nothing that is still readable",
        ),
        (("memory", "review", "--accept", cited, "--reason", "r"), "2 error: "),
        (("memory", "review", "--accept", cited), "2 error: a review needs a reason"),
        (("memory", "review", "--accept", cited, "--reject", cited, "--reason", "r"), "2 error: --accept and --reject"),
        (("memory", "review", "--all"), "2 error: --all goes with"),
        (("memory", "show", "1"), "2 error: the number 1 alone"),
        (("memory", "evolution-gate", "nope", "--confidence", "1"), "2 error: "),
        (("memory", "evolution-gate", "update", "--confidence", "7"), "2 error: "),
        (
            (
                "append",
                "note.made",
                "--actor",
                "a",
                "--payload",
                "{}",
                "--derives-from",
                "eventloom://default/events/9",
            ),
            "2 error: ",
        ),
    ):
        assert refused(tmp_path, *words).startswith(told), words
    assert "invalidate" in refused(tmp_path, "memory", "forget", "--citation", cited, "--reason", "r", "--yes")


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ("", "line 1 of the block"),
        ("--- zaxy:editable v1 ---\nseq: one\n---\ntext\n", "line 2 of the block: 'one' is not a sequence number"),
        ("--- zaxy:editable v1 ---\nseq: 1\nhash: abc\n---\ntext\n", "line 3 of the block: 'abc' is not a hash"),
        ("--- zaxy:editable v1 ---\nseq: 1\n---\ntext\n", "line 3 of the block: the head ends without hash"),
        ("--- zaxy:editable v1 ---\nseq: 1\ncolour: red\n---\ntext\n", "line 3 of the block: the head has no 'colour'"),
        (f"--- zaxy:editable v1 ---\nseq: 1\nhash: {'0' * 64}\n", "line 4 of the block: '' is not 'name: value'"),
        (f"--- zaxy:editable v1 ---\nseq: 1\nhash: {'0' * 64}\n---\n \n", "the text is empty"),
    ],
)
def test_a_malformed_block_is_refused_with_the_line_and_the_reason(tmp_path: Path, block: str, told: str) -> None:
    said(tmp_path, "The launch is on Monday.")
    assert told in refused(tmp_path, "memory", "edit", "--file", "-", "--reason", "r", text=block)


def test_events_that_change_the_memory_are_not_appended_by_hand(tmp_path: Path) -> None:
    said(tmp_path, "The launch is on Monday.")
    for event_type in (
        *("memory.corrected", "memory.correction.proposed", "memory.endorsed", "memory.rolled_back"),
        *("memory.rollback.proposed", "memory.forgotten", "memory.reviewed", "evolution.gate.evaluated"),
    ):
        told = refused(tmp_path, "append", event_type, "--actor", "ann", "--payload", "{}")
        assert "next: use instead: zaxy memory " in told


def test_sealing_can_be_switched_off_and_then_refuses(tmp_path: Path) -> None:
    said(tmp_path, "The launch is on Monday.")
    words = ("append", "note.made", "--actor", "ann", "--payload", "{}", "--forgettable")
    assert "FORGETTING_ENABLED=true" in refused(tmp_path, *words, FORGETTING_ENABLED="false")
