"""log prove, check-proof, consistency and key: proofs that leave the machine, and what is said of bad ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_words import answer, record, zaxy

from zaxy.eventloom.proof.notes import COSIGNATURE, SigningKey

STRANGER = str(SigningKey.generate("zaxy-loom/another").verifier)
WITNESS = str(SigningKey.generate("witness.example", COSIGNATURE).verifier)


@pytest.fixture
def signed(folder: Path) -> Path:
    """A loom with checkpoints of 1 and 3 events, the first of them also in a file, and a proof of event 2."""
    assert zaxy("init").exit_code == 0
    assert zaxy("log", "checkpoint", "--output", "kept.note").exit_code == 0
    record("Ship the parser")
    record("Ship the lexer", "--session-id", "work")
    assert zaxy("log", "prove", "default", "2", "--output", "event.proof").exit_code == 0
    return folder


def public_key() -> str:
    return zaxy("log", "key", "show", "--public").stdout.strip()


# ---- prove and check-proof


def test_a_proof_is_written_and_the_next_command_checks_it(signed: Path) -> None:
    done = zaxy("log", "prove", "work", "1", "--output", "an event.proof")
    assert done.exit_code == 0
    assert done.stdout == (
        "Proof of event 1 of session work: an event.proof\n"
        "  next: zaxy log check-proof 'an event.proof' --public-key \"$(zaxy log key show --public)\"\n"
    )
    assert answer("log", "prove", "default", "2", "--output", "x") == {
        "session_id": "default",
        "seq": 2,
        "leaf": 1,
        "output": "x",
    }


def test_a_proof_is_checked_without_a_memory(
    signed: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, proof = public_key(), str(signed / "event.proof")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    done = zaxy("log", "check-proof", proof, "--public-key", key)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Proven: session default, in a checkpoint of 3 events of zaxy-loom/")
    assert "goal.created by ann" in lines[1]
    assert lines[2] == f"  signed by {key}"
    told = answer("log", "check-proof", proof, "--public-key", key)
    assert (told["ok"], told["leaf"], told["size"], told["signed_by"], told["cosigned_by"]) == (True, 1, 3, [key], [])
    assert told["event"]["payload"]["title"] == "Ship the parser"
    assert list(Path.cwd().iterdir()) == []


def test_what_a_proof_holds_cannot_disturb_a_terminal(signed: Path) -> None:
    record("Ship \x1b[31mred\x07")
    zaxy("log", "prove", "default", "3", "--output", "x")
    done = zaxy("log", "check-proof", "x", "--public-key", public_key())
    assert done.exit_code == 0
    assert "\x1b" not in done.output
    assert "\x07" not in done.output


def test_a_key_that_did_not_sign_is_refused_and_so_is_none(signed: Path) -> None:
    done = zaxy("log", "check-proof", "event.proof", "--public-key", STRANGER)
    assert done.exit_code == 3
    assert "is not signed by a trusted key of that log" in done.stderr
    assert "--public-key" in done.stderr
    done = zaxy("log", "check-proof", "event.proof")
    assert done.exit_code == 2
    assert "--public-key" in done.stderr


def test_a_witness_that_is_asked_for_must_have_cosigned(signed: Path) -> None:
    done = zaxy("log", "check-proof", "event.proof", "--public-key", public_key(), "--witness-key", WITNESS)
    assert done.exit_code == 3
    assert "witness.example" in done.stderr
    wrong = zaxy("log", "check-proof", "event.proof", "--public-key", public_key(), "--witness-key", STRANGER)
    assert wrong.exit_code == 2


@pytest.mark.parametrize("at", [30, 100, -60, -5])
def test_a_proof_that_was_changed_does_not_hold(at: int, signed: Path) -> None:
    path = signed / "event.proof"
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    done = zaxy("log", "check-proof", "event.proof", "--public-key", public_key())
    assert done.exit_code == 3
    assert done.stdout == ""


BAD_FILES = {
    "nothing": (2, "cannot be read: No such file"),
    "folder": (2, "cannot be read: Is a directory"),
    "empty": (3, "empty: "),
    "binary": (3, "binary: "),
    "kept.note": (3, "kept.note: "),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_no_proof_is_named_with_what_to_do(name: str, signed: Path) -> None:
    (signed / "folder").mkdir()
    (signed / "empty").write_bytes(b"")
    (signed / "binary").write_bytes(bytes(range(256)) * 100)
    code, said = BAD_FILES[name]
    done = zaxy("log", "check-proof", name, "--public-key", public_key())
    assert (done.exit_code, done.stdout) == (code, "")
    assert said in done.stderr
    assert "  next: name a " in done.stderr
    told = json.loads(zaxy("log", "check-proof", name, "--public-key", public_key(), "--json").stdout)
    assert told["error"]["remedy"]


def test_a_file_that_is_too_long_is_not_read_whole(signed: Path) -> None:
    with (signed / "long").open("wb") as file:
        file.truncate(10**12)  # a sparse file
    for command in (("check-proof", "long", "--public-key", public_key()), ("consistency", "long")):
        done = zaxy("log", *command)
        assert done.exit_code == 2
        assert "too long" in done.stderr


@pytest.mark.parametrize(
    ("session_id", "seq", "said"),
    [
        ("default", "3", "there is no event 3 in session default"),
        ("default", str(10**30), "there is no event 1000"),
        ("default", "0", "0 is not in the range"),
        ("default", "two", "'two' is not a valid integer"),
        ("nobody", "1", "there is no session 'nobody'"),
        ("..", "1", "there is no session '..'"),
        ("../default", "1", "there is no session"),
        ("", "1", "there is no session ''"),
    ],
)
def test_an_event_that_is_not_there_is_wrong_use(session_id: str, seq: str, said: str, signed: Path) -> None:
    done = zaxy("log", "prove", session_id, seq, "--output", "x")
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert "  next: " in done.stderr
    assert not (signed / "x").exists()


def test_an_event_that_was_changed_is_not_proved(signed: Path) -> None:
    path = signed / ".eventloom" / "default.jsonl"
    path.write_bytes(path.read_bytes().replace(b"Ship", b"Sink"))
    assert zaxy("log", "prove", "default", "2", "--output", "x").exit_code in (2, 3)
    assert not (signed / "x").exists()


# ---- consistency


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("kept.note", "latest", "the checkpoint of 3 events extends the one of 1\n  2 hashes of zaxy-loom/"),
        ("1", "3", "the checkpoint of 3 events extends the one of 1\n  2 hashes of zaxy-loom/"),
        ("3", "3", "the checkpoint of 3 events extends the one of 3\n  0 hashes of zaxy-loom/"),
        ("latest", "latest", "the checkpoint of 3 events extends the one of 3\n  0 hashes of zaxy-loom/"),
        ("1", "kept.note", "the checkpoint of 1 event extends the one of 1\n  0 hashes of zaxy-loom/"),
    ],
)
def test_a_later_checkpoint_is_shown_to_extend_an_earlier_one(old: str, new: str, said: str, signed: Path) -> None:
    done = zaxy("log", "consistency", old, new)
    assert done.exit_code == 0
    assert done.stdout.startswith(f"Consistent: {said}")
    told = answer("log", "consistency", old, new)
    assert told["ok"]
    assert told["old_size"] <= told["new_size"]
    assert len(told["proof"]) == int(said.split("\n  ")[1][0])


def test_the_newest_checkpoint_is_meant_when_none_is_named(signed: Path) -> None:
    assert "of 3 events extends" in zaxy("log", "consistency", "kept.note").stdout


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ("3", "1", 2, "the first checkpoint is the later one"),
        ("2", "latest", 2, "no checkpoint of size 2"),
        ("9" * 30, "latest", 2, "no checkpoint of size"),
        ("nothing", "latest", 2, "cannot be read"),
        (".", "latest", 2, "cannot be read"),
        ("event.proof", "latest", 3, "event.proof: "),
        ("-1", "latest", 2, "No such option"),
    ],
)
def test_what_cannot_be_compared_is_told_with_what_to_do(
    old: str, new: str, code: int, said: str, signed: Path
) -> None:
    done = zaxy("log", "consistency", old, new)
    assert (done.exit_code, done.stdout) == (code, "")
    assert said in done.stderr
    assert "  next: " in done.stderr


def test_a_checkpoint_that_was_forged_is_not_compared(signed: Path) -> None:
    text = (signed / "kept.note").read_text()
    (signed / "forged.note").write_text(text.replace("\n1\n", "\n2\n"))
    done = zaxy("log", "consistency", "forged.note")
    assert done.exit_code == 3
    assert "not signed by a key that counts" in done.stderr


def test_a_file_whose_name_is_a_number_is_a_file(signed: Path) -> None:
    (signed / "1").write_text("no note\n")
    done = zaxy("log", "consistency", "1")
    assert done.exit_code == 3
    assert done.stderr.startswith("error: 1: ")


# ---- keys


def test_the_key_in_force_is_shown_and_where_the_private_one_lies(signed: Path, state_home: Path) -> None:
    (path,) = state_home.rglob("signing.key")
    assert zaxy("log", "key", "show").stdout == f"In force: {public_key()}\n  private key: {path}\n"
    told = answer("log", "key", "show")
    assert told["keys"] == [{"public_key": public_key(), "until_size": None}]
    assert told["key_path"] == str(path)


def test_a_rotation_shows_both_keys_and_the_event_and_old_proofs_still_hold(signed: Path) -> None:
    old = public_key()
    done = zaxy("log", "key", "rotate")
    assert done.exit_code == 0
    new = public_key()
    lines = done.stdout.splitlines()
    assert lines[:2] == [f"In force: {new}", f"  before: {old}"]
    assert lines[2].startswith("  event: eventloom://default/events/3#")
    assert zaxy("log", "check-proof", "event.proof", "--public-key", old).exit_code == 0
    assert zaxy("log", "consistency", "kept.note").exit_code == 0
    assert zaxy("log", "verify").exit_code == 0
    assert f"  before, up to 4 events: {old}" in zaxy("log", "key", "show").stdout
    assert zaxy("log", "key", "rotate", "--session-id", "work").exit_code == 0
    assert answer("log", "key", "rotate", "--session-id", "work")["event"].startswith("eventloom://work/events/3#")


def test_no_command_prints_the_private_key(signed: Path, state_home: Path) -> None:
    (path,) = state_home.rglob("signing.key")
    seed = path.read_text().strip().split("+", 4)[4]
    assert len(seed) == 44
    for words in (("log", "key", "show"), ("log", "key", "rotate"), ("doctor",), ("log", "verify"), ("init",)):
        assert seed not in zaxy(*words, "--json").output
        assert seed not in zaxy("--debug", *words).output
    path.write_text(seed)
    assert seed not in zaxy("--debug", "log", "checkpoint").output
