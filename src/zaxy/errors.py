"""The one error tree. Every error says what went wrong, where, and the next command to run."""

from __future__ import annotations

from typing import ClassVar


class ZaxyError(Exception):
    """Root of every error that Zaxy raises on purpose.

    Args:
        message: One sentence that says what went wrong and where.
        remedy: What to do next, ideally a command that can be pasted. Empty when there is nothing to do.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} ({self.remedy})" if self.remedy else self.message


class InvalidInputError(ZaxyError, ValueError):
    """Raised when an argument, a payload or a setting cannot be accepted; nothing was written."""

    code = "invalid_input"
    exit_code = 2


class PayloadTooLargeError(InvalidInputError):
    """Raised when a sealed line would be longer than the limit (``EVENTLOOM_MAX_EVENT_BYTES``)."""

    code = "payload_too_large"


class NotFoundError(ZaxyError, LookupError):
    """Raised when a log, a session, an event or a path does not exist."""

    code = "not_found"
    exit_code = 2


class NotALogError(InvalidInputError):
    """Raised when a file that should be an Eventloom log holds something else; it is left untouched."""

    code = "not_a_log"


class IntegrityError(ZaxyError):
    """Raised when stored bytes are not what was sealed."""

    code = "integrity"
    exit_code = 3


class LogDamagedError(IntegrityError):
    """Raised when a record before the tail is bad: the session is read-only, its good part stays readable.

    Args:
        message: What is wrong.
        session_id: The session whose log is damaged.
        seq: Sequence number of the first bad record.
        remedy: What to do next.
    """

    code = "log_damaged"

    def __init__(self, message: str, *, session_id: str, seq: int, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.session_id = session_id
        self.seq = seq


class BadProofError(IntegrityError):
    """Raised when a signed note, a checkpoint or a proof does not hold, or is not one."""

    code = "bad_proof"


class UnavailableError(ZaxyError):
    """Raised when something outside (disk, lock, optional package) does not let the call finish."""

    code = "unavailable"
    exit_code = 4


class BusyError(UnavailableError, TimeoutError):
    """Raised when another process held a lock for longer than we wait; trying again is safe."""

    code = "busy"
    retryable = True


class WriteFailedError(UnavailableError, OSError):
    """Raised when a write was refused (disk full, read-only) and rolled back: the event is not in the log."""

    code = "write_failed"
    retryable = True


class DurabilityUnknownError(UnavailableError, OSError):
    """Raised when ``fsync`` failed: whether the event survives a power loss is unknown, and this writer is dead.

    The kernel may have dropped the unsynced pages and marked them clean, so a second ``fsync`` proves nothing.
    """

    code = "durability_unknown"


class ProjectionError(UnavailableError):
    """Raised when a derived store cannot be read or written; the log is not affected."""

    code = "projection_unavailable"
    retryable = True


class MissingDependencyError(UnavailableError, ImportError):
    """Raised when an optional package is needed and not installed."""

    code = "missing_dependency"


class KeyUnavailableError(UnavailableError):
    """Raised when a key that is needed to sign, to seal or to read is not here or may be read by others."""

    code = "key_unavailable"


class ForgottenError(NotFoundError):
    """Raised when the key of a sealed payload was destroyed: the text is gone for good."""

    code = "forgotten"


class NotAuthorizedError(ZaxyError, PermissionError):
    """Raised when a call needs the admin token and did not present it."""

    code = "not_authorized"
    exit_code = 2


class NotAuthenticatedError(ZaxyError, PermissionError):
    """Raised when a request does not say who sends it in a way that can be believed."""

    code = "not_authenticated"
    exit_code = 2


class RateLimitedError(UnavailableError):
    """Raised when somebody asks more often than is allowed.

    Args:
        message: What was asked too often.
        retry_after_seconds: After how long it is allowed again.
        remedy: What to do next.
    """

    code = "rate_limited"
    retryable = True

    def __init__(self, message: str, *, retry_after_seconds: int, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.retry_after_seconds = retry_after_seconds
