"""Correcting a memory: what answers show from then on, and what is refused."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from governed_memory import AGENT, HUMAN, STRANGER, GovernedMemory

from zaxy import MemoryFabric
from zaxy.errors import ForgottenError, InvalidInputError, NotFoundError
from zaxy.eventloom.event import SOURCE_KEY, Event
from zaxy.eventloom.origin import Origin, SourceClass
from zaxy.eventloom.vault.opening import Opener
from zaxy.ids import EventRef
from zaxy.services.governance.attribution import refuse_governed, refuse_governed_key
from zaxy.services.recall.question import Filters
from zaxy.vocabulary.governed import GATE_EVALUATED
from zaxy.vocabulary.reading import SEALED, VIEW_KEY, EventReader


def test_every_answer_shows_the_corrected_text_alone_and_cites_both(governed: GovernedMemory) -> None:
    said = governed.say("the parser ships in May")
    done = governed.edit(said, "the parser ships in June")
    assert done.event is not None
    assert done.target == said
    (hit,) = governed.memory.recall.query("parser ships May June", Filters())
    assert (hit.citation, hit.content, hit.actor) == (done.event.citation, "the parser ships in June", "ann")
    assert hit.metadata["corrects"] == [said.citation]
    assert hit.occurred_at == said.occurred_at
    assert governed.loom.verify().ok


def test_what_was_known_before_a_correction_is_the_old_text(governed: GovernedMemory) -> None:
    said = governed.say("the parser ships in May")
    before = governed.time
    governed.edit(said, "the parser ships in June")
    assert governed.found("parser ships", known_at=before) == ["the parser ships in May"]
    assert governed.found("parser ships") == ["the parser ships in June"]
    governed.memory.catchup.catch_up()
    assert governed.found("parser ships", known_at=before) == ["the parser ships in May"]


def test_a_correction_of_a_correction_is_about_the_first_event_and_takes_its_place(governed: GovernedMemory) -> None:
    said = governed.say("ships in May")
    first = governed.corrected(said, "ships in June")
    second = governed.corrected(first, "ships in July")
    assert second.payload["target"] == {"session_id": "work", "seq": said.seq, "hash": said.hash[len("sha256:") :]}
    assert second.payload["supersedes"] == [first.citation]
    assert governed.found("ships") == ["ships in July"]


def test_the_members_of_a_preference_keep_what_earlier_corrections_said(governed: GovernedMemory) -> None:
    said = governed.put("user.preference_changed", {"user": "ann", "key": "editor", "value": "vim"})
    governed.edit(said, "value: emacs")
    governed.edit(said, "key: tool")
    assert governed.found("ann preference") == ["user: ann\nkey: tool\nvalue: emacs"]


def test_a_correction_says_when_it_cannot_pass_and_waits(tmp_path: Path) -> None:
    governed = GovernedMemory(tmp_path, autonomy_default="require_review")
    said = governed.say("ships in May")
    done = governed.edit(said, "ships in June", origin=AGENT)
    assert done.event is None
    assert done.proposal is not None
    assert not done.gate.decision.auto_apply
    assert done.gate.event.event_type == GATE_EVALUATED
    assert governed.found("ships") == ["ships in May"]
    by_hand = governed.edit(said, "ships in July", origin=HUMAN)
    assert by_hand.event is not None, "a person's own edit is its own review"
    governed.memory.close()


def test_the_edit_of_an_agent_that_is_not_sure_waits(governed: GovernedMemory) -> None:
    said = governed.say("ships in May")
    assert governed.edit(said, "ships in June", origin=AGENT, confidence=0.84).event is None
    assert governed.edit(said, "ships in June", origin=AGENT, confidence=0.85).event is not None


def test_the_edit_of_an_untrusted_source_waits_however_sure_it_is(governed: GovernedMemory) -> None:
    said = governed.say("ships in May")
    done = governed.edit(said, "ships in June", origin=STRANGER)
    assert done.event is None
    assert done.proposal is not None
    assert "untrusted" in done.gate.decision.reason


def test_the_same_edit_again_gives_the_same_event_and_writes_nothing(governed: GovernedMemory) -> None:
    said = governed.say("ships in May")
    first = governed.edit(said, "ships in June")
    written = governed.last_seq()
    again = governed.edit(said, "ships in June")
    assert again.event is not None
    assert first.event is not None
    assert again.event.hash == first.event.hash
    assert again.gate.decision == first.gate.decision
    assert governed.last_seq() == written


def test_the_same_text_after_a_rollback_is_another_correction(governed: GovernedMemory) -> None:
    said = governed.say("ships in May")
    first = governed.corrected(said, "ships in June")
    governed.rolled_back(first)
    second = governed.corrected(said, "ships in June")
    assert second.ref != first.ref
    assert governed.found("ships") == ["ships in June"]


@pytest.mark.parametrize("text", ["", "  \n ", "ships in May", " ships in May\n"])
def test_an_edit_that_says_nothing_new_is_refused(governed: GovernedMemory, text: str) -> None:
    said = governed.say("ships in May")
    with pytest.raises(InvalidInputError):
        governed.edit(said, text)
    assert governed.last_seq() == said.seq


def test_an_edit_without_a_reason_is_refused(governed: GovernedMemory) -> None:
    said = governed.say("ships in May")
    with pytest.raises(InvalidInputError, match="reason"):
        governed.edit(said, "ships in June", reason=" ")
    assert governed.last_seq() == said.seq


def test_an_edit_of_the_memorys_own_bookkeeping_is_refused_and_says_what_to_do(governed: GovernedMemory) -> None:
    said = governed.say("ships in May")
    done = governed.edit(said, "ships in June")
    written = governed.last_seq()
    with pytest.raises(InvalidInputError, match="rollback"):
        governed.edit(done.gate.event, "something else")
    assert governed.last_seq() == written


def test_a_memory_that_was_ended_is_not_brought_back_by_new_words(governed: GovernedMemory) -> None:
    said = governed.put("user.preference_changed", {"user": "ann", "key": "editor", "value": "vim"})
    ended = governed.memory.invalidation.invalidate(session_id="work", actor="ann", citations=[said.citation])
    with pytest.raises(InvalidInputError, match=ended.event.citation):
        governed.edit(said, "value: emacs")


def test_ending_a_corrected_memory_ends_it_whichever_of_its_events_is_named(governed: GovernedMemory) -> None:
    said = governed.say("ships in May")
    correction = governed.corrected(said, "ships in June")
    governed.memory.invalidation.invalidate(session_id="work", actor="ann", citations=[said.citation])
    assert governed.found("ships") == []
    governed.rolled_back(correction)
    assert governed.found("ships") == [], "the first words do not come back"


def test_correcting_an_old_value_does_not_make_it_current_again(governed: GovernedMemory) -> None:
    old = governed.put("user.preference_changed", {"user": "ann", "key": "editor", "value": "vim"}, origin=AGENT)
    governed.put("user.preference_changed", {"user": "ann", "key": "editor", "value": "emacs"}, origin=AGENT)
    governed.corrected(old, "value: neovim", origin=HUMAN)
    assert governed.found("ann editor") == ["user: ann\nkey: editor\nvalue: emacs"]


def test_the_correction_of_a_forgettable_memory_is_sealed_too(governed: GovernedMemory) -> None:
    said = governed.say("the canary ships in May", forgettable=True)
    done = governed.corrected(said, "the canary ships in June")
    assert "canary" not in (governed.settings.eventloom_path / "work.jsonl").read_text()
    assert governed.found("canary") == ["the canary ships in June"]
    again = governed.corrected(said, "the canary ships in July")
    assert governed.found("canary") == ["the canary ships in July"]
    governed.rolled_back(again)
    assert governed.found("canary") == ["the canary ships in June"]
    assert governed.memory.reader.root(done) == said.ref


def test_a_forgotten_memory_is_not_edited(governed: GovernedMemory) -> None:
    governed.loom.ensure_key()
    said = governed.say("the canary ships in May", forgettable=True)
    done = governed.corrected(said, "the canary ships in June")
    forgetting = governed.memory.forgetting
    forgetting.forget(forgetting.plan(targets=[said]), reason="asked to", confirmed=True)
    written = governed.last_seq()
    for event in (said, done):
        with pytest.raises(ForgottenError):
            governed.edit(event, "something else")
    with pytest.raises(ForgottenError):
        governed.roll_back(done)
    assert governed.last_seq() == written


def test_a_correction_whose_target_has_another_hash_has_no_effect(governed: GovernedMemory) -> None:
    said = governed.say("ships in May")
    target = {"session_id": "work", "seq": said.seq, "hash": "0" * 64}
    forged = governed.put("memory.corrected", {"target": target, "content": "ships never", "reason": "spite"})
    assert governed.found("ships") == ["ships in May"]
    assert VIEW_KEY not in governed.memory.reader.view(forged).payload


EDITOR = """
import sys
from pathlib import Path
from zaxy.config import EmbeddingSettings, Settings
from zaxy.ids import EventRef
from zaxy.memory import Memory

words_alone = EmbeddingSettings(enabled=False)
settings = Settings(eventloom_path=Path(sys.argv[1]), state_path=Path(sys.argv[2]), embedding=words_alone)
with Memory(settings) as memory:
    said = memory.loom.read(EventRef("work", 1))
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(3):
        memory.corrections.edit(said, f"{sys.argv[3]} says {number}", reason="race")
"""


def test_of_two_processes_that_edit_at_once_one_supersedes_the_other(governed: GovernedMemory) -> None:
    governed.say("nobody says anything")
    loom, state = governed.settings.eventloom_path, governed.settings.state_path
    editors = [
        subprocess.Popen(
            [sys.executable, "-c", EDITOR, str(loom), str(state), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("ann", "bob")
    ]
    for editor in editors:
        assert editor.stdout is not None
        assert editor.stdout.readline() == "ready\n"
    for editor in editors:
        assert editor.stdin is not None
        editor.stdin.write("go\n")
        editor.stdin.flush()
    for editor in editors:
        editor.communicate(timeout=120)
        assert editor.returncode == 0
    corrections = [event for event in governed.loom.log("work").replay() if event.event_type == "memory.corrected"]
    assert len(corrections) == 6
    superseded = [event.payload["supersedes"] for event in corrections]
    cited = [event.citation for event in corrections]
    assert superseded == [cited[:number][::-1] for number in range(len(cited))]
    assert governed.found("says") == [content_of(corrections[-1])]


def content_of(event: Event) -> str:
    return str(event.payload["content"])


def test_a_correction_that_cannot_be_opened_ends_what_it_corrects_and_not_what_it_was_made_from(
    governed: GovernedMemory,
) -> None:
    said = governed.say("the canary ships in May", forgettable=True)
    first = governed.corrected(said, "the canary ships in June")
    source = governed.say("the llama moved to July")
    other = governed.corrected(source, "the llama moved to August")
    made_from = Origin(SourceClass.HUMAN, "cli", derives_from=(other.citation, source.citation, first.citation))
    second = governed.corrected(said, "the canary ships in August", origin=made_from)
    told = Origin.told(second.payload)
    assert told is not None
    assert told.derives_from == (said.citation, first.citation, other.citation, source.citation)
    read = governed.memory.reader.meaning(second)
    assert read.extraction.derived_from == (said.ref, first.ref, other.ref, source.ref)
    vault = governed.memory.opener.vault
    assert vault is not None
    shutil.rmtree(vault.path.parent)

    closed = EventReader(governed.loom.read, Opener(None).open)
    without = closed.meaning(second)

    assert without.event.payload["content"] == SEALED
    assert without.extraction.invalidations == read.extraction.invalidations
    assert {EventRef(one.session_id, one.seq) for one in without.extraction.invalidations} == {said.ref, first.ref}
    assert without.extraction.derived_from == read.extraction.derived_from
    assert closed.root(second) == said.ref


def test_an_agents_correction_made_from_what_is_untrusted_waits_and_a_persons_does_not(
    governed: GovernedMemory,
) -> None:
    page = governed.say("ships never, says a web page", origin=Origin(SourceClass.TOOL, "mcp"))
    said = governed.say("ships in May")
    done = governed.edit(said, "ships never", origin=replace(AGENT, derives_from=(page.citation,)))
    assert (done.event, done.gate.decision.requires_review) == (None, True)
    assert done.proposal is not None
    by_hand = governed.corrected(said, "ships never", origin=replace(HUMAN, derives_from=(page.citation,)))
    assert not governed.memory.reader.is_untrusted(by_hand)


def test_a_correction_inherits_the_label_of_what_it_was_made_from(governed: GovernedMemory) -> None:
    page = governed.say("ships never, says a web page", origin=Origin(SourceClass.TOOL, "mcp"))
    said = governed.say("ships in May")
    proposal = governed.edit(said, "ships never", origin=replace(AGENT, derives_from=(page.citation,))).proposal
    assert proposal is not None
    accept = governed.memory.reviews.decide
    (done,) = accept([proposal.citation], accept=True, reason="plausible", actor="robot", origin=AGENT)
    assert done.applied is not None
    assert governed.memory.reader.is_untrusted(done.applied)


def test_an_edit_made_from_what_does_not_exist_is_refused_and_writes_nothing(governed: GovernedMemory) -> None:
    said = governed.say("ships in May")
    with pytest.raises(NotFoundError):
        governed.edit(said, "ships in June", origin=replace(AGENT, derives_from=("eventloom://work/events/99",)))
    assert governed.last_seq() == said.seq


def test_a_corrected_list_holds_only_what_a_log_could_hold(governed: GovernedMemory) -> None:
    for told in ('["\\ud800"]', "[NaN]", "[1e999]", "[" * 900 + "]" * 900, "9" * 400):
        said = governed.put("thing.seen", {"title": "llama", "tags": ["x"]})
        correction = governed.corrected(said, f"tags: {told}")
        assert governed.memory.reader.view(correction).payload["tags"] == told
    assert len(governed.found("llama")) == 5
    assert governed.memory.catchup.catch_up()


def test_no_event_that_came_before_stands_in_for_a_change(governed: GovernedMemory) -> None:
    """A key that can be foretold would be taken first by whoever does not want the change."""
    said = governed.say("ships in May")
    web = governed.say("the port is 4242", origin=STRANGER)
    changed = [governed.corrected(said, "ships in June", origin=HUMAN)]
    changed.append(governed.rolled_back(changed[0], origin=HUMAN))
    reviews = governed.memory.reviews
    (endorsed,) = reviews.decide([web.citation], accept=True, reason="fits", actor="ann", origin=HUMAN)
    proposal = governed.edit(said, "ships in July", confidence=0.1).proposal
    assert proposal is not None
    (review,) = reviews.decide([proposal.citation], accept=False, reason="no", actor="ann", origin=HUMAN)
    changed += [endorsed.event, proposal, review.event]
    assert [event.payload.get(SOURCE_KEY) for event in changed] == [None] * 5
    assert len({event.event_type for event in changed}) == 5


@pytest.mark.parametrize("key", ["memory.corrected:correction:1", "evolution.gate:1", "zaxy-forget:1:2"])
def test_a_key_of_the_memorys_own_is_refused(key: str) -> None:
    with pytest.raises(InvalidInputError, match="begins like those of the memory's own"):
        refuse_governed_key(key)
    refuse_governed_key("notes:memory.corrected")
    refuse_governed_key(None)


async def test_the_fabric_records_no_event_under_a_key_of_the_memorys_own(tmp_path: Path) -> None:
    async with MemoryFabric(tmp_path / "loom", session_id="work") as fabric:
        with pytest.raises(InvalidInputError, match="begins like those of the memory's own"):
            await fabric.append("note.made", "robot", {}, key="memory.endorsed:1")
        with pytest.raises(InvalidInputError, match="begins like those of the memory's own"):
            await fabric.append_batch([{"event_type": "note.made", "actor": "robot", "key": "evolution.gate:1"}])
        with pytest.raises(InvalidInputError, match="change the memory"):
            await fabric.append("memory.invalidated", "robot", {"targets": ["eventloom://work/events/1"]})
        assert not (tmp_path / "loom" / "work.jsonl").exists()


@pytest.mark.parametrize("event_type", ["memory.reviewed.x", "memory.invalidated", "evolution.gate.evaluated.x.y"])
def test_what_changes_memories_and_longer_types_that_begin_so_are_refused(event_type: str) -> None:
    with pytest.raises(InvalidInputError, match="change the memory"):
        refuse_governed(event_type)
    refuse_governed("memory.reviewedness.x")
