"""The memory as programs use it: asynchronous, typed, and seen by every later query."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import zaxy
from zaxy import Answer, Event, EventLog, Hit, MemoryFabric, Packet
from zaxy.errors import InvalidInputError, LogDamagedError, MissingDependencyError, NotFoundError
from zaxy.eventloom.origin import Origin, SourceClass
from zaxy.ids import parse_citation


@pytest.fixture(autouse=True)
def clean_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of the test's own, with none of the settings of whoever runs it."""
    monkeypatch.chdir(tmp_path)
    for name in ("EVENTLOOM_PATH", "EVENTLOOM_THREAD", "PROJECTION_BACKEND", "EMBEDDED_GRAPH_PATH", "EVENTLOOM_FSYNC"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


async def test_the_example_of_the_readme_works_as_it_is_written() -> None:
    async with MemoryFabric(eventloom_path=".eventloom") as memory:
        event = await memory.append(
            "transcript.turn",
            actor="Ann",
            payload={"content": "...", "occurred_at": "2023-05-08T13:56:00Z"},
            session_id="s1",
        )
        await memory.append_batch(
            [{"event_type": "goal.created", "actor": "ann", "payload": {"title": "Ship"}}], session_id="s1"
        )
        hits = await memory.query("when did Ann move?", session_id="s1", limit=10, as_of=None)
        packet = await memory.checkout("plan the release", session_id="s1", token_budget=2000)
    log = EventLog(".eventloom/s1.jsonl")
    assert log.append("goal.created", "ann", {"title": "Ship"}).seq == 3
    assert log.verify().ok
    assert isinstance(event, Event)
    assert isinstance(hits, Answer)
    assert isinstance(packet, Packet)
    hit = hits[0]
    assert isinstance(hit, Hit)
    assert (hit.citation, hit.session_id, hit.seq, hit.event_type) == (event.citation, "s1", 1, "transcript.turn")
    assert (hit.actor, hit.occurred_at, hit.recorded_at) == ("Ann", "2023-05-08T13:56:00Z", event.recorded_at)
    assert (hit.content, set(hit.scores), dict(hit.metadata)) == ("...", {"lexical"}, {"source": "agent"})
    assert hit.score > 0
    assert packet.text
    assert [fact.name for fact in packet.working_set] == ["Ship"]
    assert packet.quality.token_budget == 2_000
    assert packet.warnings == ()
    assert packet.evidence == ()


async def test_fifty_appends_at_once_are_all_recorded_and_seen() -> None:
    async with MemoryFabric(".eventloom") as memory:
        events = await asyncio.gather(
            *(memory.append("note.taken", "ann", {"content": f"llama {n}"}, session_id=f"s{n % 3}") for n in range(50))
        )
        assert all(event.durable for event in events)
        assert len({event.citation for event in events}) == 50
        answer = await memory.query("llama", limit=100)
        assert {hit.citation for hit in answer} == {event.citation for event in events}
        assert (await memory.status()).ok
        answers = await asyncio.gather(*(memory.query("llama", f"s{n % 3}", 100) for n in range(20)))
        assert [len(answer) for answer in answers] == [(17, 17, 16)[n % 3] for n in range(20)]


async def test_appends_and_queries_may_be_mixed() -> None:
    async with MemoryFabric(".eventloom") as memory:

        async def tell_and_ask(number: int) -> None:
            event = await memory.append("note.taken", "ann", {"content": f"word{number}x"})
            assert [hit.citation for hit in await memory.query(f"word{number}x")] == [event.citation]

        await asyncio.gather(*(tell_and_ask(number) for number in range(30)))


async def test_a_batch_is_recorded_whole_or_not_at_all() -> None:
    async with MemoryFabric(".eventloom") as memory:
        good = {"event_type": "note.taken", "actor": "ann", "payload": {"content": "llama"}}
        with pytest.raises(InvalidInputError):
            await memory.append_batch([good, {"event_type": "bad", "actor": "ann"}])
        with pytest.raises(InvalidInputError):
            await memory.append_batch([good, {"event_type": "note.taken"}])
        assert await memory.append_batch([]) == []
        assert (await memory.query("llama")).hits == ()
        assert [event.seq for event in await memory.append_batch([good, good])] == [1, 2]


async def test_a_key_is_recorded_once() -> None:
    async with MemoryFabric(".eventloom") as memory:
        first = await memory.append("note.taken", "ann", {"content": "llama"}, key="chat:1")
        again = await memory.append("note.taken", "ann", {"content": "alpaca"}, key="chat:1")
        assert again.citation == first.citation
        assert len(await memory.query("llama alpaca")) == 1


async def test_a_session_that_is_not_named_is_the_one_that_was_set() -> None:
    async with MemoryFabric(".eventloom", session_id="mine") as memory:
        assert (await memory.append("note.taken", "ann", {"content": "llama"})).session_id == "mine"
        assert (await memory.append("note.taken", "ann", {"content": "llama"}, session_id="b")).session_id == "b"
        assert len(await memory.query("llama")) == 2
        assert len(await memory.query("llama", ["mine"])) == 1
        assert [event.session_id for event in await memory.replay()] == ["mine"]
    async with MemoryFabric(".eventloom") as memory:
        assert (await memory.append("note.taken", "ann")).session_id == "default"
        for bad in ("..", "a/b", "", ".x"):
            with pytest.raises(InvalidInputError):
                await memory.append("note.taken", "ann", session_id=bad)


async def test_filters_are_named_as_in_questions_and_others_are_refused() -> None:
    async with MemoryFabric(".eventloom") as memory:
        await memory.append("goal.created", "ann", {"title": "llama"})
        await memory.append("note.taken", "bob", {"content": "llama"})
        assert len(await memory.query("llama", event_types="goal.*")) == 1
        assert len(await memory.query("llama", actors="bob", occurred_from="2020-01-01")) == 1
        assert len(await memory.query("llama", known_at="2020-01-01")) == 0
        assert (await memory.checkout("llama", actors="bob")).evidence[0].actor == "bob"
        with pytest.raises(TypeError):
            await memory.query("llama", colour="red")


def replace_text(path: Path, old: bytes, new: bytes) -> None:
    path.write_bytes(path.read_bytes().replace(old, new))


async def test_replay_gives_events_in_order_and_says_what_is_wrong() -> None:
    async with MemoryFabric(".eventloom") as memory:
        for number in range(5):
            await memory.append("note.taken", "ann", {"content": f"llama {number}"}, session_id="s")
        assert [event.seq for event in await memory.replay("s", from_seq=2, to_seq=4)] == [2, 3, 4]
        with pytest.raises(NotFoundError):
            await memory.replay("nobody")
        with pytest.raises(InvalidInputError):
            await memory.replay("s", from_seq=0)
    replace_text(Path(".eventloom/s.jsonl"), b"llama 3", b"llama 9")
    async with MemoryFabric(".eventloom") as memory:
        with pytest.raises(LogDamagedError):
            await memory.replay("s")
        assert not (await memory.status()).ok


async def test_invalidation_and_reprojection_are_beside_them() -> None:
    async with MemoryFabric(".eventloom") as memory:
        await memory.append("transcript.turn", "ann", {"content": "kept"})
        goal = await memory.append("goal.created", "ann", {"title": "llama"})
        note = await memory.append("note.taken", "ann", {"content": "llama"})
        done = await memory.invalidate(citations=[note.citation], reason="wrong", actor="bob", session_id="b")
        assert (done.event.session_id, done.event.actor) == ("b", "bob")
        assert [hit.citation for hit in await memory.query("llama")] == [goal.citation]
        await memory.invalidate(entity=("goal", "llama"))
        assert len(await memory.query("llama")) == 0
        taken: list[int] = []
        assert await memory.reproject(lambda count, total: taken.append(count)) == 7
        assert taken[-1] == 7
        assert [hit.scores for hit in await memory.query("kept")] == [{"lexical": 1.0}]
        assert {status.state for status in await memory.projection_status()} == {"current"}
        assert len(await memory.query("llama")) == 0
        assert len(await memory.query("llama", housekeeping=True)) > 0


async def test_a_fabric_that_was_closed_loses_nothing_and_can_be_closed_again() -> None:
    memory = MemoryFabric(".eventloom")
    await memory.append("note.taken", "ann", {"content": "llama"})
    await memory.close()
    await memory.close()
    late = await memory.append("note.taken", "ann", {"content": "llama"})
    assert late.seq == 2
    assert len(await memory.query("llama")) == 2
    await memory.close()
    async with MemoryFabric(".eventloom") as again:
        assert len(await again.query("llama")) == 2


async def test_two_fabrics_on_one_loom_see_each_others_events() -> None:
    async with MemoryFabric(".eventloom") as one, MemoryFabric(".eventloom") as two:
        for number in range(10):
            teller, asker = (one, two) if number % 2 else (two, one)
            await teller.append("note.taken", "ann", {"content": f"llama {number}"}, session_id=f"s{number % 3}")
            assert len(await asker.query("llama", limit=100)) == number + 1
            if number % 4 == 0:
                await teller.catch_up()
        seqs = await asyncio.gather(
            *((one, two)[n % 2].append("note.taken", "ann", {"content": "alpaca"}, session_id="s") for n in range(20))
        )
        assert sorted(event.seq for event in seqs) == list(range(1, 21))
        assert len(await one.query("alpaca", limit=100)) == len(await two.query("alpaca", limit=100)) == 20


async def test_a_long_tail_is_written_into_the_stores_when_the_fabric_closes() -> None:
    async with MemoryFabric(".eventloom") as memory:
        item = {"event_type": "note.taken", "actor": "ann", "payload": {"content": "llama"}}
        memory.memory.loom.log("s").append_many([item] * 300)
        assert len(await memory.query("llama", limit=1_000)) == 300
    async with MemoryFabric(".eventloom") as again:
        assert {status.lag_events for status in await again.projection_status()} == {0}


def test_settings_that_cannot_be_used_are_refused_before_anything_is_made() -> None:
    with pytest.raises(InvalidInputError):
        MemoryFabric(" ")
    with pytest.raises(InvalidInputError):
        MemoryFabric(session_id="../x")
    with pytest.raises(InvalidInputError):
        MemoryFabric(projection_backend="sqlite")
    with pytest.raises(MissingDependencyError):
        MemoryFabric(projection_backend="neo4j")
    Path("file").write_text("", encoding="utf-8")
    with pytest.raises(InvalidInputError, match="not a folder"):
        MemoryFabric("file")
    assert not Path(".eventloom").exists()


def test_the_public_names_are_there_and_no_others() -> None:
    assert all(getattr(zaxy, name) is not None for name in zaxy.__all__)
    with pytest.raises(AttributeError):
        zaxy.Nothing  # noqa: B018  # the look-up itself is what is tested


async def test_an_invalidation_and_a_forgetting_say_where_they_come_from() -> None:
    async with MemoryFabric(".eventloom") as memory:
        said = await memory.append("note.taken", "ann", {"content": "llama"}, forgettable=True)
        ended = await memory.invalidate(citations=[said.citation], source="human")
        receipt = await memory.verified_forget(citation=said.citation, reason="asked")
        forgotten = memory.memory.loom.resolve(parse_citation(receipt.memories[0].event))
    told = [Origin.told(event.payload) for event in (said, ended.event, forgotten)]
    assert [(one.source, one.via) for one in told if one is not None] == [
        (SourceClass.AGENT, "python"),
        (SourceClass.HUMAN, "python"),
        (SourceClass.AGENT, "python"),
    ]


async def test_an_edit_goes_along_with_what_it_was_made_from() -> None:
    async with MemoryFabric(".eventloom") as memory:
        source = await memory.append("note.taken", "ann", {"content": "a secret llama"}, forgettable=True)
        said = await memory.append("note.taken", "ann", {"content": "an alpaca"})
        done = await memory.edit_memory(
            citation=said.citation, new_content="a llama", reason="wrong", derives_from=(source.citation,)
        )
        plan = await memory.forget_plan(citations=[source.citation])
    assert done.event is not None
    assert [planned.event.ref for planned in plan.items[0].events] == [source.ref, done.event.ref]
