"""Every setting of the runbook exists, arrives where it is used, and has a test of what it does there.

A row of `TABLE` tells a value, what it becomes in the settings, and which test shows its effect: one of this file, or
one elsewhere that sets the same member. A setting without a row, a row without its test, and a test that does not know
the setting fail here.
"""

from __future__ import annotations

import ast
import functools
import operator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from asgi_asking import Behind, ask
from fake_issuer import issuing
from zaxy.config import Settings, load_settings, setting_names
from zaxy.errors import InvalidInputError, MissingDependencyError, NotFoundError
from zaxy.eventloom.event import Draft
from zaxy.fabric import MemoryFabric
from zaxy.interfaces.cli.app import cli
from zaxy.interfaces.http.authentication import Authentication
from zaxy.memory import Memory

TESTS = Path(__file__).parents[1]
RUNBOOK = """
PROJECTION_BACKEND EMBEDDED_GRAPH_PATH NEO4J_URI NEO4J_USER NEO4J_PASSWORD NEO4J_PASSWORD_FILE NEO4J_CA_CERT
NEO4J_TRUST_ALL NEO4J_AUTO_START NEO4J_AUTO_START_IMAGE NEO4J_AUTO_START_CONTAINER PATHLIGHT_URL PATHLIGHT_ENABLED
PATHLIGHT_ACCESS_TOKEN PATHLIGHT_ACCESS_TOKEN_FILE TRACE_RAW_QUERIES EVENTLOOM_PATH EVENTLOOM_THREAD ZAXY_DOMAIN
ZAXY_ENV MCP_ADMIN_TOKEN MCP_ADMIN_TOKEN_FILE MCP_REMOTE_AUTH_TOKEN MCP_REMOTE_AUTH_TOKEN_FILE
MCP_REMOTE_SESSION_HEADER MCP_OIDC_ISSUER MCP_OIDC_AUDIENCE MCP_OIDC_JWKS_URL MCP_OIDC_REQUIRED_SCOPE
MCP_OIDC_SESSION_CLAIM MCP_OIDC_CLIENT_SECRET_FILE MCP_RATE_LIMIT_ENABLED MCP_RATE_LIMIT_REQUESTS
MCP_RATE_LIMIT_WINDOW_SECONDS MCP_AUDIT_ENABLED MCP_AUDIT_PATH QUERY_DEFAULT_LIMIT CONTEXT_VERBATIM_ENABLED
CONTEXT_VERBATIM_SLOTS EMBEDDING_ENABLED EMBEDDING_PROVIDER EMBEDDING_DIMENSION OPENAI_API_KEY OPENAI_API_KEY_FILE
OPENAI_EMBEDDING_MODEL OPENAI_BASE_URL EMBEDDING_HTTP_URL EMBEDDING_HTTP_MODEL EMBEDDING_HTTP_API_KEY
EMBEDDING_SENTENCE_TRANSFORMER_MODEL
""".split()

HERE = "unit/test_every_setting.py"
PRODUCTION = "security/test_production.py::test_what_is_unfit_is_told_by_the_name_of_its_setting"
AUTHENTICATION = "security/test_authentication.py"
MODELS = "unit/embedding/test_embedding_models.py"
SERVERS = "unit/embedding/test_embedding_servers.py"
CHECKOUT = "unit/services/recall/test_recall_checkout.py::test_places_for_exact_words_can_be_more_or_none"
PATHLIGHT = "unit/observability/test_observability_pathlight.py"
LIMIT = "security/test_rate_limit.py"
SIGNED = f"{AUTHENTICATION}::test_a_signed_token_says_who_somebody_is_and_which_sessions_are_theirs"
ISSUER = {"MCP_OIDC_ISSUER": "https://issuer.example", "MCP_OIDC_AUDIENCE": "zaxy"}
NEO4J = {"PROJECTION_BACKEND": "neo4j"}
NEO4J_READ = f"{HERE}::test_what_neo4j_needs_is_checked_and_the_memory_says_that_it_is_not_part_of_this_version"


@dataclass(frozen=True)
class Row:
    """What a setting is tried with."""

    value: str
    member: str
    becomes: Any
    proof: str
    with_these: dict[str, str] | None = None


TABLE = {
    "PROJECTION_BACKEND": Row("neo4j", "projection_backend", "neo4j", NEO4J_READ),
    "EMBEDDED_GRAPH_PATH": Row(
        "{folder}/g", "graph_path", "{folder}/g", f"{HERE}::test_the_graph_lies_where_it_is_set"
    ),
    "NEO4J_URI": Row("bolt+s://graph:7687", "neo4j.uri", "bolt+s://graph:7687", NEO4J_READ, NEO4J),
    "NEO4J_USER": Row("reader", "neo4j.user", "reader", NEO4J_READ, NEO4J),
    "NEO4J_PASSWORD": Row("s3cret", "neo4j.password", "s3cret", PRODUCTION, NEO4J),
    "NEO4J_PASSWORD_FILE": Row("{file}", "neo4j.password", "from a file", PRODUCTION, NEO4J),
    "NEO4J_CA_CERT": Row("{file}", "neo4j.ca_cert", "{file}", NEO4J_READ, NEO4J),
    "NEO4J_TRUST_ALL": Row("true", "neo4j.trust_all", True, PRODUCTION, NEO4J),
    "NEO4J_AUTO_START": Row("true", "neo4j.auto_start", True, NEO4J_READ, NEO4J),
    "NEO4J_AUTO_START_IMAGE": Row("neo4j:6", "neo4j.auto_start_image", "neo4j:6", NEO4J_READ, NEO4J),
    "NEO4J_AUTO_START_CONTAINER": Row("graph", "neo4j.auto_start_container", "graph", NEO4J_READ, NEO4J),
    "PATHLIGHT_URL": Row(
        "http://p:1",
        "telemetry.pathlight_url",
        "http://p:1",
        f"{PATHLIGHT}::test_the_doctor_asks_a_collector_that_is_turned_on_and_no_other",
    ),
    "PATHLIGHT_ENABLED": Row(
        "true",
        "telemetry.pathlight_enabled",
        True,
        f"{PATHLIGHT}::test_pathlight_is_off_unless_it_is_turned_on_and_its_token_is_read_only_then",
    ),
    "PATHLIGHT_ACCESS_TOKEN": Row(
        "t",
        "telemetry.pathlight_access_token",
        "t",
        f"{PATHLIGHT}::test_pathlight_is_off_unless_it_is_turned_on_and_its_token_is_read_only_then",
        {"PATHLIGHT_ENABLED": "1"},
    ),
    "PATHLIGHT_ACCESS_TOKEN_FILE": Row(
        "{file}",
        "telemetry.pathlight_access_token",
        "from a file",
        f"{PATHLIGHT}::test_pathlight_is_off_unless_it_is_turned_on_and_its_token_is_read_only_then",
        {"PATHLIGHT_ENABLED": "1"},
    ),
    "TRACE_RAW_QUERIES": Row(
        "true",
        "telemetry.trace_raw_queries",
        True,
        f"{PATHLIGHT}::test_what_was_asked_goes_to_pathlight_only_where_the_operator_wants_it",
    ),
    "EVENTLOOM_PATH": Row(
        "{folder}/l",
        "eventloom_path",
        "{folder}/l",
        f"{HERE}::test_a_write_goes_to_the_loom_and_the_session_that_are_set",
    ),
    "EVENTLOOM_THREAD": Row(
        "work", "session_id", "work", f"{HERE}::test_a_write_goes_to_the_loom_and_the_session_that_are_set"
    ),
    "ZAXY_DOMAIN": Row("shop", "domain", "shop", f"{HERE}::test_a_domain_names_the_server_in_what_clients_are_told"),
    "ZAXY_ENV": Row("production", "serving.environment", "production", PRODUCTION),
    "MCP_ADMIN_TOKEN": Row(
        "t", "admin_token", "t", f"{AUTHENTICATION}::test_the_admin_token_makes_an_admin_and_a_wrong_one_is_refused"
    ),
    "MCP_ADMIN_TOKEN_FILE": Row(
        "{file}",
        "admin_token",
        "from a file",
        f"{AUTHENTICATION}::test_the_admin_token_makes_an_admin_and_a_wrong_one_is_refused",
    ),
    "MCP_REMOTE_AUTH_TOKEN": Row(
        "t",
        "serving.remote_auth_token",
        "t",
        f"{AUTHENTICATION}::test_the_right_bearer_token_is_let_in_from_anywhere",
    ),
    "MCP_REMOTE_AUTH_TOKEN_FILE": Row(
        "{token}",
        "serving.remote_auth_token",
        "from-a-file",
        f"{AUTHENTICATION}::test_a_bearer_token_is_asked_of_everybody_once_it_is_set",
    ),
    "MCP_REMOTE_SESSION_HEADER": Row(
        "X-Tenant",
        "serving.session_header",
        "x-tenant",
        f"{AUTHENTICATION}::test_the_session_header_narrows_a_request_to_one_session",
    ),
    "MCP_OIDC_ISSUER": Row("https://i.example", "serving.oidc_issuer", "https://i.example", SIGNED, ISSUER),
    "MCP_OIDC_AUDIENCE": Row("me", "serving.oidc_audience", "me", SIGNED, ISSUER),
    "MCP_OIDC_JWKS_URL": Row(
        "https://i.example/keys",
        "serving.oidc_jwks_url",
        "https://i.example/keys",
        "security/test_oidc.py::test_the_keys_address_is_used_as_set_and_nothing_else_is_asked",
        ISSUER,
    ),
    "MCP_OIDC_REQUIRED_SCOPE": Row(
        "read",
        "serving.oidc_required_scope",
        "read",
        f"{HERE}::test_the_scope_and_the_claim_of_a_token_are_those_that_are_set",
    ),
    "MCP_OIDC_SESSION_CLAIM": Row(
        "tenant",
        "serving.oidc_session_claim",
        "tenant",
        f"{HERE}::test_the_scope_and_the_claim_of_a_token_are_those_that_are_set",
    ),
    "MCP_OIDC_CLIENT_SECRET_FILE": Row(
        "{file}",
        "serving.oidc_client_secret",
        "from a file",
        "security/test_production.py::test_a_secret_file_that_others_may_read_or_change_is_refused_everywhere",
    ),
    "MCP_RATE_LIMIT_ENABLED": Row(
        "false", "serving.rate_limit_enabled", False, f"{LIMIT}::test_the_limit_can_be_switched_off"
    ),
    "MCP_RATE_LIMIT_REQUESTS": Row(
        "7",
        "serving.rate_limit_requests",
        7,
        f"{LIMIT}::test_requests_beyond_the_limit_are_told_when_to_come_back_and_pass_then",
    ),
    "MCP_RATE_LIMIT_WINDOW_SECONDS": Row(
        "7",
        "serving.rate_limit_window_seconds",
        7,
        f"{LIMIT}::test_requests_beyond_the_limit_are_told_when_to_come_back_and_pass_then",
    ),
    "MCP_AUDIT_ENABLED": Row(
        "true", "serving.audit_enabled", True, "security/test_audit.py::test_switched_off_nothing_is_written"
    ),
    "MCP_AUDIT_PATH": Row(
        "{folder}/a/a.jsonl",
        "serving.audit_path",
        "{folder}/a/a.jsonl",
        "security/test_audit.py::test_the_log_may_lie_in_a_folder_of_its_own_elsewhere",
    ),
    "QUERY_DEFAULT_LIMIT": Row("2", "query_default_limit", 2, f"{HERE}::test_an_answer_has_as_many_hits_as_are_set"),
    "CONTEXT_VERBATIM_ENABLED": Row(
        "false",
        "context_verbatim_enabled",
        False,
        CHECKOUT,
    ),
    "CONTEXT_VERBATIM_SLOTS": Row("3", "context_verbatim_slots", 3, CHECKOUT),
    "EMBEDDING_ENABLED": Row("false", "embedding.enabled", False, f"{MODELS}::test_vectors_can_be_switched_off"),
    "EMBEDDING_PROVIDER": Row(
        "hash", "embedding.provider", "hash", f"{MODELS}::test_each_provider_is_chosen_by_its_name"
    ),
    "EMBEDDING_DIMENSION": Row(
        "64",
        "embedding.dimension",
        64,
        f"{MODELS}::test_auto_means_the_bundled_model_and_another_dimension_than_its_own_is_refused",
    ),
    "OPENAI_API_KEY": Row(
        "k",
        "embedding.openai_api_key",
        "k",
        f"{SERVERS}::test_openai_gets_the_key_the_model_and_the_length_that_is_wanted",
        {"EMBEDDING_PROVIDER": "openai"},
    ),
    "OPENAI_API_KEY_FILE": Row(
        "{file}",
        "embedding.openai_api_key",
        "from a file",
        f"{SERVERS}::test_openai_gets_the_key_the_model_and_the_length_that_is_wanted",
        {"EMBEDDING_PROVIDER": "openai"},
    ),
    "OPENAI_EMBEDDING_MODEL": Row(
        "m", "embedding.openai_model", "m", f"{MODELS}::test_each_provider_is_chosen_by_its_name"
    ),
    "OPENAI_BASE_URL": Row(
        "http://o/v1",
        "embedding.openai_base_url",
        "http://o/v1",
        f"{SERVERS}::test_openai_gets_the_key_the_model_and_the_length_that_is_wanted",
    ),
    "EMBEDDING_HTTP_URL": Row(
        "http://h/e",
        "embedding.http_url",
        "http://h/e",
        f"{SERVERS}::test_a_server_of_ones_own_gets_its_key_and_model_where_they_are_set",
    ),
    "EMBEDDING_HTTP_MODEL": Row(
        "m",
        "embedding.http_model",
        "m",
        f"{SERVERS}::test_a_server_of_ones_own_gets_its_key_and_model_where_they_are_set",
    ),
    "EMBEDDING_HTTP_API_KEY": Row(
        "k",
        "embedding.http_api_key",
        "k",
        f"{SERVERS}::test_a_server_of_ones_own_gets_its_key_and_model_where_they_are_set",
        {"EMBEDDING_PROVIDER": "local-http"},
    ),
    "EMBEDDING_SENTENCE_TRANSFORMER_MODEL": Row(
        "m",
        "embedding.sentence_transformer_model",
        "m",
        f"{MODELS}::test_each_provider_is_chosen_by_its_name",
    ),
}


def test_every_setting_of_the_runbook_has_a_row_and_is_named_by_a_class() -> None:
    assert set(TABLE) == set(RUNBOOK)
    assert set(RUNBOOK) <= setting_names()


@pytest.mark.parametrize("name", RUNBOOK)
def test_a_setting_arrives_where_it_is_used(name: str, tmp_path: Path) -> None:
    row = TABLE[name]
    (tmp_path / "secret").write_text("from a file\n", encoding="utf-8")
    (tmp_path / "token").write_text("from-a-file\n", encoding="utf-8")
    for path in tmp_path.iterdir():
        path.chmod(0o600)
    named = {"folder": tmp_path, "file": tmp_path / "secret", "token": tmp_path / "token"}
    environment = {**(row.with_these or {}), name: row.value.format(**named)}
    found, unset = (
        operator.attrgetter(row.member)(load_settings(environment=given, folder=tmp_path))
        for given in (environment, row.with_these or {})
    )
    becomes = row.becomes.format(**named) if isinstance(row.becomes, str) else row.becomes
    assert (str(found) if isinstance(found, Path) else found) == becomes
    assert found != unset, "the default is the same: nothing is shown"


@functools.cache
def source_of(path: str) -> tuple[str, frozenset[str]]:
    text = (TESTS / path).read_text(encoding="utf-8")
    tests = (node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return text, frozenset(test.name for test in tests)


@pytest.mark.parametrize("name", RUNBOOK)
def test_a_test_shows_the_effect_of_each_setting(name: str) -> None:
    path, _, test = TABLE[name].proof.partition("::")
    text, tests = source_of(path)
    assert test in tests, f"there is no test {test} in {path}"
    assert TABLE[name].member.rpartition(".")[2] in text or name in text, f"{path} does not know {name}"


# ---- effects that nothing else shows


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(
        environment={"EMBEDDING_ENABLED": "false", "XDG_STATE_HOME": str(tmp_path / "s")}, folder=tmp_path
    )


def filled(settings: Settings) -> Memory:
    memory = Memory(settings)
    drafts = [Draft("transcript.turn", "ann", {"content": f"the alpaca eats hay {number}"}) for number in range(6)]
    memory.loom.commit(settings.session_id, drafts)
    return memory


def test_a_write_goes_to_the_loom_and_the_session_that_are_set(tmp_path: Path) -> None:
    environment = {"EVENTLOOM_PATH": str(tmp_path / "elsewhere"), "EVENTLOOM_THREAD": "work", "EMBEDDING_ENABLED": "0"}
    with filled(load_settings(environment=environment, folder=tmp_path)):
        assert (tmp_path / "elsewhere" / "work.jsonl").is_file()


def test_the_graph_lies_where_it_is_set(settings: Settings, tmp_path: Path) -> None:
    graph_path = load_settings(environment={"EMBEDDED_GRAPH_PATH": str(tmp_path / "g")}, folder=tmp_path).graph_path
    with filled(replace(settings, graph_path=graph_path)) as memory:
        memory.rebuild()
        assert (tmp_path / "g").is_file()
        assert not (tmp_path / ".eventloom" / "projections" / "embedded.kuzu").exists()


async def test_an_answer_has_as_many_hits_as_are_set(settings: Settings) -> None:
    with filled(settings):
        pass
    async with MemoryFabric.from_settings(replace(settings, query_default_limit=2)) as fabric:
        assert len(await fabric.query("alpaca")) == 2


def test_what_neo4j_needs_is_checked_and_the_memory_says_that_it_is_not_part_of_this_version(tmp_path: Path) -> None:
    def load(**environment: str) -> Settings:
        return load_settings(environment={**NEO4J, **environment}, folder=tmp_path)

    for name, value in (("NEO4J_URI", "http://x"), ("NEO4J_TRUST_ALL", "perhaps"), ("NEO4J_AUTO_START", "perhaps")):
        with pytest.raises(InvalidInputError, match=name):
            load(**{name: value})
    with pytest.raises(NotFoundError, match="NEO4J_CA_CERT"):
        load(NEO4J_CA_CERT="missing.pem")
    told = load(NEO4J_USER="reader", NEO4J_AUTO_START_IMAGE="neo4j:6", NEO4J_AUTO_START_CONTAINER="graph").neo4j
    assert (told.user, told.auto_start_image, told.auto_start_container) == ("reader", "neo4j:6", "graph")
    assert "testpassword" not in repr(told)
    with pytest.raises(MissingDependencyError, match="not part of this version"):
        Memory(load())
    assert load_settings(environment={"NEO4J_URI": "http://x"}, folder=tmp_path).neo4j.uri.startswith("bolt")


def test_a_domain_names_the_server_in_what_clients_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for domain, name in (("shop", '"zaxy-shop"'), (None, '"zaxy"')):
        done = CliRunner().invoke(cli, ["ide-config", "claude-desktop"], env={"ZAXY_DOMAIN": domain})
        assert done.exit_code == 0, done.output
        assert name in done.output


def test_a_domain_that_names_nothing_is_refused(tmp_path: Path) -> None:
    for domain in ("a b", "../x", "-", "x" * 65, 'a"b'):
        with pytest.raises(InvalidInputError, match="ZAXY_DOMAIN"):
            load_settings(environment={"ZAXY_DOMAIN": domain}, folder=tmp_path)


async def test_the_scope_and_the_claim_of_a_token_are_those_that_are_set() -> None:
    with issuing("RSA") as issuer:
        inner = Behind()
        serving = issuer.serving(oidc_required_scope="read", oidc_session_claim="tenant")
        app = Authentication(inner, Settings(serving=serving))
        for changes, status in (({}, 403), ({"scope": "read"}, 403), ({"scope": "read", "tenant": "shop"}, 200)):
            token = issuer.token(zaxy_session=None, **changes)
            assert (await ask(app, headers={"Authorization": f"Bearer {token}"})).status == status
        assert [caller.sessions for caller in inner.callers if caller] == [("shop",)]
