"""Sealing, opening and destroying: what a vault answers before and after, and after an old copy came back."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from forgettable_looms import sealed_elsewhere
from zaxy.errors import ForgottenError, IntegrityError, InvalidInputError, KeyUnavailableError, WriteFailedError
from zaxy.eventloom.loom import Eventloom
from zaxy.eventloom.vault.cell import CIPHER_KEY, CellContext, new_data_key
from zaxy.eventloom.vault.store import KeyStatus
from zaxy.eventloom.vault.vault import Vault

DAY_MICROSECONDS = 24 * 60 * 60 * 1_000_000


class StillClock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.moment = 1_700_000_000_000_000

    def now(self) -> int:
        return self.moment


def context(seq: int) -> CellContext:
    return CellContext("work", seq, "note.taken")


def key_id(cell: dict[str, dict[str, str]]) -> str:
    return cell[CIPHER_KEY]["key_id"]


def raw(vault: Vault) -> sqlite3.Connection:
    return sqlite3.connect(vault.path, isolation_level=None)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "state", "loom1", clock=StillClock())


def test_what_was_sealed_is_opened_as_the_log_would_hold_it(vault: Vault) -> None:
    given = {"text": "Zoë's café ☕", "n": [1, 2.5, None, True], "password": "hunter2", "nested": {"deep": ()}}
    opened = vault.open(vault.seal(given, context(1)), context(1))
    assert opened == {
        "text": "Zoë's café ☕",
        "n": [1, 2.5, None, True],
        "password": "[REDACTED]",
        "nested": {"deep": []},
        "__zaxy_security": {"sensitivity": "restricted", "redacted_paths": ["password"]},
    }


def test_many_payloads_are_sealed_at_once(vault: Vault) -> None:
    cells = vault.seal_many([({"n": seq}, context(seq)) for seq in range(1, 51)])
    assert len({key_id(cell) for cell in cells}) == 50
    assert [vault.open(cell, context(seq))["n"] for seq, cell in enumerate(cells, 1)] == list(range(1, 51))
    with pytest.raises(IntegrityError):
        vault.open(cells[0], context(2))


def test_nothing_is_issued_for_payloads_of_which_one_is_bad(vault: Vault) -> None:
    with pytest.raises(InvalidInputError, match=r"payload\.n"):
        vault.seal_many([({"n": 1}, context(1)), ({"n": float("nan")}, context(2))])
    assert not vault.path.exists()


def test_a_key_can_be_issued_before_its_event_has_a_number(vault: Vault, tmp_path: Path) -> None:
    (key,) = vault.issue()
    assert vault.status(key.key_id) is KeyStatus.PRESENT
    loom = Eventloom(tmp_path / "loom")
    event = sealed_elsewhere(
        loom, vault.seal_with(key, {"text": "the secret"}, context(loom.log("work").head().seq + 1))
    )
    assert vault.open(dict(event.payload), context(event.seq))["text"] == "the secret"


def test_a_destroyed_key_opens_nothing_and_the_others_still_open(vault: Vault) -> None:
    cells = vault.seal_many([({"n": seq}, context(seq)) for seq in (1, 2, 3)])
    assert vault.destroy([key_id(cells[1])]) == (key_id(cells[1]),)
    with pytest.raises(ForgottenError):
        vault.open(cells[1], context(2))
    assert [vault.status(key_id(cell)) for cell in cells] == ["present", "destroyed", "present"]
    assert [vault.open(cells[at], context(at + 1))["n"] for at in (0, 2)] == [1, 3]
    assert Vault(vault.path.parent.parent, "loom1").status(key_id(cells[1])) is KeyStatus.DESTROYED


def test_destroying_again_is_fine_and_the_first_time_stays(vault: Vault) -> None:
    cell = vault.seal({"n": 1}, context(1))
    clock = vault._clock
    assert isinstance(clock, StillClock)
    first = clock.moment
    assert vault.destroy([key_id(cell), key_id(cell)]) == (key_id(cell),)
    clock.moment += 7
    assert vault.destroy([key_id(cell)]) == ()
    with contextlib.closing(raw(vault)) as database:
        assert database.execute("SELECT key_id, destroyed_at FROM destroyed").fetchall() == [(key_id(cell), first)]


def test_a_key_that_the_vault_never_held_can_be_destroyed(vault: Vault) -> None:
    stranger = new_data_key().key_id
    assert vault.status(stranger) is KeyStatus.UNKNOWN
    assert vault.destroy([stranger]) == ()
    assert vault.status(stranger) is KeyStatus.DESTROYED


def test_destroying_nothing_makes_no_vault(vault: Vault) -> None:
    assert vault.destroy([]) == ()
    assert not vault.path.exists()


def test_a_destroyed_key_cannot_be_put_back(vault: Vault) -> None:
    cell = vault.seal({"n": 1}, context(1))
    with contextlib.closing(raw(vault)) as database:
        row = database.execute("SELECT * FROM keys").fetchone()
        vault.destroy([key_id(cell)])
        for statement in ("INSERT INTO keys", "INSERT OR IGNORE INTO keys", "INSERT OR REPLACE INTO keys"):
            with pytest.raises(sqlite3.IntegrityError, match="stays destroyed"):
                database.execute(f"{statement} VALUES (?, ?, ?, ?, ?)", row)
    assert vault.status(key_id(cell)) is KeyStatus.DESTROYED


@pytest.mark.parametrize("bad", ["", "x", "AB" * 16, "00" * 17, None, 7, "' OR 1=1 --"])
def test_what_is_no_key_id_destroys_nothing(bad: str, vault: Vault) -> None:
    cell = vault.seal({"n": 1}, context(1))
    for work in (vault.destroy, vault.destroy_again):
        with pytest.raises(InvalidInputError, match="not a key id"):
            work([key_id(cell), bad])
    with pytest.raises(InvalidInputError, match="not a key id"):
        vault.status(bad)
    assert vault.open(cell, context(1))["n"] == 1


def test_destroyed_entries_leave_no_bytes_in_the_file(vault: Vault) -> None:
    keys = vault.issue(3_000)
    with contextlib.closing(raw(vault)) as database:
        wrapped = dict(database.execute("SELECT key_id, wrapped FROM keys"))
    before = vault.path.read_bytes()
    assert all(wrapped[key.key_id] in before for key in keys)  # what the search below would find
    doomed, kept = [key.key_id for key in keys[::2]], [key.key_id for key in keys[1::2]]
    assert sorted(vault.destroy(doomed)) == sorted(doomed)
    after = vault.path.read_bytes()
    assert not [name for name in doomed if wrapped[name] in after]
    assert all(wrapped[name] in after for name in kept)


def test_erasures_are_replayed_on_an_old_copy_of_the_vault(vault: Vault, tmp_path: Path) -> None:
    cells = vault.seal_many([({"n": seq}, context(seq)) for seq in (1, 2, 3)])
    backup = shutil.copy(vault.path, tmp_path / "backup")
    forgotten = [key_id(cell) for cell in cells[:2]]
    late = vault.seal({"n": 4}, context(4))
    vault.destroy([*forgotten, key_id(late)])
    assert vault.destroy_again([*forgotten, key_id(late)]) == ()

    shutil.copy(backup, vault.path)
    assert vault.open(cells[0], context(1))["n"] == 1  # which is why nothing is served before the replay
    assert sorted(vault.destroy_again([*forgotten, key_id(late)])) == sorted(forgotten)
    for cell, seq in ((cells[0], 1), (cells[1], 2), (late, 4)):
        with pytest.raises(ForgottenError):
            vault.open(cell, context(seq))
    assert vault.open(cells[2], context(3))["n"] == 3


def test_a_replay_without_anything_to_do_changes_no_file(vault: Vault, tmp_path: Path) -> None:
    assert vault.destroy_again([new_data_key().key_id]) == ()
    assert not (tmp_path / "state").exists()
    cell = vault.seal({"n": 1}, context(1))
    vault.destroy([key_id(cell)])
    before = (vault.path.read_bytes(), vault.path.stat().st_mtime_ns)
    assert vault.destroy_again([key_id(cell)]) == ()
    assert (vault.path.read_bytes(), vault.path.stat().st_mtime_ns) == before


def test_a_replay_finishes_a_destruction_that_was_interrupted(vault: Vault) -> None:
    cell = vault.seal({"n": 1}, context(1))
    vault.destroy([key_id(cell)])
    with contextlib.closing(raw(vault)) as database:
        database.execute("INSERT INTO about VALUES ('rewrite', 'due')")  # as a kill before the rewriting leaves it
        database.execute("CREATE TABLE remnants (bytes)")
        database.execute("INSERT INTO remnants VALUES (?)", (b"remnant" * 10,))
        database.execute("PRAGMA secure_delete=OFF")
        database.execute("DELETE FROM remnants")
        database.execute("DROP TABLE remnants")
    assert b"remnant" in vault.path.read_bytes()
    assert vault.destroy_again([key_id(cell)]) == ()
    assert b"remnant" not in vault.path.read_bytes()


def test_keys_without_an_event_are_listed_once_they_are_old(vault: Vault) -> None:
    clock = vault._clock
    assert isinstance(clock, StillClock)
    assert vault.orphans([]) == ()
    held = vault.seal({"n": 1}, context(1))
    (lost,) = vault.issue()
    assert vault.orphans({key_id(held)}) == ()
    clock.moment += DAY_MICROSECONDS
    (young,) = vault.issue()
    assert vault.orphans({key_id(held)}) == (lost.key_id,)
    assert sorted(vault.orphans({key_id(held)}, older_than_seconds=0)) == sorted([lost.key_id, young.key_id])
    assert vault.destroy(vault.orphans({key_id(held)})) == (lost.key_id,)
    assert vault.open(held, context(1))["n"] == 1


def test_a_vault_that_a_crash_left_without_tables_is_an_empty_one(vault: Vault) -> None:
    vault.path.parent.mkdir(parents=True)
    vault.path.touch(0o600)
    assert vault.status(new_data_key().key_id) is KeyStatus.UNKNOWN
    assert vault.destroy_again([new_data_key().key_id]) == ()
    assert vault.orphans([]) == ()
    cell = vault.seal({"n": 1}, context(1))
    assert vault.open(cell, context(1))["n"] == 1


def test_a_lost_vault_opens_nothing_and_seals_again(vault: Vault) -> None:
    cell = vault.seal({"n": 1}, context(1))
    vault.path.unlink()
    with pytest.raises(KeyUnavailableError, match="there is no key"):
        vault.open(cell, context(1))
    again = vault.seal({"n": 2}, context(2))
    assert vault.open(again, context(2))["n"] == 2
    with pytest.raises(KeyUnavailableError):
        vault.open(cell, context(1))


def test_the_vault_of_another_loom_is_refused(vault: Vault, tmp_path: Path) -> None:
    cell = vault.seal({"n": 1}, context(1))
    other = Vault(tmp_path / "state", "loom2")
    for work in (lambda: other.open(cell, context(1)), other.issue, lambda: other.destroy([key_id(cell)])):
        with pytest.raises((IntegrityError, KeyUnavailableError)):
            work()
    assert vault.open(cell, context(1))["n"] == 1


@pytest.mark.parametrize("content", [b"not a database" * 100, b"SQLite format 3\0" + b"\xff" * 4_096])
def test_a_file_that_is_no_vault_is_refused_and_left_alone(content: bytes, vault: Vault) -> None:
    vault.path.parent.mkdir(parents=True)
    vault.path.write_bytes(content)
    for work in (vault.issue, lambda: vault.status("00" * 16), lambda: vault.destroy(["00" * 16])):
        with pytest.raises(IntegrityError):
            work()
    assert vault.path.read_bytes() == content


@pytest.mark.parametrize("statement", ["PRAGMA user_version=2", "CREATE TABLE other (x)"])
def test_a_database_of_another_program_is_refused(statement: str, vault: Vault) -> None:
    vault.path.parent.mkdir(parents=True)
    with contextlib.closing(raw(vault)) as database:
        database.execute("CREATE TABLE theirs (x)")
        database.execute(statement)
    with pytest.raises(IntegrityError, match="is not an erasure vault"):
        vault.issue()


@pytest.mark.parametrize(
    "change", ["wrapped = zeroblob(60)", "wrapped = zeroblob(59)", "wrapped = 'text'", "wrapped = 7"]
)
def test_a_changed_entry_opens_nothing_and_can_be_destroyed(change: str, vault: Vault) -> None:
    cells = vault.seal_many([({"n": seq}, context(seq)) for seq in (1, 2)])
    with contextlib.closing(raw(vault)) as database:
        database.execute(f"UPDATE keys SET {change} WHERE key_id = ?", (key_id(cells[0]),))
    with pytest.raises(IntegrityError):
        vault.open(cells[0], context(1))
    with pytest.raises(IntegrityError):
        vault.rotate()
    assert vault.destroy([key_id(cells[0])]) == (key_id(cells[0]),)
    vault.rotate()
    assert vault.open(cells[1], context(2))["n"] == 2


def test_a_disk_that_is_full_issues_nothing(vault: Vault) -> None:
    vault.issue(100)
    with contextlib.closing(raw(vault)) as database:
        pages = database.execute("PRAGMA page_count").fetchone()[0]
    connect = sqlite3.connect

    def full(*arguments: object, **options: object) -> sqlite3.Connection:
        database = connect(*arguments, **options)
        database.execute(f"PRAGMA max_page_count={pages}")
        return database

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite3, "connect", full)
        with pytest.raises(WriteFailedError, match="full") as caught:
            vault.issue(1_000)
    assert caught.value.retryable
    with contextlib.closing(raw(vault)) as database:
        assert database.execute("SELECT count(*) FROM keys").fetchone() == (100,)
    assert len(vault.issue(1_000)) == 1_000
