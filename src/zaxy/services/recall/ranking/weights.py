"""The weights of the features: ``python -m benchmarks.fit`` fits them on ``benchmarks/training``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Final

import orjson

PEOPLE: Final = "people"
"""Short turns between people."""
ASSISTANT: Final = "assistant"
"""A user and an assistant, or a coding agent and its tools: long turns, in which the user's own words tell most."""

LANE_WEIGHTS: Final = {"graph": 1.5, "verbatim": 2.0}
"""What the score of a lane counts. Set by hand: the conversations state no facts, and nobody asks them verbatim."""

_WITH: Final = "with_vectors"
_WITHOUT: Final = "without_vectors"


@lru_cache(maxsize=1)
def _fitted() -> Mapping[str, Mapping[str, Mapping[str, float]]]:
    loaded: dict[str, dict[str, dict[str, float]]] = orjson.loads(
        files(__package__).joinpath("weights.json").read_bytes()
    )
    return loaded


def weights_for(shape: str, *, vectors: bool) -> dict[str, float]:
    """Return the weight of each feature.

    Args:
        shape: `PEOPLE` or `ASSISTANT`.
        vectors: Whether the vector lane ran.
    """
    return {**_fitted()[shape][_WITH if vectors else _WITHOUT], **LANE_WEIGHTS}
