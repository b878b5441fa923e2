"""Threads, processes and forks that seal, open, destroy and rotate at the same time."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fault_processes import Say, start
from zaxy.errors import BusyError, ForgottenError, KeyUnavailableError, WriteFailedError
from zaxy.eventloom.vault.cell import CIPHER_KEY, CellContext
from zaxy.eventloom.vault.store import KeyStatus
from zaxy.eventloom.vault.vault import Vault
from zaxy.files.lock import locked


def context(seq: int) -> CellContext:
    return CellContext("work", seq, "note.taken")


def wrapping_keys(vault: Vault) -> set[str]:
    with contextlib.closing(sqlite3.connect(vault.path)) as database:
        return {kek_id for (kek_id,) in database.execute("SELECT DISTINCT kek_id FROM keys")}


def sealing(folder: Path, first: int, count: int) -> Callable[[Say], None]:
    def work(say: Say) -> None:
        vault = Vault(folder, "loom1")
        for seq in range(first, first + count):
            cell = vault.seal({"n": seq}, context(seq))
            assert vault.open(cell, context(seq))["n"] == seq
            say(json.dumps([seq, cell]))

    return work


def rotating(folder: Path, times: int) -> Callable[[Say], None]:
    def work(say: Say) -> None:
        for _ in range(times):
            Vault(folder, "loom1").rotate()

    return work


def test_processes_seal_open_and_rotate_at_once_and_no_key_is_lost(tmp_path: Path) -> None:
    children = [start(sealing(tmp_path, number * 1_000, 15)) for number in range(4)]
    children += [start(rotating(tmp_path, 5)) for _ in range(2)]
    ended = [child.finish() for child in children]
    assert [code for code, _ in ended] == [0] * 6
    vault = Vault(tmp_path, "loom1")
    cells = [json.loads(line) for _, lines in ended for line in lines]
    assert len(cells) == 60
    assert [vault.open(cell, context(seq))["n"] for seq, cell in cells] == [seq for seq, _ in cells]
    vault.rotate()
    assert [vault.open(cell, context(seq))["n"] for seq, cell in cells] == [seq for seq, _ in cells]
    assert len(json.loads((tmp_path / "kek.json").read_bytes())["keys"]) == len(wrapping_keys(vault)) == 1


def test_processes_that_make_the_vault_at_once_make_one(tmp_path: Path) -> None:
    for turn in range(5):
        folder = tmp_path / str(turn)
        ended = [child.finish() for child in [start(sealing(folder, number, 1)) for number in range(6)]]
        vault = Vault(folder, "loom1")
        cells = [json.loads(line) for _, lines in ended for line in lines]
        assert [vault.open(cell, context(seq))["n"] for seq, cell in cells] == list(range(6))
        assert len(wrapping_keys(vault)) == 1


def test_threads_share_a_vault(tmp_path: Path) -> None:
    vault = Vault(tmp_path, "loom1")

    def work(number: int) -> tuple[int, bool]:
        cell = vault.seal({"n": number}, context(number))
        assert vault.open(cell, context(number))["n"] == number
        if number % 3 == 0:
            vault.destroy([cell[CIPHER_KEY]["key_id"]])
        if number % 10 == 0:
            vault.rotate()
        try:
            return number, vault.open(cell, context(number))["n"] == number
        except ForgottenError:
            return number, False

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(work, range(40))) == [(number, number % 3 != 0) for number in range(40)]


def test_a_fork_in_the_middle_of_other_threads_work_can_use_the_vault(tmp_path: Path) -> None:
    vault = Vault(tmp_path, "loom1")
    known = vault.seal({"n": 0}, context(0))
    stop = threading.Event()
    trouble: list[BaseException] = []

    def busy() -> None:
        try:
            while not stop.is_set():
                vault.open(known, context(0))
        except BaseException as error:
            trouble.append(error)

    def use(say: Say) -> None:
        assert vault.open(known, context(0))["n"] == 0
        assert vault.open(vault.seal({"n": 2}, context(2)), context(2))["n"] == 2

    threads = [threading.Thread(target=busy) for _ in range(3)]
    for thread in threads:
        thread.start()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # later Pythons warn of a fork beside threads
        codes = [start(use).finish()[0] for _ in range(20)]
    stop.set()
    for thread in threads:
        thread.join()
    assert codes == [0] * 20
    assert trouble == []


def test_nothing_stays_open_between_calls(tmp_path: Path) -> None:
    vault = Vault(tmp_path, "loom1")
    before = sorted(os.listdir("/dev/fd"))
    cell = vault.seal({"n": 1}, context(1))
    vault.open(cell, context(1))
    vault.rotate()
    vault.destroy([cell[CIPHER_KEY]["key_id"]])
    with pytest.raises(ForgottenError):
        vault.open(cell, context(1))
    assert sorted(os.listdir("/dev/fd")) == before


def test_a_vault_that_another_process_keeps_is_busy_and_can_be_read(tmp_path: Path) -> None:
    vault = Vault(tmp_path, "loom1", lock_timeout_seconds=0.01)
    cell = vault.seal({"n": 1}, context(1))
    with locked(tmp_path / "vault" / "lock", timeout_seconds=1):
        for work in (vault.issue, vault.rotate, lambda: vault.destroy([cell[CIPHER_KEY]["key_id"]])):
            with pytest.raises(BusyError):
                work()
        assert vault.open(cell, context(1))["n"] == 1
    assert vault.issue()


def test_a_vault_of_another_user_is_told_and_not_taken_for_a_missing_one(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "state", "loom1")
    cell = vault.seal({"n": 1}, context(1))
    (tmp_path / "state").chmod(0)

    def use(say: Say) -> None:
        if os.geteuid() == 0:  # root may look everywhere
            os.setgroups([])
            os.setgid(65_534)
            os.setuid(65_534)
        for work in (lambda: vault.open(cell, context(1)), vault.issue, vault.rotate):
            with pytest.raises((KeyUnavailableError, WriteFailedError)):
                work()

    try:
        assert start(use).finish()[0] == 0
    finally:
        (tmp_path / "state").chmod(0o700)


def test_a_vault_that_is_made_while_another_process_looks_is_none_or_whole(tmp_path: Path) -> None:
    def look(folder: Path) -> Callable[[Say], None]:
        def work(say: Say) -> None:
            vault = Vault(folder, "loom1")
            while vault.status("0" * 32) is KeyStatus.UNKNOWN and not vault.marker():
                pass

        return work

    for turn in range(10):
        folder = tmp_path / str(turn)
        children = [start(look(folder)) for _ in range(3)]
        Vault(folder, "loom1").seal({"n": 1}, context(1))
        assert [child.finish()[0] for child in children] == [0, 0, 0]
