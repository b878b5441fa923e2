"""Looking for a secret in files: as it is, as text in the usual encodings, and inside compressed streams."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

_GZIP = re.compile(rb"\x1f\x8b\x08", re.DOTALL)
_ZLIB = re.compile(rb"\x78[\x01\x5e\x9c\xda]", re.DOTALL)
_MOST_BYTES = 1024 * 1024


def forms(secret: bytes) -> dict[str, bytes]:
    """Return what a secret looks like in a file, by the name of the form."""
    found = {"raw": secret, "hex": secret.hex().encode(), "HEX": secret.hex().upper().encode()}
    for shift in range(3):  # where it stands in a longer text decides which letters it has
        start, end = -(-shift * 8 // 6), (shift + len(secret)) * 8 // 6  # letters that it fills alone
        for name, encode in (("base64", base64.b64encode), ("base64 for addresses", base64.urlsafe_b64encode)):
            found[f"{name} at {shift}"] = encode(bytes(shift) + secret)[start:end]
    for name, form in list(found.items()):
        if form.isascii():
            found[f"{name} in UTF-16"] = form.decode("ascii").encode("utf-16-le")
            found[f"{name} in UTF-16, high byte first"] = form.decode("ascii").encode("utf-16-be")
    return found


def traces(secrets: Mapping[str, bytes], folders: Iterable[Path]) -> list[str]:
    """Return where secrets are found, in files and their names.

    Args:
        secrets: What is looked for, by the name under which it is told.
        folders: Where; every file below is read.
    """
    wanted = [(f"{name}, {form}", looks) for name, secret in secrets.items() for form, looks in forms(secret).items()]
    found = []
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            contents = [("", bytes(path.relative_to(folder)))]
            if path.is_file():
                contents += _unpacked(path.read_bytes())
            found += [
                f"{what} in {path}{how}" for how, content in contents for what, looks in wanted if looks in content
            ]
    return found


def _unpacked(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the bytes of a file, and what every compressed stream in it holds."""
    yield "", data
    for pattern, bits, how in ((_GZIP, 31, ", gzip"), (_ZLIB, 15, ", zlib")):
        for match in pattern.finditer(data):
            try:
                yield how, zlib.decompressobj(bits).decompress(data[match.start() :], _MOST_BYTES)
            except zlib.error:  # only two bytes that look like the beginning of one
                continue
