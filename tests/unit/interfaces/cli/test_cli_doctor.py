"""``zaxy doctor``: what it says to run can be pasted, and then the check is well."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_words import answer, record, zaxy

from zaxy.config import Settings
from zaxy.memory import Memory

LOG = ".eventloom/default.jsonl"


@pytest.fixture
def made(folder: Path) -> Path:
    assert zaxy("init").exit_code == 0
    record("Ship the parser")
    return folder


def told(name: str, *words: str, **environment: str) -> dict[str, Any]:
    """Return the check of a name that is not well, or that is."""
    done = zaxy("doctor", "--offline", "--json", *words, **environment)
    checks = [check for check in json.loads(done.stdout)["checks"] if check["name"] == name]
    return next((check for check in checks if check["state"] != "ok"), checks[0])


def paste(command: str, folder: Path, **environment: str) -> dict[str, Any]:
    """Paste a command into a shell, with doctor behind it, and return the answer of that."""
    bin_folder = folder / "bin"
    bin_folder.mkdir(exist_ok=True)
    program = bin_folder / "zaxy"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m zaxy "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    outside = {name: value for name, value in os.environ.items() if not name.startswith("EVENTLOOM")}
    path = f"{bin_folder}{os.pathsep}{outside['PATH']}"
    ran = subprocess.run(
        ["sh", "-c", f"{command} >&2; zaxy doctor --offline --json"],
        env={**outside, "PATH": path, **environment},
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def state(found: dict[str, Any], name: str) -> set[str]:
    return {check["state"] for check in found["checks"] if check["name"] == name}


def test_after_init_all_is_well(made: Path) -> None:
    found = answer("doctor")
    assert found["ok"]
    assert {check["state"] for check in found["checks"]} == {"ok"}
    assert {check["remedy"] for check in found["checks"]} == {""}


def test_an_unknown_setting_is_gone_after_the_command_was_pasted(made: Path) -> None:
    check = told("settings", ZAXY_LOG_LEVL="debug")
    assert check["remedy"] == "unset ZAXY_LOG_LEVL"
    assert "ZAXY_LOG_LEVEL?" in check["message"]
    assert state(paste(check["remedy"], made, ZAXY_LOG_LEVL="debug"), "settings") == {"ok"}


def test_a_back_end_that_is_not_here_is_told_and_the_rest_is_looked_at(made: Path) -> None:
    done = zaxy("doctor", "--offline", "--json", PROJECTION_BACKEND="neo4j")
    found = json.loads(done.stdout)
    assert done.exit_code == 3
    assert state(found, "logs") == {"ok"}
    (check,) = (check for check in found["checks"] if check["name"] == "graph back end")
    after = paste(check["remedy"], made, PROJECTION_BACKEND="neo4j")
    assert after["ok"]


def test_a_store_that_cannot_be_used_is_well_after_the_command_was_pasted(made: Path) -> None:
    with Memory(Settings(eventloom_path=made / ".eventloom")) as memory:
        memory.rebuild()
    path = made / ".eventloom" / "projections" / "embedded.kuzu"
    path.write_bytes(b"not a graph" * 1_000)
    check = told("projections")
    assert (check["state"], check["remedy"]) == ("warning", "zaxy reproject")
    assert "set aside" in check["message"]
    after = paste(check["remedy"], made)
    assert after["ok"]
    assert {one["message"] for one in after["checks"] if one["name"] == "projection graph"} == {
        "current, 0 events read from the log"
    }


def test_a_store_of_another_log_is_told_by_every_status_and_fixed(made: Path) -> None:
    kept = made / "kept"
    shutil.copytree(made / ".eventloom", kept)
    record("Buy a llama")
    assert zaxy("reproject").exit_code == 0
    shutil.copy(kept / "default.jsonl", made / LOG)
    shutil.rmtree(made / ".eventloom" / ".zaxy")
    record("Sell the llama")
    found = answer("memory", "status", "--graph")
    assert {one["state"] for one in found["projections"]} == {"diverged"}
    assert "default" in found["projections"][0]["reason"]
    done = zaxy("doctor", "--offline", "--fix", "--json")
    after = json.loads(done.stdout)
    assert "zaxy reproject" in after["fixed"]
    assert state(after, "projection graph") == {"ok"}


def test_a_key_that_others_may_read_is_closed_by_fix_and_nothing_else_is_run(made: Path, state_home: Path) -> None:
    (key,) = state_home.glob("zaxy/*/signing.key")
    key.chmod(0o644)
    assert told("signing key")["state"] == "warning"
    done = zaxy("doctor", "--offline", "--fix", ZAXY_LOG_LEVL="debug")
    assert f"running: chmod 600 {key}" in done.stderr
    assert "unset" not in done.stderr, "no child can take a variable out of this shell"
    assert "next: unset ZAXY_LOG_LEVL" in done.stdout
    assert key.stat().st_mode & 0o777 == 0o600
    assert told("signing key")["state"] == "ok"


def test_fix_runs_nothing_where_all_is_well(made: Path) -> None:
    done = zaxy("doctor", "--fix", "--json")
    assert json.loads(done.stdout)["fixed"] == []
    assert done.stderr == ""


def test_a_command_names_the_loom_that_was_looked_at(made: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("a folder") / "loom"
    shutil.copytree(made / ".eventloom", elsewhere)
    (elsewhere / "projections").mkdir(exist_ok=True)
    store = elsewhere / "projections" / "forward.sqlite"
    store.write_bytes(b"no database")
    check = told("projections", "--eventloom-path", str(elsewhere))
    assert check["remedy"] == f"zaxy reproject --eventloom-path '{elsewhere}'"
    store.write_bytes(b"no database")
    done = zaxy("doctor", "--offline", "--fix", "--json", "--eventloom-path", str(elsewhere))
    after = json.loads(done.stdout)
    assert (after["ok"], after["fixed"]) == (True, ["zaxy reproject"])
    assert store.stat().st_size > len(b"no database")


def test_what_a_cloned_project_sets_for_itself_is_told(made: Path) -> None:
    with (made / ".env.local").open("a", encoding="utf-8") as profile:
        profile.write("OPENAI_BASE_URL=http://attacker.example\n")
    check = told("settings")
    assert check["state"] == "warning"
    assert "OPENAI_BASE_URL" in check["message"]
    assert "only if you wrote it yourself" in check["message"]


def test_without_a_loom_it_says_how_to_make_one(folder: Path) -> None:
    done = zaxy("doctor", "--json")
    assert done.exit_code == 2
    assert "zaxy init" in done.output
    assert not (folder / ".eventloom").exists()


def test_vectors_of_another_model_are_gone_after_the_command(made: Path) -> None:
    other = made / ".eventloom" / "projections" / "vectors" / "0123456789abcdef"
    other.mkdir(parents=True)
    assert zaxy("memory", "re-embed", EMBEDDING_PROVIDER="hash").exit_code == 0
    other.mkdir(exist_ok=True)
    check = told("vectors", EMBEDDING_PROVIDER="hash")
    assert (check["state"], check["remedy"]) == ("warning", "zaxy memory re-embed")
    done = zaxy("doctor", "--offline", "--fix", "--json", EMBEDDING_PROVIDER="hash")
    assert json.loads(done.stdout)["fixed"] == ["zaxy memory re-embed"]
    assert not other.exists()


def test_capture_that_is_paused_is_told_and_goes_on_after_the_command(made: Path) -> None:
    assert zaxy("capture", "pause").exit_code == 0
    check = told("capture hooks")
    assert (check["state"], check["remedy"]) == ("warning", "zaxy capture resume")
    assert zaxy(*check["remedy"].split()[1:]).exit_code == 0
    assert told("capture hooks")["state"] == "ok"


def test_an_artefact_that_the_log_does_not_confirm_is_ignored_and_set_aside_by_the_command(made: Path) -> None:
    forged = {"event_ref": "eventloom://default/events/2#000000000000", "citations": [], "identities": []}
    artefact = made / ".eventloom" / "default.compaction.json"
    artefact.write_text(json.dumps({"records": [forged], "source_identities": []}), encoding="utf-8")
    assert "ignored: the event at eventloom://default/events/2" in zaxy("memory", "status", "--graph").stdout
    check = told("projection compaction")
    assert check["state"] == "warning"
    after = paste(check["remedy"], made)
    assert after["ok"]
    assert state(after, "projection compaction") == set()
    assert not artefact.exists()


def test_a_client_that_lost_its_hooks_gets_them_back_by_the_command(made: Path) -> None:
    assert zaxy("init", "--preset", "claude-code").exit_code == 0
    assert told("client claude-code")["state"] == "ok"
    hooks = made / ".claude" / "settings.local.json"
    hooks.write_text('{"hooks": {}, "mine": 1}', encoding="utf-8")
    check = told("client claude-code")
    assert (check["state"], check["remedy"]) == ("warning", "zaxy init --preset claude-code")
    assert str(hooks) in check["message"]
    assert zaxy(*check["remedy"].split()[1:]).exit_code == 0
    assert told("client claude-code")["state"] == "ok"
    assert json.loads(hooks.read_text(encoding="utf-8"))["mine"] == 1
    servers = made / ".mcp.json"
    servers.write_text(servers.read_text(encoding="utf-8").replace("serve", "nothing"), encoding="utf-8")
    check = told("client claude-code")
    assert check["remedy"] == "zaxy ide-config claude-code --install --force"
    assert zaxy(*check["remedy"].split()[1:]).exit_code == 0
    assert told("client claude-code")["state"] == "ok"
