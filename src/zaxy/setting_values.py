"""Reading the values of settings: numbers, choices, secrets. What cannot be used is refused with the setting's name."""

from __future__ import annotations

import ipaddress
import os
import re
import shlex
import stat
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from zaxy.errors import InvalidInputError, NotFoundError

_YES: Final = frozenset({"1", "true", "yes", "on"})
_NO: Final = frozenset({"0", "false", "no", "off", ""})
_LONGEST_NUMBER: Final = 18
_LARGEST_SECRET_BYTES: Final = 1024 * 1024
_STRANGERS: Final = stat.S_IRWXO | stat.S_IWGRP
"""Who may not touch the file of a secret. Its group may read it: that is how secrets are mounted for a service."""

_HOST: Final = re.compile(r"[a-z0-9._:-]+", re.ASCII)
_SHARE: Final = re.compile(r"\d+(?:\.\d*)?|\.\d+", re.ASCII)


def number(values: Mapping[str, str], name: str, default: int, *, low: int, high: int) -> int:
    """Return a whole number.

    Raises:
        InvalidInputError: It is none, or out of bounds; the message names the setting.
    """
    text = values.get(name)
    if text is None:
        return default
    if len(text) > _LONGEST_NUMBER or not text.strip().isdecimal() or not low <= int(text) <= high:
        raise InvalidInputError(f"{name} is {text[:40]!r}", remedy=f"set it to a number from {low:,} to {high:,}")
    return int(text)


def flag(values: Mapping[str, str], name: str) -> bool:
    """Return a yes or no; what is not set is no.

    Raises:
        InvalidInputError: It is neither.
    """
    text = values.get(name, "false").strip().lower()
    if text not in _YES | _NO:
        raise InvalidInputError(f"{name} is {text[:40]!r}", remedy="set it to true or false")
    return text in _YES


def choice(values: Mapping[str, str], name: str, default: str, choices: tuple[str, ...]) -> str:
    """Return one of several words.

    Raises:
        InvalidInputError: It is none of them.
    """
    text = values.get(name, default)
    if text not in choices:
        raise InvalidInputError(f"{name} is {text[:40]!r}", remedy=f"set it to one of {', '.join(choices)}")
    return text


def secret(values: Mapping[str, str], name: str) -> str | None:
    """Return a secret: the variable itself, else what the file that its ``*_FILE`` twin names holds.

    Raises:
        NotFoundError: The file cannot be read.
        InvalidInputError: It is empty, or anybody on this machine may read it, or its group may change it.
    """
    if name in values:
        return values[name]
    path = values.get(f"{name}_FILE")
    if path is None:
        return None
    named = f"{name}_FILE names {path}"
    try:
        secret = _read_secret(path, named).decode("utf-8").strip()
    except (OSError, ValueError) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise NotFoundError(f"{named}, which cannot be read", remedy="name a readable file") from error
    if not secret:
        raise InvalidInputError(f"{named}, which is empty", remedy="write the secret into it")
    return secret


def _read_secret(path: str, named: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe must not hold us up
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_SECRET_BYTES:
            raise OSError("it is no file, or too long for a secret")
        if status.st_mode & _STRANGERS:
            remedy = f"run: chmod 600 {shlex.quote(path)}"
            raise InvalidInputError(f"{named}, which others may read or change", remedy=remedy)
        return file.read(_LARGEST_SECRET_BYTES)


def parts(values: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Return the parts of ``one,two,three``, each once, in lower case."""
    told = (part.strip().lower() for part in values.get(name, "").split(","))
    return tuple(dict.fromkeys(part for part in told if part))


def address(values: Mapping[str, str], name: str, *, allow_loopback: bool) -> str | None:
    """Return an address that signed tokens depend on.

    Raises:
        InvalidInputError: It is none that `is_safe_address` takes; the message names the setting.
    """
    text = values.get(name)
    if text is not None and not is_safe_address(text, allow_loopback=allow_loopback):
        told = f"{name} is {text[:80]!r}, which is no address with https://"
        raise InvalidInputError(
            told, remedy="write it like https://login.example.com/keys, without a name or a password"
        )
    return text


def is_safe_address(text: str, *, allow_loopback: bool) -> bool:
    """Whether an address is https, or http to this machine where that is allowed, and every reader reads it alike."""
    try:
        split = urlsplit(text)
        sound = bool(_HOST.fullmatch(split.hostname or "")) and split.port != 0 and "@" not in split.netloc
    except ValueError:
        return False
    if not sound or split.fragment or not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        return False
    return split.scheme == "https" or (split.scheme == "http" and allow_loopback and is_loopback(split.hostname or ""))


def is_loopback(host: str) -> bool:
    """Whether a host means this machine without anybody being asked: ``localhost``, or an address of the loopback."""
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    mapped = getattr(found, "ipv4_mapped", None)
    return found.is_loopback if mapped is None else bool(mapped.is_loopback)


def pairs(values: Mapping[str, str], name: str, keys: tuple[str, ...]) -> dict[str, str]:
    """Return ``key=value,key=value`` as a mapping."""
    pairs: dict[str, str] = {}
    for part in values.get(name, "").split(","):
        if not part.strip():
            continue
        key, separator, value = (piece.strip() for piece in part.partition("="))
        if not separator or not value or key not in keys or key in pairs:
            remedy = f"write it as operation=value,operation=value, each once, of {', '.join(keys)}"
            raise InvalidInputError(f"{name} holds {part.strip()[:40]!r}", remedy=remedy)
        pairs[key] = value
    return pairs


def share(text: str, name: str) -> float:
    """Return a number from 0 to 1.

    Raises:
        InvalidInputError: It is none.
    """
    if len(text) > _LONGEST_NUMBER or not _SHARE.fullmatch(text.strip()) or float(text) > 1:
        raise InvalidInputError(f"{name} is {text[:40]!r}", remedy="set it to a number from 0 to 1, such as 0.85")
    return float(text)
