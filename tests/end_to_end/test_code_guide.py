"""The commands of the page about code, and what it says of code that changes, as a user types them."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from zaxy.interfaces.cli.app import cli

GUIDE = Path(__file__).parents[2] / "docs" / "code.md"
ORDERS = '''"""Orders."""


def total_price(items):
    """Add up what the items cost."""
    return sum(items)
'''
LABELS = '''from shop.orders import total_price


def print_label(order):
    """Print the shipping label of an order."""
    return total_price(order)
'''


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project with a package of two modules."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    put(tmp_path, {"src/shop/__init__.py": "", "src/shop/orders.py": ORDERS, "src/shop/labels.py": LABELS})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def run(*words: str, **added: str) -> tuple[int, str, str]:
    settings = {"HOME": os.getcwd(), "XDG_STATE_HOME": f"{os.getcwd()}/state", "EMBEDDING_PROVIDER": "none", **added}
    done = CliRunner().invoke(cli, words, env=settings, prog_name="zaxy")
    return done.exit_code, done.stdout, done.stderr


def answer(*words: str, **added: str) -> Any:
    code, shown, errors = run(*words, "--json", **added)
    assert (code, errors) == (0, ""), words
    return json.loads(shown)


def found(*words: str) -> list[str]:
    """Return what a question finds, each hit's symbol or path."""
    return [hit["content"] for hit in answer("query", *words)["hits"]]


@pytest.mark.slow
def test_the_commands_of_the_page_run_in_order_and_find_what_it_says(project: Path) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    assert lines.pop(0).startswith("pip install")
    shown = {}
    for line in lines:
        code, out, errors = run(*shlex.split(line)[1:])
        assert (code, errors) == (0, ""), line
        shown.setdefault(line, []).append(out)
    first, second = shown["zaxy index-codebase ."]
    assert "3 files of code new or changed, 0 unchanged, 0 gone; added 5 events" in first
    assert "0 files of code new or changed, 3 unchanged, 0 gone; added 0 events" in second
    assert "src/shop/labels.py" in shown['zaxy query "Where is a shipping label printed?"'][0].partition("2. ")[0]
    assert "print_label" in shown['zaxy query "What calls total_price?" --type "code.*"'][0]


@pytest.mark.slow
def test_code_that_changed_is_answered_as_it_is_and_as_it_was(project: Path) -> None:
    assert answer("index-codebase")["sessions"]["codebase"]["code"]["changed"] == 3
    put(project, {"src/shop/labels.py": LABELS.replace("print_label", "draw_label").replace("Print", "Draw")})
    (project / "src/shop/orders.py").unlink()
    assert answer("refresh-context")["sessions"]["codebase"]["code"]["gone"] == 1
    asked = "shipping label order total_price"
    now = "\n".join(found(asked, "--type", "code.symbol.*"))
    assert "draw_label" in now
    assert "print_label" not in now
    assert "shop.orders.total_price\n" not in now
    assert "print_label" in "\n".join(found(asked, "--type", "code.symbol.*", "--history"))


@pytest.mark.slow
def test_a_document_that_changed_is_answered_as_it_is_and_new_ones_stay_out(project: Path) -> None:
    put(
        project,
        {
            "docs/rules.md": "# Rules\n\nLabels are blue.\n\n# Paper\n\nA4.\n",
            "docs/old.md": "# Old\n\nLabels are old.\n",
        },
    )
    answer("ingest", "documents", "docs")
    put(
        project,
        {
            "docs/rules.md": "# Rules\n\nLabels are green.\n\n# Paper\n\nA4.\n",
            "docs/new.md": "# New\n\nLabels are new.\n",
        },
    )
    (project / "docs/old.md").unlink()
    done = answer("refresh-context")["sessions"]["documents"]["documents"]
    assert (done["changed"], done["unchanged"], done["gone"]) == (1, 0, 1)
    said = "\n".join(found("labels blue green old new"))
    assert "green" in said
    assert "blue" not in said
    assert "are old" not in said
    assert "are new" not in said
    put(project, {"docs/rules.md": "# Rules\n\nLabels are blue.\n\n# Paper\n\nA4.\n"})
    answer("refresh-context", "docs")
    assert "blue" in "\n".join(found("labels blue green"))
    assert answer("refresh-context", ".")["sessions"]["documents"]["documents"]["intake"]["recorded"]["added"] == 0


def test_only_the_kind_that_is_asked_for_is_refreshed(project: Path) -> None:
    put(project, {"docs/rules.md": "# Rules\n"})
    answer("ingest", "documents", "docs")
    assert answer("refresh-context", "--kind", "codebase")["sessions"] == {"documents": {}, "codebase": {}}
    answer("index-codebase")
    assert list(answer("refresh-context", "--kind", "codebase")["sessions"]["codebase"]) == ["code"]
    sessions = answer("refresh-context", "--kind", "documents")["sessions"]
    assert (list(sessions["documents"]), sessions["codebase"]) == (["documents"], {})


def test_a_sealed_index_is_known_again_and_its_changes_are_ended(project: Path) -> None:
    sealed = {"CAPTURE_FORGETTABLE": "true"}
    assert run("init")[0] == 0
    assert answer("index-codebase", **sealed)["sessions"]["codebase"]["code"]["changed"] == 3
    assert "print_label" not in (project / ".eventloom" / "codebase.jsonl").read_text()
    assert answer("index-codebase", **sealed)["sessions"]["codebase"]["code"]["unchanged"] == 3
    put(project, {"src/shop/labels.py": LABELS.replace("print_label", "draw_label")})
    assert answer("index-codebase", **sealed)["sessions"]["codebase"]["code"]["changed"] == 1
    now = "\n".join(found("label of an order", "--type", "code.symbol.*"))
    assert "draw_label" in now
    assert "print_label" not in now


def test_a_folder_without_source_files_is_a_finding(project: Path) -> None:
    (project / "empty").mkdir()
    code, shown, errors = run("index-codebase", "empty")
    assert code == 1
    assert "0 files of code" in shown
    assert "no source files there" in errors


def test_a_document_of_the_log_that_leads_out_of_the_folder_is_not_read(project: Path) -> None:
    (project / "inside").mkdir()
    put(project, {"secret.txt": "the safe opens with 1234"})
    payload = {
        "path": "inside/../secret.txt",
        "repository": project.name,
        "chunk": 1,
        "sha256": "0" * 64,
        "content": "x",
    }
    answer(
        "append", "document.indexed", "--actor", "ann", "--session-id", "documents", "--payload", json.dumps(payload)
    )
    done = answer("refresh-context", "inside")["sessions"]["documents"]["documents"]
    assert (done["changed"], done["gone"]) == (0, 0)
    assert [one["reason"] for one in done["intake"]["findings"]] == ["leads out of the folder"]
