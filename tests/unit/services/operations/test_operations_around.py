"""What is looked at around a log: each check is well where nothing is wrong, and names a command where something is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from zaxy.clock import SystemClock
from zaxy.config import EmbeddingSettings, Settings
from zaxy.embedding.choose import choose_embedder
from zaxy.eventloom.loom import CheckpointPolicy, Eventloom
from zaxy.services.operations import around as room
from zaxy.services.operations.around import Around, around_checks, usable
from zaxy.services.operations.capture_health import capture_checks
from zaxy.services.operations.check import Check


@pytest.fixture
def around(tmp_path: Path) -> Iterator[Around]:
    settings = Settings(
        eventloom_path=tmp_path / ".eventloom",
        state_path=tmp_path / "state",
        embedding=EmbeddingSettings(enabled=False),
    )
    loom = Eventloom(
        settings.eventloom_path, state_path=settings.state_path, checkpoints=CheckpointPolicy(events=0, seconds=0)
    )
    loom.ensure_key()
    loom.append("work", "note.taken", "ann", {"n": 1})
    yield Around(settings, loom, SystemClock(), choose_embedder(settings.embedding))
    loom.close()


def check(around: Around, name: str) -> Check:
    found = [check for check in around_checks(around) if check.name == name]
    assert found, f"there is no check {name}"
    return found[0]


def test_where_nothing_is_wrong_every_check_is_well_and_has_no_remedy(around: Around) -> None:
    found = list(around_checks(around))
    assert [check.name for check in found] == ["settings", "embedding", "permissions", "locks", "clock"]
    assert {(check.state, check.remedy) for check in found} == {("ok", "")}


def test_a_setting_that_is_none_is_told_with_the_one_that_may_be_meant(around: Around) -> None:
    found = check(replace(around, unknown=("ZAXY_LOG_LEVL", "ZAXY_COLOUR_OF_HATS")), "settings")
    assert (found.state, found.command) == ("warning", "unset ZAXY_LOG_LEVL ZAXY_COLOUR_OF_HATS")
    assert "ZAXY_LOG_LEVL (meant: ZAXY_LOG_LEVEL?), ZAXY_COLOUR_OF_HATS" in found.message


def test_what_a_projects_file_may_not_set_is_told_and_never_trusted_by_itself(around: Around, tmp_path: Path) -> None:
    found = check(replace(around, project=tmp_path / ".env.local", ignored=("OPENAI_BASE_URL",)), "settings")
    assert (found.state, found.command, found.safe_command) == ("warning", "", ())
    assert found.remedy.endswith("only if you wrote it yourself: zaxy init --trust"), "nothing to paste unread"
    assert "OPENAI_BASE_URL" in found.message


@dataclass(frozen=True)
class Broken:
    """A model that does not answer."""

    name: str = "broken:model"
    dimension: int = 3

    def embed_query(self, text: str) -> object:
        """Fail as a server does that is not there."""
        from zaxy.embedding.protocol import EmbeddingError

        raise EmbeddingError("the server did not answer")


def test_a_model_is_asked_for_a_vector_and_one_that_fails_is_told(around: Around) -> None:
    well = replace(around, chosen=choose_embedder(EmbeddingSettings(provider="hash", dimension=64)))
    assert check(well, "embedding") == Check("embedding", "ok", f"{well.chosen.embedder.name}, dimension 64")  # type: ignore[union-attr]  # it is there
    ill = replace(around, chosen=replace(around.chosen, embedder=Broken()))  # type: ignore[arg-type]  # what is asked of it
    found = check(ill, "embedding")
    assert (found.state, found.message, found.command) == (
        "failed",
        "the server did not answer",
        "export EMBEDDING_ENABLED=false",
    )


def test_a_model_behind_a_network_is_not_asked_when_nobody_is(around: Around) -> None:
    settings = replace(
        around.settings, embedding=EmbeddingSettings(provider="local-http", http_url="http://127.0.0.1:1")
    )
    offline = replace(around, settings=settings, chosen=choose_embedder(settings.embedding), ask=False)
    assert check(offline, "embedding").state == "ok"
    assert check(replace(offline, ask=True), "embedding").state == "failed"


def test_vectors_of_several_models_are_told_with_the_way_out(around: Around) -> None:
    chosen = choose_embedder(EmbeddingSettings(provider="hash", dimension=64))
    folder = around.settings.vectors_path
    for name in ("0123456789abcdef", "fedcba9876543210", "0123456789abcdef.set-aside-1"):
        (folder / name).mkdir(parents=True)
    found = check(replace(around, chosen=chosen), "vectors")
    assert (found.state, found.safe_command) == ("warning", ("zaxy", "memory", "re-embed"))
    assert "2 models" in found.message
    (folder / "fedcba9876543210").rmdir()
    assert [one.name for one in around_checks(replace(around, chosen=chosen)) if "vector" in one.name] == [
        "vector memory"
    ]


def test_vectors_that_need_more_than_half_the_memory_are_warned_of(
    around: Around, monkeypatch: pytest.MonkeyPatch
) -> None:
    around.settings.vectors_path.mkdir(parents=True)
    told = replace(around, chosen=choose_embedder(EmbeddingSettings(provider="hash", dimension=64)))
    assert check(told, "vector memory").state == "ok"
    monkeypatch.setattr(os, "sysconf", lambda name: {"SC_PHYS_PAGES": 2}.get(name, 4_096))
    (around.settings.vectors_path / "rows").write_bytes(bytes(5_000))
    assert check(told, "vector memory").command == "export EMBEDDING_ENABLED=false"


@pytest.mark.parametrize("name", ["kek.json", "vault/keys.db", "signing.key.next"])
def test_a_secret_that_others_may_read_is_closed_by_the_command_that_is_named(name: str, around: Around) -> None:
    path = around.loom.notary().state.folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("x", encoding="utf-8")
    path.chmod(0o644)
    found = check(around, "permissions")
    assert (found.state, found.safe_command) == ("failed", ("chmod", "600", str(path)))
    subprocess.run(found.command, shell=True, check=True)
    assert check(around, "permissions").state == "ok"


def test_what_anybody_may_change_is_closed_by_the_command_that_is_named(around: Around, tmp_path: Path) -> None:
    profile = tmp_path / "a folder's" / ".env.local"
    profile.parent.mkdir()
    profile.write_text("EVENTLOOM_THREAD=work\n", encoding="utf-8")
    profile.chmod(0o666)
    around.loom.path.chmod(0o777)
    told = replace(around, project=profile)
    found = check(told, "permissions")
    assert found.state == "warning"
    subprocess.run(found.command, shell=True, check=True)
    assert check(told, "permissions").state == "ok"


def test_a_loom_that_cannot_be_written_is_warned_of(around: Around, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the tests may run as root, whom nothing is refused
    found = check(around, "permissions")
    assert (found.state, found.command) == ("warning", f"chmod -R u+rwX {around.loom.path}")


HOLD = """
import fcntl, sys
held = open(sys.argv[1], "rb+")
fcntl.flock(held, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_process_that_keeps_a_lock_is_named_and_ended_by_the_command(around: Around) -> None:
    lock = around.loom.log("work").layout.lock
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        found = check(around, "locks")
        assert found.state == "failed"
        assert str(lock) in found.message
        if sys.platform == "linux":
            assert found.command == f"kill -9 {holder.pid}"
        holder.kill()
    assert check(around, "locks").state == "ok"


@dataclass(frozen=True)
class Stopped:
    """A clock that stands."""

    microseconds: int

    def now(self) -> int:
        """Return where it stands."""
        return self.microseconds


def test_a_clock_that_is_behind_what_was_recorded_is_warned_of(around: Around) -> None:
    now = SystemClock().now()
    assert check(replace(around, clock=Stopped(now - 4 * 60_000_000)), "clock").state == "ok"
    found = check(replace(around, clock=Stopped(now - 90 * 60_000_000)), "clock")
    assert (found.state, found.command) == ("warning", "sudo timedatectl set-ntp true")
    assert "work" in found.message


def test_settings_with_which_no_memory_opens_are_told_and_set_aside(around: Around) -> None:
    assert usable(around.settings) == (around.settings, ())
    ill = replace(
        around.settings, projection_backend="neo4j", embedding=EmbeddingSettings(provider="auto", dimension=7)
    )
    settings, found = usable(ill)
    assert (settings.projection_backend, settings.embedding.enabled) == ("embedded", False)
    assert [(check.name, check.command) for check in found] == [
        ("graph back end", "export PROJECTION_BACKEND=embedded"),
        ("embedding", "unset EMBEDDING_DIMENSION"),
    ]
    assert [check.name for check in around_checks(around, found)].count("embedding") == 1


@dataclass(frozen=True)
class Health:
    """What captures says of itself."""

    name: str = "hooks"
    spooled_events: int = 0
    failures: int = 0
    last_error: str | None = None
    is_paused: bool = False
    is_alive: bool | None = None


@pytest.mark.parametrize(
    ("health", "state", "told", "command"),
    [
        (Health(), "ok", "nothing waits", ""),
        (Health(spooled_events=3, is_alive=True), "ok", "3 events wait", ""),
        (Health(spooled_events=1_001), "warning", "1,001 events wait", "zaxy status"),
        (Health(is_paused=True, spooled_events=2), "warning", "paused; 2 events", "zaxy capture resume"),
        (Health("watcher", is_alive=False), "warning", "ended without being stopped", "zaxy capture start"),
        (Health(failures=4, last_error="disk full"), "warning", "4 times, last with: disk full", "zaxy status"),
    ],
)
def test_capture_is_told_as_it_says_itself(health: Health, state: str, told: str, command: str) -> None:
    (found,) = capture_checks([health])
    assert (found.name, found.state, found.command) == (f"capture {health.name}", state, command)
    assert told in found.message


@pytest.mark.parametrize(
    ("remedy", "command", "safe"),
    [
        ("run: chmod 600 /a/b", "chmod 600 /a/b", True),
        ("make one: zaxy init", "zaxy init", True),
        ("zaxy reproject", "zaxy reproject", True),
        ("zaxy log recover", "zaxy log recover", False),
        ("zaxy init --trust", "zaxy init --trust", False),
        ("unset ZAXY_X", "unset ZAXY_X", False),
        ("kill -9 5", "kill -9 5", False),
        ("chmod 777 /a", "chmod 777 /a", False),
        ("restore it from a backup, then run: zaxy log verify", "", False),
        ("", "", False),
    ],
)
def test_a_remedy_is_run_unasked_only_where_it_loses_nothing(remedy: str, command: str, safe: bool) -> None:
    found = Check("x", "failed", "y", remedy)
    assert (found.command, bool(found.safe_command)) == (command, safe)


def test_the_locks_that_are_tried_are_few(around: Around) -> None:
    for number in range(room._MOST_LOCKS + 4):
        around.loom.append(f"s{number}", "note.taken", "ann")
    assert check(around, "locks").message.startswith(f"{room._MOST_LOCKS} tried")
