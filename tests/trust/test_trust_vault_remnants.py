"""Nothing of what was forgotten can be found, wherever the process was killed on the way (row 18, the vault's part)."""

from __future__ import annotations

import base64
import contextlib
import gzip
import itertools
import json
import random
import secrets
import shutil
import signal
import sqlite3
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from trust_injection import EIO, ENOSPC, KILL, Act, Begin, Strace, best_injector, sites_of
from trust_sealed import KEK, LOOM_ID, SESSION, VAULT, Figure, Scale, context, log_of, sealed_note, vault_of
from trust_traces import forms, traces

from fault_processes import Say, memory_folder, start
from zaxy.errors import ForgottenError, ZaxyError
from zaxy.eventloom.vault.cell import CIPHER_KEY
from zaxy.eventloom.vault.keyring import KeyringFile, WrappedKey
from zaxy.eventloom.vault.store import KeyStatus


@pytest.fixture
def folder() -> Iterator[Path]:
    with memory_folder() as path:
        yield path


def remember(root: Path, canary: str) -> None:
    """Seal a note and append it."""
    with log_of(root) as log:
        log.commit([sealed_note(f"my name is {canary}")])


def forget_all(root: Path) -> None:
    """Forget every sealed note, going on where an earlier attempt was broken off; then rotate."""
    vault = vault_of(root)
    with log_of(root) as log:
        events = list(log.replay()) if log.head().seq else []
        held = {event.seq: event.payload[CIPHER_KEY]["key_id"] for event in events if CIPHER_KEY in event.payload}
        requested = {event.payload["seq"] for event in events if event.event_type == "memory.forget.requested"}
        done = {event.payload["key_id"] for event in events if event.event_type == "memory.forgotten"}
        vault.destroy_again(done)
        for seq, key_id in held.items():
            if key_id not in done:
                if seq not in requested:
                    log.append("memory.forget.requested", "ann", {"seq": seq})
                vault.destroy([key_id])
                log.append("memory.forgotten", "ann", {"seq": seq, "key_id": key_id})
        vault.destroy(vault.orphans(held.values(), older_than_seconds=0))
        vault.rotate()


def keys_on_disk(root: Path) -> dict[str, bytes]:
    """Return every key that can be found on the disk: key-encryption keys, wrapped data keys, data keys."""
    state = root / "state" / LOOM_ID
    found: dict[str, bytes] = {}
    for path in state.glob("*kek.json*"):  # also what a killed writer left
        for text in path.read_bytes().split(b'"key": "')[1:]:
            with contextlib.suppress(ValueError):
                found[f"key-encryption key {len(found)}"] = base64.b64decode(text.split(b'"')[0], validate=True)
    ring = KeyringFile(state / "kek.json", LOOM_ID, named=False).read()
    if ring is not None and (state / "vault" / "keys.db").exists():
        with contextlib.closing(sqlite3.connect(state / "vault" / "keys.db")) as database:
            made = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'keys'").fetchone()
            rows = database.execute("SELECT key_id, kek_id, wrapped FROM keys").fetchall() if made else []
        for key_id, kek_id, wrapped in rows:
            found[f"wrapped key {key_id}"] = wrapped
            found[f"data key {key_id}"] = ring.unwrap(WrappedKey(key_id, kek_id, wrapped), loom_id=LOOM_ID).secret
    return found


def remembering_and_forgetting(root: Path, canary: str) -> Begin:
    def begin(say: Say) -> Act:
        def act(say: Say) -> None:
            remember(root, canary)
            shutil.copytree(root / "state", root / "copying")
            (root / "copying").rename(root / "backup")
            forget_all(root)

        return act

    return begin


def left_of(root: Path, canary: str) -> list[str]:
    """Finish what was broken off, and return what is left of the note: nothing."""
    gone = {"canary": canary.encode(), **keys_on_disk(root)}
    forget_all(root)
    found = traces(gone, [root / "loom", root / "state"])
    if (root / "backup").exists():  # an old copy of the vault and of its key is put back
        gone.update(keys_on_disk(root))
        shutil.copytree(root / "backup", root / "state", dirs_exist_ok=True)
        gone.update(keys_on_disk(root))
        forget_all(root)
        found += traces(gone, [root / "loom", root / "state"])
    with log_of(root) as log:
        assert not log.head().seq or log.verify().ok
        for event in log.replay() if log.head().seq else ():
            if CIPHER_KEY in event.payload:
                assert vault_of(root).status(event.payload[CIPHER_KEY]["key_id"]) is KeyStatus.DESTROYED
                with pytest.raises(ForgottenError):
                    vault_of(root).open(dict(event.payload), context(event.seq))
    return found


@pytest.mark.row(18)
def test_nothing_is_left_of_a_forgotten_note_wherever_the_process_was_killed(
    folder: Path, scale: Scale, figure: Figure, chance: random.Random
) -> None:
    injector = best_injector()
    roots = (Path(tempfile.mkdtemp(dir=folder)) for _ in itertools.count())
    root, canary = next(roots), secrets.token_hex(16)
    remembering_and_forgetting(root, canary)(print)(print)  # in this process: what it imports is there then
    assert left_of(root, canary) == []
    root, canary = next(roots), secrets.token_hex(16)
    observed = injector.observe(remembering_and_forgetting(root, canary))
    assert observed.code == 0
    sites = [site for site in sites_of(observed, root) if not site.files[0].startswith(("/copying", "/backup"))]
    assert {"fsync", "write"} <= {site.call.removesuffix("at") for site in sites}
    assert left_of(root, canary) == []

    runs, kills = scale.pick(sample=20, full=1_000), Counter[str]()
    for run in range(runs):
        root, canary = next(roots), secrets.token_hex(16)
        if run % 5 == 4:  # at any moment, between two system calls too
            child = start(lambda say, root=root, canary=canary: remembering_and_forgetting(root, canary)(say)(say))
            child.listen(chance.random() * 0.03)
            child.kill()
            kills["moments"] += 1
        else:
            done = run - run // 5
            site = sites[done % len(sites)] if runs > len(sites) else chance.choice(sites)
            assert injector.inject(remembering_and_forgetting(root, canary), site, KILL).code == -signal.SIGKILL
            kills[str(site)] += 1
        assert left_of(root, canary) == [], kills
        shutil.rmtree(root)
    figure(
        f"{runs:,} processes killed while they sealed, forgot and rotated, at {len(kills.keys() - {'moments'})} of"
        f" {len(sites)} system calls ({injector.means}) and {kills['moments']} other moments: 0 files hold the text,"
        " the data key, the wrapped key or an old key-encryption key, nor after an old copy was put back"
    )


def vault_changes(root: Path) -> Begin:
    """Everything that writes to a vault, with a note that must survive it."""

    def begin(say: Say) -> Act:
        def act(say: Say) -> None:
            vault = vault_of(root)
            try:
                kept, doomed = vault.seal_many([({"text": "kept"}, context(1)), ({"text": "doomed"}, context(2))])
                say(f"sealed {json.dumps([kept, doomed])}")
                vault.destroy([doomed[CIPHER_KEY]["key_id"]])
                say("destroyed")
                vault.rotate()
                assert vault.open(kept, context(1))["text"] == "kept"
            except ZaxyError as error:
                say(f"refused {error.code}")

        return act

    return begin


@pytest.mark.row(18)
def test_a_vault_keeps_its_word_after_any_of_its_system_calls_failed(
    folder: Path, scale: Scale, figure: Figure, chance: random.Random
) -> None:
    injector = best_injector()
    roots = (Path(tempfile.mkdtemp(dir=folder)) for _ in itertools.count())
    vault_changes(next(roots))(print)(print)  # in this process: what it imports is there then
    root = next(roots)
    observed = injector.observe(vault_changes(root))
    assert (observed.code, observed.said[1:]) == (0, ["destroyed"])
    sites = sites_of(observed, root)
    cases = [(site, fault) for site in sites for fault in (EIO, ENOSPC)]
    outcomes = Counter[str]()
    for site, fault in chance.sample(cases, min(len(cases), scale.pick(sample=20, full=10_000))):
        root = next(roots)
        ended = injector.inject(vault_changes(root), site, fault)
        assert ended.code == 0, f"{fault.name} at {site} came out as something else than an error of ours: {ended.said}"
        vault = vault_of(root)
        if ended.said and ended.said[0].startswith("sealed "):
            kept, doomed = json.loads(ended.said[0].removeprefix("sealed "))
            assert vault.open(kept, context(1))["text"] == "kept", f"{fault.name} at {site}"
            if "destroyed" in ended.said:
                with pytest.raises(ForgottenError):
                    vault.open(doomed, context(2))
            vault.destroy([doomed[CIPHER_KEY]["key_id"]])
            vault.rotate()
            assert vault.open(kept, context(1))["text"] == "kept", f"{fault.name} at {site}"
        assert vault.open(vault.seal({"text": "later"}, context(3)), context(3))["text"] == "later"
        outcomes[ended.said[-1] if ended.said and ended.said[-1].startswith("refused") else "no error"] += 1
        shutil.rmtree(root)
    told = ", ".join(f"{name} {count}" for name, count in outcomes.most_common())
    figure(
        f"{outcomes.total()} of {len(cases)} faults (EIO, ENOSPC at {len(sites)} system calls of sealing, destroying"
        f" and rotating, {injector.means}): {told}; no key lost that was promised, none back that was destroyed"
    )


@pytest.mark.row(18)
def test_the_keys_are_on_disk_before_the_line_that_needs_them(folder: Path, figure: Figure) -> None:
    injector = best_injector()
    remember(Path(tempfile.mkdtemp(dir=folder)), "canary")  # in this process: what it imports is there then
    root = Path(tempfile.mkdtemp(dir=folder))
    sites = sites_of(injector.observe(lambda _: lambda _: remember(root, "canary")), root)

    def last(calls: set[str], file: str, before: int) -> int:
        return max(at for at, site in enumerate(sites[:before]) if site.call in calls and file in site.files[-1:])

    syncs = {"fsync", "fdatasync"}
    line = next(
        at for at, site in enumerate(sites) if site.call == "write" and site.files == (f"/loom/{SESSION}.jsonl",)
    )
    order = [last({"rename", "renameat", "renameat2"}, "/" + KEK.as_posix(), line)]
    order.append(next(at for at, site in enumerate(sites) if at > order[0] and site.call in syncs))
    assert sites[order[1]].files == (f"/state/{LOOM_ID}",)
    if isinstance(injector, Strace):  # without it the database's own calls are not seen
        folder_of_vault = "/" + VAULT.parent.as_posix()
        order.append(last({"pwrite64"}, "/" + VAULT.as_posix(), line))
        order += [last(syncs, "/" + VAULT.as_posix(), line), last({"unlink", "unlinkat"}, f"/{VAULT}-journal", line)]
        order.append(last(syncs, folder_of_vault, line))
    assert [*order, line] == sorted({*order, line})
    figure("key-encryption key, then data key, then the line: each synced before the next is written")


PACKINGS: Mapping[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: b"before" + data + b"after",
    "gzip": lambda data: b"before" + gzip.compress(b"x" * 50 + data) + b"after",
    "zlib": lambda data: b"before" + zlib.compress(b"x" * 50 + data) + b"after",
    "base64 at 0": lambda data: base64.b64encode(data + b"after"),
    "base64 at 1": lambda data: base64.b64encode(b"1" + data + b"after"),
    "base64 at 2": lambda data: base64.b64encode(b"12" + data + b"after"),
    "base64 at 3": lambda data: base64.urlsafe_b64encode(b"123" + data + b"after"),
    "hex": lambda data: b"x" + data.hex().encode() + b"x",
    "UTF-16": lambda data: data.hex().encode("utf-16"),
}


@pytest.mark.row(18)
def test_the_search_finds_a_secret_in_every_form(folder: Path, figure: Figure) -> None:
    for number, (name, pack) in enumerate(PACKINGS.items()):
        for secret in (secrets.token_bytes(32), secrets.token_hex(16).encode(), secrets.token_bytes(60)):
            place = folder / f"{number}" / "below"
            place.mkdir(parents=True, exist_ok=True)
            (place / "file").write_bytes(pack(secret))
            assert traces({"it": secret}, [folder / f"{number}"]), name
            other = secret[:16] + bytes([secret[16] ^ 1]) + secret[17:]
            assert traces({"it": other}, [folder / f"{number}"]) == [], name
    (folder / "names").mkdir()
    (folder / "names" / secret.hex()).touch()
    assert traces({"it": secret}, [folder / "names"])
    figure(f"{len(forms(secret))} forms of a secret are looked for, also inside gzip and zlib streams")


@pytest.mark.row(18)
def test_the_search_finds_the_keys_before_they_are_destroyed(folder: Path, figure: Figure) -> None:
    remember(folder, "canary")
    keys = keys_on_disk(folder)
    found = traces(keys, [folder / "state"])
    kinds = {kind for kind in ("key-encryption key", "wrapped key", "data key") if any(kind in name for name in keys)}
    assert len(kinds) == 3
    assert any(place.startswith("key-encryption key") and "base64" in place for place in found)
    assert any(place.startswith("wrapped key") and "raw" in place for place in found)
    assert not any(place.startswith("data key") for place in found), "a data key is on disk only wrapped"
    figure("before it is destroyed the search finds the wrapped key and its key-encryption key, and no bare data key")
