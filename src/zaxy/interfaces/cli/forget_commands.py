"""``zaxy memory forget`` and ``check-receipt``: destroying what a memory says, and checking what was said about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from zaxy.errors import BadProofError, InvalidInputError, NotFoundError
from zaxy.ids import parse_citation
from zaxy.interfaces.cli.change_options import TargetOptions, at_terminal, checked_reason, origin_of, target_options
from zaxy.interfaces.cli.log_commands import output_file, write_new
from zaxy.interfaces.cli.opening import opened
from zaxy.interfaces.cli.options import (
    Outcome,
    Place,
    checked_text,
    checked_time,
    packed,
    place_options,
    public_key_option,
)
from zaxy.interfaces.cli.text import counted, one_line, say, say_json, tell

if TYPE_CHECKING:
    from zaxy.memory import Memory
    from zaxy.services.governance.forgetting import Plan
    from zaxy.services.governance.forgetting_receipt import Receipt

_FORGETTER: Final = "zaxy-forgetter"
_LARGEST_RECEIPT_BYTES: Final = 128 * 1024 * 1024
_ITEMS_SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which memories to forget, and who wants it, as given.

    ``--actor`` has two meanings: with a target it is who forgets (as in 3.x), without one whose memories are meant.
    """

    target: TargetOptions
    query: str | None
    actor: str | None
    before: str | None
    by: str | None

    @property
    def forgetter(self) -> str:
        """Who forgets."""
        told = self.actor if self.target.is_given else None
        return self.by or told or _FORGETTER

    def plan(self, memory: Memory) -> Plan:
        """Return what would be forgotten.

        Raises:
            InvalidInputError: Nothing is selected, or in two ways.
        """
        if self.target.is_given:
            if (self.query, self.before) != (None, None):
                raise InvalidInputError(
                    "one memory is named and many are selected", remedy="leave out --query and --before, or the target"
                )
            return memory.forgetting.plan(targets=(self.target.find(memory),))
        if (self.query, self.actor, self.before) == (None, None, None):
            raise InvalidInputError(
                "nothing says which memory to forget", remedy="name it with --citation, or select with --query TEXT"
            )
        return memory.forgetting.plan(
            query=self.query, actor=self.actor, before=self.before, session_id=self.target.session_id
        )


@dataclass(frozen=True, slots=True)
class SelectionOptions:
    """What selects many memories, as given."""

    query: str | None
    actor: str | None
    before: str | None
    by: str | None


@dataclass(frozen=True, slots=True)
class ConfirmationOptions:
    """Whether to do it and where the receipt goes, as given."""

    dry_run: bool
    yes: bool
    rotate: bool
    receipt: str | None


def _selection_options(function: click.decorators.FC) -> click.decorators.FC:
    command = packed(ConfirmationOptions, "confirmation", packed(SelectionOptions, "many", function))
    for option in (
        click.option("--receipt", metavar="FILE", help="Where the signed receipt goes."),
        click.option(
            "--rotate",
            is_flag=True,
            help="Also exchange the key of the vault, so that older copies of it open nothing.",
        ),
        click.option("--yes", is_flag=True, help="Confirm it here instead of at the terminal, for scripts."),
        click.option("--dry-run", is_flag=True, help="Only show what would be forgotten."),
        click.option("--by", callback=checked_text, metavar="NAME", help=f"Who forgets.  [default: {_FORGETTER}]"),
        click.option(
            "--before", callback=checked_time, metavar="TIME", help="Or all that happened before then; combines."
        ),
        click.option(
            "--actor",
            callback=checked_text,
            metavar="NAME",
            help="Or all that this actor said or did; combines. With a target: who forgets.",
        ),
        click.option("--query", callback=checked_text, metavar="TEXT", help="Or all that answers this."),
    ):
        command = option(command)
    return command  # type: ignore[return-value]  # the wrapper is called by click, with keywords only


@click.command("forget")
@target_options
@_selection_options
@click.option("--reason", required=True, callback=checked_reason, metavar="TEXT", help="Why.")
@click.option(
    "--confidence", type=float, default=1.0, show_default=True, metavar="C", help="Recorded; it never confirms."
)
@place_options
def forget(
    place: Place,
    *,
    target: TargetOptions,
    many: SelectionOptions,
    confirmation: ConfirmationOptions,
    reason: str,
    confidence: float,
) -> Outcome:
    """Destroy the key of what a memory says, so that nobody can read it again.

    Works on what was recorded with --forgettable. The event stays in the log and verifies; its text is gone from it and
    from everything that is derived from it. This cannot be undone.

    \b
    Example:
      zaxy append note.made --actor ann --payload '{"content": "Bob is ill"}' --forgettable
      zaxy memory forget --citation eventloom://default/events/5 --reason "Bob asked" --dry-run
      zaxy memory forget --citation eventloom://default/events/5 --reason "Bob asked" --yes
    """
    file = None if confirmation.receipt is None else output_file(confirmation.receipt)
    wanted = Wanted(target, many.query, many.actor, many.before, many.by)
    with opened(place, must_exist=True) as opened_memory:
        plan = wanted.plan(opened_memory)
        if confirmation.dry_run:
            return _show_plan(place, plan)
        _require_items(plan)
        if not confirmation.yes and not _confirmed(plan):
            say("Nothing was forgotten.")
            return 1
        receipt = opened_memory.forgetting.forget(
            plan,
            reason=reason,
            actor=wanted.forgetter,
            confirmed=True,
            confidence=confidence,
            origin=origin_of(None),
            rotate=confirmation.rotate,
        )
        gate = opened_memory.loom.resolve(parse_citation(receipt.gate))
    if file is not None:
        _keep(receipt, file)
    if place.as_json:
        from zaxy.interfaces.serialize import forgotten_json

        say_json(forgotten_json(receipt, gate))
        return None
    _show_receipt(receipt)
    return None


def _require_items(plan: Plan) -> None:
    if plan.items:
        return
    if not plan.unsealed:
        raise NotFoundError("nothing that is still readable is selected", remedy="look for it: zaxy query TEXT")
    first = plan.unsealed[0]
    rest = f"; and {len(plan.unsealed) - 1:,} more" if len(plan.unsealed) > 1 else ""
    raise InvalidInputError(f"{first.citation} cannot be forgotten: it {first.reason}{rest}", remedy=first.remedy)


def _confirmed(plan: Plan) -> bool:
    if not at_terminal():
        raise InvalidInputError(
            "forgetting cannot be undone, and there is no terminal to ask for a confirmation",
            remedy="look with --dry-run, then confirm with --yes",
        )
    _say_plan(plan)
    return click.confirm(f"Forget {counted(len(plan.items), 'memory')} for good?".replace("memorys", "memories"))


def _show_plan(place: Place, plan: Plan) -> Outcome:
    if place.as_json:
        say_json(plan)
        return None
    _say_plan(plan)
    return None


def _say_plan(plan: Plan) -> None:
    say(f"Would be forgotten: {len(plan.items):,}")
    for item in plan.items[:_ITEMS_SHOWN]:
        say(f"  {item.citation}")
    if len(plan.items) > _ITEMS_SHOWN:
        say(f"  … and {len(plan.items) - _ITEMS_SHOWN:,} more; --json lists all of them")
    for kept in plan.unsealed[:_ITEMS_SHOWN]:
        tell(f"stays: {kept.citation} {one_line(kept.reason)}")
        if kept.remedy:
            tell(f"  next: {one_line(kept.remedy)}")


def _keep(receipt: Receipt, file: Path) -> None:
    if not receipt.note:
        tell("warning: there is no key to sign the receipt with; it is not written (make one: zaxy init)")
        return
    write_new(file, receipt.note.encode("utf-8"))


def _show_receipt(receipt: Receipt) -> None:
    say(f"Forgotten: {len(receipt.memories):,}, {receipt.erased_at}")
    for forgotten in receipt.memories[:_ITEMS_SHOWN]:
        say(f"  {forgotten.target.citation}, recorded as {forgotten.event}")
        for also in forgotten.also:
            say(f"    with it: {also.citation} ({also.role})")
    say(f"Keys destroyed: {len(receipt.key_ids):,}")
    say(f"Stores cleaned: {', '.join(store.name for store in receipt.stores) or 'none held anything'}")
    for kept in receipt.kept:
        say(f"Kept: {kept.citation} {one_line(kept.reason)}")
        if kept.remedy:
            say(f"  next: {one_line(kept.remedy)}")
    for place in receipt.unreachable:
        say(f"Out of reach: {one_line(place)}")
    say(f"Receipt: {receipt.receipt_id}")
    if receipt.note:
        say()
        say(receipt.note.rstrip("\n"))


@click.command("check-receipt")
@click.argument("file", metavar="FILE")
@public_key_option
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def check(file: str, *, public_key: tuple[str, ...], as_json: bool) -> Outcome:
    """Check the receipt of a forgetting. Needs no memory, only the receipt and the public key of who signed it.

    \b
    Example:
      zaxy append note.made --actor ann --payload '{"content": "Bob is ill"}' --forgettable
      zaxy memory forget --citation eventloom://default/events/5 --reason "Bob asked" --yes --receipt bob.receipt
      zaxy memory check-receipt bob.receipt --public-key "$(zaxy log key show --public)"
    """
    from zaxy.services.governance.forgetting_receipt import check_receipt

    if len(public_key) != 1:
        raise InvalidInputError("a receipt is checked with one key", remedy="name it with --public-key KEY")
    try:
        receipt = check_receipt(_read(file), public_key[0])
    except BadProofError as error:
        raise BadProofError(
            f"{file}: {error.message}", remedy=error.remedy or "name a receipt that zaxy memory forget wrote"
        ) from error
    if as_json:
        say_json({"ok": True, "receipt": receipt.as_json()})
        return None
    say(f"The receipt holds: {counted(len(receipt.memories), 'forgotten event')}, {receipt.erased_at}")
    for forgotten in receipt.memories[:_ITEMS_SHOWN]:
        say(f"  {one_line(forgotten.target.citation)}")
    say(f"  by {one_line(receipt.actor)}: {one_line(receipt.reason)}")
    return None


def _read(file: str) -> bytes:
    try:
        with Path(file).open("rb") as stream:
            data = stream.read(_LARGEST_RECEIPT_BYTES + 1)
    except (OSError, ValueError) as error:
        told = error.strerror if isinstance(error, OSError) else "this is no path"
        raise NotFoundError(f"{file} cannot be read: {told}", remedy="name a readable file") from error
    if len(data) > _LARGEST_RECEIPT_BYTES:
        raise InvalidInputError(f"{file} is too long to be one", remedy="name another file")
    return data
