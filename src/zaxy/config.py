"""Settings: the only reader of the environment.

Order of precedence: an argument, an environment variable (or the file that its ``*_FILE`` twin names), the project's
``.env.local``, the default. ``.env.local`` comes with a cloned repository, so only settings that cannot send data
anywhere or leave the project's folder are taken from it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from zaxy.errors import InvalidInputError
from zaxy.ids import check_session_id
from zaxy.serving_settings import ServingSettings, load_serving
from zaxy.setting_values import choice, flag, number, pairs, secret, share
from zaxy.telemetry_settings import TelemetrySettings, load_telemetry

LOCAL_PROFILE: Final = ".env.local"
DEFAULT_LOOM: Final = ".eventloom"
DEFAULT_SESSION: Final = "default"
FSYNC_POLICIES: Final = ("always", "interval", "off")
RERANKER_PROVIDERS: Final = ("none", "lexical", "http", "openai")
EMBEDDING_PROVIDERS: Final = ("auto", "hash", "openai", "local-http", "sentence-transformers", "none")
AUTONOMY_TIERS: Final = ("propose_only", "require_review", "auto_with_rollback")
EVOLUTION_OPERATIONS: Final = ("consolidate", "update", "forget", "rule_generate", "promote")
SOURCE_CLASSES: Final = ("human", "agent", "tool", "import", "derived")

_FROM_PROFILE: Final = frozenset(
    {
        "PROJECTION_BACKEND",
        "EVENTLOOM_PATH",
        "EVENTLOOM_THREAD",
        "EMBEDDED_GRAPH_PATH",
        "QUERY_DEFAULT_LIMIT",
        "CONTEXT_VERBATIM_ENABLED",
        "CONTEXT_VERBATIM_SLOTS",
    }
)
_INSIDE_PROJECT: Final = frozenset({"EVENTLOOM_PATH", "EMBEDDED_GRAPH_PATH"})
_LARGEST_PROFILE_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class EmbeddingSettings:
    """Where vectors come from. None of it is taken from a project's own file: texts and keys go where it says.

    Attributes:
        enabled: Whether there are vectors at all (``EMBEDDING_ENABLED``).
        provider: One of `EMBEDDING_PROVIDERS` (``EMBEDDING_PROVIDER``).
        dimension: The dimension that vectors must have; None takes the model's own (``EMBEDDING_DIMENSION``).
        openai_api_key: ``OPENAI_API_KEY``, or what the file that ``OPENAI_API_KEY_FILE`` names holds. Like the other
            key it is read only where the provider needs it.
        openai_model: ``OPENAI_EMBEDDING_MODEL``.
        openai_base_url: ``OPENAI_BASE_URL``.
        http_url: Where ``local-http`` posts texts to (``EMBEDDING_HTTP_URL``).
        http_model: The model that it names (``EMBEDDING_HTTP_MODEL``).
        http_api_key: Its bearer token (``EMBEDDING_HTTP_API_KEY``, ``EMBEDDING_HTTP_API_KEY_FILE``).
        sentence_transformer_model: A name or a folder (``EMBEDDING_SENTENCE_TRANSFORMER_MODEL``).
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
        provider: One of `RERANKER_PROVIDERS` (``RERANKER_PROVIDER``).
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
class EvolutionSettings:
    """How far the memory may change itself. None of it is taken from a project's own file.

    Attributes:
        autonomy_default: The tier of operations that have none of their own (``EVOLUTION_AUTONOMY_DEFAULT``).
        op_autonomy: Tier by operation (``EVOLUTION_OP_AUTONOMY``, ``update=require_review,promote=propose_only``).
        confidence_threshold: From which confidence on an operation goes through (``EVOLUTION_CONFIDENCE_THRESHOLD``).
        op_thresholds: Threshold by operation (``EVOLUTION_OP_THRESHOLDS``, ``update=0.9``).
        rollback_window_seconds: For how long an agent may roll back without a review
            (``EVOLUTION_ROLLBACK_WINDOW_SECONDS``).
        untrusted_sources: Which kinds of sources are not trusted before a review (``EVOLUTION_UNTRUSTED_SOURCES``).
    """

    autonomy_default: str = "auto_with_rollback"
    op_autonomy: Mapping[str, str] = field(default_factory=dict)
    confidence_threshold: float = 0.85
    op_thresholds: Mapping[str, float] = field(default_factory=dict)
    rollback_window_seconds: int = 86_400
    untrusted_sources: frozenset[str] = frozenset({"tool"})


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set from outside.

    Attributes:
        eventloom_path: The loom's folder (``EVENTLOOM_PATH``).
        session_id: The session that a write means when it names none (``EVENTLOOM_THREAD``).
        projection_backend: Graph back end (``PROJECTION_BACKEND``).
        graph_path: File of the embedded graph (``EMBEDDED_GRAPH_PATH``); None puts it into the loom.
        query_default_limit: Hits in an answer (``QUERY_DEFAULT_LIMIT``).
        context_verbatim_enabled: Whether a checkout always quotes the best exact-word matches
            (``CONTEXT_VERBATIM_ENABLED``).
        context_verbatim_slots: How many of them (``CONTEXT_VERBATIM_SLOTS``).
        fsync: When appends are synced: ``always``, ``interval`` or ``off`` (``EVENTLOOM_FSYNC``).
        max_event_bytes: Limit for one encoded payload (``EVENTLOOM_MAX_EVENT_BYTES``).
        search_language: Whose word stems the search index takes (``SEARCH_LANGUAGE``).
        admin_token: Needed for replay and invalidation over MCP when set (``MCP_ADMIN_TOKEN``).
        state_path: Folder for the keys and pinned heads of all looms, outside of them: ``$XDG_STATE_HOME/zaxy``, else
            ``~/.local/state/zaxy``; None where there is no home.
        checkpoint_events: An automatic checkpoint after so many events, 0 for never
            (``EVENTLOOM_CHECKPOINT_EVENTS``).
        checkpoint_seconds: And when the last one is so old, 0 for never (``EVENTLOOM_CHECKPOINT_SECONDS``).
        forgetting_enabled: Whether payloads can be sealed so that they can be forgotten (``FORGETTING_ENABLED``).
        forgetting_kek_path: File of the key-encryption key (``FORGETTING_KEK_PATH``); None puts it beside the vault,
            in the state folder.
        capture_forgettable: Whether everything that importers and hooks record is sealed so that it can be forgotten
            (``CAPTURE_FORGETTABLE``).
        embedding: Where vectors come from.
        reranker: What looks at the first hits once more.
        evolution: How far the memory may change itself.
        telemetry: What is told to operators, and where to.
        serving: How the memory is served to others.
    """

    eventloom_path: Path = Path(DEFAULT_LOOM)
    session_id: str = DEFAULT_SESSION
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
    profile = _read_profile(base)
    set_outside = variables(outside)
    values = {**profile, **set_outside}
    given = eventloom_path if eventloom_path is not None else values.get("EVENTLOOM_PATH", DEFAULT_LOOM)
    if not str(given).strip():
        raise InvalidInputError("the path of the loom is empty", remedy="name a folder such as .eventloom")
    named_here = eventloom_path is not None or "EVENTLOOM_PATH" in set_outside
    loom = (here if named_here else base) / given
    thread = values.get("EVENTLOOM_THREAD", DEFAULT_SESSION) if session_id is None else session_id
    graph_path = set_outside.get("EMBEDDED_GRAPH_PATH")
    if graph_path is None and base / profile.get("EVENTLOOM_PATH", DEFAULT_LOOM) == loom:
        graph_path = profile.get("EMBEDDED_GRAPH_PATH")  # the profile's graph belongs to the profile's loom
    return Settings(
        eventloom_path=loom,
        session_id=check_session_id(thread),
        projection_backend=projection_backend or values.get("PROJECTION_BACKEND", "embedded"),
        graph_path=(here if "EMBEDDED_GRAPH_PATH" in set_outside else base) / graph_path if graph_path else None,
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
        embedding=_embedding(set_outside),
        reranker=_reranker(set_outside),
        evolution=_evolution(set_outside),
        serving=load_serving(set_outside, here),
        telemetry=load_telemetry(set_outside),
    )


def variables(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment variables that are set; an empty one counts as unset.

    Args:
        environment: Instead of the process environment.
    """
    outside = os.environ if environment is None else environment
    return {name: value for name, value in outside.items() if value != ""}


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


def _evolution(values: Mapping[str, str]) -> EvolutionSettings:
    default = EvolutionSettings()
    tiers = pairs(values, "EVOLUTION_OP_AUTONOMY", EVOLUTION_OPERATIONS)
    for tier in tiers.values():
        choice({"EVOLUTION_OP_AUTONOMY": tier}, "EVOLUTION_OP_AUTONOMY", tier, AUTONOMY_TIERS)
    thresholds = pairs(values, "EVOLUTION_OP_THRESHOLDS", EVOLUTION_OPERATIONS)
    told = values.get("EVOLUTION_UNTRUSTED_SOURCES", "tool").split(",")
    sources = [source.strip() for source in told if source.strip() not in ("", "none")]
    for source in sources:
        choice({}, "EVOLUTION_UNTRUSTED_SOURCES", source, SOURCE_CLASSES)
    return EvolutionSettings(
        autonomy_default=choice(values, "EVOLUTION_AUTONOMY_DEFAULT", default.autonomy_default, AUTONOMY_TIERS),
        op_autonomy=tiers,
        confidence_threshold=share(
            values.get("EVOLUTION_CONFIDENCE_THRESHOLD", "0.85"), "EVOLUTION_CONFIDENCE_THRESHOLD"
        ),
        op_thresholds={op: share(value, "EVOLUTION_OP_THRESHOLDS") for op, value in thresholds.items()},
        rollback_window_seconds=number(
            values, "EVOLUTION_ROLLBACK_WINDOW_SECONDS", default.rollback_window_seconds, low=0, high=315_360_000
        ),
        untrusted_sources=frozenset(sources),
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


def _read_profile(folder: Path) -> dict[str, str]:
    """Return the settings of the project's own file that a project may set."""
    try:
        with (folder / LOCAL_PROFILE).open("rb") as file:
            raw = file.read(_LARGEST_PROFILE_BYTES)
    except OSError:
        return {}
    values: dict[str, str] = {}
    for line in raw.decode("utf-8", "replace").splitlines():
        name, separator, value = line.strip().removeprefix("export ").partition("=")
        name, value = name.strip(), value.strip().strip("\"'")
        allowed = name in _FROM_PROFILE and (name not in _INSIDE_PROJECT or _lies_inside(folder / value, folder))
        if separator and value and allowed:
            values[name] = value
    return values


def _lies_inside(path: Path, folder: Path) -> bool:
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # links in a circle, a NUL in the name
        return False
