"""What every test may use."""

from __future__ import annotations

import random

import pytest
from hypothesis import settings

settings.register_profile("house", deadline=None, print_blob=True, max_examples=120)
settings.load_profile("house")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=None, help="seed of the tests that choose at random")


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """A source of chance; a failing test shows its seed, and ``--seed`` repeats it."""
    given = request.config.getoption("--seed")
    seed = random.SystemRandom().randrange(2**32) if given is None else given
    print(f"seed: {seed}")
    return random.Random(seed)
