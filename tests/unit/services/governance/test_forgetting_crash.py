"""Forgetting that is killed at any step: the next process finishes it, or nothing of it was done."""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from forgetful_memories import Forgetful, new_canary

from fault_processes import Say, run, start
from zaxy.eventloom.vault.store import KeyStatus
from zaxy.eventloom.vault.vault import Vault
from zaxy.projections.catchup import Catchup
from zaxy.services.governance.forgetting_receipt import check_receipt
from zaxy.services.governance.forgetting_work import ReceiptFolder

_CALLS = ("fsync", "rename", "unlink", "write", "ftruncate")
_STEPS = ((Vault, "destroy"), (Vault, "rotate"), (Catchup, "erase"), (ReceiptFolder, "begin"), (ReceiptFolder, "end"))
_LATER, _LATEST = "2026-11-21T12:00:00Z", "2026-11-21T16:00:00Z"
_KILLS = 12


class Steps:
    """Counts what a process does to the disk, and kills it at one of these steps."""

    def __init__(self, deadly: int | None) -> None:
        self.done = 0
        self.landmarks: list[int] = []
        self._deadly = deadly

    def watch(self) -> None:
        """Count from now on, in this process only."""
        for name in _CALLS:
            setattr(os, name, self._counted(getattr(os, name)))
        for owner, name in _STEPS:
            setattr(owner, name, self._framed(getattr(owner, name)))

    def _step(self) -> None:
        self.done += 1
        if self.done == self._deadly:
            os.kill(os.getpid(), signal.SIGKILL)

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            self._step()
            return call(*arguments, **named)

        return counted

    def _framed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def framed(*arguments: Any, **named: Any) -> Any:
            self._step()
            self.landmarks.append(self.done)
            result = call(*arguments, **named)
            self._step()
            self.landmarks.append(self.done)
            return result

        return framed


def forgetting(root: Path, deadly: int | None) -> Callable[[Say], None]:
    def work(say: Say) -> None:
        forgetful = Forgetful(root, fsync="always", since=_LATER)
        service = forgetful.memory.forgetting
        plan = service.plan(actor="bob")
        steps = Steps(deadly)
        steps.watch()
        service.forget(plan, reason="Bob left", confirmed=True, rotate=True)
        say(" ".join(map(str, [steps.done, *steps.landmarks])))

    return work


def keys_of(forgetful: Forgetful) -> dict[str, list[str]]:
    """Return the keys of what Bob said, by session."""
    cells = {
        name: [event.payload["__zaxy_cipher"]["key_id"] for event in forgetful.memory.loom.log(name).replay(1, 2)]
        for name in ("work", "other")
    }
    return {name: [str(key_id) for key_id in found] for name, found in cells.items()}


def check_recovered(root: Path, canary: str) -> None:
    forgetful = Forgetful(root, fsync="always", since=_LATEST)
    try:
        said = [name for name in ("work", "other") if "memory.forgotten" in forgetful.types(name)]
        shown = forgetful.found(canary)  # any process that reads finishes the keys, before it shows anything
        keys, vault = keys_of(forgetful), forgetful.memory.opener.vault
        assert vault is not None
        assert {vault.status(key_id) for name in said for key_id in keys[name]} <= {KeyStatus.DESTROYED}
        assert len(shown) == (2 - len(said)) * 2
        forgetful.memory.forgetting.finish()
        now = [name for name in ("work", "other") if "memory.forgotten" in forgetful.types(name)]
        assert now in ([], ["work", "other"])
        if not now:
            assert forgetful.memory.forgetting.receipts() == ()
            service = forgetful.memory.forgetting
            service.forget(service.plan(actor="bob"), reason="Bob left", confirmed=True)
        check_gone(forgetful, canary)
    finally:
        forgetful.close()


def check_gone(forgetful: Forgetful, canary: str) -> None:
    vault = forgetful.memory.opener.vault
    assert vault is not None
    keys = [key_id for found in keys_of(forgetful).values() for key_id in found]
    assert {vault.status(key_id) for key_id in keys} == {KeyStatus.DESTROYED}
    assert forgetful.found(canary) == []
    assert forgetful.holders(canary) == []
    assert forgetful.found("otter") == ["an otter swims"]
    assert forgetful.memory.loom.verify().ok
    for name in ("work", "other"):
        assert forgetful.types(name).count("memory.forgotten") == 2
    (receipt,) = forgetful.memory.forgetting.receipts()
    assert sorted(receipt.key_ids) == sorted(keys)
    key = forgetful.memory.loom.notary().state.signing_key().verifier
    assert check_receipt(receipt.note, key) == receipt
    folder = forgetful.settings.state_path
    assert folder is not None
    assert list(folder.rglob("*.pending")) == []


@pytest.mark.slow
def test_killed_at_any_step_it_is_finished_by_the_next_process_or_nothing_was_done(
    tmp_path: Path, chance: random.Random
) -> None:
    canary = new_canary()
    forgetful = Forgetful(tmp_path / "first")
    forgetful.memory.loom.ensure_key()
    for name in ("work", "other"):
        for number in range(2):
            forgetful.say(f"{canary} said Bob, {number}", actor="bob", session_id=name)
    forgetful.say("an otter swims")
    forgetful.memory.catchup.catch_up()
    assert forgetful.holders(canary) != []
    forgetful.close()

    def copied(name: str) -> Path:
        return Path(shutil.copytree(tmp_path / "first", tmp_path / name))

    whole = copied("whole")
    (told,) = run(forgetting(whole, None))
    count, *landmarks = map(int, told.split())
    reopened = Forgetful(whole, since=_LATEST)
    check_gone(reopened, canary)
    reopened.close()
    assert len(landmarks) == 10
    chosen = {*landmarks, *(number + 1 for number in landmarks), *chance.sample(range(1, count), _KILLS)}
    for deadly in sorted(number for number in chosen if number <= count):
        root = copied(f"killed-{deadly}")
        code, _ = start(forgetting(root, deadly)).finish()
        assert code == -signal.SIGKILL, deadly
        check_recovered(root, canary)
        shutil.rmtree(root)
