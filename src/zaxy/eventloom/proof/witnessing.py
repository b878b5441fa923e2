"""Asking the witnesses of a loom for cosignatures, and whether they know of a later checkpoint than the loom does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from zaxy.errors import NotFoundError, ZaxyError
from zaxy.eventloom.proof.history import History, SignedHead
from zaxy.eventloom.proof.merkle import consistency_proof
from zaxy.eventloom.proof.state import LoomState, WitnessSetting
from zaxy.eventloom.proof.tree import TreeFiles


@dataclass(frozen=True, slots=True)
class Witnessed:
    """What one witness answered.

    Attributes:
        name: The witness.
        url: Where it is.
        cosigned: Whether it cosigned the checkpoint.
        contradicts: Whether it holds another history, or a later one: a finding.
        message: Why not, empty when it did.
    """

    name: str
    url: str
    cosigned: bool
    contradicts: bool = False
    message: str = ""


class Witnessing:
    """Talks to a loom's witnesses.

    Args:
        state: Which witnesses there are.
        history: The loom's history; cosignatures are kept in it.
        tree: Makes consistency proofs.
    """

    def __init__(self, state: LoomState, history: History, tree: TreeFiles) -> None:
        self._state = state
        self._history = history
        self._tree = tree

    def add(self, url: str, key: str) -> WitnessSetting:
        """Ask this witness from now on. The caller holds the state's lock.

        Raises:
            InvalidInputError: The address or the key cannot be used.
        """
        from zaxy.eventloom.proof.witness_client import WitnessKey

        named = WitnessKey.parse(url, key)
        added = WitnessSetting(named.url, named.verifier)
        kept = [each for each in self._state.witnesses() if each.verifier != added.verifier]
        self._state.keep_witnesses([*kept, added])
        return added

    def remove(self, name: str) -> WitnessSetting:
        """Ask a witness no more. The caller holds the state's lock.

        Args:
            name: Its address or its name.

        Raises:
            NotFoundError: There is none.
        """
        known = self._state.witnesses()
        found = [each for each in known if name in (each.url, each.verifier.name)]
        if not found:
            raise NotFoundError(f"no witness is called {name!r}", remedy="see which there are: zaxy log witness list")
        self._state.keep_witnesses([each for each in known if each not in found])
        return found[0]

    def cosign(self, head: SignedHead) -> tuple[Witnessed, ...]:
        """Ask every witness for its cosignature and keep it. The caller holds the state's lock.

        A witness that cannot be reached or refuses is told of in the result; the others are asked all the same.

        Args:
            head: The newest checkpoint.
        """
        settings, answers, lines = list(self._state.witnesses()), [], list[str]()
        note = head.note
        for at, setting in enumerate(settings):
            if note.signed_by(setting.verifier):
                answers.append(Witnessed(setting.verifier.name, setting.url, cosigned=True))
                continue
            answer, signed = self._ask(setting, head)
            answers.append(answer)
            if answer.cosigned:
                settings[at] = replace(setting, size=head.size)
                lines += signed
        if lines:
            self._history.add_cosignatures(head.size, lines)
            self._state.keep_witnesses(settings)
        return tuple(answers)

    def confirm(self, head: SignedHead) -> tuple[Witnessed, ...]:
        """Ask every witness whether this checkpoint is the newest one that it knows. Nothing is kept.

        Args:
            head: A checkpoint; a witness that has not seen it yet cosigns it.
        """
        return tuple(self._ask(setting, head)[0] for setting in self._state.witnesses())

    def _ask(self, setting: WitnessSetting, head: SignedHead) -> tuple[Witnessed, Sequence[str]]:
        # brings http and ssl, which few need
        from zaxy.eventloom.proof.witness_client import WitnessClient
        from zaxy.eventloom.proof.witness_errors import WitnessAheadError, WitnessInconsistentError

        def proof(old_size: int, size: int) -> list[bytes]:
            return consistency_proof(self._tree, old_size, size)

        name = setting.verifier.name
        try:
            signed = WitnessClient(setting.url).cosign(head.note, setting.verifier, setting.size, proof)
        except (WitnessAheadError, WitnessInconsistentError) as error:
            return Witnessed(name, setting.url, cosigned=False, contradicts=True, message=error.message), []
        except ZaxyError as error:
            return Witnessed(name, setting.url, cosigned=False, message=str(error)), []
        return Witnessed(name, setting.url, cosigned=True), [signature.line for signature in signed]
