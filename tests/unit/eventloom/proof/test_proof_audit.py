"""Verifying a loom: every attack has its finding with session and event, and no level promises more than it holds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from proof_looms import Place, add, fill, new_place, some_head, some_run

from zaxy.errors import IntegrityError, NotFoundError
from zaxy.eventloom.loom import Eventloom
from zaxy.eventloom.proof.audit import Audit, Evidence
from zaxy.eventloom.proof.history import History, SignedHead
from zaxy.eventloom.proof.notes import COSIGNATURE, SigningKey
from zaxy.eventloom.proof.report import BLIND_SPOTS, Level, LoomReport
from zaxy.eventloom.proof.state import LoomState
from zaxy.eventloom.proof.witnessing import Witnessed


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A loom with sessions a (1 to 4 signed, 5 and 6 acknowledged since) and b (1 to 3 signed)."""
    place = new_place(tmp_path)
    fill(place, a=4, b=3)
    add(place.open(), "a", 2)
    return place


def verified(place: Place) -> LoomReport:
    return place.open().verify()


def found(report: LoomReport) -> list[tuple[str, str, int]]:
    return [(finding.code, finding.session_id, finding.seq) for finding in report.findings]


def covered(report: LoomReport) -> dict[str, tuple[str, int]]:
    return {session.session_id: (session.level, session.covered_to) for session in report.sessions}


def cut(path: Path, lines: int) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:lines]))


def forge(place: Place, session_id: str, first_other: int = 1) -> None:
    """Put a whole other chain in a session's place, that says something else from an event on."""
    count = len(place.log(session_id).read_bytes().splitlines())
    forged = place.loom.with_name("forged")
    forged.mkdir(exist_ok=True)
    path = forged / f"{session_id}.jsonl"
    path.write_bytes(b"".join(place.log(session_id).read_bytes().splitlines(keepends=True)[: first_other - 1]))
    other = Eventloom(forged)
    for _ in range(first_other, count + 1):
        other.append(session_id, "note.taken", "mallory")
    shutil.copyfile(path, place.log(session_id))


def history_lines(place: Place) -> list[bytes]:
    return place.history.read_bytes().splitlines(keepends=True)


def edit_last_head(place: Place, **members: object) -> None:
    *before, last = history_lines(place)
    place.history.write_bytes(b"".join(before) + json.dumps(json.loads(last) | members).encode() + b"\n")


# ---- a loom as it should be


def test_a_sound_loom_is_good_up_to_its_last_acknowledged_event_at_the_level_of_the_pinned_head(place: Place) -> None:
    report = verified(place)
    assert (report.ok, report.level, report.findings, report.notes) == (True, Level.PINNED_HEAD, (), ())
    assert (report.total_events, report.checkpointed_events) == (9, 7)
    assert covered(report) == {"a": ("pinned head", 6), "b": ("pinned head", 3)}
    assert report.blind_spots == BLIND_SPOTS[Level.PINNED_HEAD]
    assert {session.blind_spots for session in report.sessions} == {report.blind_spots}
    assert report.checkpoint is not None
    assert (report.checkpoint.size, report.checkpoint.cosigned_by) == (7, ())
    assert report.checkpoint.signed_by == str(place.state.signing_key().verifier)


def test_a_loom_without_checkpoints_is_good_at_the_level_of_its_chains(tmp_path: Path) -> None:
    loom = Eventloom(tmp_path / ".eventloom", state_path=tmp_path / "state")
    add(loom, "work", 3)
    report = loom.verify()
    assert (report.ok, report.level, report.checkpoint, report.checkpointed_events) == (True, Level.CHAIN, None, 0)
    assert covered(report) == {"work": ("chain", 3)}
    assert report.next_command == "zaxy log checkpoint"


def test_a_loom_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no loom"):
        Eventloom(tmp_path / "nothing").verify()


def test_an_empty_loom_is_good(tmp_path: Path) -> None:
    (tmp_path / ".eventloom").mkdir()
    report = Eventloom(tmp_path / ".eventloom", state_path=tmp_path / "state").verify()
    assert (report.ok, report.level, report.sessions) == (True, Level.CHAIN, ())


def test_without_the_state_folder_the_checkpoints_cannot_be_checked_and_that_is_said(place: Place) -> None:
    for home in (place.home.with_name("elsewhere"), place.home):
        if home == place.home:
            shutil.rmtree(place.home)
        report = Eventloom(place.loom, state_path=home).verify()
        assert (report.ok, report.level) == (True, Level.CHAIN)
        assert "--public-key" in report.notes[0]
        assert covered(report) == {"a": ("chain", 6), "b": ("chain", 3)}
        assert report.checkpoint is not None
        assert report.checkpoint.signed_by is None


def test_nothing_in_the_loom_or_its_state_is_changed_by_a_verification(place: Place) -> None:
    def everything() -> dict[Path, tuple[bytes, int]]:
        files = [path for folder in (place.loom, place.home) for path in folder.rglob("*") if path.is_file()]
        return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}

    before = everything()
    verified(place)
    cut(place.log("a"), 2)
    changed = everything()
    assert not verified(place).ok
    assert everything() == changed
    assert before.keys() == changed.keys()


def test_progress_is_told_a_session_at_a_time(place: Place) -> None:
    told: list[tuple[int, int | None]] = []
    place.open().verify(progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]


# ---- the attacks


def test_an_edited_event_is_found_with_its_number(place: Place) -> None:
    path = place.log("a")
    path.write_bytes(path.read_bytes().replace(b'"n":2,', b'"n":7,'))
    report = verified(place)
    assert found(report) == [("hash_mismatch", "a", 3)]
    assert report.level is Level.CHAIN
    assert covered(report) == {"a": ("chain", 2), "b": ("chain", 3)}
    assert str(path) in report.next_command


def test_a_tail_cut_into_what_was_signed_is_found(place: Place) -> None:
    cut(place.log("a"), 2)
    report = verified(place)
    assert found(report) == [("truncated", "a", 3)]
    assert "4" in report.findings[0].message
    assert (report.ok, report.level, report.checkpointed_events) == (False, Level.CHAIN, 0)


def test_a_tail_cut_behind_what_was_signed_is_found_by_what_was_acknowledged(place: Place) -> None:
    cut(place.log("a"), 5)
    report = verified(place)
    assert found(report) == [("truncated", "a", 6)]
    assert report.level is Level.PINNED_HEAD
    assert covered(report) == {"a": ("pinned head", 5), "b": ("pinned head", 3)}


def test_damage_behind_what_was_signed_covers_no_more_than_the_good_part(place: Place) -> None:
    path = place.log("a")
    path.write_bytes(path.read_bytes()[::-1].replace(b',1:"n"', b',9:"n"', 1)[::-1])
    report = verified(place)
    assert found(report) == [("hash_mismatch", "a", 6)]
    assert covered(report) == {"a": ("pinned head", 5), "b": ("pinned head", 3)}


def test_a_deleted_session_is_found_whether_it_was_signed_or_only_acknowledged(place: Place) -> None:
    add(place.open(), "c", 2)
    place.log("b").unlink()
    place.log("c").unlink()
    report = verified(place)
    assert found(report) == [("session_missing", "b", 1), ("session_missing", "c", 1)]
    assert {session.session_id: session.total_events for session in report.sessions} == {"a": 6, "b": 0, "c": 0}


@pytest.mark.parametrize("first_other", [1, 3, 4])
def test_a_chain_that_was_rewritten_whole_is_found_with_the_first_event_that_differs(
    first_other: int, place: Place
) -> None:
    forge(place, "a", first_other)
    report = verified(place)
    assert found(report) == [("rewritten", "a", first_other)]
    assert report.level is Level.CHAIN


@pytest.mark.parametrize("first_other", [5, 6])
def test_a_chain_rewritten_behind_the_checkpoint_is_found_by_what_was_acknowledged(
    first_other: int, place: Place
) -> None:
    forge(place, "a", first_other)
    assert found(verified(place)) == [("rewritten", "a", 6)]


def test_a_rewritten_chain_is_found_without_the_files_of_the_tree(place: Place) -> None:
    forge(place, "a")
    shutil.rmtree(place.loom / "checkpoints" / "tree")
    report = verified(place)
    assert [finding.code for finding in report.findings] == ["rewritten", "rewritten"]
    assert report.level is Level.CHAIN


def test_two_findings_in_two_sessions_are_both_told(place: Place) -> None:
    cut(place.log("a"), 1)
    path = place.log("b")
    path.write_bytes(path.read_bytes().replace(b'"n":1,', b'"n":7,'))
    assert found(verified(place)) == [("hash_mismatch", "b", 2), ("truncated", "a", 2)]


def test_sessions_that_were_swapped_are_found(place: Place) -> None:
    first, second = place.log("a").read_bytes(), place.log("b").read_bytes()
    place.log("a").write_bytes(second)
    place.log("b").write_bytes(first)
    assert not verified(place).ok


def test_sessions_that_were_swapped_with_their_names_in_the_history_are_found(tmp_path: Path) -> None:
    place = new_place(tmp_path)
    fill(place, a=3, b=3)
    fill(place, c=1)
    first, second = place.log("a").read_bytes(), place.log("b").read_bytes()
    place.log("a").write_bytes(second)
    place.log("b").write_bytes(first)
    lines = history_lines(place)
    old = json.loads(lines[0])
    old["runs"] = [[{"a": "b", "b": "a"}[run[0]], *run[1:]] for run in old["runs"]]
    place.history.write_bytes(json.dumps(old).encode() + b"\n" + lines[1])
    assert not verified(place).ok


def test_an_older_copy_of_the_whole_loom_is_found(place: Place) -> None:
    old = place.loom.with_name("backup")
    shutil.copytree(place.loom, old)
    fill(place, a=2, b=1)
    shutil.rmtree(place.loom)
    old.rename(place.loom)
    assert found(verified(place)) == [("truncated", "a", 7), ("truncated", "b", 4)]


def test_an_older_copy_from_before_several_checkpoints_is_found(place: Place) -> None:
    old = place.loom.with_name("backup")
    shutil.copytree(place.loom, old)
    fill(place, a=2, b=1)
    fill(place, a=1)
    shutil.rmtree(place.loom)
    old.rename(place.loom)
    report = verified(place)
    assert found(report) == [("rolled_back", "", 0)]
    assert "13" in report.findings[0].message
    assert "7" in report.findings[0].message


def test_an_older_copy_with_nothing_but_acknowledged_events_missing_is_found(place: Place) -> None:
    old = place.loom.with_name("backup")
    shutil.copytree(place.loom, old)
    add(place.open(), "b", 1)
    shutil.rmtree(place.loom)
    old.rename(place.loom)
    assert found(verified(place)) == [("truncated", "b", 4)]


def test_a_loom_whose_checkpoints_were_removed_is_rolled_back(place: Place) -> None:
    fill(place, b=1)
    shutil.rmtree(place.loom / "checkpoints")
    report = verified(place)
    assert found(report) == [("rolled_back", "", 0)]
    assert report.level is Level.CHAIN


def test_another_history_of_the_same_size_is_rewritten(place: Place) -> None:
    runs = [some_run("a", 1, 4), some_run("b", 1, 3)]
    place.history.unlink()
    History(place.loom / "checkpoints").append(some_head(0, runs, place.state.signing_key()))
    report = verified(place)
    assert found(report) == [("rewritten_history", "", 0)]
    assert report.level is Level.CHAIN


def test_a_head_beyond_the_pinned_one_counts_only_with_the_signature_of_a_key_in_force(place: Place) -> None:
    history = History(place.loom / "checkpoints")
    history.refresh()
    history.append(some_head(7, [some_run("b", 4, 6)], SigningKey.generate(place.state.origin)))
    report = verified(place)
    assert found(report) == [("bad_signature", "", 0)]
    assert report.level is Level.CHAIN


def test_a_head_of_another_origin_is_bad(tmp_path: Path) -> None:
    place, other = new_place(tmp_path / "one"), new_place(tmp_path / "two")
    fill(place, a=2)
    fill(other, z=5)
    shutil.rmtree(place.loom / "checkpoints")
    shutil.copytree(other.loom / "checkpoints", place.loom / "checkpoints")
    (place.state.folder / "head.json").unlink()
    report = place.open().verify(keys=[other.state.signing_key().verifier])
    assert ("bad_origin", "", 0) in found(report)
    assert report.level is Level.CHAIN


def test_a_rotated_key_counts_only_up_to_its_size(place: Place) -> None:
    loom = place.open()
    old = place.state.signing_key()
    loom.rotate_key("a")
    assert verified(place).findings == ()
    pinned = place.state.pinned()
    assert pinned is not None
    history = History(place.loom / "checkpoints")
    history.refresh()
    history.append(some_head(pinned.size, [some_run("b", 4, 6)], old))
    assert found(verified(place)) == [("bad_signature", "", 0)]


def test_another_loom_in_the_same_place_is_found(tmp_path: Path) -> None:
    place, other = new_place(tmp_path / "one"), new_place(tmp_path / "two")
    fill(place, a=2)
    fill(other, z=5)
    was = place.state.loom_id
    shutil.rmtree(place.loom)
    shutil.copytree(other.loom, place.loom)
    report = verified(place)
    assert found(report) == [("another_loom", "", 0)]
    assert was in report.findings[0].message


def test_a_loom_whose_id_was_removed_or_damaged_is_found(place: Place) -> None:
    identity = place.loom / "loom.json"
    for content in (b"x", b'{"loom_id": "../x"}', b'{"loom_id": "another"}', None):
        identity.unlink() if content is None else identity.write_bytes(content)
        report = verified(place)
        assert found(report)[0] == ("another_loom", "", 0)
        assert report.level is Level.CHAIN


@pytest.mark.parametrize("line", [b"x\n", b"{}\n", b'{"size":7,"cosignatures":5}\n', b'{"size":9,"cosignatures":[]}\n'])
def test_a_damaged_history_is_found(line: bytes, place: Place) -> None:
    place.history.write_bytes(place.history.read_bytes() + line + place.history.read_bytes())
    report = verified(place)
    assert found(report) == [("history_damaged", "", 0)]
    assert report.level is Level.CHAIN
    assert report.total_events == 9


@pytest.mark.parametrize(
    "note", ["origin\n7\nno root\n", "origin\n7\n", "origin\n7", "\n7\n\n", "\u2014\n7\n\n\u2014 x y\n"]
)
@pytest.mark.parametrize("is_pinned", [True, False])
def test_a_history_whose_last_note_cannot_be_read_is_a_finding_and_no_error(
    note: str, is_pinned: bool, place: Place
) -> None:
    edit_last_head(place, note=note)
    if not is_pinned:
        (place.state.folder / "head.json").unlink()
    report = verified(place)
    assert len(report.findings) == 1
    assert report.findings[0].code in ("history_damaged", "rewritten_history", "bad_signature")
    assert report.level is Level.CHAIN


@pytest.mark.parametrize("lines", ['"abc"', "[5]", '["a\\nb"]', '["no signature"]', '["\\u2014 x y"]'])
def test_cosignatures_that_cannot_be_read_are_a_finding_and_no_error(lines: str, place: Place) -> None:
    place.history.write_bytes(place.history.read_bytes() + b'{"size":7,"cosignatures":%s}\n' % lines.encode())
    report = verified(place)
    assert found(report) == [("history_damaged", "", 0)]


@pytest.mark.parametrize("name", ["keys.json", "head.json", "witnesses.json"])
@pytest.mark.parametrize("content", [b"x", b"[]", b"{}"])
def test_damage_in_the_state_folder_is_never_a_good_report(name: str, content: bytes, place: Place) -> None:
    (place.state.folder / name).write_bytes(content)
    with pytest.raises(IntegrityError, match=name):
        verified(place)


# ---- keys from outside


def on_another_machine(place: Place, *keys: SigningKey) -> LoomReport:
    return Eventloom(place.loom, state_path=place.home.with_name("other machine")).verify(
        keys=[key.verifier for key in keys]
    )


def test_with_the_public_key_alone_the_level_is_the_checkpoint(place: Place) -> None:
    report = on_another_machine(place, place.state.signing_key())
    assert (report.ok, report.level, report.checkpointed_events) == (True, Level.CHECKPOINT, 7)
    assert covered(report) == {"a": ("checkpoint", 4), "b": ("checkpoint", 3)}
    assert report.blind_spots == BLIND_SPOTS[Level.CHECKPOINT]


@pytest.mark.parametrize("name", ["the same", "zaxy-loom/another"])
def test_a_key_that_did_not_sign_the_checkpoint_is_a_finding(name: str, place: Place) -> None:
    wrong = SigningKey.generate(place.state.origin if name == "the same" else name)
    for report in (on_another_machine(place, wrong), place.open().verify(keys=[wrong.verifier])):
        assert found(report) == [("bad_signature", "", 0)]
        assert report.level is Level.CHAIN
        assert report.checkpoint is not None
        assert report.checkpoint.signed_by is None


def test_one_of_several_keys_is_enough(place: Place) -> None:
    wrong = SigningKey.generate("zaxy-loom/another")
    assert on_another_machine(place, wrong, place.state.signing_key()).level is Level.CHECKPOINT


def test_the_pinned_head_counts_with_a_public_key_too(place: Place) -> None:
    report = place.open().verify(keys=[place.state.signing_key().verifier])
    assert (report.ok, report.level) == (True, Level.PINNED_HEAD)


@pytest.mark.parametrize(
    "attack", [lambda place: cut(place.log("a"), 3), lambda place: forge(place, "b"), lambda p: p.log("b").unlink()]
)
def test_with_the_public_key_alone_cut_rewritten_and_missing_sessions_are_found(
    attack: Callable[[Place], None], place: Place
) -> None:
    attack(place)
    report = on_another_machine(place, place.state.signing_key())
    assert not report.ok
    assert report.level is Level.CHAIN


# ---- between two steps, and witnesses


def test_a_pinned_head_that_a_crash_kept_from_being_published_counts(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(history: History, head: SignedHead) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(History, "append", crash)
    with pytest.raises(KeyboardInterrupt):
        place.open().checkpoint()
    report = verified(place)
    assert (report.findings, report.level, report.checkpointed_events) == ((), Level.PINNED_HEAD, 9)
    assert len(history_lines(place)) == 1


def test_what_others_append_sign_and_rotate_meanwhile_raises_no_alarm(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh = History.refresh

    def meanwhile(history: History) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(History, "refresh", refresh)
            loom = place.open()
            add(loom, "a", 1)
            loom.rotate_key("a")
            add(loom, "new", 1)
            loom.checkpoint()
            loom.rotate("a")
        refresh(history)

    monkeypatch.setattr(History, "refresh", meanwhile)
    evidence = Evidence.gather(place.loom, place.home)
    report = Audit(place.loom, evidence).run()
    assert found(report) == []


def answers(*answers: Witnessed) -> Callable[[SignedHead], tuple[Witnessed, ...]]:
    return lambda head: answers


YES = Witnessed("w1", "http://w1", cosigned=True)
DOWN = Witnessed("w2", "http://w2", cosigned=False, message="it is down")
NO = Witnessed("w3", "http://w3", cosigned=False, contradicts=True, message="it knows more")


def test_a_witness_that_confirms_raises_the_level(place: Place) -> None:
    report = Audit(place.loom, Evidence.gather(place.loom, place.home)).run(answers(YES, DOWN))
    assert (report.ok, report.level) == (True, Level.WITNESS)
    assert report.notes == ("the witness w2 did not confirm the checkpoint: it is down",)


def test_a_witness_that_cannot_be_asked_leaves_the_level_as_it_is(place: Place) -> None:
    report = Audit(place.loom, Evidence.gather(place.loom, place.home)).run(answers(DOWN))
    assert (report.ok, report.level) == (True, Level.PINNED_HEAD)


def test_a_witness_that_contradicts_is_a_finding_whatever_others_say(place: Place) -> None:
    report = Audit(place.loom, Evidence.gather(place.loom, place.home)).run(answers(YES, NO))
    assert found(report) == [("witness_contradicts", "", 0)]
    assert "w3" in report.findings[0].message


def test_a_witness_is_not_asked_about_a_loom_that_is_bad_already(place: Place) -> None:
    def ask(head: SignedHead) -> tuple[Witnessed, ...]:
        raise AssertionError("asked")

    cut(place.log("a"), 1)
    assert not Audit(place.loom, Evidence.gather(place.loom, place.home)).run(ask).ok


def test_a_witness_that_is_down_is_a_note_and_offline_it_is_not_asked(place: Place) -> None:
    witness = SigningKey.generate("w.example", COSIGNATURE)
    place.open().add_witness("http://127.0.0.1:9", str(witness.verifier))  # the discard port: nobody listens
    report = verified(place)
    assert (report.ok, report.level) == (True, Level.PINNED_HEAD)
    assert "w.example" in report.notes[0]
    assert place.open().verify(ask_witnesses=False).notes == ()


def test_the_names_of_witnesses_that_cosigned_are_told(place: Place) -> None:
    witness = SigningKey.generate("w.example", COSIGNATURE)
    place.open().add_witness("http://127.0.0.1:9", str(witness.verifier))
    history = History(place.loom / "checkpoints")
    history.refresh()
    head = history.last
    assert head is not None
    history.add_cosignatures(head.size, [witness.cosign(head.note.text, 1_800_000_000).line])
    checkpoint = place.open().verify(ask_witnesses=False).checkpoint
    assert checkpoint is not None
    assert checkpoint.cosigned_by == ("w.example",)


# ---- evidence


def test_evidence_without_a_state_folder_is_none(place: Place) -> None:
    assert Evidence.gather(place.loom, None) == Evidence()


def test_evidence_is_what_the_state_folder_knows(place: Place) -> None:
    evidence = Evidence.gather(place.loom, place.home)
    assert evidence.state is not None
    assert evidence.pinned == LoomState(place.home, place.state.loom_id).pinned()
    assert (evidence.seen or {})["a"].seq == 6
    assert evidence.other_loom is None
    assert evidence.trusting(()) is evidence
