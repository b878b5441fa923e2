"""Reading what is sealed: an event as it was before, or a word in its place: it was forgotten, or has no key here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from zaxy.config import Settings
from zaxy.errors import BusyError, ForgottenError, IntegrityError, KeyUnavailableError
from zaxy.eventloom.event import SOURCE_KEY, Event
from zaxy.eventloom.origin import ORIGIN_KEY
from zaxy.eventloom.vault.cell import CIPHER_KEY, CellContext, is_sealed, parse_cell
from zaxy.eventloom.vault.erasures import Erasures, Settled
from zaxy.eventloom.vault.legacy import LegacyVault, is_legacy, parse_legacy

if TYPE_CHECKING:
    from zaxy.eventloom.vault.store import Entry
    from zaxy.eventloom.vault.vault import Vault

FORGOTTEN: Final = "[FORGOTTEN]"
SEALED: Final = "[SEALED]"
_LOOKS: Final = 10
_BESIDE: Final = (ORIGIN_KEY, SOURCE_KEY)
"""Members that stand readable beside a cell."""


class SealState(StrEnum):
    """What can be read of an event."""

    PLAIN = "plain"
    OPEN = "open"
    FORGOTTEN = "forgotten"
    SEALED = "sealed"


class Opened(NamedTuple):
    """An event as far as it can be read, and how far that is."""

    event: Event
    state: SealState


class Loom(Protocol):
    """The part of a loom that is needed to find its keys."""

    @property
    def path(self) -> Path:
        """Its folder."""

    def identity(self) -> str | None:
        """Return its id, None when it has none yet."""


class Opener:
    """Opens the sealed payloads of one loom. Safe to share between threads; it keeps no key and no text.

    Before the first cell is opened, and whenever the vault is not the one that was looked at last, the keys that the
    logs say were destroyed are destroyed again: an old copy of the vault opens nothing that was forgotten.

    Args:
        vault: The keys, or what finds them: a loom gets its vault with its first sealed event. None for no vault.
        legacy: What version 3 left, or None.
        erasures: What the logs say was forgotten; None believes the vault alone.
    """

    def __init__(
        self,
        vault: Vault | Callable[[], Vault | None] | None,
        legacy: LegacyVault | None = None,
        *,
        erasures: Erasures | None = None,
    ) -> None:
        self._find_vault: Callable[[], Vault | None] = vault if callable(vault) else lambda: vault
        self._legacy = legacy
        self._erasures = erasures
        self._settled: Settled | None = None
        self._legacy_seen: tuple[tuple[int, ...], frozenset[str]] | None = None

    @classmethod
    def of(cls, settings: Settings, loom: Loom) -> Opener:
        """Return the opener of a loom whose keys are where the settings have them. Touches no file."""
        found: list[Vault] = []

        def vault() -> Vault | None:
            from zaxy.eventloom.vault.vault import Vault

            if not found:
                loom_id = loom.identity()
                if loom_id is not None and settings.state_path is not None:
                    found.append(Vault.of(settings, loom_id))
            return found[0] if found else None

        legacy = LegacyVault(loom.path, settings.forgetting_kek_path)
        return cls(vault, legacy, erasures=Erasures(loom.path))

    @property
    def vault(self) -> Vault | None:
        """The loom's vault, None when it has none yet."""
        return self._find_vault()

    @property
    def erasures(self) -> Erasures | None:
        """What the logs say was forgotten."""
        return self._erasures

    def open(self, event: Event) -> Event:
        """Return an event as it was before it was sealed; what cannot be read has `FORGOTTEN` or `SEALED` as content.

        Raises:
            BusyError: Another process kept the vault for too long.
            UnavailableError: A log, which may tell of forgotten keys, cannot be read.
        """
        return self.look(event).event

    def state(self, event: Event) -> SealState:
        """Return whether an event is plain, can be opened, was forgotten, or is sealed and has no key here.

        Raises:
            ZaxyError: As `open`.
        """
        return self.look(event).state

    def look(self, event: Event) -> Opened:
        """Return both at once. Errors as `open`."""
        if not is_sealed(event.payload):
            return Opened(event, SealState.PLAIN)
        try:
            payload = self._open_legacy(event) if is_legacy(event.payload) else self._open(event)
        except ForgottenError:
            return Opened(_closed(event, FORGOTTEN), SealState.FORGOTTEN)
        except (KeyUnavailableError, IntegrityError):
            return Opened(_closed(event, SEALED), SealState.SEALED)
        beside = {name: event.payload[name] for name in _BESIDE if name in event.payload}
        return Opened(replace(event, payload={**payload, **beside}), SealState.OPEN)

    def destroy(self, key_ids: Iterable[str]) -> tuple[str, ...]:
        """Destroy keys, as `Vault.destroy` and `LegacyVault.destroy`; where there is no vault there are none.

        Returns:
            Those that were present.

        Raises:
            ZaxyError: As these.
        """
        wanted = list(key_ids)
        found = self.destroy_legacy(wanted)
        vault = self._find_vault()
        ours = [key_id for key_id in wanted if key_id not in found]
        return found if vault is None else (*found, *vault.destroy(ours))

    def destroy_legacy(self, cell_ids: Iterable[str]) -> tuple[str, ...]:
        """Destroy keys in the vault that version 3 left, if there is one. As `LegacyVault.destroy`."""
        return () if self._legacy is None else self._legacy.destroy(cell_ids)

    def _open(self, event: Event) -> dict[str, Any]:
        cell = parse_cell(event.payload)
        vault = self._find_vault()
        if vault is None:
            raise KeyUnavailableError("there is no vault here")
        entry, undestroyed = self._find(vault, cell.key_id)
        if cell.key_id in undestroyed:
            raise ForgottenError(f"the payload under key {cell.key_id} was forgotten")
        return vault.open_found(cell, entry, CellContext(event.session_id, event.seq, event.event_type))

    def _find(self, vault: Vault, key_id: str) -> tuple[Entry, frozenset[str]]:
        """Return a key's entry in a vault that was compared with the logs, and what that could not destroy."""
        if self._erasures is None:
            return vault.find(key_id), frozenset()
        for _ in range(_LOOKS):
            entry = vault.find(key_id)
            settled = self._erasures.standing(vault.loom_id, entry.marker, self._settled)
            if settled is not None:
                return entry, settled.undestroyed
            self._settled = self._erasures.settle(vault)  # and what is there then is looked at anew
        raise BusyError(f"the vault {vault.path} changes all the time", remedy="try again")

    def _open_legacy(self, event: Event) -> dict[str, Any]:
        if self._legacy is None:
            raise KeyUnavailableError("there is no vault of version 3 here")
        if parse_legacy(event.payload).cell_id in self._forgotten_legacy(self._legacy):
            raise ForgottenError("the payload was forgotten")
        return self._legacy.open(event.payload)

    def _forgotten_legacy(self, legacy: LegacyVault) -> frozenset[str]:
        """Return the cells that the logs say were forgotten; looked for again when the vault of version 3 changed."""
        if self._erasures is None:
            return frozenset()
        identity, seen = legacy.identity(), self._legacy_seen
        if seen is None or seen[0] != identity:
            seen = self._legacy_seen = (identity, self._erasures.forgotten())
        return seen[1]


def sealed_key_id(payload: Mapping[str, Any]) -> str | None:
    """Return the id of the key under which a payload is sealed, in a cell of either version; None for a plain one."""
    cell = payload.get(CIPHER_KEY)
    told = (cell.get("cell_id") if "v" in cell else cell.get("key_id")) if isinstance(cell, Mapping) else None
    return told if isinstance(told, str) else None


def _closed(event: Event, word: str) -> Event:
    kept = {name: part for name, part in event.payload.items() if name == CIPHER_KEY or name in _BESIDE}
    return replace(event, payload={"content": word, **kept})
