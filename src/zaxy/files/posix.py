"""What the operating system must offer, looked for in one place."""

from __future__ import annotations

import sys

from zaxy.errors import UnavailableError

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]  # the module's absence is what `require_posix` reports

__all__ = ["fcntl", "require_posix"]


def require_posix() -> None:
    """Refuse to go on where files cannot be locked and synced the way the log needs.

    Raises:
        UnavailableError: This is neither Linux nor macOS.
    """
    if fcntl is None:
        raise UnavailableError(
            f"the log needs POSIX file locks, which {sys.platform} does not offer", remedy="use Linux or macOS"
        )
