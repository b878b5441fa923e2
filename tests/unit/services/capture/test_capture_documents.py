from __future__ import annotations

import hashlib
import os
import subprocess

import pytest
from capture_memory import MemorySink

from zaxy.errors import InvalidInputError, NotFoundError
from zaxy.services.capture.documents import ingest_documents
from zaxy.services.capture.sink import Recorded


def put(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def paths(sink):
    return sorted({draft.payload["path"] for draft in sink.all()})


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "shop"
    folder.mkdir()
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    return folder


def test_a_document_becomes_one_event_a_chunk_with_its_place(tmp_path):
    path = put(tmp_path, {"guide.md": "# Guide\nHello.\n\n## Use\nType it.\n"}) / "guide.md"
    os.utime(path, ns=(0, 1_700_000_000_123_456_000))
    sink = MemorySink()
    result = ingest_documents([path], sink)
    first, second = sink.logs["documents"]
    assert first.event_type == "document.indexed"
    assert dict(second.payload) == {
        "path": path.as_posix(),
        "title": "Guide",
        "section": "Guide > Use",
        "chunk": 2,
        "line_from": 4,
        "line_to": 5,
        "content": "## Use\nType it.",
        "sha256": hashlib.sha256(b"## Use\nType it.").hexdigest(),
        "occurred_at": "2023-11-14T22:13:20.123456Z",
    }
    assert second.key == f"document:{path.as_posix()}:2:{second.payload['sha256'][:16]}"
    assert (result.recorded, result.sources, result.sessions) == (Recorded(2, 0), 1, ("documents",))


def test_an_unchanged_document_adds_nothing_even_when_touched_and_a_changed_one_its_changed_chunks(tmp_path):
    path = put(tmp_path, {"guide.md": "# A\none\n\n# B\ntwo\n\n# C\nthree\n"}) / "guide.md"
    sink = MemorySink()
    assert ingest_documents([path], sink).recorded == Recorded(3, 0)
    os.utime(path, (1, 1))
    assert ingest_documents([path], sink).recorded == Recorded(0, 3)
    path.write_text("# A\none\n\n# B\ntwo and a half\n\n# C\nthree\n")
    assert ingest_documents([path], sink).recorded == Recorded(1, 2)


def test_a_folder_of_a_repository_follows_gitignore_and_names_files_within_the_repository(repository):
    put(
        repository,
        {
            ".gitignore": "build/\n*.log\n",
            "README.md": "# Shop",
            "src/app.py": "print('x')",
            "build/out.txt": "generated",
            "debug.log": "noise",
            ".github/ci.yml": "on: push",
            "node_modules/left/pad.js": "x",
            ".eventloom/default.jsonl": "{}",
            ".env": "TOKEN=abc",
        },
    )
    sink = MemorySink()
    result = ingest_documents([repository], sink)
    assert paths(sink) == [".github/ci.yml", ".gitignore", "README.md", "src/app.py"]
    assert {draft.payload["repository"] for draft in sink.all()} == {"shop"}
    assert all(draft.key.startswith("document:shop/") for draft in sink.all())
    assert result.ignored == {"file in a folder of dependencies, caches or logs": 2}
    assert [(finding.path, finding.reason.split(":")[0]) for finding in result.findings] == [
        (str(repository / ".env"), "likely to hold secrets")
    ]


def test_a_part_of_a_repository_keeps_the_names_that_the_whole_gives(repository):
    put(repository, {"docs/a.md": "text", "src/b.py": "x = 1"})
    sink = MemorySink()
    ingest_documents([repository], sink)
    assert ingest_documents([repository / "docs"], sink).recorded == Recorded(0, 1)
    assert ingest_documents([repository / "src" / "b.py", repository], sink).recorded == Recorded(0, 2)


def test_two_repositories_may_hold_the_same_file(tmp_path):
    for name in ("one", "two"):
        subprocess.run(["git", "init", "-q", str(tmp_path / name)], check=True)
        put(tmp_path / name, {"LICENSE": "Do as you like."})
    assert ingest_documents([tmp_path / "one", tmp_path / "two"], MemorySink()).recorded == Recorded(2, 0)


def test_a_folder_outside_of_a_repository_leaves_out_what_is_hidden_and_what_tools_put_there(tmp_path):
    put(
        tmp_path,
        {
            "notes/a.txt": "kept",
            ".cache/b.txt": "x",
            "node_modules/c.js": "x",
            ".venv/d.py": "x",
            "pkg/__pycache__/e.pyc": "x",
            ".env": "TOKEN=1",
        },
    )
    sink = MemorySink()
    result = ingest_documents([tmp_path], sink)
    assert paths(sink) == [(tmp_path / "notes/a.txt").as_posix()]
    assert result.ignored == {"hidden file": 1, "hidden folder, or one of dependencies or caches": 4}


def test_a_file_that_is_given_by_name_is_taken_though_hidden_or_ignored(repository):
    put(repository, {".gitignore": "private.md\n", "private.md": "mine", ".env": "A=1"})
    sink = MemorySink()
    ingest_documents([repository / "private.md", repository / ".env"], sink)
    assert paths(sink) == [".env", "private.md"]


def test_what_is_no_text_is_a_finding_with_its_reason(tmp_path):
    put(
        tmp_path,
        {
            "a.png": b"\x89PNG\x00\x01",
            "b.txt": "caf\xe9".encode("latin-1"),
            "c.txt": b"x" * (1024 * 1024),
            "d.txt": b"\xef\xbb\xbfwith a mark",
            "e/__init__.py": "",
        },
    )
    (tmp_path / "f.txt").symlink_to(tmp_path / "d.txt")
    os.mkfifo(tmp_path / "g.txt")
    sink = MemorySink()
    result = ingest_documents([tmp_path], sink)
    reasons = {finding.path.rsplit("/", 1)[1]: finding.reason for finding in result.findings}
    assert reasons == {
        "a.png": "binary: it holds a NUL byte",
        "b.txt": "not UTF-8: bad byte at offset 3",
        "c.txt": "has 1048576 bytes: only files under 1048576 are taken",
        "f.txt": "a symbolic link",
        "g.txt": "not a regular file",
    }
    assert [draft.payload["content"] for draft in sink.all()] == ["with a mark"]
    assert result.ignored == {"empty file": 1}


def test_a_name_that_is_not_utf_8_is_stored_as_text_that_can_be_printed(tmp_path):
    path = os.fsencode(tmp_path) + b"/caf\xe9.txt"
    with open(path, "w") as stream:
        stream.write("coffee")
    sink = MemorySink()
    ingest_documents([tmp_path], sink)
    [draft] = sink.all()
    assert (draft.payload["title"], draft.payload["path"]) == ("caf\ufffd.txt", f"{tmp_path}/caf\ufffd.txt")
    assert draft.key.encode()


def test_a_repository_in_a_repository_is_a_finding(repository):
    put(repository, {"a.txt": "x", "inner/b.txt": "y"})
    subprocess.run(["git", "init", "-q", str(repository / "inner")], check=True)
    identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    subprocess.run(["git", "-C", str(repository / "inner"), "add", "."], check=True)
    subprocess.run(["git", "-C", str(repository / "inner"), *identity, "commit", "-qm", "x"], check=True)
    sink = MemorySink()
    result = ingest_documents([repository], sink)
    assert paths(sink) == ["a.txt"]
    assert [finding.reason for finding in result.findings] == ["a repository of its own: name it itself to take it"]


def test_reading_a_repository_does_not_start_the_programs_that_its_configuration_names(repository, tmp_path):
    trace = tmp_path / "ran"
    program = tmp_path / "monitor.sh"
    program.write_text(f"#!/bin/sh\ntouch {trace}\n")
    program.chmod(0o755)
    subprocess.run(["git", "-C", str(repository), "config", "core.fsmonitor", str(program)], check=True)
    put(repository, {"a.txt": "x"})
    ingest_documents([repository], MemorySink())
    assert not trace.exists()


def test_progress_counts_files(tmp_path):
    told = []
    put(tmp_path, {"a.txt": "x", "b.txt": "y"})
    ingest_documents([tmp_path], MemorySink(), progress=lambda *units: told.append(units))
    assert told == [(1, 2), (2, 2)]


def test_a_missing_path_records_nothing_and_an_empty_file_or_folder_is_a_finding(tmp_path):
    sink = MemorySink()
    put(tmp_path, {"a.txt": "x", "none.txt": ""})
    (tmp_path / "nothing").mkdir()
    with pytest.raises(NotFoundError):
        ingest_documents([tmp_path / "a.txt", tmp_path / "absent"], sink)
    with pytest.raises(InvalidInputError):
        ingest_documents([tmp_path / "a.txt"], sink, session_id="not valid")
    assert ingest_documents([tmp_path / "none.txt"], sink).finding_count == 1
    assert ingest_documents([tmp_path / "nothing"], sink).finding_count == 1
    assert not sink.logs
