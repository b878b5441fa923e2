"""What forgetting has to do with derived stores: which held something, and destroying keys for whoever meets it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zaxy.errors import InvalidInputError, ZaxyError
from zaxy.eventloom.loom import Eventloom
from zaxy.eventloom.vault.cell import check_key_id
from zaxy.eventloom.vault.legacy import is_legacy
from zaxy.eventloom.vault.opening import Opener, sealed_key_id
from zaxy.ids import EventRef
from zaxy.projections.catchup import Catchup
from zaxy.projections.protocols import Position
from zaxy.projections.tier import Tier

if TYPE_CHECKING:
    from zaxy.services.governance.forgetting_receipt import StoreErased


@dataclass(frozen=True, slots=True)
class HeldIn:
    """Tells how many of some events each store took in, on disk or in memory.

    Attributes:
        catchup: Owns the tiers.
        tiers: The stores that follow the log.
        vectors: Gives how far the stored vectors got, None where there are none.
    """

    catchup: Catchup
    tiers: Sequence[Tier[Any, Any, Any]]
    vectors: Callable[[], Mapping[str, Position] | None]

    def __call__(self, refs: Sequence[EventRef]) -> tuple[StoreErased, ...]:
        """Return one entry for each store, also for one that took in none of them."""
        from zaxy.services.governance.forgetting_receipt import StoreErased

        with self.catchup.lock:
            found = [StoreErased(tier.name, _reached(tier.position, refs)) for tier in self.tiers]
        with contextlib.suppress(ZaxyError):  # vectors that cannot be read are removed whole
            cursor = self.vectors()
            if cursor is not None:
                found.append(StoreErased("vectors", _reached(cursor.get, refs)))
        return tuple(found)


def _reached(position_of: Callable[[str], Position | None], refs: Sequence[EventRef]) -> int:
    positions = {ref.session_id: position_of(ref.session_id) for ref in refs}
    return sum(1 for ref in refs if (reached := positions[ref.session_id]) is not None and ref.seq <= reached.seq)


def destroy_keys(loom: Eventloom, opener: Opener, refs: Collection[EventRef]) -> None:
    """Destroy the keys of events that were forgotten: whoever recorded that may have been stopped before doing so.

    Args:
        loom: The log.
        opener: Has the vault.
        refs: What the log says was forgotten.

    Raises:
        ZaxyError: As `Opener.destroy`.
    """
    vault = opener.vault
    keys: list[str] = []
    legacy: list[str] = []
    for raw in (raw for ref in refs if (raw := loom.read(ref)) is not None):
        with contextlib.suppress(InvalidInputError):  # no cell, or one that no version of ours wrote
            key_id = check_key_id(sealed_key_id(raw.payload))
            (legacy if is_legacy(raw.payload) else keys).append(key_id)
    opener.destroy_legacy(legacy)
    if vault is not None and keys:
        vault.destroy_again(keys)
