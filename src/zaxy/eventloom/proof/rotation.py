"""Putting a new signing key in force: an event that both keys signed, and a checkpoint over it that both keys sign.

Order of effects, each durable before the next: the new key in `signing.key.next`; the event (recorded once, whatever is
repeated); the checkpoint; the list of keys that count and the key in force; `signing.key.next` removed. After a crash
between any two, the rotation is simply run again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from zaxy.eventloom.event import Event
from zaxy.eventloom.proof.notes import SigningKey
from zaxy.eventloom.proof.rotation_statement import rotation_statement
from zaxy.eventloom.proof.signing import Checkpointed, Signer
from zaxy.eventloom.proof.state import LoomState
from zaxy.files.durable import make_directories, remove_file


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation came to.

    Attributes:
        old_key: The public key that was in force.
        new_key: The one that is.
        event: The event that tells of it.
        checkpoint: The one that both keys signed.
    """

    old_key: str
    new_key: str
    event: Event
    checkpoint: Checkpointed


class Rotation:
    """Rotates the key of one loom. The caller holds the state's lock.

    Args:
        state: Holds the keys.
        signer: Makes the checkpoint.
    """

    def __init__(self, state: LoomState, signer: Signer) -> None:
        self._state = state
        self._signer = signer

    def run(self, record: Callable[[dict[str, str], str], Event]) -> Rotated:
        """Rotate, or go on where a crash ended a rotation.

        Args:
            record: Appends the event: its payload, and its idempotency key.

        Raises:
            KeyUnavailableError: The key in force is not here.
            IntegrityError: The loom is not the one that was signed.
        """
        self._signer.settle()  # nothing is told of a rotation that could not be signed
        old, new = self._keys()
        statement = rotation_statement(self._state.origin, old, new).encode().decode("utf-8")
        payload = {"statement": statement, "old_verifier": str(old.verifier), "new_verifier": str(new.verifier)}
        event = record(payload, f"zaxy-key-rotation:{new.verifier.key_id.hex()}")
        done = self._signer.checkpoint([new, old])
        self._state.put_in_force(new, old, done.head.size)
        remove_file(self._state.next_key)
        return Rotated(str(old.verifier), str(new.verifier), event, done)

    def _keys(self) -> tuple[SigningKey, SigningKey]:
        current = self._state.read_key(self._state.key_path)
        if self._state.next_key.exists():
            found = self._state.read_key(self._state.next_key)
            if found.verifier != current.verifier:
                return current, found
            remove_file(self._state.next_key)  # only its removal was left to do: this is another rotation
        new = SigningKey.generate(self._state.origin)
        make_directories(self._state.folder)
        self._state.write_key(self._state.next_key, new)
        return current, new
