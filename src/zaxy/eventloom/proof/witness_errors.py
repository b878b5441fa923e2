"""What can go wrong when a witness is asked: each kind is one that a caller deals with in its own way."""

from __future__ import annotations

from typing import ClassVar

from zaxy.errors import IntegrityError, UnavailableError, ZaxyError


class WitnessRefusedError(ZaxyError):
    """Raised when a witness answered and gave no cosignature.

    Args:
        message: What it was asked and what it said.
        status: Its HTTP status code.
        size: How many leaves it holds of the log, when it said so.
        remedy: What to do next.
    """

    code: ClassVar[str] = "witness_refused"

    def __init__(self, message: str, *, status: int, size: int | None = None, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.status = status
        self.size = size


class WitnessSizeError(WitnessRefusedError):
    """Raised when a witness holds another size than the one it was asked from: ask again from ``size``."""

    code = "witness_size"
    retryable = True


class WitnessAheadError(WitnessRefusedError, IntegrityError):
    """Raised when a witness says that it holds a larger tree than the checkpoint's: the log may have been cut.

    The size alone is not signed; `WitnessClient.latest` fetches the checkpoint that shows it.
    """

    code = "witness_ahead"
    exit_code = 3


class WitnessInconsistentError(WitnessRefusedError, IntegrityError):
    """Raised when a witness holds that the checkpoint does not continue what the log signed before."""

    code = "witness_inconsistent"
    exit_code = 3


class WitnessUnknownLogError(WitnessRefusedError):
    """Raised when a witness was not told of the log."""

    code = "witness_unknown_log"


class WitnessUnknownKeyError(WitnessRefusedError):
    """Raised when a witness trusts none of the keys that signed the checkpoint."""

    code = "witness_unknown_key"


class WitnessUnavailableError(UnavailableError):
    """Raised when a witness cannot be reached, does not answer in time, or cannot do its work now."""

    code = "witness_unavailable"
    retryable = True


class BadCosignatureError(ZaxyError):
    """Raised when a witness's answer is not one, or holds no cosignature of its key that verifies.

    This tells nothing of the log, so it is no `IntegrityError`: somebody else may have answered in the witness's place.
    """

    code = "bad_cosignature"
