"""Forgettable events on their way into the log: sealed where they get their number, and nowhere readable but there."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fault_processes import Say, memory_folder, start
from zaxy.config import load_settings
from zaxy.errors import InvalidInputError, KeyUnavailableError, PayloadTooLargeError
from zaxy.eventloom.event import SECURITY_KEY, SOURCE_KEY, Draft, Event
from zaxy.eventloom.loom import Eventloom
from zaxy.eventloom.origin import ORIGIN_KEY, Origin, SourceClass
from zaxy.eventloom.sealing import sealer_maker
from zaxy.eventloom.vault.cell import CIPHER_KEY, DataKey, is_sealed
from zaxy.eventloom.vault.erasures import Erasures
from zaxy.eventloom.vault.opening import Opener
from zaxy.eventloom.vault.store import KeyStatus
from zaxy.eventloom.vault.vault import Vault
from zaxy.eventloom.writer import WriterOptions

CANARY = "kestrel-7f3a91c2d4e85b60-canary"


class Maker:
    """Makes vaults in a folder, and remembers for which looms."""

    def __init__(self, state: Path, kind: type[Vault] = Vault) -> None:
        self.state = state
        self.kind = kind
        self.asked: list[str] = []

    def __call__(self, loom_id: str) -> Vault:
        self.asked.append(loom_id)
        return self.kind(self.state / loom_id, loom_id)

    def is_there(self, loom_id: str) -> bool:
        return (self.state / loom_id / "vault").is_dir()


class Place:
    """A loom and its keys."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "loom"
        self.state = root / "state"

    def vault(self) -> Vault:
        loom_id = self.loom().ensure_identity()
        return Vault(self.state / loom_id, loom_id)

    def loom(self, *, kind: type[Vault] = Vault, max_event_bytes: int = 1024 * 1024) -> Eventloom:
        options = WriterOptions(max_event_bytes=max_event_bytes)
        return Eventloom(self.folder, options=options, state_path=self.state, sealer=Maker(self.state, kind))

    def opener(self) -> Opener:
        return Opener(self.vault(), erasures=Erasures(self.folder))

    def opened(self, event: Event) -> dict[str, Any]:
        return {name: part for name, part in self.opener().open(event).payload.items() if name != SECURITY_KEY}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def secret(number: int = 1, key: str | None = None, **more: Any) -> Draft:
    return Draft("note.taken", "ann", {"text": f"{CANARY} {number}", **more}, key, forgettable=True)


def key_id(event: Event) -> str:
    return str(event.payload[CIPHER_KEY]["key_id"])


def holding(folder: Path, text: str) -> list[Path]:
    """Return the files that hold a text: as it is, in base64 at any offset, in hexadecimal digits, in UTF-16."""
    raw = text.encode()
    forms = [raw, raw.hex().encode(), text.encode("utf-16-le")]
    forms += [base64.b64encode(b"\0" * shift + raw)[(4 * shift + 2) // 3 + 1 : -4] for shift in range(3)]
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if any(form in path.read_bytes() for form in forms)]


def test_a_forgettable_event_verifies_and_opens_and_its_event_holds_the_cell(place: Place) -> None:
    loom = place.loom()
    (outcome,) = loom.commit("work", [secret(occurred_at="2024-03-01T00:00:00Z")])
    assert outcome.added
    assert set(outcome.event.payload) == {CIPHER_KEY, SECURITY_KEY}
    assert loom.read(outcome.event.ref) == outcome.event
    assert loom.log("work").verify().ok
    assert place.opened(outcome.event) == {"text": f"{CANARY} 1", "occurred_at": "2024-03-01T00:00:00Z"}


def test_the_text_is_in_no_file_of_the_loom_or_of_its_keys(place: Place) -> None:
    loom = place.loom()
    loom.commit("work", [secret(number, f"chat:{CANARY}-{number}") for number in range(5)])
    active = place.folder / "work.jsonl"
    torn = active.read_bytes().splitlines()[-1][:-40]
    loom.close()
    with active.open("ab") as stream:
        stream.write(torn.replace(b"evt_zaxy_000000000005", b"evt_zaxy_000000000006"))
    place.loom().commit("work", [secret(9)])
    assert list((place.folder / "quarantine").iterdir())
    place.loom().rotate("work")
    place.loom().commit("work", [secret(10)])
    assert place.loom().log("work").verify().ok
    assert holding(place.folder, CANARY) == holding(place.state, CANARY) == []


@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
def test_the_search_for_the_text_finds_it_in_every_form(tmp_path: Path, before: str) -> None:
    text = f"{before}{CANARY} and more".encode()
    for name, form in (("raw", text), ("hex", text.hex().encode()), ("base64", base64.b64encode(text))):
        (tmp_path / name).write_bytes(form)
    (tmp_path / "utf16").write_text(f"{before}{CANARY}", encoding="utf-16-le")
    (tmp_path / "other").write_bytes(b"nothing")
    assert {path.name for path in holding(tmp_path, CANARY)} == {"raw", "hex", "base64", "utf16"}


def test_plain_and_forgettable_events_go_into_the_log_in_one_order(place: Place) -> None:
    drafts = [secret(n) if n % 3 else Draft("note.taken", "ann", {"text": f"plain {n}"}) for n in range(12)]
    events = place.loom().log("work").append_many(drafts)
    assert [event.seq for event in events] == list(range(1, 13))
    assert [is_sealed(event.payload) for event in events] == [bool(n % 3) for n in range(12)]
    texts = [place.opened(event)["text"] for event in events]
    assert texts == [f"{CANARY} {n}" if n % 3 else f"plain {n}" for n in range(12)]
    assert len({key_id(event) for event in events if is_sealed(event.payload)}) == 8


def test_mappings_may_be_forgettable_too(place: Place) -> None:
    log = place.loom().log("work")
    told = {"event_type": "note.taken", "actor": "ann", "payload": {"text": CANARY}, "origin": Origin(via="cli")}
    (event,) = log.append_many([{**told, "forgettable": True}])
    assert place.opened(event)["text"] == CANARY
    assert event.payload[ORIGIN_KEY] == {"source": "agent", "via": "cli"}
    for wrong in ({"forgettable": 1}, {"origin": {"source": "human"}}):
        with pytest.raises(InvalidInputError):
            log.append_many([{**told, **wrong}])
    assert place.opened(log.append("note.taken", "ann", {"text": "x"}, forgettable=True))["text"] == "x"


def test_secrets_are_replaced_before_they_are_sealed(place: Place) -> None:
    event = place.loom().commit("work", [secret(password="hunter2")])[0].event
    opened = place.opener().open(event)
    assert opened.payload["password"] == "[REDACTED]"
    assert opened.payload[SECURITY_KEY] == {"sensitivity": "restricted", "redacted_paths": ["password"]}
    assert b"password" not in (place.folder / "work.jsonl").read_bytes()


def test_origin_and_source_stand_readable_beside_the_cell_and_come_with_the_text(place: Place) -> None:
    cited = "eventloom://work/events/1#0123456789ab"
    origin = Origin(SourceClass.DERIVED, "python", derives_from=(cited,))
    draft = Draft("note.taken", "ann", {"text": CANARY}, "chat:1", origin=origin, forgettable=True)
    event = place.loom().commit("work", [draft])[0].event
    assert list(event.payload) == [CIPHER_KEY, ORIGIN_KEY, SOURCE_KEY, SECURITY_KEY]
    assert Origin.told(event.payload) == origin
    assert place.opened(event) == {
        "text": CANARY,
        ORIGIN_KEY: {"source": "derived", "via": "python", "derives_from": [cited]},
        SOURCE_KEY: event.payload[SOURCE_KEY],
    }


def test_neither_a_cell_nor_an_origin_of_the_callers_own_is_taken_into_what_is_sealed(place: Place) -> None:
    forged: dict[str, Any] = {
        CIPHER_KEY: {"v": 1},
        ORIGIN_KEY: {"source": "human"},
        SOURCE_KEY: "chat:1",
        SECURITY_KEY: {"a": 1},
    }
    event = place.loom().commit("work", [secret(**forged)])[0].event
    assert place.opened(event) == {"text": f"{CANARY} 1"}
    assert Origin.told(event.payload) is None
    assert event.source_key is None


# ---- idempotency


def test_a_key_of_a_forgettable_event_is_taken_in_once_and_stands_as_a_keyed_hash(place: Place, tmp_path: Path) -> None:
    loom = place.loom()
    first = loom.commit("work", [secret(1, "chat:42")])[0]
    again = place.loom().commit("work", [secret(1, "chat:42"), secret(2, "chat:43"), secret(3, "chat:43")])
    assert [outcome.added for outcome in again] == [False, True, False]
    assert again[0].event == first.event
    assert again[1].event == again[2].event
    source, digest = str(first.event.source_key).split(":", 1)
    assert source == "chat"
    assert digest.startswith("hmac-sha256:")
    other = Place(tmp_path / "other")
    elsewhere = other.loom().commit("work", [secret(1, "chat:42")])[0].event
    assert str(elsewhere.source_key).startswith("chat:hmac-sha256:")
    assert elsewhere.source_key != first.event.source_key


def test_a_source_that_is_no_name_is_not_shown(place: Place) -> None:
    for key in (f"{CANARY} with blanks:1", CANARY, f":{CANARY}"):
        event = place.loom().commit("work", [secret(1, key)])[0].event
        assert str(event.source_key).startswith("hmac-sha256:")


def test_the_same_event_is_not_recorded_once_sealed_and_once_plain(place: Place) -> None:
    plain = Draft("note.taken", "ann", {"text": "said"}, "chat:1")
    first = place.loom().commit("work", [plain])[0].event
    assert place.loom().commit("work", [secret(1, "chat:1")])[0].event == first
    sealed = place.loom().commit("work", [secret(2, "chat:2")])[0].event
    outcomes = place.loom().commit("work", [Draft("note.taken", "ann", {"text": CANARY}, "chat:2")])
    assert outcomes == [(sealed, False)]
    mixed = [secret(3, "chat:3"), Draft("note.taken", "ann", {"text": "x"}, "chat:3"), secret(3, "chat:3")]
    assert [outcome.added for outcome in place.loom().commit("work", mixed)] == [True, False, False]
    assert place.loom().log("work").head().seq == 3
    assert holding(place.folder, CANARY) == []


def test_what_was_forgotten_does_not_come_back_when_its_source_is_read_again(place: Place) -> None:
    event = place.loom().commit("work", [secret(1, "chat:1")])[0].event
    place.vault().destroy([key_id(event)])
    for draft in (secret(1, "chat:1"), Draft("note.taken", "ann", {"text": CANARY}, "chat:1")):
        assert place.loom().commit("work", [draft]) == [(event, False)]
    assert holding(place.folder, CANARY) == []


def test_the_key_of_a_duplicate_is_not_kept(place: Place) -> None:
    drafts = [secret(number, f"chat:{number}") for number in range(10)]
    events = [outcome.event for outcome in place.loom().commit("work", drafts)]
    place.loom().commit("work", drafts)
    vault = place.vault()
    assert vault.orphans([], older_than_seconds=-60) == tuple(sorted(key_id(event) for event in events))
    assert [place.opened(event)["text"] for event in events] == [f"{CANARY} {number}" for number in range(10)]


def test_the_secret_behind_the_keyed_hashes_outlives_a_rotation_and_cannot_be_forgotten(place: Place) -> None:
    event = place.loom().commit("work", [secret(1, "chat:1")])[0].event
    vault = place.vault()
    before = vault.naming_secret()
    vault.rotate()
    naming = vault._store.naming_key()
    assert naming is not None
    assert vault.destroy([naming.key_id]) == vault.destroy_again([naming.key_id]) == ()
    assert naming.key_id not in vault.orphans([key_id(event)], older_than_seconds=-60)
    assert place.vault().naming_secret() == before
    assert not place.loom().commit("work", [secret(1, "chat:1")])[0].added


CHOICES = st.tuples(st.booleans(), st.sampled_from([None, "chat:1", "chat:2", "mail:1"]), st.integers(0, 99))


@settings(max_examples=12)
@given(commits=st.lists(st.lists(CHOICES, min_size=1, max_size=6), min_size=1, max_size=4))
def test_whatever_mix_is_appended_each_key_is_taken_in_once_and_every_text_reads_back(
    commits: list[list[tuple[bool, str | None, int]]],
) -> None:
    with memory_folder() as folder:
        place = Place(folder)
        expected: list[tuple[bool, str]] = []
        first: dict[str, int] = {}
        for commit in commits:
            drafts = [
                Draft("note.taken", "ann", {"text": f"{CANARY if hide else 'plain'} {n}"}, key, forgettable=hide)
                for hide, key, n in commit
            ]
            for outcome, draft in zip(place.loom().commit("work", drafts), drafts, strict=True):
                known = None if draft.key is None else first.get(draft.key)
                assert outcome.added == (known is None)
                if known is None:
                    expected.append((draft.forgettable, draft.payload["text"]))
                    if draft.key is not None:
                        first[draft.key] = len(expected)
                assert outcome.event.seq == (known or len(expected))
        log = place.loom().log("work")
        assert log.verify().ok
        opener = place.opener()
        read = [(is_sealed(event.payload), opener.open(event).payload["text"]) for event in log.replay()]
        assert read == expected
        assert holding(place.folder, CANARY) == []
        if place.vault().path.exists():
            assert len(place.vault().orphans([], older_than_seconds=-60)) == sum(hide for hide, _ in expected)


# ---- refusals


def test_where_sealing_is_switched_off_a_forgettable_event_is_refused_with_what_to_do(place: Place) -> None:
    chosen = load_settings(environment={"FORGETTING_ENABLED": "false", "HOME": str(place.state)}, folder=place.state)
    loom = Eventloom(place.folder, sealer=sealer_maker(chosen))
    with pytest.raises(InvalidInputError) as refused:
        loom.commit("work", [Draft("note.taken", "ann", {"text": "plain"}), secret()])
    assert refused.value.remedy == "set FORGETTING_ENABLED=true"
    assert not place.folder.exists()
    assert loom.commit("work", [Draft("note.taken", "ann", {"text": "plain"})])[0].added


def test_sealing_is_switched_on_unless_a_setting_says_otherwise(place: Place) -> None:
    chosen = load_settings(environment={"XDG_STATE_HOME": str(place.state)}, folder=place.folder)
    loom = Eventloom(place.folder, sealer=sealer_maker(chosen))
    event = loom.commit("work", [secret()])[0].event
    assert Opener.of(chosen, loom).open(event).payload["text"] == f"{CANARY} 1"


def test_a_loom_that_never_seals_never_makes_or_asks_for_a_vault(place: Place) -> None:
    maker = Maker(place.state)
    loom = Eventloom(place.folder, state_path=place.state, sealer=maker)
    loom.commit("work", [Draft("note.taken", "ann", {"text": f"{n}"}, f"chat:{n}") for n in range(3)])
    assert not (place.folder / "loom.json").exists()
    loom.ensure_identity()
    loom.commit("work", [Draft("note.taken", "ann", {"text": "x"}, "chat:9")])
    assert maker.asked == []
    assert not place.state.exists()
    loom.commit("work", [secret()])
    assert maker.asked == [loom.identity()]


def test_a_plain_append_with_a_key_imports_nothing_of_the_vault(place: Place) -> None:
    work = (
        "import sys; from zaxy.config import load_settings; from zaxy.eventloom.event import Draft;"
        "from zaxy.eventloom.loom import Eventloom; from zaxy.eventloom.sealing import sealer_maker;"
        f"loom = Eventloom({str(place.folder)!r}, sealer=sealer_maker(load_settings())); loom.ensure_identity();"
        "loom.commit('work', [Draft('note.taken', 'ann', {'text': 'x'}, 'chat:1')]);"
        "sys.exit('sqlite3' in sys.modules or 'cryptography' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", work], check=False).returncode == 0


def test_a_bad_draft_among_good_ones_leaves_no_event_and_no_key(place: Place) -> None:
    with pytest.raises(InvalidInputError, match=r"payload\.n"):
        place.loom().commit("work", [secret(), secret(n=float("nan"))])
    with pytest.raises(PayloadTooLargeError):
        place.loom(max_event_bytes=2_000).commit("work", [secret(), secret(more="x" * 2_000)])
    assert not place.vault().path.exists()
    assert not (place.folder / "work.jsonl").exists()


@pytest.mark.parametrize("length", range(300, 306))
def test_the_limit_is_for_the_payload_as_it_stands_in_the_log(place: Place, length: int) -> None:
    draft = Draft("note.taken", "ann", {"text": "x" * length}, "chat:1", origin=Origin(), forgettable=True)
    event = place.loom().commit("work", [draft])[0].event
    size = len(json.dumps(dict(event.payload), separators=(",", ":")))
    assert place.loom(max_event_bytes=size).commit("other", [draft])[0].added
    with pytest.raises(PayloadTooLargeError, match=f"{size:,} bytes"):
        place.loom(max_event_bytes=size - 1).commit("third", [draft])


def test_without_its_key_encryption_key_a_forgettable_event_is_refused_and_a_plain_one_is_not(place: Place) -> None:
    loom = place.loom()
    loom.commit("work", [secret(1, "chat:1")])
    (place.state / loom.ensure_identity() / "kek.json").unlink()
    with pytest.raises(KeyUnavailableError):
        place.loom().commit("work", [secret(2)])
    assert place.loom().commit("work", [Draft("note.taken", "ann", {"text": "plain"}, "chat:2")])[0].added
    assert place.loom().log("work").verify().ok


# ---- processes


def sealing(place: Place, session: str, first: int, count: int, *, repeats: bool = True) -> Callable[[Say], None]:
    def work(say: Say) -> None:
        loom = place.loom()
        for number in range(first, first + count):
            key = f"chat:{number % 12 if repeats else number}"
            say(str(loom.commit(session, [secret(number, key)])[0].event.seq))

    return work


def test_processes_that_seal_into_one_log_at_once_share_keys_and_numbers(place: Place) -> None:
    children = [start(sealing(place, "work", first, 12)) for first in (0, 6, 100)]
    ended = [child.finish() for child in children]
    assert [code for code, _ in ended] == [0, 0, 0]
    loom = place.loom()
    assert loom.log("work").verify().ok
    events = list(loom.log("work").replay())
    assert [event.seq for event in events] == list(range(1, 13))
    assert len({event.source_key for event in events}) == 12
    assert all(place.opened(event)["text"].startswith(CANARY) for event in events)


class DyingVault(Vault):
    """A vault whose process is killed once its keys are on disk."""

    def issue(self, count: int = 1) -> tuple[DataKey, ...]:
        super().issue(count)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("it is dead")


def test_a_kill_between_key_and_line_leaves_a_key_that_no_event_needs(place: Place) -> None:
    place.loom().commit("work", [secret(0)])

    def work(say: Say) -> None:
        place.loom(kind=DyingVault).commit("work", [secret(1)])

    assert start(work).finish()[0] == -signal.SIGKILL
    event = place.loom().commit("work", [secret(2)])[0].event
    assert event.seq == 2
    held: Iterable[str] = [key_id(read) for read in place.loom().log("work").replay()]
    vault = place.vault()
    (orphan,) = vault.orphans(list(held), older_than_seconds=-60)
    vault.destroy([orphan])
    assert vault.status(key_id(event)) is KeyStatus.PRESENT
    assert place.opened(event)["text"] == f"{CANARY} 2"


def test_every_sealed_event_that_was_acknowledged_before_a_kill_verifies_and_opens(place: Place) -> None:
    place.loom().ensure_identity()
    acknowledged = 0
    for turn in range(6):
        child = start(sealing(place, "work", turn * 1_000, 500, repeats=False))
        child.hear(str(acknowledged + 2 + turn))
        acknowledged = int(child.kill()[-1])
        loom = place.loom()
        events = [event for event in loom.log("work").replay() if is_sealed(event.payload)]
        opener = place.opener()
        assert loom.log("work").head().seq >= acknowledged
        assert all(opener.open(event).payload["text"].startswith(CANARY) for event in events)
        loom.commit("work", [secret()])
        acknowledged = loom.log("work").head().seq
        assert loom.log("work").verify().ok
    assert holding(place.folder, CANARY) == []
