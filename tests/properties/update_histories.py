"""Made-up histories of a changing memory: what is said, corrected, taken back, ended and forgotten, and what is asked.

Everything is drawn with a seeded generator, so that the same number gives the same history on every machine. Values are
made-up words that stand in no other statement of any history, so that an answer that holds one can only mean it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from update_operations import SINGLE, TODAY, Edit, End, Forget, History, Operation, Question, RollBack, Say, Topic
from update_oracle import Oracle

A_KIND: Final = 32
"""How many histories there are of each kind."""

_WORDS_A_HISTORY: Final = 40
_SYLLABLES: Final = [first + second for first in "bdfgklmnprstvz" for second in "aeiou"]
_SESSIONS: Final = ("work", "home", "diary", "trip.2")
_FORMS: Final = ("preference", "fact", "policy", "turn", "decision")
_PEOPLE: Final = "Ines Tomas Priya Wanda Karim Joan Mateo Yuki Olga Samir Lena Hugo".split()
_ABOUT: Final = (
    "tea train dentist running-route paint backup-host landlord violin-teacher parking-bay archive-shelf lighthouse "
    "timetable bakery mooring orchard-gate storage-room printer choir-master greenhouse letterhead"
).split()


class Maker:
    """What the kinds are made with: chance, words that nobody else uses, and topics.

    Args:
        kind: Which kind of history.
        number: Which one of that kind, from 0 to `A_KIND` - 1.
    """

    def __init__(self, kind: str, number: int) -> None:
        self.chance = random.Random(f"{kind} {number}")
        self.number = number
        self._words = _words((sorted(KINDS).index(kind) * A_KIND + number) * _WORDS_A_HISTORY)

    def word(self) -> str:
        """Return a new word."""
        return next(self._words)

    def topic(self, form: str) -> Topic:
        """Return a new topic."""
        who = self.chance.choice(_PEOPLE) if form in ("preference", "turn") else "project"
        return Topic(form, f"{who} {self.word()}", self.chance.choice(_ABOUT))

    def days(self, count: int) -> list[int]:
        """Return different days, in order."""
        return sorted(self.chance.sample(range(50, TODAY - 400), count))

    def say(self, topic: Topic, day: int, **more: object) -> Say:
        """Return a statement with a new value and a name of its own, in any session."""
        word = self.word()
        said = Say(f"say {word}", topic, word, day, self.chance.choice(_SESSIONS))
        return replace(said, **more)  # type: ignore[arg-type]  # the members of Say, by name

    def others(self, topic: Topic, day: int) -> list[Operation]:
        """Return statements that share words with a topic and say something else."""
        elsewhere = replace(topic, about=self.chance.choice([about for about in _ABOUT if about != topic.about]))
        somebody = replace(topic, subject=f"{topic.subject.split()[0]} {self.word()}")
        said = [self.say(elsewhere, day + 3), self.say(somebody, day + 5)]
        return list(self.chance.sample(said, self.chance.randint(1, 2)))


def _words(first: int) -> Iterator[str]:
    """Yield made-up words; two numbers never give the same one."""
    for number in range(first, first + _WORDS_A_HISTORY):
        mixed, base = (number * 7_919 + 131_071) % 70**3, 70
        yield (_SYLLABLES[mixed // base**2] + _SYLLABLES[mixed // base % base] + _SYLLABLES[mixed % base]).capitalize()


def _told(make: Maker, label: str, operations: list[Operation], questions: list[Question]) -> History:
    return History("", label, tuple(operations), tuple(questions))


def update(make: Maker) -> History:
    """A value changes: the newest of the most trusted source is so, whatever order the news comes in."""
    variant = make.number % 4
    topic = make.topic("goal" if variant == 3 else make.chance.choice(sorted(SINGLE)))
    days = make.days(make.chance.randint(2, 4))
    if variant == 3:
        states = ["open", "in_progress", *make.chance.sample(["done", "cancelled"], 2)][: len(days)]
        said = [make.say(topic, day, value=state) for day, state in zip(days, states, strict=True)]
    else:
        said = [make.say(topic, day) for day in days]
    if variant == 1:  # somebody more trusted had said it before, and less trusted ones go on
        said = [replace(one, source=make.chance.choice(["import", "derived", "agent"])) for one in said]
        said[make.chance.randrange(len(said) - 1)] = make.say(topic, make.chance.choice(days[:-1]) + 1, source="human")
        said = list({one.day: one for one in said}.values())
    if variant == 2:
        said.append(make.say(topic, days[-1] + 40, source="tool"))
    make.chance.shuffle(said)
    operations: list[Operation] = [*said, *make.others(topic, days[0])]
    moments = [Question(topic, as_of=make.chance.choice(days)), Question(topic, as_of=days[-1] - 1)]
    if variant == 1:  # whoever corrects it, it stays the word of whom it is from
        first = next(one for one in said if one.source == "human")
        operations.append(Edit(f"edit {first.name}", first.name, make.word()))
        moments = [Question(topic, known=len(operations) - 1), *moments]
    label = ("late news", "trust", "a tool disagrees", "status")[variant]
    return _told(
        make, label, operations, [Question(topic), make.chance.choice(moments), Question(topic, known=len(said) - 1)]
    )


def cascade(make: Maker) -> History:
    """What was made from a value goes with it, two levels deep."""
    change = ("update", "correction", "invalidation", "forgetting", "rollback", "restored", "anew")[make.number % 7]
    source = make.topic(
        make.chance.choice(["preference", "fact", "turn"] if change != "update" else ["fact", "policy"])
    )
    first, second = make.topic("fact"), make.topic(make.chance.choice(["fact", "preference", "decision"]))
    days = make.days(4)
    sealed = change == "forgetting"
    said = make.say(source, days[0], forgettable=sealed)
    operations: list[Operation] = [said]
    base: Say | Edit = said
    if change == "rollback":
        base = Edit(f"edit {said.name}", said.name, make.word())
        operations.append(base)
    too = sealed and make.chance.random() < 0.5
    one = make.say(first, days[1], derives=(base.name,), source="derived", forgettable=too)
    two = make.say(second, days[2], derives=(one.name,), source="derived", forgettable=too)
    operations += [one, *make.others(source, days[0]), two]
    before = len(operations)
    operations += _change(make, change, said, base, days[3])
    if change == "anew":  # what is made from the corrected value holds
        edit = operations[-1].name
        operations.append(make.say(first, days[3], derives=(edit,), source="derived"))
    questions = [
        Question(first),
        Question(second),
        Question(source),
        Question(make.chance.choice([first, second]), known=before),
    ]
    if change in ("update", "invalidation"):
        questions.append(Question(second, as_of=days[3] - 1))
    return _told(make, change, operations, questions)


def _change(make: Maker, change: str, said: Say, base: Say | Edit, day: int) -> list[Operation]:
    """Return what makes a value no longer so."""
    if change == "update":
        return [make.say(said.topic, day)]
    if change == "invalidation":
        return [End(f"end {said.name}", said.name, day)]
    if change == "forgetting":
        return [Forget(f"forget {said.name}", said.name)]
    if change == "rollback":
        return [RollBack(f"back {base.name}", base.name)]
    edit = Edit(f"edit {said.name}", said.name, make.word())
    return [edit, RollBack(f"back {edit.name}", edit.name)] if change == "restored" else [edit]


def absence(make: Maker) -> History:
    """What was never said, was retracted, or nobody has vouched for is no fact."""
    variant = make.number % 6
    label = ("never said", "retracted", "ended", "not yet", "doubtful", "made from doubtful")[variant]
    topic = make.topic(make.chance.choice(sorted(SINGLE)))
    days = make.days(3)
    said = make.say(topic, days[0])
    operations: list[Operation] = [said]
    questions = [Question(topic)]
    if label == "never said":
        operations = [*make.others(topic, days[0]), *make.others(topic, days[1])]
    elif label == "retracted":
        operations += [make.say(topic, days[1], ended=True)]
        questions += [Question(topic, as_of=days[1] - 1), Question(topic, known=1)]
    elif label == "ended":
        operations += [make.say(topic, days[1])]
        operations += [End(f"end {operations[1].name}", operations[1].name, days[2])]
        questions += [Question(topic, as_of=days[2] - 1)]
    elif label == "not yet":
        questions = [Question(topic, as_of=days[0] - 1), Question(topic)]
    elif label == "doubtful":
        operations = [make.chance.choice([replace(said, untrusted=True), replace(said, source="tool")])]
    else:
        hint = make.say(make.topic("turn"), days[0], untrusted=True)
        operations = [hint, replace(said, day=days[1], derives=(hint.name,), source="derived")]
    return _told(make, label, [*operations, *make.others(topic, days[0])], questions)


def deletion(make: Maker) -> History:
    """What was forgotten is in no answer, and what it had replaced does not come back."""
    variant = make.number % 7
    label = (
        "the newest",
        "the oldest",
        "a corrected one",
        "and said anew",
        "a turn",
        "a middle one",
        "the newest two",
    )[variant]
    topic = make.topic("turn" if label == "a turn" else make.chance.choice(sorted(SINGLE)))
    days = make.days(5)
    said = [make.say(topic, day) for day in days[: 3 if variant >= 5 else 2]]
    gone = {"the oldest": [0], "a middle one": [1], "the newest two": make.chance.sample([1, 2], 2)}.get(label, [-1])
    for place in gone:
        said[place] = replace(said[place], forgettable=True)
    operations: list[Operation] = [*said, *make.others(topic, days[0])]
    target = said[gone[0]]
    named = target.name
    if label == "a corrected one":
        operations.append(Edit(f"edit {target.name}", target.name, make.word()))
        named = make.chance.choice([operations[-1].name, target.name])
    operations.append(Forget(f"forget {target.name}", named))
    operations += [Forget(f"forget {said[place].name}", said[place].name) for place in gone[1:]]
    if label == "and said anew":
        operations.append(make.say(topic, days[4]))
    asked = [None, days[1] - 1, days[2] - 1, days[3]]
    return _told(make, label, operations, [Question(topic, as_of=day) for day in asked])


def correction(make: Maker) -> History:
    """Only the corrected text is shown, and both events are cited; the old text is what was known before."""
    topic = make.topic(_FORMS[make.number % 5])
    days = make.days(3)
    said = make.say(topic, days[0], forgettable=make.chance.random() < 0.2)
    operations: list[Operation] = [said, *make.others(topic, days[0])]
    questions = [Question(topic), Question(topic, known=len(operations)), Question(topic, as_of=days[1] - 1)]
    target = said.name
    edits = make.chance.randint(1, 3)
    for turn in range(edits):
        edit = Edit(f"edit {turn} {said.name}", make.chance.choice([target, said.name]), make.word())
        operations.append(edit)
        target = edit.name
    if edits > 1:
        questions.append(Question(topic, known=len(operations) - 1))
    label = f"{edits} of a {topic.form}"
    if topic.form in SINGLE and make.chance.random() < 0.5:
        label += ", then updated"
        operations.append(make.say(topic, days[1]))
    return _told(make, label, operations, questions)


def rollback(make: Maker) -> History:
    """A correction that is rolled back has no effect, and a rollback that is rolled back has none either."""
    topic = make.topic(_FORMS[make.number % 5])
    days = make.days(2)
    said = make.say(topic, days[0])
    operations: list[Operation] = [said, *make.others(topic, days[0])]
    if make.number % 6 == 5:
        return _ending_rolled_back(make, said, operations, days[1])
    edits = [Edit(f"edit 0 {said.name}", said.name, make.word())]
    if make.number % 3 == 0:
        edits.append(Edit(f"edit 1 {said.name}", edits[0].name, make.word()))
    operations += edits
    target: Edit | RollBack = make.chance.choice(edits)
    depth = 1 + make.number % 4
    for turn in range(depth):
        target = RollBack(f"back {turn} {target.name}", target.name)
        operations.append(target)
    if len(edits) == 2 and make.chance.random() < 0.4:  # said once more, whatever was taken back
        operations.append(Edit(f"edit 2 {said.name}", said.name, make.word()))
    known = make.chance.randint(len(operations) - depth, len(operations) - 1)
    questions = [Question(topic), Question(topic, known=known), Question(topic, as_of=days[1])]
    return _told(make, f"depth {depth}, {len(edits)} edits", operations, questions)


def _ending_rolled_back(make: Maker, said: Say, operations: list[Operation], day: int) -> History:
    """An ending that is rolled back has none either."""
    operations.append(End(f"end {said.name}", said.name, day))
    depth = 1 + make.number // 6 % 3
    for turn in range(depth):
        operations.append(RollBack(f"back {turn} {said.name}", operations[-1].name))
    known = len(operations) - 1
    questions = [Question(said.topic), Question(said.topic, known=known), Question(said.topic, as_of=day - 1)]
    return _told(make, f"an ending, depth {depth}", operations, questions)


def moments(make: Maker) -> History:
    """Values, endings, corrections and rollbacks over the years, asked for at many moments of both times."""
    topic = make.topic(make.chance.choice(sorted(SINGLE)))
    days = make.days(5)
    said = [make.say(topic, day) for day in days[:3]]
    make.chance.shuffle(said)
    edited = make.chance.choice(said)
    edit = Edit(f"edit {edited.name}", edited.name, make.word())
    operations: list[Operation] = [*said, edit]
    if make.chance.random() < 0.5:
        operations.append(RollBack(f"back {edit.name}", edit.name))
    untouched = make.chance.choice([one for one in said if one is not edited])
    operations.append(End(f"end {untouched.name}", untouched.name, make.chance.choice([days[3], untouched.day + 2])))
    if make.chance.random() < 0.5:
        operations.append(make.say(topic, days[4]))
    seen = make.chance.sample(range(1, len(operations)), 3)
    asked = [Question(topic, day, known) for day in (None, *make.chance.sample(days, 3)) for known in (None, *seen)]
    return _told(make, "two times", operations, [Question(topic), *make.chance.sample(asked, 5)])


def mixture(make: Maker) -> History:
    """Whatever can be done to the values of one topic, in any order."""
    topic = make.topic(make.chance.choice(_FORMS))
    days = make.chance.sample(range(50, TODAY - 400), 12)
    operations: list[Operation] = [make.say(topic, days.pop(), source=make.chance.choice(["agent", "human"]))]
    forgotten: set[str] = set()
    for turn in range(make.chance.randint(4, 9)):
        oracle = Oracle(operations)
        said = [one for one in operations if isinstance(one, Say) and one.name not in forgotten]
        edits = [one for one in operations if isinstance(one, Edit | RollBack) and oracle.counts(one.name)]
        choice = make.chance.choice("say edit edit back back end forget".split())
        target = make.chance.choice(said).name if said else ""
        if choice == "back" and edits:
            operations.append(RollBack(f"back {turn} {topic.subject}", make.chance.choice(edits).name))
        elif choice == "edit" and target and not (oracle.was_ended(target) or forgotten):
            operations.append(Edit(f"edit {turn} {target}", target, make.word()))
        elif choice == "end" and target and not oracle.was_edited(target) and not oracle.was_ended(target):
            operations.append(End(f"end {target}", target, days.pop()))
        elif choice == "forget" and target and oracle.is_sealed(target) and topic.form != "decision":
            operations.append(Forget(f"forget {target}", target))
            forgotten.add(target)
        else:
            operations.append(make.say(topic, days.pop(), forgettable=make.chance.random() < 0.4))
    known_from = max((place for place, one in enumerate(operations) if isinstance(one, Forget)), default=0) + 1
    seen = (None, *range(known_from, len(operations)))
    asked = [Question(topic, day, known) for day in (None, *days[:2]) for known in seen]
    return _told(
        make,
        f"{len(operations)} operations",
        operations,
        [Question(topic), *make.chance.sample(asked, min(5, len(asked)))],
    )


KINDS: Final[Mapping[str, Callable[[Maker], History]]] = {
    made.__name__: made for made in (update, cascade, absence, deletion, correction, rollback, moments, mixture)
}


def histories(kind: str) -> list[History]:
    """Return all histories of a kind."""
    return [replace(KINDS[kind](Maker(kind, number)), kind=kind) for number in range(A_KIND)]
