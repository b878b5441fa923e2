"""What must hold before a server starts: in production every setting is looked at, and all findings are told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from zaxy.config import Settings, load_settings, variables
from zaxy.errors import InvalidInputError, ZaxyError
from zaxy.interfaces.http.audit_log import audit_path
from zaxy.setting_values import flag, secret

SHORTEST_TOKEN_CHARACTERS: Final = 32
_FEWEST_DIFFERENT_CHARACTERS: Final = 10
_MAKE_ONE: Final = "make one: openssl rand -hex 32"
_SECRETS: Final = (
    "MCP_ADMIN_TOKEN",
    "MCP_REMOTE_AUTH_TOKEN",
    "MCP_OIDC_CLIENT_SECRET",
    "NEO4J_PASSWORD",
    "OPENAI_API_KEY",
    "EMBEDDING_HTTP_API_KEY",
    "RERANKER_API_KEY",
    "PATHLIGHT_ACCESS_TOKEN",
)
_DEFAULT_PASSWORDS: Final = frozenset({"testpassword", "neo4j", "password", "changeme"})


class UnfitSettingsError(InvalidInputError):
    """Raised when settings are not fit for production.

    Args:
        findings: What is wrong with them, each with its remedy; at least one.
    """

    code = "unfit_settings"

    def __init__(self, findings: Sequence[ZaxyError]) -> None:
        told = "; ".join(str(finding) for finding in findings)
        super().__init__(f"the settings are not fit for production: {told}", remedy="")
        self.findings = tuple(findings)


def load_for_serving(
    *, host: str | None, environment: Mapping[str, str] | None = None, folder: Path | None = None, **given: Any
) -> Settings:
    """Return the settings of a server that may start.

    Args:
        host: The address to listen on, None for a server on standard input.
        environment: Instead of the process environment.
        folder: The project's folder, instead of the one that is found.
        **given: What `load_settings` takes besides.

    Raises:
        UnfitSettingsError: In production, with all that is wrong.
        InvalidInputError: Otherwise, with the first setting that cannot be used.
        NotFoundError: The file of a secret cannot be read.
    """
    values = variables(environment)
    if values.get("ZAXY_ENV") != "production":
        settings = load_settings(environment=values, folder=folder, **given)
        if host is not None:
            _check_exposure(host, settings)
        return settings
    loaded, findings = _load(values, folder, given)
    findings += _secret_findings(values, findings)
    findings += _token_findings(values, is_network=host is not None)
    findings += _graph_findings(values, str(given.get("projection_backend") or values.get("PROJECTION_BACKEND")))
    if loaded is not None:
        findings += _setting_findings(loaded, host)
    if loaded is None or findings:
        raise UnfitSettingsError(findings)
    return loaded


def _load(
    values: Mapping[str, str], folder: Path | None, given: Mapping[str, Any]
) -> tuple[Settings | None, list[ZaxyError]]:
    """Return the settings without those that cannot be used, and what is wrong with these.

    An error's message names its settings. They are taken out, and the rest is loaded again, until nothing is refused.
    """
    left, findings = dict(values), list[ZaxyError]()
    while True:
        try:
            return load_settings(environment=left, folder=folder, **given), findings
        except ZaxyError as error:
            findings.append(error)
            named = [name for name in left if name in error.message]
            if not named:  # an argument is at fault, and nothing more can be said
                return None, findings
            for name in named:
                del left[name]


def _secret_findings(values: Mapping[str, str], known: Sequence[ZaxyError]) -> Iterator[ZaxyError]:
    """Find files of secrets that cannot be used, whether or not anything reads them now."""
    told = {finding.message for finding in known}
    for name in _SECRETS:
        try:
            secret(values, name)
        except ZaxyError as error:
            if error.message not in told:
                yield error


def _token_findings(values: Mapping[str, str], *, is_network: bool) -> Iterator[ZaxyError]:
    bearer, admin = _secret_or_none(values, "MCP_REMOTE_AUTH_TOKEN"), _secret_or_none(values, "MCP_ADMIN_TOKEN")
    has_credentials = not {"MCP_REMOTE_AUTH_TOKEN", "MCP_REMOTE_AUTH_TOKEN_FILE", "MCP_OIDC_ISSUER"}.isdisjoint(values)
    if is_network and not has_credentials:
        yield InvalidInputError(
            "requests need no credentials", remedy="set MCP_REMOTE_AUTH_TOKEN_FILE, or MCP_OIDC_ISSUER"
        )
    if {"MCP_ADMIN_TOKEN", "MCP_ADMIN_TOKEN_FILE"}.isdisjoint(values):
        yield InvalidInputError(
            "MCP_ADMIN_TOKEN is missing: everybody may replay and invalidate", remedy="set MCP_ADMIN_TOKEN_FILE"
        )
    for name, token in (("MCP_REMOTE_AUTH_TOKEN", bearer), ("MCP_ADMIN_TOKEN", admin)):
        if token is not None and len(token) < SHORTEST_TOKEN_CHARACTERS:
            told = f"{name} has fewer than {SHORTEST_TOKEN_CHARACTERS} characters"
            yield InvalidInputError(told, remedy=_MAKE_ONE)
        elif token is not None and len(set(token)) < _FEWEST_DIFFERENT_CHARACTERS:
            told = f"{name} has fewer than {_FEWEST_DIFFERENT_CHARACTERS} different characters"
            yield InvalidInputError(told, remedy=_MAKE_ONE)
    if bearer is not None and bearer == admin:
        told = "MCP_ADMIN_TOKEN is the same as MCP_REMOTE_AUTH_TOKEN"
        yield InvalidInputError(told, remedy=_MAKE_ONE)


def _graph_findings(values: Mapping[str, str], backend: str) -> Iterator[ZaxyError]:
    if backend != "neo4j":
        return
    password = _secret_or_none(values, "NEO4J_PASSWORD")
    if {"NEO4J_PASSWORD", "NEO4J_PASSWORD_FILE"}.isdisjoint(values):
        yield InvalidInputError("NEO4J_PASSWORD is missing", remedy="set NEO4J_PASSWORD_FILE")
    elif password is not None and password.lower() in _DEFAULT_PASSWORDS:
        yield InvalidInputError("NEO4J_PASSWORD is a default", remedy="change it in Neo4j, and set NEO4J_PASSWORD_FILE")
    try:
        trusts_all = flag(values, "NEO4J_TRUST_ALL")
    except InvalidInputError as error:
        yield error
        return
    if trusts_all:
        yield InvalidInputError("NEO4J_TRUST_ALL is set: any server is believed", remedy="set NEO4J_CA_CERT instead")


def _setting_findings(settings: Settings, host: str | None) -> Iterator[ZaxyError]:
    serving = settings.serving
    if settings.fsync == "off":
        told = "EVENTLOOM_FSYNC is off: a power loss takes what was acknowledged"
        yield InvalidInputError(told, remedy="set EVENTLOOM_FSYNC=always")
    if settings.telemetry.trace_raw_queries:
        told = "TRACE_RAW_QUERIES is set: what is asked leaves the memory with the traces"
        yield InvalidInputError(told, remedy="set TRACE_RAW_QUERIES=false")
    if serving.oidc_jwks_allow_loopback:
        told = "MCP_OIDC_JWKS_ALLOW_LOOPBACK is set: whatever listens on this machine could name the keys that count"
        yield InvalidInputError(told, remedy="unset it, and use an issuer with https://")
    if host is None:
        return
    if not serving.rate_limit_enabled:
        told = "MCP_RATE_LIMIT_ENABLED is off: one client can take everything"
        yield InvalidInputError(told, remedy="set MCP_RATE_LIMIT_ENABLED=true")
    if serving.audit_enabled:
        try:
            audit_path(settings)
        except InvalidInputError as error:
            yield error


def _check_exposure(host: str, settings: Settings) -> None:
    from zaxy.interfaces.http.authentication import check_exposure

    check_exposure(host, settings.serving)


def _secret_or_none(values: Mapping[str, str], name: str) -> str | None:
    """Return a secret; what cannot be read is a finding already."""
    try:
        return secret(values, name)
    except ZaxyError:
        return None
