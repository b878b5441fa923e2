"""Where a graph in a Neo4j server would be. Read where ``PROJECTION_BACKEND`` is ``neo4j``.

The back end itself is not part of this version: what is set is checked, and whoever opens the memory is told so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from zaxy.errors import InvalidInputError, NotFoundError
from zaxy.setting_values import flag, secret

_SCHEMES: Final = frozenset({"bolt", "bolt+s", "bolt+ssc", "neo4j", "neo4j+s", "neo4j+ssc"})


@dataclass(frozen=True, slots=True)
class Neo4jSettings:
    """A Neo4j server that holds the graph.

    Attributes:
        uri: Its address (``NEO4J_URI``).
        user: Who asks it (``NEO4J_USER``).
        password: With which password (``NEO4J_PASSWORD``, ``NEO4J_PASSWORD_FILE``).
        ca_cert: File of the certificate that its own is signed by (``NEO4J_CA_CERT``).
        trust_all: Whether any certificate is believed; never in production (``NEO4J_TRUST_ALL``).
        auto_start: Whether a container is started where no server answers (``NEO4J_AUTO_START``).
        auto_start_image: Of which image (``NEO4J_AUTO_START_IMAGE``).
        auto_start_container: Under which name (``NEO4J_AUTO_START_CONTAINER``).
    """

    uri: str = "bolt://localhost:7687"
    user: str = "neo4j"
    password: str = field(default="testpassword", repr=False)
    ca_cert: Path | None = None
    trust_all: bool = False
    auto_start: bool = False
    auto_start_image: str = "neo4j:5.26-community"
    auto_start_container: str = "zaxy-neo4j"


def load_neo4j(values: Mapping[str, str], folder: Path) -> Neo4jSettings:
    """Return the settings of the Neo4j back end.

    Args:
        values: The environment.
        folder: What a relative path begins at.

    Raises:
        InvalidInputError: A setting cannot be used; the message names it.
        NotFoundError: A file that is named is not there.
    """
    default = Neo4jSettings()
    uri = values.get("NEO4J_URI", default.uri)
    if urlsplit(uri).scheme not in _SCHEMES or not urlsplit(uri).hostname:
        raise InvalidInputError(f"NEO4J_URI is {uri[:80]!r}", remedy="write it like bolt://localhost:7687")
    named = values.get("NEO4J_CA_CERT")
    ca_cert = folder / named if named else None
    if ca_cert is not None and not ca_cert.is_file():
        raise NotFoundError(f"NEO4J_CA_CERT names {named}, and there is no such file", remedy="unset NEO4J_CA_CERT")
    return Neo4jSettings(
        uri,
        values.get("NEO4J_USER", default.user),
        secret(values, "NEO4J_PASSWORD") or default.password,
        ca_cert,
        flag(values, "NEO4J_TRUST_ALL"),
        flag(values, "NEO4J_AUTO_START"),
        values.get("NEO4J_AUTO_START_IMAGE", default.auto_start_image),
        values.get("NEO4J_AUTO_START_CONTAINER", default.auto_start_container),
    )
