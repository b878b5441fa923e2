"""A memory that changes answers with what is so: hundreds of made-up histories whose answers are worked out apart."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from update_histories import A_KIND, KINDS, histories
from update_operations import Edit, End, Forget, History, Operation, Question, RollBack, Say, Topic
from update_oracle import Oracle
from update_runs import Run

TEA = Topic("fact", "project Nobana", "tea")
BY_COMMAND = 2


def named(kind: str) -> dict[str, History]:
    return {f"{kind} {number} ({history.label})": history for number, history in enumerate(histories(kind))}


@pytest.mark.slow
@pytest.mark.parametrize("where", ["stores on disk", "memory"])
@pytest.mark.parametrize("kind", sorted(KINDS))
async def test_every_history_is_answered_as_worked_out(
    kind: str, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTLOOM_FSYNC", "off")
    on_disk = where != "memory"
    half = dict(list(named(kind).items())[on_disk * A_KIND // 2 : (on_disk + 1) * A_KIND // 2])
    run = Run(tmp_path / ".eventloom", random.Random(f"{kind} {where}"), on_disk=on_disk)

    await run.carry_out(half)
    await run.ask_all(half)
    await run.ask_for_forgotten(half)
    for number, (name, history) in enumerate(list(half.items())[:BY_COMMAND]):
        run.ask_by_command(name, history, history.questions[0], checkout=number % 2 == 1)
    if on_disk:
        await run.reproject()
        await run.ask_all(half)
    await run.close()

    wrong = [name for name, complaints in run.complaints.items() if complaints]
    print(f"{kind}, {where}: {len(half) - len(wrong)} of {len(half)} histories right, {run.asked} answers")
    print(*(f"{name}: {complaint}" for name in wrong for complaint in run.complaints[name]), sep="\n")
    assert wrong == []


@pytest.mark.slow
async def test_what_was_known_before_a_forgetting_is_neither_what_is_gone_nor_what_that_had_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTLOOM_FSYNC", "off")
    some = {name: before_forgetting(history) for name, history in list(named("deletion").items())[:14]}
    run = Run(tmp_path / ".eventloom", random.Random("known before"), on_disk=False)

    await run.carry_out(some)
    await run.ask_all(some)
    await run.close()

    wrong = [
        complaint for complaints in run.complaints.values() for complaint in complaints if "known None" not in complaint
    ]
    print(f"known before a forgetting: {run.asked} answers, {len(wrong)} wrong", *wrong, sep="\n")
    assert wrong == []


def before_forgetting(history: History) -> History:
    """Return a history that asks for what was known just before something was forgotten."""
    before = next(place for place, one in enumerate(history.operations) if isinstance(one, Forget))
    return replace(history, questions=(Question(history.questions[0].topic, known=before),))


@pytest.mark.parametrize("form", ["turn", "decision", "fact"])
async def test_a_correction_that_counts_again_does_not_stand_beside_a_later_one(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTLOOM_FSYNC", "off")
    topic = replace(TEA, form=form)
    again: list[Operation] = [Say("a", topic, "Greenish", 10), Edit("e", "a", "Mintish"), RollBack("r", "e")]
    again += [Edit("f", "a", "Sencha"), RollBack("s", "r")]
    history = History("rollback", "again", tuple(again), (Question(topic), Question(topic, known=4)))
    run = Run(tmp_path / ".eventloom", random.Random(0), on_disk=False)

    await run.carry_out({"again": history})
    await run.ask_all({"again": history})
    await run.close()

    assert run.complaints["again"] == []


async def test_an_answer_that_is_one_change_behind_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTLOOM_FSYNC", "off")
    history = next(history for history in histories("update") if history.label == "late news")
    said = [one for one in history.operations if isinstance(one, Say) and one.topic == history.questions[0].topic]
    newest = max(said, key=lambda say: say.day)
    behind = replace(history, operations=tuple(one for one in history.operations if one != newest))
    run = Run(tmp_path / ".eventloom", random.Random(0), on_disk=False)

    await run.carry_out({"behind": behind})
    run.complaints["behind"].clear()
    await run.ask("behind", history, Question(newest.topic), len(history.operations))
    await run.close()

    assert any(f"{newest.value} is not there" in complaint for complaint in run.complaints["behind"])
    assert any("is there" in complaint and "not there" not in complaint for complaint in run.complaints["behind"])


def test_there_are_enough_histories_of_each_kind_and_they_are_the_same_every_time() -> None:
    made = {kind: histories(kind) for kind in KINDS}
    assert all(len(each) >= 30 for each in made.values())
    assert sum(map(len, made.values())) >= 200
    assert made == {kind: histories(kind) for kind in KINDS}
    values = Counter(
        one.value
        for each in made.values()
        for history in each
        for one in history.operations
        if isinstance(one, Edit) or (isinstance(one, Say) and one.topic.form != "goal")
    )
    assert set(values.values()) == {1}


def test_most_questions_of_a_kind_have_something_to_show_and_something_to_hide() -> None:
    for kind in sorted(KINDS):
        expected = [Oracle(each.operations).expect(asked) for each in histories(kind) for asked in each.questions]
        shown = sum(bool(each.shown or each.status) for each in expected)
        hidden = sum(bool(each.hidden or each.stale or each.doubtful or each.status == "") for each in expected)
        print(f"{kind}: {len(expected)} questions, {shown} with an answer, {hidden} with what must not be in it")
        assert hidden >= 20 if kind != "update" else hidden >= 60
        assert shown >= 15


def test_the_oracle_takes_the_newest_word_of_the_most_trusted_source() -> None:
    said = [Say("a", TEA, "green", 10), Say("b", TEA, "black", 30), Say("c", TEA, "white", 20, source="human")]
    oracle = Oracle(said)
    assert set(oracle.expect(Question(TEA)).shown) == {"white"}
    assert set(oracle.expect(Question(TEA, known=2)).shown) == {"black"}
    assert set(oracle.expect(Question(TEA, as_of=15)).shown) == {"green"}
    assert oracle.expect(Question(TEA)).hidden == {"green", "black"}


def test_the_oracle_undoes_a_rollback_that_was_rolled_back() -> None:
    done: list[Operation] = [Say("a", TEA, "green", 10), Edit("e", "a", "mint"), RollBack("r", "e"), RollBack("s", "r")]
    shown = [set(Oracle(done[:count]).expect(Question(TEA)).shown) for count in range(1, 5)]
    assert shown == [{"green"}, {"mint"}, {"green"}, {"mint"}]
    assert set(Oracle(done).expect(Question(TEA, known=3)).shown) == {"green"}
    assert Oracle(done).expect(Question(TEA)).shown["mint"] == ("e", "a")


def test_the_oracle_brings_nothing_back_that_an_ended_or_forgotten_value_had_replaced() -> None:
    said = [Say("a", TEA, "green", 10), Say("b", TEA, "black", 30, forgettable=True)]
    for change in (End("e", "b", 40), Forget("f", "b")):
        oracle = Oracle([*said, change])
        assert oracle.expect(Question(TEA)).shown == {}
        assert set(oracle.expect(Question(TEA, as_of=20)).shown) == {"green"}
    assert "black" in Oracle([*said, Forget("f", "b")]).expect(Question(TEA, known=2)).hidden
    assert set(Oracle([*said, End("e", "b", 40)]).expect(Question(TEA, as_of=35)).shown) == {"black"}


def test_the_oracle_ends_what_was_made_from_a_value_two_levels_deep() -> None:
    milk, cups = Topic("fact", "project Nobana", "milk"), Topic("fact", "project Nobana", "cups")
    said = [
        Say("a", TEA, "green", 10),
        Say("b", milk, "none", 20, derives=("a",)),
        Say("c", cups, "small", 30, derives=("b",)),
    ]
    for change in (Say("n", TEA, "black", 40), Edit("e", "a", "mint"), End("x", "a", 40), Forget("f", "a")):
        oracle = Oracle([*said, change])
        assert oracle.expect(Question(cups)).stale == {"small"}
        assert oracle.expect(Question(milk)).stale == {"none"}
        assert set(oracle.expect(Question(cups, known=3)).shown) == {"small"}
    doubtful = Oracle([Say("a", TEA, "green", 10, untrusted=True), *said[1:]])
    assert doubtful.expect(Question(cups)).doubtful == {"small"}
