"""Hostile JSON is refused at append by the name of its place, is a finding when it is read, and costs a bounded amount.

The canonical form that is hashed is that of the log format, not that of RFC 8785. Both sort members, write no white
space and the shortest decimal that reads back as the same double. They differ in four things: the log escapes what
ASCII cannot hold (and DEL), RFC 8785 writes it as UTF-8; the log sorts names by code points, RFC 8785 by UTF-16 units;
the log keeps whole floats apart from integers (``1.0``) and turns to exponents below 1e-4 and from 1e16 on, RFC 8785
below 1e-6 and from 1e21 on; the log holds integers of any length when it reads, RFC 8785 none beyond 2^53 - 1. At
append both refuse the same.
"""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import rfc8785
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from trust_lines import TOKENS, as_line, golden_lines, legacy_record, mutated, seal, v1_record
from trust_processes import MIB, run_limited

from zaxy.errors import IntegrityError, InvalidInputError, LogDamagedError, NotALogError, ZaxyError
from zaxy.eventloom.canonical import BadJSONError, canonical, decode, decode_loosely, decode_simple
from zaxy.eventloom.event import Draft
from zaxy.eventloom.log import EventLog
from zaxy.eventloom.payload import clean_payload
from zaxy.eventloom.records import BadRecordError, read_record, sound_link
from zaxy.eventloom.scan import ChainState, skim, walk
from zaxy.eventloom.writer import FsyncPolicy, WriterOptions
from zaxy.interfaces.cli.payload import read_payload
from zaxy.interfaces.mcp.messages import UnreadableMessageError, parse_message

if TYPE_CHECKING:
    from trust_scale import Figure, Scale

pytestmark = pytest.mark.row(14)

UNSYNCED = WriterOptions(fsync=FsyncPolicy.OFF)
MEMORY_BYTES = 448 * MIB
"""What a line without end may take: some copies of the longest line that is read, which is 64 MiB."""

MEMORY_FACTOR = 128
"""How many times its length a line may take while it is parsed: an empty object is 2 bytes of text and 64 of memory."""


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


# ---- at append

HOSTILE_VALUES: dict[str, Any] = {
    "NaN": math.nan,
    "infinity": math.inf,
    "minus infinity": -math.inf,
    "1e999": float("1e999"),
    "2^53": 2**53,
    "-2^53": -(2**53),
    "5,000 digits": 10**4_999,
    "lone high surrogate": "a\ud800b",
    "lone low surrogate": "\udfff",
    "surrogates in the wrong order": "\udf89\ud83c",
    "NUL": "a\0b",
    "depth bomb": nested(70),
    "deeper bomb": nested(900),
    "bytes": b"\xff",
    "set": {1},
    "object": object(),
}
NAMES = ("a", "title", "n", "list", "x y", "\u00e9")


def hidden(hostile: Any, chance: random.Random) -> tuple[dict[str, Any], str]:
    """Return a payload that holds a value somewhere, and the place as the log names it."""
    value, place = hostile, ""
    for _ in range(chance.randint(0, 5)):
        if chance.random() < 0.5:
            at = chance.randrange(4)
            value = [*range(at), value, "after"]
            place = f"[{at}]{place}"
        else:
            name = chance.choice(NAMES)
            value = {"first": 1.5, name: value, "last": [None, True]}
            place = f".{name}{place}"
    name = chance.choice(NAMES)
    return {"before": "\u00fcber", name: value, "after": {}}, f"payload.{name}{place}"


def test_hostile_values_anywhere_in_a_payload_are_refused_by_the_name_of_their_place(
    tmp_path: Path, scale: Scale, figure: Figure, chance: random.Random
) -> None:
    log = EventLog(tmp_path / "work.jsonl", options=UNSYNCED)
    log.append("note.taken", "ann")
    sealed = log.path.read_bytes()
    cases = scale.pick(sample=1_000, full=100_000)
    for _ in range(cases):
        name = chance.choice(list(HOSTILE_VALUES))
        payload, place = hidden(HOSTILE_VALUES[name], chance)
        with pytest.raises(InvalidInputError) as caught:
            log.append_many([Draft("note.taken", "ann"), Draft("note.taken", "ann", payload)])
        shown = str(caught.value)
        assert shown.startswith(place), (name, place, shown)
        assert shown.isprintable()
        assert len(shown) < 500
    assert log.path.read_bytes() == sealed
    figure(f"{cases:,} payloads with one of {len(HOSTILE_VALUES)} hostile values: all refused, each place named")


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "\udfff\ud800"], ids=ascii)
def test_a_hostile_member_name_is_refused_by_the_name_of_its_place(name: str, tmp_path: Path) -> None:
    log = EventLog(tmp_path / "work.jsonl", options=UNSYNCED)
    with pytest.raises(InvalidInputError, match=r"^payload\.list\[1\]\.inner\.") as caught:
        log.append("note.taken", "ann", {"list": [0, {"inner": {name: 1}}]})
    assert str(caught.value).isprintable()
    assert not log.path.exists()


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "a\udfff"], ids=ascii)
@pytest.mark.parametrize("member", ["actor", "parent_event_id", "caused_by", "key"])
def test_hostile_text_beside_the_payload_is_refused(member: str, text: str, tmp_path: Path) -> None:
    log = EventLog(tmp_path / "work.jsonl", options=UNSYNCED)
    item = {"event_type": "note.taken", "actor": "ann", member: [text] if member == "caused_by" else text}
    with pytest.raises(InvalidInputError):
        log.append_many([item])
    assert not log.path.exists()


HOSTILE_TEXTS = {
    "duplicate key": b'{"a":{"b":1,"c":2,"b":3}}',
    "NaN": b'{"a":[1,NaN]}',
    "infinity": b'{"a":Infinity}',
    "1e999": b'{"a":1e999}',
    "5,000 digits": b'{"a":' + b"9" * 5_000 + b"}",
    "2^53": b'{"a":9007199254740992}',
    "lone surrogate": b'{"a":"\\ud800"}',
    "NUL": b'{"a":"\x00"}',
    "escaped NUL": b'{"a":"\\u0000"}',
    "control byte": b'{"a":"\x1b"}',
    "line break in a string": b'{"a":"x\ny"}',
    "bad UTF-8": b'{"a":"\xff"}',
    "surrogate in UTF-8": b'{"a":"\xed\xa0\x80"}',
    "overlong UTF-8": b'{"a":"\xc0\xaf"}',
    "byte order mark": b'\xef\xbb\xbf{"a":1}',
    "depth bomb": b'{"a":' + b"[" * 100_000,
    "closed depth bomb": b'{"a":' + b"[" * 900 + b"]" * 900 + b"}",
    "two objects": b'{"a":1}{"a":2}',
    "no object": b"[1]",
    "nothing": b"",
}


@pytest.mark.parametrize("name", HOSTILE_TEXTS)
def test_hostile_payload_text_on_the_command_line_is_refused_and_nothing_is_written(name: str, tmp_path: Path) -> None:
    log = EventLog(tmp_path / "work.jsonl", options=UNSYNCED)
    with pytest.raises(InvalidInputError) as caught:
        log.append(
            "note.taken", "ann", read_payload(HOSTILE_TEXTS[name].decode("utf-8", "surrogateescape"), None, None)
        )
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500
    assert not log.path.exists()


@pytest.mark.parametrize("name", [name for name in HOSTILE_TEXTS if name != "nothing"])
def test_a_hostile_payload_in_an_mcp_message_is_refused_or_reaches_the_log_and_is_refused_there(
    name: str, tmp_path: Path
) -> None:
    log = EventLog(tmp_path / "work.jsonl", options=UNSYNCED)
    call = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"arguments":%b}}' % HOSTILE_TEXTS[name]
    try:
        message = parse_message(call)
    except UnreadableMessageError:
        return
    with pytest.raises(InvalidInputError):
        log.append("note.taken", "ann", message.params["arguments"])  # type: ignore[union-attr,index]  # it is a request
    assert not log.path.exists()


# ---- at read

Change = Callable[[bytes], bytes]


def at_number(token: bytes) -> Change:
    return lambda line: line.replace(b'"n":7', b'"n":' + token)


def at_text(token: bytes) -> Change:
    return lambda line: line.replace(b'"text":"said"', b'"text":"%b"' % token)


HOSTILE_LINES: dict[str, tuple[Change, set[str]]] = {
    "duplicate key": (at_number(b'7,"n":7'), {"duplicate_key"}),
    "duplicate envelope key": (lambda line: line.replace(b'"type":', b'"type":"a.b","type":'), {"duplicate_key"}),
    "NaN": (at_number(b"NaN"), {"not_finite"}),
    "infinity": (at_number(b"-Infinity"), {"not_finite"}),
    "1e999": (at_number(b"1e999"), {"not_finite"}),
    "5,000 digits": (at_number(b"9" * 5_000), {"not_json"}),
    "another spelling of a number": (at_number(b"7e0"), {"non_canonical"}),
    "lone surrogate": (at_text(b"\\ud800"), {"lone_surrogate"}),
    "NUL": (at_text(b"\x00"), {"not_json"}),
    "escaped NUL": (at_text(b"\\u0000"), {"hash_mismatch"}),
    "control byte": (at_text(b"\x1b"), {"not_json"}),
    "DEL": (at_text(b"\x7f"), {"non_canonical"}),
    "bad UTF-8": (at_text(b"\xff"), {"bad_utf8"}),
    "surrogate in UTF-8": (at_text(b"\xed\xa0\x80"), {"bad_utf8"}),
    "text that is not escaped": (at_text("\u00e9".encode()), {"non_canonical"}),
    "byte order mark": (lambda line: b"\xef\xbb\xbf" + line, {"not_json"}),
    "CR": (lambda line: line + b"\r", {"non_canonical"}),
    "space": (lambda line: line.replace(b'"n":7', b'"n": 7'), {"non_canonical"}),
    "depth bomb": (at_number(b"[" * 100_000), {"not_json", "too_deep"}),
    "closed depth bomb": (at_number(b"[" * 3_000 + b"]" * 3_000), {"too_deep"}),
    "nothing": (lambda _: b"", {"not_json"}),
    "NUL bytes": (lambda line: b"\x00" * len(line), {"not_json"}),
}


@pytest.mark.parametrize("name", HOSTILE_LINES)
def test_a_hostile_line_is_a_finding_in_its_place_and_what_stands_before_it_is_good(
    name: str, tmp_path: Path, chance: random.Random
) -> None:
    change, findings = HOSTILE_LINES[name]
    log = EventLog(tmp_path / "work.jsonl")  # what is not synced is not indexed, and the index proves here
    log.append_many([Draft("note.taken", "ann", {"n": 7, "text": "said"}) for _ in range(6)])
    log.close()
    bad = chance.randint(2, 5)
    lines = log.path.read_bytes().split(b"\n")
    lines[bad - 1] = change(lines[bad - 1])
    log.path.write_bytes(b"\n".join(lines))
    damaged = log.path.read_bytes()

    for look in looks(log.path, name):
        report = look.verify()
        assert (report.ok, report.total_events, report.broken_at_seq) == (False, bad - 1, bad)
        assert report.findings[0].code in findings
        seen: list[int] = []
        with pytest.raises(LogDamagedError) as caught:
            seen.extend(event.seq for event in look.replay())
        assert (seen, caught.value.seq) == (list(range(1, bad)), bad)
        assert look.read(bad) is None
        assert look.read(bad - 1) is not None
        with pytest.raises(LogDamagedError):
            look.append("note.taken", "ann")
    assert log.path.read_bytes() == damaged


def looks(path: Path, name: str) -> Iterator[EventLog]:
    """Yield the log as it is opened with its side index, and without one."""
    yield EventLog(path, options=UNSYNCED)
    if name != "NUL bytes":  # without an index nothing tells a wiped line from pages that a power loss took
        shutil.rmtree(path.parent / ".zaxy")
        yield EventLog(path, options=UNSYNCED)


HASHED_ODDITIES: dict[str, tuple[bytes, set[str]]] = {
    "NaN": (as_line(seal(v1_record(1, {"n": math.nan}), None)), {"not_finite"}),
    "infinity": (as_line(seal(v1_record(1, {"n": math.inf}), None)), {"not_finite"}),
    "lone surrogate": (as_line(seal(v1_record(1, {"n": "\ud800"}), None)), {"lone_surrogate"}),
    "legacy NaN": (as_line(legacy_record(1, {"n": math.nan}, None)), {"not_finite"}),
    "legacy surrogate": (as_line(legacy_record(1, {"n": "\udc00"}, None)), {"lone_surrogate"}),
    "number 0": (as_line(seal(v1_record(0, {}), None)), {"bad_envelope", "wrong_seq"}),
    "number 0 behind another": (as_line(seal(v1_record(0, {}), "sha256:" + "0" * 64)), {"bad_envelope", "wrong_seq"}),
    **{
        f"legacy number {number:.0e}{' behind another' if previous else ''}": (
            as_line(legacy_record(number, {}, previous)),
            {"bad_envelope", "wrong_seq", "missing_start", "broken_chain"},
        )
        for number in (-1, 0, 10**18, 2**64, 10**300)
        for previous in (None, "0" * 64)
    },
}


@pytest.mark.parametrize("name", HASHED_ODDITIES)
def test_a_line_that_no_log_can_begin_with_is_a_finding_though_it_has_the_right_hash(name: str, tmp_path: Path) -> None:
    line, findings = HASHED_ODDITIES[name]
    path = tmp_path / "work.jsonl"
    path.write_bytes(line + b"\n")
    report = EventLog(path).verify()
    assert not report.ok
    assert report.findings[0].code in findings
    for ask in asked_of(EventLog(path, options=UNSYNCED)):
        try:
            ask()
        except ZaxyError:
            continue
    with pytest.raises(ZaxyError):
        EventLog(path, options=UNSYNCED).append("note.taken", "ann")
    assert path.read_bytes() == line + b"\n"


def asked_of(log: EventLog) -> tuple[Callable[[], Any], ...]:
    """Return everything that can be asked of a log."""
    return (
        lambda: log.verify().ok,
        lambda: sum(1 for _ in log.replay()),
        lambda: log.head().seq,
        lambda: log.read(1) is None,
        lambda: log.read(2) is None,
        lambda: len(log.tail(3)),
        lambda: log.append("note.taken", "ann").seq,
        log.rotate,
    )


KINDS: dict[str, Callable[[bytes], bytes]] = {
    "v1": lambda payload: as_line(seal(v1_record(1, "@"), None)).replace(b'"@"', payload),
    "v1 with an escape": lambda payload: as_line(seal(v1_record(1, "@", actorId="\u00e9"), None)).replace(
        b'"@"', payload
    ),
    "legacy": lambda payload: as_line(legacy_record(1, "@", None)).replace(b'"@"', payload),
    "flat v1": lambda payload: as_line({**legacy_record(1, "@", None), "envelope_version": "eventloom.v1"}).replace(
        b'"@"', payload
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_no_depth_of_nesting_makes_reading_a_record_fail_in_another_way(
    kind: str, scale: Scale, figure: Figure
) -> None:
    depths = range(1, 1_200) if scale.full else (*range(1, 70, 8), *range(235, 265), *range(920, 1_005), 5_000)
    unexpected = set()
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")):
        for core in (b"1", b"1.5", b'"\\u007f"'):
            for depth in depths:
                line = KINDS[kind](b'{"a":' + opening * depth + core + closing * depth + b"}")
                try:
                    read_record(line)
                except BadRecordError:
                    pass
                except Exception as error:  # which other ones there are is what this test asks
                    unexpected.add(f"{type(error).__name__} at {depth} of {opening.decode()} around {core.decode()}")
    figure(
        f"{kind}: {9 * len(depths):,} depths of nesting, {len(unexpected)} that fail in another way than by a finding"
    )
    assert unexpected == set()


# ---- what it may cost


def _members(count: int, *, last_twice: bool) -> bytes:
    names = [b'"%06d":0' % number for number in range(max(1, count))]
    return b"{" + b",".join([*names, names[-1]] if last_twice else names) + b"}"


def shapes(size: int) -> dict[str, bytes]:
    """Return payloads of about ``size`` bytes, each of one kind that parsers have choked on."""
    return {
        "long text": b'{"a":"%b"}' % (b"x" * size),
        "escapes": b'{"a":"%b"}' % (b"\\u00e9" * (size // 6)),
        "surrogate pairs": b'{"a":"%b"}' % (b"\\ud83c\\udf89" * (size // 12)),
        "lone surrogates": b'{"a":"%b"}' % (b"\\ud83c" * (size // 6)),
        "backslashes": b'{"a":"%b"}' % (b"\\\\" * (size // 2)),
        "open string": b'{"a":"%b' % (b"\\" * size),
        "digits": b'{"a":%b}' % (b"9" * size),
        "digits of a fraction": b'{"a":0.%b}' % (b"9" * size),
        "floats": b'{"a":[%b1]}' % (b"1.7976931348623157e+308," * (size // 24)),
        "tiny floats": b'{"a":[%b1]}' % (b"0.5," * (size // 4)),
        "integers": b'{"a":[%b1]}' % (b"1," * (size // 2)),
        "integers beyond 64 bits": b'{"a":[%b1]}' % (b"18446744073709551616," * (size // 21)),
        "open lists": b'{"a":' + b"[" * size,
        "open objects": b'{"a":' * (size // 5),
        "empty objects": b'{"a":[%b1]}' % (b"{}," * (size // 3)),
        "members": _members(size // 11, last_twice=False),
        "members, the last one twice": _members(size // 11, last_twice=True),
        "DEL": b'{"a":"%b"}' % (b"\x7f" * size),
        "NUL": b"\x00" * size,
        "UTF-8": b'{"a":"%b"}' % ("\u00e9".encode() * (size // 2)),
        "bad UTF-8": b'{"a":"%b"}' % (b"\xff" * size),
        "quotes": b'"' * size,
        "colons": b'{"a"' + b":" * size,
    }


@pytest.mark.parametrize("shape", shapes(1))
def test_a_hostile_line_is_read_in_bounded_time_and_memory(
    shape: str, tmp_path: Path, scale: Scale, figure: Figure
) -> None:
    size = scale.pick(sample=MIB // 2, full=10_000_000)
    first = as_line(seal(v1_record(1, {}), None))
    previous = json.loads(first)["integrity"]["hash"]
    record = as_line(seal(v1_record(2, "@"), previous))
    path = tmp_path / "work.jsonl"
    path.write_bytes(first + b"\n" + record.replace(b'"@"', shapes(size)[shape]) + b"\n" + first + b"\n")
    mebibytes = path.stat().st_size / MIB

    def ask() -> list[float | str]:
        told: list[float | str] = []
        verify, replay, *others = asked_of(EventLog(path, options=UNSYNCED))
        for question in (verify, replay, others[4]) if scale.full else (verify, replay):
            before = time.process_time()
            try:
                question()
            except (LogDamagedError, NotALogError) as error:
                told.append(error.code)
            told.append((time.process_time() - before) / mebibytes)
        return told

    memory_bytes = 64 * MIB + MEMORY_FACTOR * path.stat().st_size
    ended = run_limited(ask, memory_bytes=memory_bytes, cpu_seconds=scale.pick(sample=10, full=120))
    if not ended.failure:
        verify_seconds = next(value for value in ended.answer if isinstance(value, float))
        figure(f"{shape}, {mebibytes:.1f} MiB: verified at {verify_seconds:.3f} s/MiB within {memory_bytes // MIB} MiB")
    assert ended.failure == ""
    assert "log_damaged" in ended.answer or shape == "NUL"  # zeros are what a power loss leaves of an unfinished write


def endless(path: Path, kind: str) -> None:
    """Make a log whose second line is longer than any that is read."""
    log = EventLog(path, options=UNSYNCED)
    log.append("note.taken", "ann")
    if kind == "closed segment":
        path = Path(log.rotate() or "")
        log.path.unlink()
    log.close()
    shutil.rmtree(log.layout.folder / ".zaxy")
    if kind == "line among lines":
        first = path.read_bytes()
        second = as_line(seal(v1_record(2, {}), json.loads(first)["integrity"]["hash"]))
        path.write_bytes(first + b'{"id":"' + b"x" * (65 * MIB) + b"\n" + second + b"\n")
    else:
        os.truncate(path, 3 * 1024 * MIB)  # zeros that take no place on disk


def test_a_line_without_end_is_damage_and_is_read_in_bounded_time_and_memory(
    tmp_path: Path, scale: Scale, figure: Figure
) -> None:
    kinds = ("line among lines", "active file", "closed segment")
    for kind in kinds if scale.full else kinds[:1]:
        folder = tmp_path / kind
        folder.mkdir()
        endless(folder / "work.jsonl", kind)
        size = sum(path.stat().st_size for path in folder.rglob("*.jsonl"))

        def ask(path: Path = folder / "work.jsonl") -> list[str]:
            told = []
            questions = asked_of(EventLog(path, options=UNSYNCED))
            for question in questions if scale.full else questions[:1]:
                try:
                    told.append(str(question()))
                except (LogDamagedError, NotALogError) as error:
                    told.append(error.code)
            return told

        ended = run_limited(ask, memory_bytes=MEMORY_BYTES, cpu_seconds=scale.pick(sample=30, full=120))
        told = f"{ended.cpu_seconds:.1f} s within {MEMORY_BYTES // MIB} MiB"
        figure(f"a line without end ({kind} of {size // MIB:,} MiB): {told}")
        assert ended.failure == ""
        assert ended.answer[0] == "False", "it verifies"
        assert "True" not in ended.answer[1:2], "it is replayed to its end"


# ---- fuzz


def check_line(line: bytes) -> bool:
    """Read a line in every way; return whether it is a sound record. Raises what no caller expects."""
    for read in (decode, decode_loosely):
        try:
            read(line)
        except BadJSONError:
            continue
    decode_simple(line)
    try:
        record = read_record(line)
    except BadRecordError:
        assert sound_link(line, 1, None) is None
        return False
    is_sound = record.computed == record.digest
    if is_sound and not record.legacy:
        assert_sealed(line)
    link = sound_link(line, record.seq or 0, record.previous)
    assert link in (None, record.digest)
    return is_sound


def assert_sealed(line: bytes) -> None:
    """Check with nothing but the standard library that a v1 line is in stored form and has the hash that it names."""
    parsed = json.loads(line.decode("ascii"))
    assert as_line(parsed) == line
    assert seal(parsed, parsed["integrity"]["previousHash"]) == parsed


def test_random_bytes_raise_nothing_but_the_typed_errors(scale: Scale, figure: Figure) -> None:
    cases = scale.pick(sample=200, full=10_000)
    pieces = st.sampled_from(TOKENS) | st.binary(max_size=6) | st.sampled_from(golden_lines())
    lines = st.binary(max_size=200) | st.lists(pieces, max_size=8).map(b"".join) | st.text(max_size=40).map(str.encode)

    @settings(max_examples=cases, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    @given(lines)
    @example(b"")
    @example(b"\xff" * 9)
    def hold(line: bytes) -> None:
        check_line(line)

    hold()
    figure(f"{cases:,} lines made by Hypothesis: none raises anything but the typed errors")


def test_mutated_lines_raise_nothing_but_the_typed_errors_and_none_is_called_sound_that_is_not(
    scale: Scale, figure: Figure, chance: random.Random
) -> None:
    cases = scale.pick(sample=6_000, full=200_000)
    lines = golden_lines()
    sound = sum(check_line(mutated(chance.choice(lines), lines, chance)) for _ in range(cases))
    figure(f"{cases:,} mutated lines: none raises anything but the typed errors; {sound:,} sound, all sealed anew")
    assert sound > 0  # else the mutations do not reach what lies behind the hash


def mutated_files(chance: random.Random) -> Iterator[bytes]:
    """Yield the content of log files in which one to three lines were changed, lost, doubled or swapped."""
    logs = [path.read_bytes() for path in sorted((Path(__file__).parents[1] / "golden" / "logs").glob("*.jsonl"))]
    every = golden_lines()
    while True:
        lines = chance.choice(logs).splitlines()
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(lines))
            kind = chance.randrange(5)
            if kind == 0:
                del lines[at]
            elif kind == 1:
                lines.insert(at, chance.choice(every))
            else:
                lines[at] = mutated(lines[at], every, chance)
            if not lines:
                lines = [b""]
        yield b"\n".join(lines) + chance.choice((b"\n", b"\n", b"", b"\x00" * 9))


def test_mutated_files_raise_nothing_but_the_typed_errors(
    tmp_path: Path, scale: Scale, figure: Figure, chance: random.Random
) -> None:
    cases = scale.pick(sample=250, full=10_000)
    damaged = 0
    for _, content in zip(range(cases), mutated_files(chance), strict=False):
        path = tmp_path / "work.jsonl"
        path.write_bytes(content)
        descriptor = os.open(path, os.O_RDONLY)
        for scan in (walk, skim):
            try:
                for _found in scan(descriptor, ChainState()):
                    pass
            except BadRecordError:
                pass
        os.close(descriptor)
        damaged += not EventLog(path).verify().ok
        log = EventLog(path, options=UNSYNCED)
        for ask in asked_of(log):
            try:
                ask()
            except (IntegrityError, NotALogError, InvalidInputError):
                continue
        log.close()
        clear(tmp_path)
    figure(f"{cases:,} mutated files: none raises anything but the typed errors; {damaged:,} of them are damaged")
    assert 0 < damaged <= cases


def clear(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


# ---- the canonical form beside RFC 8785

plain_text = st.text(st.characters(max_codepoint=0x7E), max_size=12)
whole_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
integers = st.integers(1 - 2**53, 2**53 - 1)
fractions = st.floats(1e-4, 1e15).map(lambda number: number + 0.0).filter(lambda number: number != int(number))


def trees(text: st.SearchStrategy[str], numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects of these texts and numbers."""
    values = st.recursive(
        st.none() | st.booleans() | numbers | text,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
        max_leaves=10,
    )
    return st.dictionaries(text, values, max_size=5)


def test_the_canonical_form_is_that_of_rfc_8785_where_the_two_agree(scale: Scale, figure: Figure) -> None:
    """Plain ASCII text, integers to 2^53 - 1, and fractions that neither form writes with an exponent."""
    cases = scale.pick(sample=100, full=5_000)

    @settings(max_examples=cases)
    @given(trees(plain_text, integers | fractions | fractions.map(lambda number: -number)))
    def hold(value: dict[str, Any]) -> None:
        assert canonical(value) == rfc8785.dumps(value)

    hold()
    figure(f"{cases:,} values in the part where both forms agree: the same bytes as rfc8785")


def test_text_differs_from_rfc_8785_only_in_how_it_is_escaped(scale: Scale, figure: Figure) -> None:
    """Names are kept in the first plane, where both orders are one; there, escaping what RFC 8785 leaves raw is all."""
    cases = scale.pick(sample=100, full=5_000)
    first_plane = st.text(st.characters(exclude_categories=["Cs"], max_codepoint=0xFFFF), max_size=6)

    @settings(max_examples=cases)
    @given(st.dictionaries(first_plane, whole_text | st.lists(whole_text, max_size=3), max_size=5))
    @example({"\x7f": "\x7f\U0001f389\u2028"})
    def hold(value: dict[str, Any]) -> None:
        raw = rfc8785.dumps(value).decode("utf-8")
        escaped = "".join(json.dumps(letter)[1:-1] if letter > "~" else letter for letter in raw)
        assert canonical(value) == escaped.encode("ascii")

    hold()
    figure(f"{cases:,} texts of any characters: rfc8785 differs in the escapes alone")


@pytest.mark.parametrize(
    ("value", "ours", "theirs"),
    [
        (1.0, b"1.0", b"1"),
        (-0.0, b"-0.0", b"0"),
        (1e-7, b"1e-07", b"1e-7"),
        (1e-5, b"1e-05", b"0.00001"),
        (1e16, b"1e+16", b"10000000000000000"),
        (1e21, b"1e+21", b"1e+21"),
        (5e-324, b"5e-324", b"5e-324"),
        (1.7976931348623157e308, b"1.7976931348623157e+308", b"1.7976931348623157e+308"),
        ("\u20ac", b'"\\u20ac"', b'"\xe2\x82\xac"'),
        ({"\U0001f389": 1, "\ufb33": 2}, b'{"\\ufb33":2,"\\ud83c\\udf89":1}', '{"\U0001f389":1,"\ufb33":2}'.encode()),
    ],
)
def test_the_two_forms_differ_as_it_is_said(value: Any, ours: bytes, theirs: bytes) -> None:
    assert canonical(value) == ours
    assert rfc8785.dumps(value) == theirs


def test_what_rfc_8785_refuses_is_refused_at_append(scale: Scale, figure: Figure) -> None:
    cases = scale.pick(sample=100, full=5_000)
    any_number = st.integers() | st.integers(2**53 - 3, 2**53 + 3) | st.floats()
    any_text = st.text(st.characters(), max_size=4) | st.sampled_from(["\ud800", "a\udfff"])
    refused = 0

    @settings(max_examples=cases)
    @given(trees(any_text, any_number))
    @example({"a": 2**53})
    @example({"a": [math.nan]})
    @example({"\ud800": 1})
    def hold(value: dict[str, Any]) -> None:
        nonlocal refused
        try:
            rfc8785.dumps(value)
        except ValueError:
            refused += 1
            with pytest.raises(InvalidInputError):
                clean_payload(value)

    hold()
    figure(f"{cases:,} values, {refused:,} of them refused by rfc8785: all of those are refused at append")
    assert refused > 0
