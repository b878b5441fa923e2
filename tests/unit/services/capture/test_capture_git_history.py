from __future__ import annotations

import os
import subprocess

import pytest
from capture_memory import MemorySink

from zaxy.errors import NotFoundError, UnavailableError
from zaxy.services.capture.git import stream_git
from zaxy.services.capture.git_history import ingest_git, parse_commits
from zaxy.services.capture.intake import Report
from zaxy.services.capture.sink import Recorded


def git(folder, *arguments, date="2026-02-03T10:00:00+01:00"):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date, "GIT_CONFIG_GLOBAL": os.devnull}
    command = ["git", "-C", str(folder), "-c", "user.name=Ann Lee", "-c", "user.email=ann@example.org", *arguments]
    return subprocess.run(command, check=True, capture_output=True, env=environment).stdout.decode().strip()


def commit(folder, message, files=(), **options):
    for name in files:
        (folder / name).write_text(f"{message}\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", message, **options)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "shop"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    return folder


def test_a_commit_is_an_event_with_its_message_files_author_and_time(repository):
    sha = commit(repository, "Add the basket\n\nIt holds\nmany things.", ["basket.py", "with space.txt"])
    sink = MemorySink()
    result = ingest_git(repository, sink)
    [draft] = sink.logs["git"]
    assert (draft.event_type, draft.actor, draft.key) == ("commit.recorded", "Ann Lee", f"git:{sha}")
    assert dict(draft.payload) == {
        "sha": sha,
        "author": "Ann Lee",
        "subject": "Add the basket",
        "body": "It holds\nmany things.",
        "files": ["basket.py", "with space.txt"],
        "files_changed": 2,
        "occurred_at": "2026-02-03T10:00:00+01:00",
    }
    assert (result.recorded, result.sources, result.sessions) == (Recorded(1, 0), 1, ("git",))


def test_commits_with_and_without_files_and_merges_are_told_apart(repository):
    commit(repository, "one", ["a.txt"])
    commit(repository, "nothing changed")
    git(repository, "switch", "-q", "-c", "side")
    commit(repository, "side", ["s.txt"])
    git(repository, "switch", "-q", "main")
    commit(repository, "main", ["m.txt", "n.txt"])
    git(repository, "merge", "-q", "--no-edit", "side")
    sink = MemorySink()
    ingest_git(repository, sink)
    told = {draft.payload["subject"]: draft.payload for draft in sink.all()}
    assert {subject: payload["files"] for subject, payload in told.items()} == {
        "one": ["a.txt"],
        "nothing changed": [],
        "side": ["s.txt"],
        "main": ["m.txt", "n.txt"],
        "Merge branch 'side'": [],
    }
    assert [subject for subject, payload in told.items() if payload.get("merge")] == ["Merge branch 'side'"]
    assert sink.all()[0].payload["subject"] == "one"


def test_a_second_run_adds_only_new_commits(repository):
    sink = MemorySink()
    commit(repository, "one", ["a"])
    assert ingest_git(repository, sink).recorded == Recorded(1, 0)
    commit(repository, "two", ["b"])
    assert ingest_git(repository, sink).recorded == Recorded(1, 1)
    assert ingest_git(repository, sink).recorded == Recorded(0, 2)


def test_no_mail_address_is_recorded(repository):
    commit(repository, "Fix it\n\nCo-Authored-By: Bo Berg <bo@example.org>\nSigned-off-by: <cy@example.org>")
    sink = MemorySink()
    ingest_git(repository, sink)
    [draft] = sink.all()
    assert draft.payload["body"] == "Co-Authored-By: Bo Berg\nSigned-off-by:"
    assert "@" not in str(draft.payload)


def test_a_commit_of_many_files_lists_fifty_and_counts_all(repository):
    commit(repository, "bulk", [f"f{number:03}" for number in range(70)])
    sink = MemorySink()
    ingest_git(repository, sink)
    [draft] = sink.all()
    assert (len(draft.payload["files"]), draft.payload["files_changed"]) == (50, 70)
    assert draft.payload["files"][0] == "f000"


def test_the_users_own_settings_do_not_change_what_is_read(repository):
    for name, value in {
        "log.showSignature": "true",
        "color.ui": "always",
        "diff.relative": "true",
        "log.diffMerges": "combined",
        "i18n.logOutputEncoding": "latin1",
        "core.quotePath": "true",
    }.items():
        git(repository, "config", name, value)
    (repository / "src").mkdir()
    commit(repository, "Prüfung", ["äpfel.txt", "src/a.py"])
    sink = MemorySink()
    ingest_git(repository / "src", sink)
    [draft] = sink.all()
    assert draft.payload["subject"] == "Prüfung"
    assert sorted(draft.payload["files"]) == ["src/a.py", "äpfel.txt"]


def test_a_hooks_environment_does_not_point_to_another_repository(repository, tmp_path, monkeypatch):
    commit(repository, "mine", ["a"])
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere" / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "elsewhere" / "index"))
    assert ingest_git(repository, MemorySink()).recorded == Recorded(1, 0)


def test_an_empty_repository_gives_zero_and_a_finding(repository):
    result = ingest_git(repository, MemorySink())
    assert (result.recorded, result.findings[0].reason) == (Recorded(), "the repository has no commit yet")


def test_a_shallow_clone_says_that_its_history_is_cut(repository, tmp_path):
    commit(repository, "one", ["a"])
    commit(repository, "two", ["b"])
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{repository}", "copy")
    result = ingest_git(tmp_path / "copy", MemorySink())
    assert (result.recorded, result.finding_count) == (Recorded(1, 0), 1)
    assert "shallow" in result.findings[0].reason


def test_progress_counts_commits(repository):
    told = []
    for number in range(3):
        commit(repository, f"c{number}", [f"f{number}"])
    ingest_git(repository, MemorySink(), progress=lambda *units: told.append(units))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_folder_that_is_no_repository_is_an_error_with_a_remedy(tmp_path):
    with pytest.raises(NotFoundError, match="not in a git repository") as caught:
        ingest_git(tmp_path, MemorySink())
    assert "git status" in caught.value.remedy
    with pytest.raises(NotFoundError):
        ingest_git(tmp_path / "absent", MemorySink())


def test_a_machine_without_git_is_an_error_that_says_to_install_it(repository, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError, match="git is not installed") as caught:
        ingest_git(repository, MemorySink())
    assert "install git" in caught.value.remedy


def test_a_git_that_fails_on_the_way_is_an_error(repository):
    with pytest.raises(UnavailableError, match="git log"):
        list(stream_git(repository, ["log", "-z", "no-such-branch"]))


def test_a_reader_that_stops_early_leaves_no_git_behind(repository):
    for number in range(3):
        commit(repository, f"c{number}", [f"f{number}"])
    parts = stream_git(repository, ["log", "-z", "--format=%H"])
    assert len(next(parts)) == 40
    parts.close()


def test_an_answer_that_ends_within_a_commit_and_a_bad_time_are_findings():
    report = Report()
    fields = [b"", b"a" * 40, b"", b"ann@example.org", b"not a time", b"subject", b"body", b""]
    commits = list(parse_commits([*fields, b"b" * 40, b""], "repo", "git", report))
    [(session_id, draft)] = commits
    assert (session_id, draft.actor, "occurred_at" in draft.payload) == ("git", "ann", False)
    assert [finding.reason.split(":")[0] for finding in report.findings] == [
        "commit aaaaaaaaaaaa is taken without its time",
        "git's answer ended within a commit",
    ]
