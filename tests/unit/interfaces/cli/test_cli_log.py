"""log verify, checkpoint and recover, and doctor: what they say, and the exit code that says it too."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from cli_words import answer, record, zaxy

from zaxy.eventloom.proof.checkpoint import parse_checkpoint
from zaxy.eventloom.proof.notes import SigningKey, VerifierKey, parse_note

LOG = ".eventloom/default.jsonl"
HISTORY = ".eventloom/checkpoints/history.jsonl"
STRANGER = str(SigningKey.generate("zaxy-loom/another").verifier)


@pytest.fixture
def signed(folder: Path) -> Path:
    """A loom of three signed events and one that was acknowledged since."""
    assert zaxy("init").exit_code == 0
    record("Ship the parser")
    record("Ship the lexer")
    assert zaxy("log", "checkpoint").exit_code == 0
    record("Ship it all")
    return folder


def cut(path: Path, lines: int) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:lines]))


def edit(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"Ship the lexer", b"Sink the lexer"))


# ---- verify


def test_verify_says_the_level_up_to_where_and_what_that_does_not_see(signed: Path) -> None:
    done = zaxy("log", "verify")
    assert done.exit_code == 0
    assert done.stderr == ""
    key = zaxy("log", "key", "show", "--public").stdout.strip()
    lines = done.stdout.splitlines()
    assert lines[:3] == [
        "Integrity: OK, level: pinned head",
        "Events: 4, 3 of them in a checkpoint",
        "  default: 4 good, pinned head up to 4",
    ]
    assert lines[3].startswith("Checkpoint: 3 events, signed 20")
    assert lines[3].endswith(f" by {key}")
    assert lines[4].startswith("Not seen at this level: ")
    assert lines[5:] == ['Next: zaxy query "What are our goals?"']


def test_verify_as_json_has_everything_and_nothing_else_is_printed(signed: Path) -> None:
    told = answer("log", "verify")
    assert (told["ok"], told["level"], told["total_events"], told["checkpointed_events"]) == (True, "pinned head", 4, 3)
    assert [session["session_id"] for session in told["sessions"]] == ["default"]
    assert told["findings"] == told["notes"] == []


def test_verify_names_what_is_wrong_where_and_the_next_command(signed: Path) -> None:
    edit(signed / LOG)
    done = zaxy("log", "verify")
    assert done.exit_code == 3
    assert done.stdout.startswith("Integrity: FAILED, level: chain\nEvents: 2, 0 of them in a checkpoint\n")
    assert "  default: good up to 2, chain up to 2" in done.stdout
    assert done.stderr.startswith("error: hash_mismatch: event 3 ")
    assert f"Next: restore {signed / LOG} from a backup, then run: zaxy log verify" in done.stdout
    told = zaxy("log", "verify", "--json")
    assert told.exit_code == 3
    (finding,) = json.loads(told.stdout)["findings"]
    assert (finding["code"], finding["session_id"], finding["seq"]) == ("hash_mismatch", "default", 3)


def test_a_session_that_was_cut_is_not_called_good_up_to_what_was_cut_off(signed: Path) -> None:
    cut(signed / LOG, 3)
    done = zaxy("log", "verify")
    assert done.exit_code == 3
    assert "truncated: session default ends at event 3; acknowledged were its events up to 4" in done.stderr
    assert "up to 4" not in done.stdout


def test_a_public_key_that_did_not_sign_is_a_finding_and_the_right_one_is_none(signed: Path) -> None:
    key = zaxy("log", "key", "show", "--public").stdout.strip()
    assert zaxy("log", "verify", "--public-key", key).exit_code == 0
    assert zaxy("log", "verify", "--public-key", STRANGER, "--public-key", key).exit_code == 0
    done = zaxy("log", "verify", "--public-key", STRANGER)
    assert done.exit_code == 3
    assert "bad_signature" in done.stderr


def test_on_a_machine_that_knows_nothing_the_public_key_makes_the_difference(
    signed: Path, state_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = zaxy("log", "key", "show", "--public").stdout.strip()
    monkeypatch.setenv("XDG_STATE_HOME", str(state_home / "another machine"))
    done = zaxy("log", "verify")
    assert done.exit_code == 0
    assert done.stdout.startswith("Integrity: OK, level: chain")
    assert "warning: there are checkpoints and no key to check them with: name one with --public-key" in done.stderr
    assert zaxy("log", "verify", "--public-key", key).stdout.startswith("Integrity: OK, level: checkpoint")


@pytest.mark.parametrize("key", ["", "x", "zaxy-loom/a+00000000+AAAA", "a" * 10_000])
@pytest.mark.parametrize("command", [("log", "verify"), ("log", "witness", "trust")])
def test_what_is_no_key_is_wrong_use_and_says_where_to_get_one(
    command: tuple[str, ...], key: str, signed: Path
) -> None:
    words = ("w", key) if command[-1] == "trust" else ("--public-key", key)
    done = zaxy(*command, *words)
    assert done.exit_code == 2
    assert len(done.stderr) < 600
    assert "zaxy log key show" in done.stderr


def test_without_a_loom_every_command_says_how_to_make_one(folder: Path) -> None:
    for words in (
        ("log", "verify"),
        ("log", "checkpoint"),
        ("log", "recover"),
        ("log", "prove", "default", "1", "--output", "x"),
        ("log", "consistency", "1"),
        ("log", "key", "show"),
        ("log", "key", "rotate"),
        ("log", "witness", "list"),
        ("log", "witness", "remove", "x"),
        ("doctor",),
    ):
        done = zaxy(*words)
        assert (done.exit_code, done.stdout) == (2, ""), words
        assert done.stderr == f"error: there is no loom at {folder / '.eventloom'}\n  next: make one: zaxy init\n"
        told = json.loads(zaxy(*words, "--json").stdout)
        assert told["error"]["code"] == "not_found"
    assert list(folder.iterdir()) == []


def test_a_loom_without_a_key_can_be_verified_and_not_signed(folder: Path) -> None:
    record("Ship the parser")
    done = zaxy("log", "verify")
    assert done.stdout.startswith("Integrity: OK, level: chain\nEvents: 1, 0 of them in a checkpoint\n")
    for words in (("checkpoint",), ("key", "show"), ("key", "rotate"), ("prove", "default", "1", "--output", "x")):
        done = zaxy("log", *words)
        assert done.exit_code == 4
        assert done.stderr.endswith("has no signing key\n  next: make one: zaxy init\n")
    assert not (folder / "x").exists()


def test_a_damaged_id_is_told_with_its_file(signed: Path) -> None:
    (signed / ".eventloom" / "loom.json").write_text("x")
    for words in (("log", "checkpoint"), ("log", "key", "show"), ("log", "witness", "list")):
        done = zaxy(*words)
        assert done.exit_code == 3
        assert "loom.json holds no loom id" in done.stderr
    done = zaxy("log", "verify")
    assert done.exit_code == 3
    assert "another_loom" in done.stderr


# ---- checkpoint


def test_a_checkpoint_says_what_it_took_in_and_again_that_nothing_was_new(signed: Path) -> None:
    done = zaxy("log", "checkpoint")
    assert done.exit_code == 0
    first, second = done.stdout.splitlines()
    assert first.startswith("Checkpoint of 4 events, signed 20")
    assert first.endswith(": took in 1 event")
    assert second.startswith("  root: ")
    assert zaxy("log", "checkpoint").stdout.splitlines()[0].endswith(": nothing was new")


def test_a_checkpoint_is_written_for_another_place(signed: Path) -> None:
    told = answer("log", "checkpoint", "--output", "kept.note")
    note = parse_note((signed / "kept.note").read_bytes())
    checkpoint = parse_checkpoint(note.text)
    assert (checkpoint.size, checkpoint.root.hex()) == (told["size"], told["root"]) == (4, told["root"])
    assert told["note"] == (signed / "kept.note").read_text()
    assert note.signed_by(VerifierKey.parse(zaxy("log", "key", "show", "--public").stdout.strip()))
    assert (told["new_events"], told["problems"], told["witnesses"], told["output"]) == (1, [], [], "kept.note")


@pytest.mark.parametrize("output", ["", ".", "no/such/folder/x", "default.jsonl/x", "/dev/null"])
@pytest.mark.parametrize("command", [("checkpoint",), ("prove", "default", "1")])
def test_a_file_that_cannot_be_written_is_told_before_anything_is_done(
    command: tuple[str, ...], output: str, signed: Path
) -> None:
    before = (signed / HISTORY).read_bytes()
    done = zaxy("log", *command, "--output", output)
    assert done.exit_code == 2
    assert "  next: " in done.stderr
    assert (signed / HISTORY).read_bytes() == before
    assert not Path("/dev/null").is_file()


def test_a_result_is_written_through_a_link_and_leaves_nothing_else(signed: Path) -> None:
    (signed / "kept").mkdir()
    (signed / "link.note").symlink_to(signed / "kept" / "real.note")
    assert zaxy("log", "checkpoint", "--output", "link.note").exit_code == 0
    assert (signed / "link.note").is_symlink()
    assert [path.name for path in (signed / "kept").iterdir()] == ["real.note"]


def test_a_session_that_is_not_in_it_to_its_end_is_an_error_after_the_checkpoint(signed: Path) -> None:
    record("Ship elsewhere", "--session-id", "work")
    assert zaxy("log", "checkpoint").exit_code == 0
    record("Ship there too", "--session-id", "work")
    cut(signed / LOG, 2)
    done = zaxy("log", "checkpoint")
    assert done.exit_code == 3
    assert done.stdout.startswith("Checkpoint of 6 events")
    assert done.stderr.startswith("error: session default is not in it to its end: its log does not hold event 4")
    told = zaxy("log", "checkpoint", "--json")
    assert told.exit_code == 3
    assert [problem["session_id"] for problem in json.loads(told.stdout)["problems"]] == ["default"]


def test_for_a_loom_that_was_rolled_back_nothing_is_signed(signed: Path) -> None:
    zaxy("log", "checkpoint")
    record("Ship more")
    zaxy("log", "checkpoint")
    cut(signed / HISTORY, 1)
    done = zaxy("log", "checkpoint")
    assert (done.exit_code, done.stdout) == (3, "")
    assert "nothing is signed for it" in done.stderr
    assert "zaxy log verify" in done.stderr
    verified = zaxy("log", "verify")
    assert verified.exit_code == 3
    assert "rolled_back" in verified.stderr


def test_a_key_that_others_may_read_is_refused_with_the_command_that_helps(signed: Path, state_home: Path) -> None:
    (key,) = state_home.rglob("signing.key")
    key.chmod(0o640)
    done = zaxy("log", "checkpoint")
    assert done.exit_code == 4
    assert done.stderr == f"error: others may read the key {key}\n  next: run: chmod 600 {key}\n"


@pytest.mark.parametrize("content", ["", "x", "PRIVATE+KEY+"])
def test_a_key_file_that_holds_no_key_is_unavailable_and_named(content: str, signed: Path, state_home: Path) -> None:
    (key,) = state_home.rglob("signing.key")
    key.write_text(content)
    done = zaxy("log", "checkpoint")
    assert done.exit_code == 4
    assert str(key) in done.stderr
    assert "  next: " in done.stderr


@pytest.mark.parametrize("name", ["keys.json", "head.json"])
@pytest.mark.parametrize("content", ["", "x", "[]", "{}", "null"])
def test_damage_in_the_state_folder_is_told_with_its_file(
    name: str, content: str, signed: Path, state_home: Path
) -> None:
    (path,) = state_home.rglob(name)
    path.write_text(content)
    for words in (("log", "verify"), ("log", "checkpoint"), ("doctor",)):
        done = zaxy(*words)
        assert done.exit_code == 3, words
        assert str(path) in done.output, words
        assert "backup" in done.output, words
        assert "internal error" not in done.output, words
    assert zaxy("append", "note.made", "--actor", "ann", "--payload", "{}").exit_code == 0


# ---- recover


def test_recover_shows_what_was_set_aside_without_its_escape_sequences(signed: Path) -> None:
    assert zaxy("log", "recover").stdout == "Quarantine: 0 items\n"
    with (signed / LOG).open("ab") as log:
        log.write(b'{"id":"\x1b[31mevt_')
    record("Ship again")
    done = zaxy("log", "recover")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "Quarantine: 1 item"
    assert lines[1].startswith("  default: 16 bytes: an unfinished write at the end of the log")
    assert lines[1].endswith("told of in the log")
    assert str(signed / ".eventloom" / "quarantine") in lines[2]
    assert lines[3] == '    {"id":"\\x1b[31mevt_'
    assert "\x1b" not in done.stdout
    (item,) = answer("log", "recover")["items"]
    assert (item["session_id"], item["bytes"], item["told"], item["intact"]) == ("default", 16, True, True)


def test_recover_names_the_sessions_that_are_read_only(signed: Path) -> None:
    edit(signed / LOG)
    zaxy("log", "verify")
    done = zaxy("log", "recover")
    assert done.exit_code == 3
    assert done.stderr == (
        "error: session default is read-only: it was found damaged\n"
        "  next: restore its file from a backup, then run: zaxy log verify\n"
    )
    assert json.loads(zaxy("log", "recover", "--json").stdout)["read_only"] == ["default"]


def test_after_the_file_was_restored_and_verified_as_told_all_is_well_again(signed: Path) -> None:
    sound = (signed / LOG).read_bytes()
    edit(signed / LOG)
    assert zaxy("log", "verify").exit_code == 3
    (signed / LOG).write_bytes(sound)
    assert zaxy("log", "verify").exit_code == 0
    assert zaxy("log", "recover").exit_code == 0
    assert zaxy("doctor").exit_code == 0


# ---- doctor


def test_doctor_says_each_check_and_the_trust_level(signed: Path) -> None:
    done = zaxy("doctor")
    assert (done.exit_code, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "ok       logs: 4 events, 3 of them in a checkpoint; level: pinned head"
    assert lines[1].startswith("ok       signing key: ")
    assert lines[-2] == "Trust level: pinned head"
    assert lines[-1].startswith("Not seen at this level: ")
    assert not [line for line in lines if "next:" in line]
    told = answer("doctor")
    assert told["ok"]
    assert {check["state"] for check in told["checks"]} == {"ok"}


def test_doctor_says_what_to_do_about_what_is_wrong(signed: Path) -> None:
    edit(signed / LOG)
    done = zaxy("doctor")
    assert done.exit_code == 3
    lines = done.stdout.splitlines()
    assert lines[0].startswith("failed   logs: event 3 ")
    assert lines[1].startswith(f"         next: restore {signed / LOG} from a backup")
    told = zaxy("doctor", "--json")
    assert told.exit_code == 3
    assert not json.loads(told.stdout)["ok"]


def test_a_file_name_that_is_not_text_is_shown_and_spoils_no_answer(signed: Path) -> None:
    name = b"caf\xe9.jsonl".decode("utf-8", "surrogateescape")
    shutil.copyfile(signed / LOG, signed / ".eventloom" / name)
    for words in (("log", "verify"), ("doctor",), ("log", "recover")):
        done = zaxy(*words)
        assert done.exit_code == 0, done.output
        assert zaxy(*words, "--json").exit_code == 0
    done = zaxy("log", "checkpoint")
    assert done.exit_code == 3
    assert "its name is not text" in done.stderr
    assert zaxy("log", "checkpoint", "--json").exit_code == 3
