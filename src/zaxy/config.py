"""Settings: the only reader of the environment.

Order of precedence: an argument, an environment variable (or the file that its ``*_FILE`` twin names), the project's
``.env.local`` as far as `zaxy.project_settings` takes it, the default.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from zaxy.errors import InvalidInputError
from zaxy.evolution_settings import EvolutionSettings, load_evolution
from zaxy.graph_settings import Neo4jSettings, load_neo4j
from zaxy.ids import check_session_id
from zaxy.project_settings import DEFAULT_LOOM, LOCAL_PROFILE, lies_inside, read_project
from zaxy.serving_settings import ServingSettings, load_serving
from zaxy.setting_values import choice, flag, number, secret
from zaxy.telemetry_settings import TelemetrySettings, load_telemetry

DEFAULT_SESSION: Final = "default"
FSYNC_POLICIES: Final = ("always", "interval", "off")
RERANKER_PROVIDERS: Final = ("none", "lexical", "http", "openai")
EMBEDDING_PROVIDERS: Final = ("auto", "hash", "openai", "local-http", "sentence-transformers", "none")

_DOMAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_NAMED: Final = re.compile(r"``([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)``", re.ASCII)
_ELSEWHERE: Final = (EvolutionSettings, Neo4jSettings, ServingSettings, TelemetrySettings)
_OURS_ALONE: Final = ("ZAXY_", "EVENTLOOM_", "CONTEXT_VERBATIM_", "EVOLUTION_", "FORGETTING_", "QUERY_DEFAULT_")
"""How names begin that no other program's settings have."""


@dataclass(frozen=True, slots=True)
class EmbeddingSettings:
    """Where vectors come from. None of it is taken from a project's own file: texts and keys go where it says.

    Attributes:
        enabled: Whether there are vectors at all (``EMBEDDING_ENABLED``).
        provider: What makes them: ``auto``, ``hash``, ``openai``, ``local-http``, ``sentence-transformers`` or ``none``
            (``EMBEDDING_PROVIDER``).
        dimension: The dimension that vectors must have; None takes the model's own (``EMBEDDING_DIMENSION``).
        openai_api_key: Key for ``openai``; read only there (``OPENAI_API_KEY``, ``OPENAI_API_KEY_FILE``).
        openai_model: The model of ``openai`` (``OPENAI_EMBEDDING_MODEL``).
        openai_base_url: Its server (``OPENAI_BASE_URL``).
        http_url: Where ``local-http`` posts texts to (``EMBEDDING_HTTP_URL``).
        http_model: The model that it names (``EMBEDDING_HTTP_MODEL``).
        http_api_key: Its bearer token; read only there (``EMBEDDING_HTTP_API_KEY``, ``EMBEDDING_HTTP_API_KEY_FILE``).
        sentence_transformer_model: The model of ``sentence-transformers``, a name or a folder
            (``EMBEDDING_SENTENCE_TRANSFORMER_MODEL``).
    """

    enabled: bool = True
    provider: str = "auto"
    dimension: int | None = None
    openai_api_key: str | None = field(default=None, repr=False)
    openai_model: str = "text-embedding-3-small"
    openai_base_url: str = "https://api.openai.com/v1"
    http_url: str | None = None
    http_model: str | None = None
    http_api_key: str | None = field(default=None, repr=False)
    sentence_transformer_model: str = "sentence-transformers/all-MiniLM-L6-v2"


@dataclass(frozen=True, slots=True)
class RerankerSettings:
    """What looks at the first hits once more. None of it is taken from a project's own file.

    Attributes:
        provider: ``lexical`` (rarity and closeness of the question's words; asks nobody), ``http``, ``openai`` or
            ``none`` (``RERANKER_PROVIDER``).
        url: Where ``http`` posts to; for ``openai`` the address of the API, such as ``http://127.0.0.1:8000/v1``
            (``RERANKER_URL``).
        model: The model that requests name (``RERANKER_MODEL``).
        api_key: The bearer token (``RERANKER_API_KEY``, ``RERANKER_API_KEY_FILE``).
        candidates: How many hits it sees, and at least as many as are wanted (``RERANKER_CANDIDATES``).
        timeout_seconds: How long an answer waits for it (``RERANKER_TIMEOUT_SECONDS``).
    """

    provider: str = "none"
    url: str | None = None
    model: str | None = None
    api_key: str | None = field(default=None, repr=False)
    candidates: int = 50
    timeout_seconds: int = 2


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set from outside.

    Attributes:
        eventloom_path: The loom's folder (``EVENTLOOM_PATH``).
        session_id: The session that a write means when it names none (``EVENTLOOM_THREAD``).
        domain: Label of the project in the configurations that are written for clients (``ZAXY_DOMAIN``).
        projection_backend: Graph back end: ``embedded``; ``neo4j``, ``pggraph`` and ``latticedb`` are not part of this
            version (``PROJECTION_BACKEND``).
        graph_path: File of the embedded graph (``EMBEDDED_GRAPH_PATH``); None puts it into the loom.
        query_default_limit: Hits in an answer (``QUERY_DEFAULT_LIMIT``).
        context_verbatim_enabled: Whether a checkout always quotes the best exact-word matches
            (``CONTEXT_VERBATIM_ENABLED``).
        context_verbatim_slots: How many of them (``CONTEXT_VERBATIM_SLOTS``).
        fsync: When appends are synced: ``always``, ``interval`` or ``off`` (``EVENTLOOM_FSYNC``).
        max_event_bytes: Limit for one encoded payload (``EVENTLOOM_MAX_EVENT_BYTES``).
        search_language: Whose word stems the search index takes (``SEARCH_LANGUAGE``).
        admin_token: Needed for replay and invalidation over MCP when set; forgetting and reviewing over MCP are refused
            without one (``MCP_ADMIN_TOKEN``, ``MCP_ADMIN_TOKEN_FILE``).
        state_path: Folder for the keys and pinned heads of all looms, outside of them: ``$XDG_STATE_HOME/zaxy``, else
            ``~/.local/state/zaxy`` (``XDG_STATE_HOME``).
        checkpoint_events: An automatic checkpoint after so many events, 0 for never
            (``EVENTLOOM_CHECKPOINT_EVENTS``).
        checkpoint_seconds: And when the last one is so old, 0 for never (``EVENTLOOM_CHECKPOINT_SECONDS``).
        forgetting_enabled: Whether payloads can be sealed so that they can be forgotten (``FORGETTING_ENABLED``).
        forgetting_kek_path: File of the key-encryption key (``FORGETTING_KEK_PATH``); None puts it beside the vault,
            in the state folder.
        capture_forgettable: Whether everything that importers and hooks record is sealed so that it can be forgotten
            (``CAPTURE_FORGETTABLE``).
        capture_exclude: Paths, globs and ``re:`` patterns of what is never captured, with commas between them
            (``CAPTURE_EXCLUDE``).
        capture_context_tokens: How long the memory is that hooks hand to an agent at the start of a session, in
            estimated tokens, 0 for none (``CAPTURE_CONTEXT_TOKENS``).
        neo4j: The server of that graph back end.
        embedding: Where vectors come from.
        reranker: What looks at the first hits once more.
        evolution: How far the memory may change itself.
        telemetry: What is told to operators, and where to.
        serving: How the memory is served to others.
    """

    eventloom_path: Path = Path(DEFAULT_LOOM)
    session_id: str = DEFAULT_SESSION
    domain: str | None = None
    projection_backend: str = "embedded"
    graph_path: Path | None = None
    query_default_limit: int = 10
    context_verbatim_enabled: bool = True
    context_verbatim_slots: int = 1
    fsync: str = "always"
    max_event_bytes: int = 1024 * 1024
    search_language: str = "english"
    admin_token: str | None = field(default=None, repr=False)
    state_path: Path | None = None
    checkpoint_events: int = 1_000
    checkpoint_seconds: int = 300
    forgetting_enabled: bool = True
    forgetting_kek_path: Path | None = None
    capture_forgettable: bool = False
    capture_exclude: tuple[str, ...] = ()
    capture_context_tokens: int = 1_500
    neo4j: Neo4jSettings = field(default_factory=Neo4jSettings)
    embedding: EmbeddingSettings = EmbeddingSettings()
    reranker: RerankerSettings = RerankerSettings()
    evolution: EvolutionSettings = field(default_factory=EvolutionSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    serving: ServingSettings = field(default_factory=ServingSettings)

    @property
    def embedded_graph_path(self) -> Path:
        """File of the embedded graph: as set, else inside the loom."""
        return self.graph_path or self.eventloom_path / "projections" / "embedded.kuzu"

    @property
    def search_path(self) -> Path:
        """Folder of the search index, inside the loom."""
        return self.eventloom_path / "projections" / "search"

    @property
    def forward_path(self) -> Path:
        """File of the forward index, inside the loom."""
        return self.eventloom_path / "projections" / "forward.sqlite"

    @property
    def vectors_path(self) -> Path:
        """Folder of the vectors, inside the loom."""
        return self.eventloom_path / "projections" / "vectors"


def load_settings(
    *,
    eventloom_path: str | Path | None = None,
    session_id: str | None = None,
    projection_backend: str | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Settings:
    """Return the settings in force.

    Args:
        eventloom_path: Overrides where the loom is.
        session_id: Overrides which session a write means.
        projection_backend: Overrides the graph back end.
        environment: Instead of the process environment.
        folder: The project's folder, instead of the one that `project_folder` finds.

    Raises:
        InvalidInputError: A setting has a value that cannot be used; the message names it and where it comes from.
    """
    outside = os.environ if environment is None else environment
    here = folder or Path.cwd()
    base = folder or project_folder(here)
    project = read_project(base, state_folder(outside))
    profile, told = project.values, variables(outside)
    trusted = {} if told.get("ZAXY_ENV") == "production" else project.trusted  # its checks look at the environment
    set_outside = {**trusted, **told}
    values = {**profile, **set_outside}
    loom = _loom(set_outside if eventloom_path is None else {"EVENTLOOM_PATH": eventloom_path}, profile, here, base)
    thread = values.get("EVENTLOOM_THREAD", DEFAULT_SESSION) if session_id is None else session_id
    is_profiles = base / profile.get("EVENTLOOM_PATH", DEFAULT_LOOM) == loom
    graph_path = _graph(set_outside, profile if is_profiles else {}, here, base)  # the profile's belongs to its loom
    backend = projection_backend or values.get("PROJECTION_BACKEND", "embedded")
    return Settings(
        eventloom_path=loom,
        session_id=_session(thread, is_named=session_id is not None),
        domain=_domain(values.get("ZAXY_DOMAIN")),
        projection_backend=backend,
        graph_path=graph_path,
        query_default_limit=number(values, "QUERY_DEFAULT_LIMIT", 10, low=1, high=1_000),
        context_verbatim_enabled=flag({"CONTEXT_VERBATIM_ENABLED": "true", **values}, "CONTEXT_VERBATIM_ENABLED"),
        context_verbatim_slots=number(values, "CONTEXT_VERBATIM_SLOTS", 1, low=0, high=20),
        fsync=choice(values, "EVENTLOOM_FSYNC", "always", FSYNC_POLICIES),
        max_event_bytes=number(values, "EVENTLOOM_MAX_EVENT_BYTES", 1024 * 1024, low=1_024, high=32 * 1024 * 1024),
        search_language=values.get("SEARCH_LANGUAGE", "english").lower(),
        admin_token=secret(set_outside, "MCP_ADMIN_TOKEN"),
        state_path=state_folder(outside),
        checkpoint_events=number(values, "EVENTLOOM_CHECKPOINT_EVENTS", 1_000, low=0, high=10_000_000),
        checkpoint_seconds=number(values, "EVENTLOOM_CHECKPOINT_SECONDS", 300, low=0, high=31_536_000),
        forgetting_enabled=flag({"FORGETTING_ENABLED": "true", **values}, "FORGETTING_ENABLED"),
        forgetting_kek_path=here / kek_path if (kek_path := set_outside.get("FORGETTING_KEK_PATH")) else None,
        capture_forgettable=flag(set_outside, "CAPTURE_FORGETTABLE"),
        capture_exclude=tuple(filter(None, map(str.strip, values.get("CAPTURE_EXCLUDE", "").split(",")))),
        capture_context_tokens=number(values, "CAPTURE_CONTEXT_TOKENS", 1_500, low=0, high=2_400),
        neo4j=load_neo4j(set_outside, here) if backend == "neo4j" else Neo4jSettings(),
        embedding=_embedding(set_outside),
        reranker=_reranker(set_outside),
        evolution=load_evolution(set_outside),
        serving=load_serving(set_outside, here),
        telemetry=load_telemetry(set_outside),
    )


def _loom(named: Mapping[str, str | Path], profile: Mapping[str, str], here: Path, base: Path) -> Path:
    """Return the loom: where it is named from here on, else where the project has it."""
    given = named.get("EVENTLOOM_PATH", profile.get("EVENTLOOM_PATH", DEFAULT_LOOM))
    if not str(given).strip():
        raise InvalidInputError("the path of the loom is empty", remedy="name a folder such as .eventloom")
    loom = (here if "EVENTLOOM_PATH" in named else base) / given
    if "EVENTLOOM_PATH" not in named and "EVENTLOOM_PATH" not in profile:
        _refuse_link(loom, base)
    return loom


def _session(thread: str, *, is_named: bool) -> str:
    try:
        return check_session_id(thread)
    except InvalidInputError as error:
        where = "" if is_named else f", as EVENTLOOM_THREAD says in the environment or in {LOCAL_PROFILE}"
        raise InvalidInputError(f"{error.message}{where}", remedy=error.remedy) from error


def _graph(named: Mapping[str, str], profile: Mapping[str, str], here: Path, base: Path) -> Path | None:
    if "EMBEDDED_GRAPH_PATH" in named:
        return here / named["EMBEDDED_GRAPH_PATH"]
    return base / profile["EMBEDDED_GRAPH_PATH"] if "EMBEDDED_GRAPH_PATH" in profile else None


def _refuse_link(loom: Path, project: Path) -> None:
    """Refuse a loom that is a link out of the project: a cloned repository can bring it along."""
    if loom.is_symlink() and not lies_inside(loom, project):
        real = os.path.realpath(loom)
        told = f"{loom} is a link out of the project, to {real}"
        raise InvalidInputError(told, remedy=f"if you made it: zaxy init --eventloom-path {shlex.quote(real)}")


def variables(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment variables that are set; an empty one counts as unset.

    Args:
        environment: Instead of the process environment.
    """
    outside = os.environ if environment is None else environment
    return {name: value for name, value in outside.items() if value != ""}


def setting_names() -> frozenset[str]:
    """Return the names of all settings, with their ``*_FILE`` twins: what the texts of the settings' classes name."""
    classes = (Settings, EmbeddingSettings, RerankerSettings, *_ELSEWHERE)
    return frozenset(name for one in classes for name in _NAMED.findall(one.__doc__ or ""))


def unknown_settings(environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return the names of variables that look like settings of ours and are none.

    Args:
        environment: Instead of the process environment.
    """
    known = setting_names()  # none where Python was told to leave texts out: then nothing can be said
    told = (name for name in variables(environment) if name.startswith(_OURS_ALONE) and name not in known)
    return tuple(sorted(told)) if known else ()


def _domain(text: str | None) -> str | None:
    if text is not None and not _DOMAIN.fullmatch(text):
        raise InvalidInputError(f"ZAXY_DOMAIN is {text[:40]!r}", remedy="use letters, digits, dots and dashes")
    return text


def _embedding(values: Mapping[str, str]) -> EmbeddingSettings:
    default = EmbeddingSettings()
    provider = choice(values, "EMBEDDING_PROVIDER", default.provider, EMBEDDING_PROVIDERS)
    return EmbeddingSettings(
        enabled=flag({"EMBEDDING_ENABLED": "true", **values}, "EMBEDDING_ENABLED"),
        provider=provider,
        dimension=number(values, "EMBEDDING_DIMENSION", 0, low=1, high=8_192) or None,
        openai_api_key=secret(values, "OPENAI_API_KEY") if provider == "openai" else None,
        openai_model=values.get("OPENAI_EMBEDDING_MODEL", default.openai_model),
        openai_base_url=values.get("OPENAI_BASE_URL", default.openai_base_url),
        http_url=values.get("EMBEDDING_HTTP_URL"),
        http_model=values.get("EMBEDDING_HTTP_MODEL"),
        http_api_key=secret(values, "EMBEDDING_HTTP_API_KEY") if provider == "local-http" else None,
        sentence_transformer_model=values.get(
            "EMBEDDING_SENTENCE_TRANSFORMER_MODEL", default.sentence_transformer_model
        ),
    )


def _reranker(values: Mapping[str, str]) -> RerankerSettings:
    provider = choice(values, "RERANKER_PROVIDER", "none", RERANKER_PROVIDERS)
    return RerankerSettings(
        provider=provider,
        url=values.get("RERANKER_URL"),
        model=values.get("RERANKER_MODEL"),
        api_key=secret(values, "RERANKER_API_KEY") if provider in ("http", "openai") else None,
        candidates=number(values, "RERANKER_CANDIDATES", 50, low=1, high=1_000),
        timeout_seconds=number(values, "RERANKER_TIMEOUT_SECONDS", 2, low=1, high=600),
    )


def state_folder(environment: Mapping[str, str] | None = None) -> Path | None:
    """Return the folder for what must not lie in a loom: signing keys, pinned heads, erasure keys.

    Args:
        environment: Instead of the process environment.

    Returns:
        ``$XDG_STATE_HOME/zaxy`` (a relative value is ignored, as its specification says), else
        ``~/.local/state/zaxy``; None where there is no home.
    """
    named = (os.environ if environment is None else environment).get("XDG_STATE_HOME", "")
    if Path(named).is_absolute():
        return Path(named) / "zaxy"
    try:
        return Path.home() / ".local" / "state" / "zaxy"
    except RuntimeError:
        return None


def keep_to_itself() -> None:
    """Tell libraries that are imported from now on to send nothing anywhere and to keep no id of this machine.

    onnxruntime makes one below ``~/.cache`` as soon as it is imported, unless ``ORT_DISABLE_TELEMETRY`` is set.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"


def wants_colours(environment: Mapping[str, str] | None = None) -> bool:
    """Return whether a terminal is to be sent colours: not with ``NO_COLOR`` (https://no-color.org), nor a dumb one.

    Args:
        environment: Instead of the process environment.
    """
    outside = os.environ if environment is None else environment
    return not outside.get("NO_COLOR") and outside.get("TERM") != "dumb"


def project_folder(start: Path) -> Path:
    """Return the folder that holds the project's loom: ``start`` or the nearest one above it, else ``start``.

    The search ends at the top of a git checkout, at the home folder and where another user's folders begin.
    """
    try:
        owner = start.stat().st_uid
        for folder in (start, *start.parents):
            if folder.stat().st_uid != owner:
                break
            if (folder / LOCAL_PROFILE).is_file() or (folder / DEFAULT_LOOM / "loom.json").is_file():
                return folder
            if (folder / ".git").exists() or folder == Path.home():
                break
    except (OSError, RuntimeError):  # a folder that cannot be looked into, no home
        return start
    return start
