"""What recall and the vector store need of a model that turns text into vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from zaxy.errors import InvalidInputError, UnavailableError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]

LARGEST_DIMENSION: Final = 8_192


class EmbeddingError(UnavailableError):
    """Raised when a model did not turn a text into a vector: it is down, slow, or answered something else."""

    code = "embedding_unavailable"
    retryable = True


class Embedder(Protocol):
    """A model that turns text into vectors. Safe to share between threads."""

    @property
    def name(self) -> str:
        """``provider:model:version``: vectors are comparable where this is equal."""
        ...

    @property
    def dimension(self) -> int:
        """Length of a vector; 0 as long as a model that is asked over a network has not told it."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one vector a text, of unit length, float32 of shape (texts, dimension); zeros for a text of nothing.

        Raises:
            EmbeddingError: The model did not answer.
            InvalidInputError: Its vectors have another dimension than ``EMBEDDING_DIMENSION`` says.
            MissingDependencyError: A package that it needs is not installed.
        """
        ...

    def embed_query(self, text: str) -> Vectors:
        """Return the vector of a question, shape (dimension,); quickly or not at all. Errors as `embed`."""
        ...


def checked(rows: Any, count: int, wanted: int, model: str) -> Vectors:
    """Return what a model answered as vectors of unit length.

    Args:
        rows: Numbers, a row a text.
        count: How many texts were given.
        wanted: The dimension they must have; 0 takes any.
        model: How messages name the model.

    Raises:
        EmbeddingError: They are not as many finite vectors.
        InvalidInputError: They have another dimension.
    """
    import numpy as np

    try:
        vectors = np.asarray(rows, dtype=np.float32)
        if vectors.ndim != 2 or len(vectors) != count:
            raise ValueError(vectors.shape)
    except (ValueError, TypeError, OverflowError) as error:
        raise EmbeddingError(f"{model} did not answer with {count} vectors of one length") from error
    if not vectors.shape[1] or vectors.shape[1] > LARGEST_DIMENSION or not np.isfinite(vectors).all():
        raise EmbeddingError(f"{model} answered with vectors that are empty, too long or not finite")
    check_dimension(vectors.shape[1], wanted, model)
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def check_dimension(found: int, wanted: int, model: str) -> None:
    """Make sure that vectors have the length that was set.

    Raises:
        InvalidInputError: They do not; names both.
    """
    if wanted and found != wanted:
        raise InvalidInputError(
            f"EMBEDDING_DIMENSION is {wanted}, but the vectors of {model} have the dimension {found}",
            remedy=f"unset EMBEDDING_DIMENSION or set it to {found}",
        )
