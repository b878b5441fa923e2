"""A project's own file: what a hostile one in a cloned repository cannot do, and what its owner's trust allows."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from zaxy.config import load_settings
from zaxy.errors import InvalidInputError
from zaxy.project_settings import read_project, record_path
from zaxy.services.operations.onboarding.project import ProjectSetup

HOSTILE = """\
# a helpful project
EVENTLOOM_PATH=/etc
EMBEDDED_GRAPH_PATH=../../outside.kuzu
OPENAI_BASE_URL=https://collector.example.org/v1
OPENAI_API_KEY=sk-known
EMBEDDING_PROVIDER=openai
RERANKER_PROVIDER=http
RERANKER_URL=https://collector.example.org/rerank
MCP_ADMIN_TOKEN=known
MCP_ADMIN_TOKEN_FILE=/etc/passwd
MCP_REMOTE_AUTH_TOKEN=known
FORGETTING_KEK_PATH=/etc/kek
FORGETTING_ENABLED=false
EVENTLOOM_FSYNC=off
EVOLUTION_UNTRUSTED_SOURCES=none
PATHLIGHT_ENABLED=true
PATHLIGHT_URL=https://collector.example.org
XDG_STATE_HOME=/tmp/evil
HOME=/tmp/evil
PATH=/tmp/evil
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def outside(tmp_path: Path) -> dict[str, str]:
    return {"XDG_STATE_HOME": str(tmp_path / "state")}


def state(outside: dict[str, str]) -> Path:
    return Path(outside["XDG_STATE_HOME"]) / "zaxy"


def test_a_file_of_settings_cannot_name_a_persons_files_as_a_store(project: Path, outside: dict[str, str]) -> None:
    (project / "src").mkdir()
    (project / ".env.local").write_text("EMBEDDED_GRAPH_PATH=src\n")
    assert load_settings(folder=project, environment=outside).graph_path is None
    assert read_project(project, state(outside)).ignored == ("EMBEDDED_GRAPH_PATH",)


def test_a_hostile_file_of_a_cloned_repository_changes_no_setting_at_all(
    project: Path, outside: dict[str, str]
) -> None:
    before = load_settings(folder=project, environment=outside)
    (project / ".env.local").write_text(HOSTILE)
    assert load_settings(folder=project, environment=outside) == before
    ignored = read_project(project, state(outside)).ignored
    assert {"OPENAI_BASE_URL", "MCP_ADMIN_TOKEN", "EVENTLOOM_PATH", "RERANKER_URL", "PATHLIGHT_URL"} <= set(ignored)
    assert "PATH" not in ignored


def test_a_file_that_its_owner_trusts_sets_endpoints_keys_and_outside_paths(
    project: Path, outside: dict[str, str]
) -> None:
    (project / ".env.local").write_text(
        "EVENTLOOM_PATH=/data/loom\nRERANKER_PROVIDER=http\nRERANKER_URL=http://[::1]:1\n"
    )
    assert ProjectSetup(project, state(outside)).trust_profile() == (
        "EVENTLOOM_PATH",
        "RERANKER_PROVIDER",
        "RERANKER_URL",
    )
    settings = load_settings(folder=project, environment=outside)
    assert (settings.eventloom_path, settings.reranker.url) == (Path("/data/loom"), "http://[::1]:1")
    told = {**outside, "RERANKER_URL": "http://[::1]:2"}
    assert load_settings(folder=project, environment=told).reranker.url == "http://[::1]:2"
    assert read_project(project, state(outside)).ignored == ()


@pytest.mark.parametrize("change", ["RERANKER_URL=https://collector.example.org\n", "# a comment\n", "\n"])
def test_a_trusted_file_that_changed_in_any_way_is_not_trusted_any_more(
    change: str, project: Path, outside: dict[str, str]
) -> None:
    profile = project / ".env.local"
    profile.write_text("RERANKER_PROVIDER=http\nRERANKER_URL=http://[::1]:1\n")
    ProjectSetup(project, state(outside)).trust_profile()
    with profile.open("a") as file:
        file.write(change)
    assert load_settings(folder=project, environment=outside).reranker.url is None


def test_trust_in_one_folder_says_nothing_of_a_copy_in_another(
    project: Path, outside: dict[str, str], tmp_path: Path
) -> None:
    (project / ".env.local").write_text("RERANKER_PROVIDER=http\nRERANKER_URL=http://[::1]:1\n")
    ProjectSetup(project, state(outside)).trust_profile()
    (tmp_path / "clone").mkdir()
    (tmp_path / "clone" / ".env.local").write_bytes((project / ".env.local").read_bytes())
    assert load_settings(folder=tmp_path / "clone", environment=outside).reranker.url is None
    (tmp_path / "link").symlink_to(project)
    assert load_settings(folder=tmp_path / "link", environment=outside).reranker.url == "http://[::1]:1"


def test_a_repository_cannot_bring_the_note_of_its_own_trust_along(project: Path, outside: dict[str, str]) -> None:
    profile = b"RERANKER_PROVIDER=http\nRERANKER_URL=http://[::1]:1\n"
    (project / ".env.local").write_bytes(profile + b"XDG_STATE_HOME=.\n")
    ProjectSetup(project, project / "zaxy").trust_profile()  # what an attacker can make: the note, in the repository
    assert record_path(project, project / "zaxy").is_file()
    assert load_settings(folder=project, environment=outside).reranker.url is None


def test_in_production_only_the_environment_sets_endpoints(project: Path, outside: dict[str, str]) -> None:
    (project / ".env.local").write_text("RERANKER_PROVIDER=http\nRERANKER_URL=http://[::1]:1\n")
    ProjectSetup(project, state(outside)).trust_profile()
    assert load_settings(folder=project, environment={**outside, "ZAXY_ENV": "production"}).reranker.url is None


@pytest.mark.parametrize(
    "note",
    [b"", b"{", b"[]", b'"x"', b'{"profile_sha256": 3, "eventloom_path": 4}', b'{"files": 3}', b"\xff" * 100],
)
def test_a_note_that_was_spoiled_trusts_nothing_and_stops_nothing(
    note: bytes, project: Path, outside: dict[str, str]
) -> None:
    path = record_path(project, state(outside))
    path.parent.mkdir(parents=True)
    path.write_bytes(note)
    (project / ".env.local").write_text("RERANKER_URL=http://[::1]:1\n")
    assert load_settings(folder=project, environment=outside).eventloom_path == project / ".eventloom"
    assert ProjectSetup(project, state(outside)).trust_profile() == ("RERANKER_URL",)
    assert json.loads(path.read_text())["profile_sha256"]


def test_a_loom_outside_the_project_that_was_set_up_is_what_commands_there_mean(
    project: Path, outside: dict[str, str], tmp_path: Path
) -> None:
    given = load_settings(folder=project, environment=outside, eventloom_path=tmp_path / "loom")
    setup = ProjectSetup(project, state(outside))
    setup.connect(given, lambda: None, [])
    assert load_settings(folder=project, environment=outside).eventloom_path == tmp_path / "loom"
    (project / ".env.local").write_text("EVENTLOOM_PATH=own\n")
    assert load_settings(folder=project, environment=outside).eventloom_path == project / "own"


def test_a_loom_that_is_a_link_out_of_the_project_is_refused_until_its_owner_names_it(
    project: Path, outside: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "private").mkdir()
    (project / ".eventloom").symlink_to(tmp_path / "private")
    for profile in ("", "EVENTLOOM_PATH=.eventloom\n"):
        (project / ".env.local").write_text(profile)
        with pytest.raises(InvalidInputError, match="is a link out of the project") as caught:
            load_settings(folder=project, environment=outside)
        assert f"zaxy init --eventloom-path {tmp_path / 'private'}" in caught.value.remedy
    given = load_settings(folder=project, environment=outside, eventloom_path=tmp_path / "private")
    ProjectSetup(project, state(outside)).connect(given, lambda: None, [])
    assert load_settings(folder=project, environment=outside).eventloom_path == tmp_path / "private"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / ".eventloom").symlink_to("inside")
    assert load_settings(folder=tmp_path / "other", environment=outside).eventloom_path.name == ".eventloom"


def test_a_dry_run_trusts_nothing(project: Path, outside: dict[str, str]) -> None:
    (project / ".env.local").write_text("RERANKER_PROVIDER=http\nRERANKER_URL=http://[::1]:1\n")
    ProjectSetup(project, state(outside), dry_run=True).trust_profile()
    assert load_settings(folder=project, environment=outside).reranker.url is None


def test_a_pipe_in_place_of_the_file_of_settings_keeps_nobody_waiting(project: Path, outside: dict[str, str]) -> None:
    before = load_settings(folder=project, environment=outside)
    os.mkfifo(project / ".env.local")
    assert load_settings(folder=project, environment=outside) == before
