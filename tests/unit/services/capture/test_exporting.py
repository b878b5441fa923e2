"""An export holds every record as it was sealed, and taking it in again gives the same memory."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path
from typing import Any

import pytest

from zaxy.config import Settings
from zaxy.errors import InvalidInputError, NotAuthorizedError
from zaxy.eventloom.adopting import Adoption
from zaxy.eventloom.canonical import canonical, stored
from zaxy.eventloom.event import Draft
from zaxy.eventloom.origin import Origin, SourceClass
from zaxy.ids import parse_citation
from zaxy.memory import Memory
from zaxy.services.capture.exporting import FORMATS, export_loom
from zaxy.services.capture.importers.zaxy_export import ingest_export
from zaxy.services.recall.question import Filters

HOSTILE = '--> <script>alert(1)</script> `x` \\u003e <!-- zaxy {"zaxy":"end"} -->\n# no heading\n[a](b)'


def settings(folder: Path) -> Settings:
    return Settings(eventloom_path=folder / "loom", state_path=folder / "state")


def filled(folder: Path) -> Memory:
    memory = Memory(settings(folder))
    said = [
        Draft("transcript.turn", "ann", {"content": f"the parser fails {number} times", "occurred_at": time})
        for number, time in enumerate(("2024-01-01T10:00:00Z", "2024-02-01T10:00:00Z", "2024-03-01T10:00:00Z"))
    ]
    wrong = memory.loom.commit("work", said)[1].event
    memory.loom.rotate("work")
    memory.loom.commit("work", [Draft("goal.created", "bob", {"title": "Ship the parser", "ratio": 0.1}, "notes:1")])
    memory.loom.append("other.one", "note.taken", "ann", {"content": HOSTILE})
    ended = memory.loom.append("other.one", "decision.made", "ann", {"content": "use tabs in the parser"})
    memory.invalidation.invalidate(session_id="work", actor="ann", citations=[ended.citation], reason="blanks it is")
    memory.corrections.edit(wrong, "the parser fails often", reason="counted again", actor="ann")
    return memory


def answers(memory: Memory) -> list[Any]:
    known = Filters(known_at="2024-06-01T00:00:00Z")
    asked = [("parser", Filters()), ("parser", Filters(history=True)), ("tabs", Filters(history=True)), ("goal", known)]
    return [
        (
            hit.citation,
            hit.content,
            hit.occurred_at,
            hit.recorded_at,
            hit.actor,
            hit.score,
            dict(hit.metadata),
        )
        for question, filters in asked
        for hit in memory.recall.query(question, filters, limit=20)
    ]


@pytest.mark.parametrize("layout", FORMATS)
def test_an_import_of_an_export_gives_the_same_memory(tmp_path: Path, layout: str) -> None:
    path = tmp_path / "memory.export"
    with filled(tmp_path / "a") as memory:
        written = export_loom(memory.loom, path, layout=layout)
        raw = {name: list(memory.loom.log(name).replay()) for name in memory.loom.sessions()}
        before = answers(memory)
    assert before
    assert (written.events, written.sessions) == (sum(map(len, raw.values())), 2)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with Memory(settings(tmp_path / "b")) as memory:
        result = ingest_export(path, memory.loom, memory.sink)
        assert (result.recorded.added, result.finding_count) == (written.events, 0)
        again = ingest_export(path, memory.loom, memory.sink)
        assert (again.recorded.added, again.recorded.known) == (0, written.events)
        assert {name: list(memory.loom.log(name).replay()) for name in raw} == raw
        assert answers(memory) == before
        assert memory.loom.resolve(parse_citation(before[0][0])).citation == before[0][0]
        assert memory.loom.append("work", "note.taken", "ann").seq == len(raw["work"]) + 1
        assert memory.loom.log("work").verify().ok


def test_a_loom_that_held_other_sessions_is_told_what_was_imported(tmp_path: Path) -> None:
    with filled(tmp_path / "a") as memory:
        written = export_loom(memory.loom, tmp_path / "out")
    with Memory(settings(tmp_path / "b")) as memory:
        memory.loom.append("mine", "note.taken", "eve", {"content": "mine"})
        ingest_export(tmp_path / "out", memory.loom, memory.sink, is_trusted=True)
        ingest_export(tmp_path / "out", memory.loom, memory.sink, is_trusted=True)
        (note,) = [name for name in memory.loom.sessions() if name.startswith("imports-")]
        (told,) = memory.loom.log(note).replay()
        assert (told.event_type, told.payload["events"]) == ("memory.imported", written.events)


def test_nothing_is_added_to_a_loom_that_holds_events_unless_the_export_is_trusted(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with filled(tmp_path / "a") as memory:
        forged = {"target": {"session_id": "mine", "seq": 1}, "reason": "x"}
        said = Origin(SourceClass.HUMAN, "cli", "ann")
        memory.loom.commit("evil", [Draft("memory.forgotten", "ann", forged, origin=said)])
        export_loom(memory.loom, path)
    with Memory(settings(tmp_path / "b")) as memory:
        memory.loom.append("mine", "note.taken", "eve", {"content": "mine"})
        before = {path: path.read_bytes() for path in memory.loom.path.glob("*.jsonl")}
        with pytest.raises(NotAuthorizedError, match="holds events"):
            ingest_export(path, memory.loom, memory.sink)
        assert {path: path.read_bytes() for path in memory.loom.path.glob("*.jsonl")} == before
        assert [hit.content for hit in memory.recall.query("mine", Filters())] == ["mine"]


def test_a_log_without_events_is_no_reason_to_refuse_an_export_and_an_archive_is(tmp_path: Path) -> None:
    with filled(tmp_path / "a") as memory:
        export_loom(memory.loom, tmp_path / "out")
    with Memory(settings(tmp_path / "b")) as memory:
        memory.loom.path.mkdir(parents=True)
        (memory.loom.path / "work.jsonl").touch()  # what a full disk leaves of the first try
        assert ingest_export(tmp_path / "out", memory.loom, memory.sink).recorded.added > 0
    with Memory(settings(tmp_path / "c")) as memory:
        memory.loom.append("mine", "note.taken", "eve", {"content": "mine"})
        memory.loom.rotate("mine")
        with pytest.raises(NotAuthorizedError):
            ingest_export(tmp_path / "out", memory.loom, memory.sink)


def test_what_was_imported_into_a_loom_with_a_key_cannot_be_cut_off_unseen(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with filled(tmp_path / "a") as memory:
        export_loom(memory.loom, path, sessions=["work"])
    with Memory(settings(tmp_path / "b")) as memory:
        memory.loom.ensure_key()
        ingest_export(path, memory.loom, memory.sink)
        assert memory.loom.verify().ok
        log = memory.loom.log("work").path
        log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-1]))
        assert not memory.loom.verify().ok


def test_markdown_shows_foreign_text_as_text(tmp_path: Path) -> None:
    path = tmp_path / "memory.md"
    with filled(tmp_path / "a") as memory:
        export_loom(memory.loom, path, layout="markdown")
    text = path.read_text()
    shown = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("<!-- zaxy "))
    assert "<" not in shown
    assert "> \\# no heading" in shown
    assert "> the parser fails 0 times" in shown
    comments = [line for line in text.splitlines() if line.startswith("<!-- zaxy ")]
    assert all(line.count("-->") == 1 and line.endswith(" -->") for line in comments)


def test_markdown_shows_a_time_that_is_none_as_text(tmp_path: Path) -> None:
    event: dict[str, Any] = {
        "id": "e1",
        "type": "note.taken",
        "actorId": "eve",
        "threadId": "work",
        "parentEventId": None,
    }
    event |= {"causedBy": [], "timestamp": "<script>\n# when", "payload": {"content": "a"}}
    digest = hashlib.sha256(canonical({"event": event, "previousHash": None})).hexdigest()
    line = stored({**event, "integrity": {"hash": f"sha256:{digest}", "previousHash": None}})
    with Memory(settings(tmp_path)) as memory:
        memory.loom.ensure_identity()
        memory.loom.log("work").path.write_text(f"{line}\n")
        export_loom(memory.loom, tmp_path / "out", layout="markdown")
    text = (tmp_path / "out").read_text()
    assert "\n### &lt;script&gt;\\# when · eve" in text


def test_a_session_that_went_on_here_is_kept_and_one_that_is_another_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "memory.jsonl"
    with filled(tmp_path / "a") as memory:
        export_loom(memory.loom, path)
    with Memory(settings(tmp_path / "b")) as memory:
        memory.loom.append("work", "note.taken", "eve", {"content": "mine"})
        result = ingest_export(path, memory.loom, memory.sink, is_trusted=True)
        assert "holds another event 1" in result.findings[0].reason
        assert [event.payload["content"] for event in memory.loom.log("work").replay()] == ["mine"]
        count = len(list(memory.loom.log("other.one").replay()))
        memory.loom.append("other.one", "note.taken", "eve", {"content": "later"})
        assert ingest_export(path, memory.loom, memory.sink).recorded.added == 0
        assert len(list(memory.loom.log("other.one").replay())) == count + 1


@pytest.mark.parametrize("layout", FORMATS)
def test_wherever_an_export_is_cut_its_sound_beginning_comes_in_and_the_whole_completes_it(
    tmp_path: Path, layout: str
) -> None:
    path, cut = tmp_path / "whole", tmp_path / "cut"
    with filled(tmp_path / "a") as memory:
        export_loom(memory.loom, path, layout=layout)
        raw = {name: list(memory.loom.log(name).replay()) for name in memory.loom.sessions()}
    data = path.read_bytes()
    with Memory(settings(tmp_path / "b")) as memory:
        for end in range(40, len(data) - 1, len(data) // 12):
            cut.write_bytes(data[:end])
            assert ingest_export(cut, memory.loom, memory.sink, is_trusted=True).finding_count > 0, end
        assert ingest_export(path, memory.loom, memory.sink, is_trusted=True).finding_count == 0
        assert {name: list(memory.loom.log(name).replay()) for name in raw} == raw


def test_a_changed_missing_or_foreign_record_is_not_taken(tmp_path: Path) -> None:
    path, changed = tmp_path / "whole", tmp_path / "changed"
    with filled(tmp_path / "a") as memory:
        export_loom(memory.loom, path, sessions=["work"])
    lines = path.read_bytes().splitlines(keepends=True)
    header, begin, *records, end, last = lines
    cases = {
        "hash that it names": [header, begin, *records[:2], records[2].replace(b"fails 2", b"fails 3"), end, last],
        "does not name the hash": [header, begin, records[0], *records[2:], end, last],
        "begin with event 2": [header, begin, *records[1:], end, last],
        "records are missing": [header, begin, *records[:-1], end, last],
        "belongs to session": [header, begin.replace(b"work", b"play"), *records, end, last],
        "is not valid": [header, begin.replace(b"work", b"../x"), *records, end, last],
        "the export is cut": [header, begin, *records, end],
        "not understood": [header, begin, *records, end, b'{"zaxy":"new"}\n', last],
    }
    for number, (reason, told) in enumerate(cases.items()):
        changed.write_bytes(b"".join(told))
        with Memory(settings(tmp_path / f"case{number}")) as memory:
            result = ingest_export(changed, memory.loom, memory.sink)
            assert any(reason in finding.reason for finding in result.findings), (reason, result.findings)
            assert all(memory.loom.log(name).verify().ok for name in memory.loom.sessions())
            assert not (tmp_path / "x.jsonl").exists()


def test_two_imports_at_once_take_each_record_once(tmp_path: Path) -> None:
    with filled(tmp_path / "a") as memory:
        lines = [line for stretch in memory.loom.log("work").reader.stretches(list) for line in stretch.hashes]
    with Memory(settings(tmp_path / "b")) as memory:
        one, other = Adoption(memory.loom.log("work")), Adoption(memory.loom.log("work"))
        for line in lines:
            one.add(line)
        for line in lines[:3]:
            other.add(line)
        other.finish()
        one.finish()
        assert (one.added, one.known, other.added) == (len(lines) - 3, 3, 3)
        assert memory.loom.log("work").verify().total_events == len(lines)


def test_an_import_that_was_killed_while_it_wrote_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with filled(tmp_path / "a") as memory:
        export_loom(memory.loom, path, sessions=["work"])
        raw = list(memory.loom.log("work").replay())
    with Memory(settings(tmp_path / "b")) as memory:
        ingest_export(path, memory.loom, memory.sink)
        log = memory.loom.log("work").path
    torn = log.read_bytes()[:-100]
    log.write_bytes(torn)
    (tmp_path / "b" / "loom" / ".zaxy" / "index" / "work.1.idx").unlink()
    with Memory(settings(tmp_path / "b")) as memory:
        assert ingest_export(path, memory.loom, memory.sink, is_trusted=True).recorded.added == 1
        assert list(memory.loom.log("work").replay()) == raw


def test_a_file_that_is_no_export_is_refused_or_told(tmp_path: Path) -> None:
    with Memory(settings(tmp_path)) as memory:
        (tmp_path / "a.jsonl").write_text('{"speaker": "ann", "text": "hi"}\n')
        with pytest.raises(InvalidInputError, match="no export of Zaxy"):
            ingest_export(tmp_path / "a.jsonl", memory.loom, memory.sink)
        (tmp_path / "b.jsonl").write_bytes("hello".encode("utf-16"))
        assert "no export of Zaxy" in ingest_export(tmp_path / "b.jsonl", memory.loom, memory.sink).findings[0].reason
        with pytest.raises(InvalidInputError, match="folder"):
            ingest_export(tmp_path, memory.loom, memory.sink)


def test_a_damaged_log_is_exported_up_to_the_damage_and_that_is_told(tmp_path: Path) -> None:
    with filled(tmp_path / "a") as memory:
        path = memory.loom.log("other.one").path
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join([lines[0], lines[1].replace(b"tabs", b"tubs"), *lines[2:]]))
        written = export_loom(memory.loom, tmp_path / "out", sessions=["other.one"])
    assert written.events == 1
    assert "event 2" in written.damaged[0]


def test_an_export_goes_nowhere_else_and_never_into_the_loom(tmp_path: Path) -> None:
    with filled(tmp_path / "a") as memory:
        for output, more in (
            (memory.loom.path / "out.jsonl", {}),
            (tmp_path / "out", {"layout": "xml"}),
            (tmp_path / "out", {"sessions": ["gone"]}),
        ):
            with pytest.raises(InvalidInputError):
                export_loom(memory.loom, output, **more)
            assert not Path(output).exists()


def test_sealed_payloads_stay_sealed(tmp_path: Path) -> None:
    with Memory(settings(tmp_path / "a")) as memory:
        memory.loom.commit("work", [Draft("note.taken", "ann", {"content": "a canary sings"}, forgettable=True)])
        for layout in FORMATS:
            written = export_loom(memory.loom, tmp_path / layout, layout=layout)
            assert written.sealed == 1
            assert b"canary" not in (tmp_path / layout).read_bytes()
    with Memory(settings(tmp_path / "b")) as memory:
        result = ingest_export(tmp_path / "jsonl", memory.loom, memory.sink)
        assert (result.recorded.added, dict(result.ignored)) == (1, {"payload that only the loom it is from opens": 1})
