"""Schemathesis on the whole API, in this process: each route by its description, with right and with wrong requests."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from http_app import CHAT, URL, settings_in
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.python import asgi

from zaxy.eventloom.event import Draft
from zaxy.fabric import MemoryFabric
from zaxy.interfaces.calls.tools import TOOLS
from zaxy.interfaces.http.app import make_app

HEADERS = {"Host": URL.removeprefix("http://")}
UNDERSTOOD = ["2xx", "403", "404", "409", "422"]
"""What may become of a request that the description allows: no schema says which events there are, or which of two
arguments exclude each other."""

EXAMPLES_EACH = 12


def config(seed: int) -> SchemathesisConfig:
    return SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "base-url": URL,
            "headers": HEADERS,
            "generation": {"max-examples": EXAMPLES_EACH, "database": "none"},
            "phases": {"stateful": {"enabled": False}},  # no route gives a link to another
            "checks": {"positive_data_acceptance": {"expected-statuses": UNDERSTOOD}},
        }
    )


@pytest.fixture
def application(tmp_path: Path) -> Iterator[Any]:
    """The application over a loom with a few events, as a client on this machine reaches it."""
    settings = settings_in(tmp_path)
    fabric = MemoryFabric.from_settings(settings)
    fabric.memory.loom.ensure_key()
    fabric.memory.loom.commit("work", [Draft(*said) for said in CHAT])
    app = make_app(fabric, settings)

    async def local(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "client": ("127.0.0.1", 40_000)}, receive, send)

    yield local
    asgi.shutdown_lifespans()


@pytest.mark.slow
def test_schemathesis_finds_nothing(application: Any, chance: random.Random) -> None:
    seed = chance.randrange(2**32)
    schema = schemathesis.openapi.from_asgi("/openapi.json", application, config=config(seed), headers=HEADERS)
    found: list[str] = []
    statuses: dict[str, Counter[int]] = {}
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            found.append(f"{event}")
        if not isinstance(event, events.ScenarioFinished):
            continue
        seen = statuses.setdefault(event.recorder.label, Counter())
        for each in event.recorder.interactions.values():
            assert each.response is not None
            seen[each.response.status_code] += 1
        for checks in event.recorder.checks.values():
            for check in checks:
                if check.failure_info is not None:
                    failure = check.failure_info
                    found.append(f"{check.name}: {failure.failure.message}\n{failure.code_sample}")
    assert not found, "\n".join(found)
    for tool in TOOLS:
        label = f"POST /v1/{tool.name.removeprefix('memory_')}"
        assert statuses[label][422] + statuses[label][400] > 0, f"{label} was asked for nothing wrong"
    answered = {label for label, seen in statuses.items() if seen[200]}
    assert len(answered) > len(TOOLS) / 2, f"only these were ever answered: {answered}"
