"""The trace of a loom with something of every kind, with what differs from run to run replaced.

``python tests/golden/trace/trace_golden.py`` writes the golden file anew, for a change of shape that is meant.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from forgettable_looms import NO_VECTORS, memory_at  # noqa: E402  # found by the line above when this is run as a program
from trace_looms import tell_of_everything  # noqa: E402  # as above
from zaxy.services.operations.trace import TraceService  # noqa: E402  # as above

GOLDEN = HERE / "everything.json"
_REPLACED = (
    (re.compile(r"\b[0-9a-f]{64}\b"), "<hash>"),
    (re.compile(r"evt_zaxy_(\d{12})_[0-9a-f]{16}"), r"evt_zaxy_\1_<hash>"),
    (re.compile(r"(?<=#)[0-9a-f]{12}"), "<hash>"),
    (re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"), "<time>"),
)


def document(folder: Path) -> str:
    """Return the trace as a document."""
    with memory_at(folder, embedding=NO_VECTORS) as memory:
        tell_of_everything(memory)
        with TraceService(memory.loom, memory.reader).export() as trace:
            text = b"".join(trace.document()).decode("utf-8")
    for pattern, replacement in _REPLACED:
        text = pattern.sub(replacement, text)
    return text


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        GOLDEN.write_text(document(Path(place)), encoding="utf-8")
