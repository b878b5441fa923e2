"""Settings: which source counts, and what a project's own file may not do."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from zaxy.config import Settings, load_settings, state_folder
from zaxy.errors import InvalidInputError, NotFoundError, ZaxyError


def load(folder: Path, profile: str | bytes | None = None, **environment: str) -> Settings:
    if profile is not None:
        content = profile.encode("utf-8") if isinstance(profile, str) else profile
        (folder / ".env.local").write_bytes(content)
    return load_settings(folder=folder, environment=environment)


def test_without_any_setting_the_defaults_hold(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings == Settings(eventloom_path=tmp_path / ".eventloom", state_path=state_folder({}))
    assert settings.embedded_graph_path == tmp_path / ".eventloom" / "projections" / "embedded.kuzu"
    assert settings.search_path == tmp_path / ".eventloom" / "projections" / "search"
    assert (settings.session_id, settings.query_default_limit, settings.fsync) == ("default", 10, "always")


def test_an_argument_counts_before_the_environment_and_that_before_the_profile(tmp_path: Path) -> None:
    profile = "EVENTLOOM_PATH=from-profile\nEVENTLOOM_THREAD=profile\nPROJECTION_BACKEND=neo4j\nQUERY_DEFAULT_LIMIT=3\n"
    settings = load(tmp_path, profile)
    assert settings.eventloom_path == tmp_path / "from-profile"
    assert (settings.session_id, settings.projection_backend, settings.query_default_limit) == ("profile", "neo4j", 3)
    environment = {"EVENTLOOM_PATH": "from-env", "EVENTLOOM_THREAD": "env", "QUERY_DEFAULT_LIMIT": "4"}
    settings = load(tmp_path, **environment)
    assert settings.eventloom_path == tmp_path / "from-env"
    assert (settings.session_id, settings.query_default_limit) == ("env", 4)
    settings = load_settings(
        folder=tmp_path, environment=environment, eventloom_path="given", session_id="me", projection_backend="embedded"
    )
    assert settings.eventloom_path == tmp_path / "given"
    assert (settings.session_id, settings.projection_backend) == ("me", "embedded")


def test_an_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    settings = load(tmp_path, "EVENTLOOM_THREAD=profile\n", EVENTLOOM_THREAD="", EVENTLOOM_FSYNC="")
    assert (settings.session_id, settings.fsync) == ("profile", "always")


def test_lines_of_a_profile_may_be_quoted_exported_and_commented(tmp_path: Path) -> None:
    profile = (
        "\ufeff# comment\n export EVENTLOOM_THREAD = 'work' \r\nQUERY_DEFAULT_LIMIT=\"7\"\nnonsense\n=x\nOTHER=1\n"
    )
    settings = load(tmp_path, profile)
    assert (settings.session_id, settings.query_default_limit) == ("work", 7)


def test_the_graph_of_the_profile_is_not_taken_for_another_loom(tmp_path: Path) -> None:
    profile = "EVENTLOOM_PATH=loom\nEMBEDDED_GRAPH_PATH=loom/projections/graph.kuzu\n"
    assert load(tmp_path, profile).graph_path == tmp_path / "loom" / "projections" / "graph.kuzu"
    other = load_settings(folder=tmp_path, environment={}, eventloom_path="other")
    assert other.embedded_graph_path == tmp_path / "other" / "projections" / "embedded.kuzu"
    same = load_settings(folder=tmp_path, environment={}, eventloom_path=tmp_path / "loom")
    assert same.graph_path == tmp_path / "loom" / "projections" / "graph.kuzu"


def test_the_graph_of_the_profile_is_not_taken_for_a_loom_that_the_environment_names(tmp_path: Path) -> None:
    profile = "EVENTLOOM_PATH=loom\nEMBEDDED_GRAPH_PATH=loom/projections/graph.kuzu\n"
    elsewhere = load(tmp_path, profile, EVENTLOOM_PATH=str(tmp_path / "third"))
    assert elsewhere.embedded_graph_path == tmp_path / "third" / "projections" / "embedded.kuzu"


def test_a_secret_is_read_from_its_variable_or_from_the_file_that_its_twin_names(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(" s3cret\n", encoding="utf-8")
    (tmp_path / "token").chmod(0o600)
    assert load(tmp_path).admin_token is None
    assert load(tmp_path, MCP_ADMIN_TOKEN="direct").admin_token == "direct"
    assert load(tmp_path, MCP_ADMIN_TOKEN_FILE=str(tmp_path / "token")).admin_token == "s3cret"
    both = load(tmp_path, MCP_ADMIN_TOKEN="direct", MCP_ADMIN_TOKEN_FILE=str(tmp_path / "token"))
    assert both.admin_token == "direct"
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "binary").chmod(0o600)
    for name in ("missing", ".", "binary"):
        with pytest.raises(NotFoundError, match="MCP_ADMIN_TOKEN_FILE"):
            load(tmp_path, MCP_ADMIN_TOKEN_FILE=str(tmp_path / name))


def test_a_token_file_that_is_empty_does_not_switch_the_token_off(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n", encoding="utf-8")
    (tmp_path / "empty").chmod(0o600)
    with pytest.raises(ZaxyError, match="empty"):
        load(tmp_path, MCP_ADMIN_TOKEN_FILE=str(tmp_path / "empty"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QUERY_DEFAULT_LIMIT", "0"),
        ("QUERY_DEFAULT_LIMIT", "1001"),
        ("QUERY_DEFAULT_LIMIT", "ten"),
        ("QUERY_DEFAULT_LIMIT", "-1"),
        ("QUERY_DEFAULT_LIMIT", "1e2"),
        ("QUERY_DEFAULT_LIMIT", "9" * 5_000),
        ("EVENTLOOM_MAX_EVENT_BYTES", "1023"),
        ("EVENTLOOM_MAX_EVENT_BYTES", "1.5"),
        ("EVENTLOOM_FSYNC", "sometimes"),
        ("EVENTLOOM_FSYNC", "ALWAYS"),
        ("EVENTLOOM_THREAD", "../x"),
        ("EVENTLOOM_THREAD", "a b"),
        ("EVENTLOOM_PATH", "  "),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(name: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError) as caught:
        load(tmp_path, **{name: value})
    assert len(str(caught.value)) < 300


def test_values_at_their_limits_are_taken(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        QUERY_DEFAULT_LIMIT="1000",
        EVENTLOOM_MAX_EVENT_BYTES="1024",
        EVENTLOOM_FSYNC="off",
        SEARCH_LANGUAGE="German",
    )
    assert (settings.query_default_limit, settings.max_event_bytes) == (1_000, 1_024)
    assert (settings.fsync, settings.search_language) == ("off", "german")


@pytest.mark.parametrize(
    "line",
    [
        "EVENTLOOM_PATH=/etc",
        "EVENTLOOM_PATH=../outside",
        "EVENTLOOM_PATH=loom/../../outside",
        "EVENTLOOM_PATH=link",
        "EVENTLOOM_PATH=link/deeper",
        "EMBEDDED_GRAPH_PATH=/tmp/graph.kuzu",
        "EMBEDDED_GRAPH_PATH=link/graph.kuzu",
        "EVENTLOOM_PATH=loop",
        "EVENTLOOM_PATH=loop/x",
        "EVENTLOOM_PATH=a\x00b",
        "EMBEDDED_GRAPH_PATH=a\x00b",
        "MCP_ADMIN_TOKEN=known",
        "MCP_ADMIN_TOKEN_FILE=/etc/passwd",
        "EVENTLOOM_FSYNC=off",
        "EVENTLOOM_MAX_EVENT_BYTES=1024",
        "SEARCH_LANGUAGE=german",
        "eventloom_path=/etc",
        "EVENTLOOM_PATH",
        "EVENTLOOM_PATH=",
        "EVENTLOOM_PATH=''",
    ],
)
def test_a_projects_own_file_leads_nowhere_outside_and_sets_no_secret(line: str, tmp_path: Path) -> None:
    project = tmp_path / "project"
    (tmp_path / "outside").mkdir()
    project.mkdir()
    (project / "link").symlink_to(tmp_path / "outside")
    (project / "loop").symlink_to("loop")
    assert load(project, f"{line}\n") == Settings(eventloom_path=project / ".eventloom", state_path=state_folder({}))


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"=" * 1_000, b"A" * 200_000])
def test_a_profile_of_any_content_is_read_without_an_error(content: bytes, tmp_path: Path) -> None:
    assert load(tmp_path, content) == Settings(eventloom_path=tmp_path / ".eventloom", state_path=state_folder({}))


def test_a_profile_that_is_a_folder_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / ".env.local").mkdir()
    assert load(tmp_path) == Settings(eventloom_path=tmp_path / ".eventloom", state_path=state_folder({}))


def test_a_profile_that_never_ends_is_not_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / ".env.local").symlink_to("/dev/zero")
    code = "from pathlib import Path; from zaxy.config import load_settings; load_settings(folder=Path('.'))"

    def little_memory() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29))

    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        preexec_fn=little_memory,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-300:]


def test_the_process_environment_and_folder_are_what_is_read_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVENTLOOM_PATH", "from-env")
    monkeypatch.delenv("EVENTLOOM_THREAD", raising=False)
    assert load_settings().eventloom_path == tmp_path / "from-env"


def test_the_state_folder_is_outside_of_the_project_and_can_be_named(tmp_path: Path) -> None:
    assert load(tmp_path, XDG_STATE_HOME="/var/keys").state_path == Path("/var/keys/zaxy")
    assert load(tmp_path, XDG_STATE_HOME="relative").state_path == Path.home() / ".local" / "state" / "zaxy"
    assert load(tmp_path, "XDG_STATE_HOME=/evil\nFORGETTING_KEK_PATH=/evil\n").forgetting_kek_path is None


@pytest.mark.parametrize("text", ["true", "1", "Yes", " on "])
def test_a_flag_is_read_as_people_write_it(text: str, tmp_path: Path) -> None:
    assert load(tmp_path, FORGETTING_ENABLED=text).forgetting_enabled
    assert not load(tmp_path, FORGETTING_ENABLED="off").forgetting_enabled


def test_a_flag_that_is_neither_yes_nor_no_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="FORGETTING_ENABLED"):
        load(tmp_path, FORGETTING_ENABLED="perhaps")


def test_places_for_exact_words_in_a_checkout_are_one_unless_set(tmp_path: Path) -> None:
    assert (load(tmp_path).context_verbatim_enabled, load(tmp_path).context_verbatim_slots) == (True, 1)
    settings = load(tmp_path, CONTEXT_VERBATIM_ENABLED="off", CONTEXT_VERBATIM_SLOTS="3")
    assert (settings.context_verbatim_enabled, settings.context_verbatim_slots) == (False, 3)
    for name, value in (("CONTEXT_VERBATIM_ENABLED", "maybe"), ("CONTEXT_VERBATIM_SLOTS", "21")):
        with pytest.raises(InvalidInputError, match=name):
            load(tmp_path, **{name: value})
