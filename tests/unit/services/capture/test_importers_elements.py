"""JSON files are read one element at a time, whatever is wrong with them, and out of archives."""

from __future__ import annotations

import io
import json
import random
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest

from zaxy.errors import NotFoundError
from zaxy.services.capture.importers import elements
from zaxy.services.capture.importers.elements import Element, ExportFile, export_files
from zaxy.services.capture.intake import Report


class SmallReads(io.BytesIO):
    """A stream that gives a few bytes at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__(data)
        self._most = size

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self._most)


def read(data: bytes, size: int = 1 << 20) -> tuple[list[Element], Report]:
    report = Report()
    file = ExportFile("file.json", lambda: SmallReads(data, size))
    return list(file.elements(report)), report


def values(data: bytes, size: int = 1 << 20) -> list[Any]:
    found, report = read(data, size)
    assert report.finding_count == 0, report.findings
    return [dict(element.value) for element in found]


RECORDS = [{"a": 1}, {"b": {"c": ['}{"][', "\\", '\\"']}}, {}, {"é": "ü\n\t"}]


@pytest.mark.parametrize("size", [1, 2, 7, 1_000])
def test_elements_are_found_wherever_a_read_ends(size: int) -> None:
    assert values(json.dumps(RECORDS).encode(), size) == RECORDS
    assert values(json.dumps(RECORDS, indent=2, ensure_ascii=False).encode(), size) == RECORDS
    assert values("\n".join(map(json.dumps, RECORDS)).encode(), size) == RECORDS
    assert values(b"\xef\xbb\xbf" + json.dumps(RECORDS).encode(), max(size, 3)) == RECORDS


@pytest.mark.parametrize("size", [3, 1_000])
def test_the_arrays_of_an_object_are_read_with_their_names(size: int) -> None:
    told = {"total": 2, "what": 'a "name": [', "nodes": [{"x": 1}], "page": {"inner": [{"no": 1}]}, "edges": RECORDS}
    for data in (json.dumps(told), json.dumps(told, indent=1)):
        found, _ = read(data.encode(), size)
        assert [(element.name, element.number) for element in found] == [
            ("nodes", 1),
            *(("edges", number) for number in range(1, 5)),
        ]
        assert [element.value for element in found] == [{"x": 1}, *RECORDS]


def test_one_object_without_a_list_of_objects_is_an_element() -> None:
    assert values(b'{"type": "entity", "observations": ["x"]}') == [{"type": "entity", "observations": ["x"]}]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "the file is empty"),
        (b"  \n ", "the file is empty"),
        (b"PK\x03\x04 what", "neither [ nor {"),
        (b"<html>", "neither [ nor {"),
        ('[{"a": 1}]'.encode("utf-16"), "iconv"),
        ('[{"a": 1}]'.encode("utf-16-le"), "iconv"),
        (b'[{"a": 1}, {"a": ', "ends in the middle; elements read before that: 1"),
        (b'[{"a": 1}, {"a": "no end', "ends in the middle; elements read before that: 1"),
        (b'[{"a": 1}]]', None),
        (b'[{"a": 1}, {"a": 2]]', "no such bracket is open"),
        (b'[{"a": 1}, {"a": nan}]', "element 2: not JSON"),
        (b'[{"a": 1}, {"a": "\xff"}]', "element 2: not JSON"),
    ],
)
def test_what_is_wrong_with_a_file_is_a_finding_and_what_came_before_is_read(data: bytes, said: str | None) -> None:
    for size in (1, 1_000):
        found, report = read(data, max(size, 4))
        assert [element.value for element in found] == ([{"a": 1}] if b"1}," in data or said is None else [])
        assert [said in finding.reason for finding in report.findings if said] == [True] * (said is not None)


def test_an_element_that_is_too_large_is_passed_over_and_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    most = 100_000
    monkeypatch.setattr(elements, "MAX_ELEMENT_BYTES", most)
    part = b'{"text": "' + b"x" * 1_000 + b'"},'
    large = b'{"parts": [' + part * 2_000 + b'{"last": 1}]}'
    data = b'[{"a": 1},' + large + b',{"b": 2}]'
    stream, report = SmallReads(data, 10_000), Report()
    tracemalloc.start()
    found = list(ExportFile("file.json", lambda: stream).elements(report))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [element.value for element in found] == [{"a": 1}, {"b": 2}]
    assert "larger than" in report.findings[0].reason
    assert peak < len(large) / 2, "it was never whole in memory"


def test_any_bytes_are_read_to_the_end_without_an_error(chance: random.Random) -> None:
    pieces = [b"{", b"}", b"[", b"]", b'"', b"\\", b":", b",", b"1", b'"a"', b"\n", b"null", b"\xff", b" "]
    for _ in range(2_000):
        data = b"".join(chance.choices(pieces, k=chance.randrange(30)))
        read(data, chance.choice([4, 9, 100]))


def test_files_are_found_in_a_folder_and_in_an_archive(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "conversations-001.json").write_text('[{"a": 1}]')
    (tmp_path / "user.json").write_text('[{"no": 1}]')
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.write(tmp_path / "deep" / "conversations-001.json", "x/conversations.json")
        archive.write(tmp_path / "user.json", "user.json")
    (tmp_path / "broken.zip").write_bytes(b"PK no archive")
    names, report = ("conversations.json", "conversations-*.json"), Report()
    for path in (tmp_path, tmp_path / "export.zip", tmp_path / "deep" / "conversations-001.json"):
        found = [one.value for file in export_files(path, names, report) for one in file.elements(report)]
        assert found == [{"a": 1}]
    assert report.finding_count == 0
    assert export_files(tmp_path / "broken.zip", names, report) == []
    assert export_files(tmp_path / "export.zip", ("other.json",), report) == []
    assert report.finding_count == 2
    with pytest.raises(NotFoundError):
        export_files(tmp_path / "nothing", names, report)
