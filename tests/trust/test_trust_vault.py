"""Nothing opens that should not, and whatever happens to the vault, the log verifies (row 19)."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import secrets
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from trust_sealed import KEK, LOOM_ID, NOTE, SESSION, VAULT, Figure, Scale, context, log_of, sealed_log, vault_of

from fault_processes import memory_folder
from zaxy.errors import IntegrityError, KeyUnavailableError, ZaxyError
from zaxy.eventloom.vault.cell import CIPHER_KEY, CellContext, open_cell, parse_cell
from zaxy.eventloom.vault.keyring import WrappedKey
from zaxy.eventloom.vault.vault import Vault


@pytest.fixture
def folder() -> Iterator[Path]:
    with memory_folder() as path:
        yield path


def refused(work: Callable[[], object]) -> bool:
    """Whether a call fails in the way it should; anything else that it raises is a failure of the test."""
    try:
        work()
    except (IntegrityError, KeyUnavailableError):
        return True
    return False


def flips(data: bytes) -> Iterator[bytes]:
    """Yield the data with each of its bits flipped, one at a time."""
    for at in range(len(data)):
        for bit in range(8):
            yield data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def wrong_places(seq: int) -> Iterator[tuple[str, CellContext]]:
    """Yield contexts that differ from an event's in one field."""
    for other in range(1, 200):
        if other != seq:
            yield LOOM_ID, CellContext(SESSION, other, NOTE)
    for session in ("Work", "wor", "work2", "", "work\x00", 'work","1'):
        yield LOOM_ID, CellContext(session, seq, NOTE)
    for event_type in ("note.takem", "note", "goal.created", "note.taken.", ""):
        yield LOOM_ID, CellContext(SESSION, seq, event_type)
    for loom_id in ("loom2", "", "loom1 ", "loom", 'loom1","work'):
        yield loom_id, context(seq)


@pytest.mark.row(19)
def test_a_cell_opens_in_no_other_place(folder: Path, scale: Scale, figure: Figure) -> None:
    count = scale.pick(sample=12, full=60)
    payloads = sealed_log(folder, count)
    vault, opened, tried = vault_of(folder), 0, 0
    for seq, payload in enumerate(payloads, 1):
        assert vault.open(payload, context(seq))["text"] == f"note {seq}"
        cell = parse_cell(payload)
        entry = vault._store.find(cell.key_id).key
        assert entry is not None
        secret = vault._wrapping.data_key(entry).secret
        assert open_cell(cell, secret, loom_id=LOOM_ID, context=context(seq))
        for loom_id, wrong in wrong_places(seq):
            tried += 1
            opened += not refused(lambda: open_cell(cell, secret, loom_id=loom_id, context=wrong))  # noqa: B023  # called at once
        for other in (payloads[at] for at in range(count) if at != seq - 1):
            theirs = other[CIPHER_KEY]
            for stolen in ({"key_id"}, {"nonce"}, {"ciphertext"}, {"nonce", "ciphertext"}, set(theirs)):
                swapped = {CIPHER_KEY: {**payload[CIPHER_KEY], **{name: theirs[name] for name in stolen}}}
                tried += 1
                opened += not refused(lambda: vault.open(swapped, context(seq)))  # noqa: B023  # called at once
    assert log_of(folder).verify().ok
    assert (opened, tried > 1_000) == (0, True)
    figure(f"{tried:,} cells in another loom, session, place or type, or with parts of another cell: {opened} opened")


@pytest.mark.row(19)
def test_a_cell_with_any_bit_flipped_does_not_open(folder: Path, scale: Scale, figure: Figure) -> None:
    payloads = sealed_log(folder, scale.pick(sample=1, full=20))
    vault, opened, tried, readable = vault_of(folder), 0, 0, 0
    for seq, payload in enumerate(payloads, 1):
        text = json.dumps({CIPHER_KEY: payload[CIPHER_KEY]}, separators=(",", ":")).encode("ascii")
        assert vault.open(json.loads(text), context(seq))["text"] == f"note {seq}"
        for flipped in flips(text):
            tried += 1
            try:
                told = json.loads(flipped)
            except ValueError:  # neither JSON nor UTF-8 any more
                continue
            readable += 1
            opened += not refused(lambda: vault.open(told, context(seq)))  # noqa: B023  # called at once
    assert (opened, readable > 1_000) == (0, True)
    figure(f"{tried:,} bits flipped in cells, {readable:,} of them still JSON: {opened} opened")


@pytest.mark.row(19)
def test_a_changed_vault_never_opens_anything_else(
    folder: Path, scale: Scale, figure: Figure, chance: random.Random
) -> None:
    payloads = sealed_log(folder, 4)
    vault, answers = vault_of(folder), Counter[str]()
    whole = vault.path.read_bytes()
    bits = range(len(whole) * 8)
    for bit in bits if len(bits) <= (most := scale.pick(sample=600, full=40_000)) else chance.sample(bits, most):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        vault.path.write_bytes(changed)
        seq = chance.randrange(len(payloads)) + 1
        try:
            assert vault.open(payloads[seq - 1], context(seq))["text"] == f"note {seq}"
            answers["right"] += 1
        except ZaxyError as error:
            answers[type(error).__name__] += 1
    vault.path.write_bytes(whole)

    entries = [entry for payload in payloads if (entry := vault._store.find(parse_cell(payload).key_id).key)]
    wrong = [(entry, flipped) for entry in entries for flipped in flips(entry.wrapped)]
    wrong += [(entry, other.wrapped) for entry, other in itertools.permutations(entries, 2)]
    opened = 0
    for entry, wrapped in wrong:
        changed_entry = WrappedKey(entry.key_id, entry.kek_id, wrapped)
        opened += not refused(lambda: vault._wrapping.data_key(changed_entry))  # noqa: B023  # called at once
    assert opened == 0
    assert log_of(folder).verify().ok
    told = ", ".join(f"{name} {count:,}" for name, count in answers.most_common())
    figure(
        f"{len(wrong):,} changed wrapped keys: {opened} unwrapped; bits flipped in the vault's file: {told}, 0 wrong"
    )


def moved(path: Path) -> Callable[[Path], None]:
    return lambda root: (root / path).rename(root / "aside")


def damaged(path: Path) -> Callable[[Path], None]:
    return lambda root: (root / path).write_bytes(b"damaged" * 2_000) and None


def readable_by_others(root: Path) -> None:
    (root / KEK).chmod(0o644)


def older_key(root: Path) -> None:
    """The keyring from before the last rotation."""
    before = (root / KEK).read_bytes()
    vault_of(root).rotate()
    (root / KEK).write_bytes(before)


def older_vault(root: Path) -> None:
    """The vault from before the last rotation."""
    before = (root / VAULT).read_bytes()
    vault_of(root).rotate()
    (root / VAULT).write_bytes(before)


def another_key(root: Path) -> None:
    (root / KEK).write_bytes(secrets.token_bytes(32))


def another_vault(root: Path) -> None:
    """The vault of another loom."""
    (root / VAULT).unlink()
    Vault(root / "other", "loom2").issue(3)
    shutil.copy(root / "other" / "vault" / "keys.db", root / VAULT)


def emptied_vault(root: Path) -> None:
    (root / VAULT).write_bytes(b"")


def swapped_entries(root: Path) -> None:
    """Every key under the name of the next."""
    with contextlib.closing(sqlite3.connect(root / VAULT, isolation_level=None)) as database:
        rows = database.execute("SELECT key_id, wrapped FROM keys ORDER BY key_id").fetchall()
        for (key_id, _), (_, wrapped) in zip(rows, rows[1:] + rows[:1], strict=True):
            database.execute("UPDATE keys SET wrapped = ? WHERE key_id = ?", (wrapped, key_id))


MISHAPS: Mapping[str, Callable[[Path], None]] = {
    "missing vault": moved(VAULT),
    "missing key-encryption key": moved(KEK),
    "missing state folder": moved(Path("state")),
    "damaged vault": damaged(VAULT),
    "damaged key-encryption key": damaged(KEK),
    "key-encryption key that others may read": readable_by_others,
    "older key-encryption key": older_key,
    "vault from before a rotation": older_vault,
    "another key-encryption key": another_key,
    "vault of another loom": another_vault,
    "empty vault": emptied_vault,
    "entries swapped in the vault": swapped_entries,
}


@pytest.mark.row(19)
def test_whatever_happens_to_the_vault_nothing_opens_and_the_log_verifies(folder: Path, figure: Figure) -> None:
    opened = 0
    for name, mishap in MISHAPS.items():
        root = folder / name.replace(" ", "-")
        payloads = sealed_log(root, 5)
        assert [vault_of(root).open(payload, context(seq))["text"] for seq, payload in enumerate(payloads, 1)]
        mishap(root)
        for seq, payload in enumerate(payloads, 1):
            opened += not refused(lambda: vault_of(root).open(payload, context(seq)))  # noqa: B023  # called at once
        with log_of(root) as log:
            assert log.verify().ok
            assert log.append(NOTE, "ann", {"text": "plain"}).seq == 6
            assert log.verify().ok
    assert opened == 0
    figure(f"{len(MISHAPS)} mishaps to the vault or its key: {opened} payloads opened, the log verifies after each")
