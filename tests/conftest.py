"""What every test may use."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("house", deadline=None, print_blob=True, max_examples=120)
settings.load_profile("house")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell does that to what it starts in the background, and
    signal.signal(signal.SIGINT, signal.default_int_handler)  # programs that tests start and interrupt would inherit it


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=None, help="seed of the tests that choose at random")
    parser.addoption("--figures", default=None, metavar="FILE", help="write the figures of tests/trust, as JSON")


@pytest.fixture(autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory of the test's own: keys and pinned heads never go into the home of whoever runs the tests."""
    folder = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def words_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No vectors, whatever is installed: a test that is about them chooses a model itself."""
    monkeypatch.setenv("EMBEDDING_PROVIDER", "none")


@pytest.fixture(autouse=True)
def no_words_for_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """What tells tests where data lies is no setting of the product, and `zaxy doctor` would say so."""
    monkeypatch.delenv("ZAXY_EVAL_DATA", raising=False)


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """A source of chance; a failing test shows its seed, and ``--seed`` repeats it."""
    given = request.config.getoption("--seed")
    seed = random.SystemRandom().randrange(2**32) if given is None else given
    print(f"seed: {seed}")
    return random.Random(seed)
