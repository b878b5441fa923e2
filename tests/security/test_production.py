"""What is looked at before a server starts in production, and what is refused everywhere."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from zaxy.config import Settings, load_settings
from zaxy.errors import InvalidInputError, ZaxyError
from zaxy.interfaces.http.production import UnfitSettingsError, load_for_serving

GOOD_TOKEN = "3f9a1c7be2d84605a1b2c3d4e5f60718"
GOOD_ADMIN = "a81706f5e4d3c2b1a50648d2eb7c1a9f"
FIT = {"ZAXY_ENV": "production", "MCP_REMOTE_AUTH_TOKEN": GOOD_TOKEN, "MCP_ADMIN_TOKEN": GOOD_ADMIN}


def load(folder: Path, host: str | None = "0.0.0.0", **environment: str) -> Settings:
    return load_for_serving(host=host, environment=environment, folder=folder)


def findings(folder: Path, host: str | None = "0.0.0.0", **environment: str) -> list[str]:
    found: list[ZaxyError] = []
    try:
        load(folder, host, **environment)
    except UnfitSettingsError as error:
        found = [error, *error.findings]
    assert {error.exit_code for error in found} <= {2}
    assert all(finding.remedy and "\n" not in str(finding) for finding in found[1:])
    return [finding.message for finding in found[1:]]


def secret_file(folder: Path, text: str, mode: int = 0o600) -> str:
    path = folder / "secret"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return str(path)


def test_settings_that_are_fit_are_taken(tmp_path: Path) -> None:
    settings = load(tmp_path, **FIT)
    assert settings == load_settings(environment=FIT, folder=tmp_path)
    assert settings.serving.environment == "production"
    assert GOOD_TOKEN not in repr(settings)
    assert GOOD_ADMIN not in repr(settings)
    assert load(tmp_path, host=None, ZAXY_ENV="production", MCP_ADMIN_TOKEN=GOOD_ADMIN)


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({"MCP_REMOTE_AUTH_TOKEN": ""}, ["requests need no credentials"]),
        ({"MCP_ADMIN_TOKEN": ""}, ["MCP_ADMIN_TOKEN is missing"]),
        ({"MCP_REMOTE_AUTH_TOKEN": GOOD_TOKEN[:31]}, ["MCP_REMOTE_AUTH_TOKEN has fewer than 32"]),
        ({"MCP_REMOTE_AUTH_TOKEN": "ab" * 20}, ["MCP_REMOTE_AUTH_TOKEN has fewer than 10"]),
        ({"MCP_ADMIN_TOKEN": "admin"}, ["MCP_ADMIN_TOKEN has fewer than 32"]),
        ({"MCP_ADMIN_TOKEN": GOOD_TOKEN}, ["MCP_ADMIN_TOKEN is the same"]),
        ({"EVENTLOOM_FSYNC": "off"}, ["EVENTLOOM_FSYNC is off"]),
        ({"TRACE_RAW_QUERIES": "true"}, ["TRACE_RAW_QUERIES is set"]),
        ({"MCP_RATE_LIMIT_ENABLED": "no"}, ["MCP_RATE_LIMIT_ENABLED is off"]),
        ({"MCP_OIDC_JWKS_ALLOW_LOOPBACK": "yes"}, ["MCP_OIDC_JWKS_ALLOW_LOOPBACK is set"]),
        ({"MCP_OIDC_ISSUER": "http://login.example", "MCP_OIDC_AUDIENCE": "x"}, ["MCP_OIDC_ISSUER", "MCP_OIDC_ISSUER"]),
        ({"PROJECTION_BACKEND": "neo4j"}, ["NEO4J_PASSWORD is missing"]),
        ({"PROJECTION_BACKEND": "neo4j", "NEO4J_PASSWORD": "testpassword"}, ["NEO4J_PASSWORD is a default"]),
        (
            {"PROJECTION_BACKEND": "neo4j", "NEO4J_PASSWORD": "sound-enough", "NEO4J_TRUST_ALL": "true"},
            ["NEO4J_TRUST_ALL is set"],
        ),
        ({"NEO4J_PASSWORD": "testpassword", "NEO4J_TRUST_ALL": "true"}, []),
        ({"MCP_AUDIT_ENABLED": "true", "MCP_AUDIT_PATH": ".eventloom/remote_audit.jsonl"}, ["MCP_AUDIT_PATH names"]),
        ({"MCP_RATE_LIMIT_REQUESTS": "0", "EVENTLOOM_FSYNC": "x"}, ["EVENTLOOM_FSYNC", "MCP_RATE_LIMIT_REQUESTS"]),
        ({"EVENTLOOM_THREAD": "../x", "MCP_ADMIN_TOKEN": ""}, ["session id", "MCP_ADMIN_TOKEN is missing"]),
    ],
)
def test_what_is_unfit_is_told_by_the_name_of_its_setting(
    tmp_path: Path, environment: dict[str, str], found: list[str]
) -> None:
    told = findings(tmp_path, **{**FIT, **environment})
    assert len(told) == len(found), told
    assert all(begin in message for begin, message in zip(found, told, strict=True)), told


def test_all_findings_are_told_at_once(tmp_path: Path) -> None:
    world_readable = secret_file(tmp_path, GOOD_TOKEN, 0o644)
    told = findings(
        tmp_path,
        ZAXY_ENV="production",
        MCP_REMOTE_AUTH_TOKEN_FILE=world_readable,
        OPENAI_API_KEY_FILE=world_readable,
        MCP_RATE_LIMIT_WINDOW_SECONDS="soon",
        PROJECTION_BACKEND="neo4j",
        NEO4J_PASSWORD="testpassword",
        EVENTLOOM_FSYNC="off",
        MCP_TOOL_PROFILE="everything",
    )
    for name in (
        "MCP_REMOTE_AUTH_TOKEN_FILE",
        "OPENAI_API_KEY_FILE",
        "MCP_RATE_LIMIT_WINDOW_SECONDS",
        "NEO4J_PASSWORD",
        "EVENTLOOM_FSYNC",
        "MCP_TOOL_PROFILE",
        "MCP_ADMIN_TOKEN",
    ):
        assert sum(name in message for message in told) == 1, (name, told)
    assert len(told) == 7


def test_no_secret_is_told_with_a_finding(tmp_path: Path) -> None:
    told = findings(
        tmp_path,
        ZAXY_ENV="production",
        MCP_REMOTE_AUTH_TOKEN="short-secret-1",
        MCP_ADMIN_TOKEN="two words",
        PROJECTION_BACKEND="neo4j",
        NEO4J_PASSWORD="testpassword",
    )
    assert not [
        message for message in told for word in ("short-secret-1", "two words", "testpassword") if word in message
    ]


def test_a_server_on_standard_input_needs_no_credentials_of_the_network(tmp_path: Path) -> None:
    environment = {"ZAXY_ENV": "production", "MCP_ADMIN_TOKEN": GOOD_ADMIN, "MCP_RATE_LIMIT_ENABLED": "no"}
    assert findings(tmp_path, None, **environment) == []
    assert findings(tmp_path, "127.0.0.1", **environment) == [
        "requests need no credentials",
        "MCP_RATE_LIMIT_ENABLED is off: one client can take everything",
    ]


def test_outside_of_production_only_what_cannot_be_used_is_refused(tmp_path: Path) -> None:
    lax = {"PROJECTION_BACKEND": "neo4j", "NEO4J_PASSWORD": "testpassword", "EVENTLOOM_FSYNC": "off"}
    assert load(tmp_path, "127.0.0.1", **lax)
    assert load(tmp_path, None, **lax)
    with pytest.raises(InvalidInputError, match="no credentials"):
        load(tmp_path, "0.0.0.0", **lax)
    with pytest.raises(InvalidInputError, match="ZAXY_ENV"):
        load(tmp_path, "127.0.0.1", ZAXY_ENV="prod")


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o601, 0o666, 0o620, 0o660, 0o777])
def test_a_secret_file_that_others_may_read_or_change_is_refused_everywhere(tmp_path: Path, mode: int) -> None:
    path = secret_file(tmp_path, GOOD_TOKEN, mode)
    for name in ("MCP_REMOTE_AUTH_TOKEN_FILE", "MCP_ADMIN_TOKEN_FILE", "MCP_OIDC_CLIENT_SECRET_FILE"):
        with pytest.raises(InvalidInputError, match=name) as caught:
            load_settings(environment={name: path}, folder=tmp_path)
        assert f"chmod 600 {path}" in caught.value.remedy
        assert GOOD_TOKEN not in str(caught.value)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o440])
def test_a_secret_file_of_the_owner_and_its_group_is_read(tmp_path: Path, mode: int) -> None:
    path = secret_file(tmp_path, f"{GOOD_TOKEN}\n", mode)
    settings = load_settings(environment={"MCP_REMOTE_AUTH_TOKEN_FILE": path}, folder=tmp_path)
    assert settings.serving.remote_auth_token == GOOD_TOKEN
    link = tmp_path / "mounted"
    link.symlink_to(path)  # as secret managers mount them
    assert load_settings(environment={"MCP_ADMIN_TOKEN_FILE": str(link)}, folder=tmp_path).admin_token == GOOD_TOKEN


def test_a_pipe_or_a_device_is_no_secret_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(ZaxyError, match="MCP_ADMIN_TOKEN_FILE"):
            load_settings(environment={"MCP_ADMIN_TOKEN_FILE": str(path)}, folder=tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MCP_REMOTE_AUTH_TOKEN", "two words"),
        ("MCP_REMOTE_AUTH_TOKEN", "not-ascii-\xe9"),
        ("MCP_REMOTE_SESSION_HEADER", "authorization"),
        ("MCP_REMOTE_SESSION_HEADER", "Host"),
        ("MCP_REMOTE_SESSION_HEADER", "a header"),
        ("MCP_RATE_LIMIT_REQUESTS", "-1"),
        ("MCP_RATE_LIMIT_ENABLED", "perhaps"),
        ("MCP_TOOL_PROFILE", "tiny"),
        ("MCP_AUDIT_ENABLED", "x"),
        ("MCP_OIDC_ISSUER", "http://login.example"),
        ("MCP_OIDC_ISSUER", "http://127.0.0.1"),
        ("MCP_OIDC_ISSUER", "https://user:word@login.example"),
        ("MCP_OIDC_ISSUER", "https://"),
        ("MCP_OIDC_ISSUER", "https://login.example:x"),
        ("MCP_OIDC_ISSUER", "https://login.example"),
        ("MCP_OIDC_AUDIENCE", "zaxy"),
        ("MCP_OIDC_JWKS_URL", "file:///etc/passwd"),
        ("MCP_OIDC_JWKS_URL", "ftp://login.example/keys"),
        ("MCP_OIDC_JWKS_URL", "data:application/json,{}"),
        ("MCP_OIDC_JWKS_URL", "https://login.example/keys"),
        ("MCP_OIDC_REQUIRED_SCOPE", "two words"),
        ("MCP_OIDC_SESSION_CLAIM", " "),
        ("MCP_ALLOWED_HOSTS", "*"),
        ("MCP_ALLOWED_HOSTS", "memory.example,*.example:8080"),
        ("MCP_ALLOWED_ORIGINS", "*"),
        ("MCP_ALLOWED_ORIGINS", "https://*:*"),
    ],
)
def test_a_setting_of_servers_that_cannot_be_used_is_refused_by_its_name(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(InvalidInputError, match=name):
        load_settings(environment={name: value}, folder=tmp_path)


def test_a_star_stands_for_any_port(tmp_path: Path) -> None:
    told = {"MCP_ALLOWED_HOSTS": "memory.example:*,[::1]:*", "MCP_ALLOWED_ORIGINS": "https://app.example:*"}
    serving = load_settings(environment=told, folder=tmp_path).serving
    assert serving.allowed_hosts == ("memory.example:*", "[::1]:*")
    assert serving.allowed_origins == ("https://app.example:*",)


def test_nothing_of_it_is_taken_from_a_projects_own_file(tmp_path: Path) -> None:
    told = {**FIT, "MCP_ALLOWED_HOSTS": "evil.example", "MCP_RATE_LIMIT_ENABLED": "no", "MCP_AUDIT_PATH": "x.jsonl"}
    profile = "".join(f"{name}={value}\n" for name, value in told.items())
    (tmp_path / ".env.local").write_text(profile, encoding="utf-8")
    settings = load_settings(environment={}, folder=tmp_path)
    assert (settings.serving, settings.admin_token) == (Settings().serving, None)


def test_the_names_in_the_runbook_are_the_ones_that_are_read(tmp_path: Path) -> None:
    settings = load_settings(
        environment={
            "MCP_REMOTE_SESSION_HEADER": "X-Tenant",
            "MCP_OIDC_ISSUER": "https://login.example/",
            "MCP_OIDC_AUDIENCE": "zaxy",
            "MCP_OIDC_JWKS_URL": "http://[::1]:8000/keys",
            "MCP_OIDC_JWKS_ALLOW_LOOPBACK": "true",
            "MCP_OIDC_REQUIRED_SCOPE": "memory",
            "MCP_OIDC_SESSION_CLAIM": "tenant",
            "MCP_RATE_LIMIT_ENABLED": "true",
            "MCP_RATE_LIMIT_REQUESTS": "5",
            "MCP_RATE_LIMIT_WINDOW_SECONDS": "7",
            "MCP_AUDIT_ENABLED": "true",
            "MCP_AUDIT_PATH": "audit/all.jsonl",
            "MCP_ALLOWED_HOSTS": "Memory.example, memory.example,other.example:8080,",
            "MCP_ALLOWED_ORIGINS": "https://app.example",
        },
        folder=tmp_path,
    ).serving
    assert (settings.session_header, settings.oidc_issuer, settings.oidc_audience) == (
        "x-tenant",
        "https://login.example/",
        "zaxy",
    )
    assert (settings.oidc_jwks_url, settings.oidc_required_scope) == ("http://[::1]:8000/keys", "memory")
    assert (settings.oidc_session_claim, settings.rate_limit_requests) == ("tenant", 5)
    assert (settings.rate_limit_window_seconds, settings.audit_enabled) == (7, True)
    assert settings.audit_path == tmp_path / "audit" / "all.jsonl"
    assert settings.allowed_hosts == ("memory.example", "other.example:8080")
    assert settings.allowed_origins == ("https://app.example",)
