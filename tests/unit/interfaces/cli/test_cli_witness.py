"""log witness: asking a witness, one that is down or knows better, and being one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cli_words import answer, record, zaxy

from zaxy.eventloom.proof.witness import open_witness

NOWHERE = "http://127.0.0.1:9"
"""The discard port: nobody listens."""


class _Handler(BaseHTTPRequestHandler):
    server: Served

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        reply = open_witness(self.server.folder).add_checkpoint(body)
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, *words: Any) -> None:
        """Print nothing."""


class Served(ThreadingHTTPServer):
    """A witness over HTTP, in this process."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def loom(folder: Path) -> Path:
    """A loom of two events."""
    assert zaxy("init").exit_code == 0
    record("Ship the parser")
    return folder


@pytest.fixture
def key(loom: Path) -> str:
    """The public key of a new witness, in the folder ``w``."""
    return zaxy("log", "witness", "key", "w").stdout.strip()


@pytest.fixture
def served(loom: Path, key: str) -> Iterator[Served]:
    """That witness, which knows the loom, over HTTP."""
    assert zaxy("log", "witness", "trust", "w", public_key()).exit_code == 0
    with Served(loom / "w") as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def public_key() -> str:
    return zaxy("log", "key", "show", "--public").stdout.strip()


def test_the_key_of_a_witness_is_made_once(loom: Path, key: str) -> None:
    assert key.startswith("zaxy-witness+")
    assert zaxy("log", "witness", "key", "w").stdout.strip() == key
    assert zaxy("log", "witness", "key", "v", "--name", "witness.example/w1").stdout.startswith("witness.example/w1+")
    refused = zaxy("log", "witness", "key", "w", "--name", "another")
    assert refused.exit_code == 2
    assert "zaxy-witness" in refused.stderr


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb"])
def test_what_cannot_name_a_witness_is_wrong_use_and_makes_nothing(name: str, loom: Path) -> None:
    assert zaxy("log", "witness", "key", "w", "--name", name).exit_code == 2
    assert not (loom / "w" / "witness.key").exists()


def test_a_witness_that_is_added_cosigns_at_once_and_every_checkpoint_after_that(served: Served, key: str) -> None:
    done = zaxy("log", "witness", "add", served.url, "--key", key)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == f"Added the witness zaxy-witness at {served.url}\n  cosigned by zaxy-witness\n"
    assert zaxy("log", "witness", "list").stdout == f"zaxy-witness at {served.url}: cosigned 2 events\n"
    record("Ship more")
    assert "  cosigned by zaxy-witness" in zaxy("log", "checkpoint").stdout
    assert answer("log", "witness", "list") == [{"url": served.url, "key": key, "size": 3}]
    verified = zaxy("log", "verify")
    assert verified.stdout.startswith("Integrity: OK, level: witness")
    assert "  cosigned by zaxy-witness" in verified.stdout
    assert zaxy("log", "verify", "--offline").stdout.startswith("Integrity: OK, level: pinned head")


def test_a_proof_names_the_witness_that_cosigned(served: Served, key: str) -> None:
    zaxy("log", "witness", "add", served.url, "--key", key)
    assert zaxy("log", "prove", "default", "2", "--output", "x").exit_code == 0
    words = ("log", "check-proof", "x", "--public-key", public_key(), "--witness-key", key)
    assert answer(*words)["cosigned_by"] == [key]
    assert f"  cosigned by {key}" in zaxy(*words).stdout


def test_a_witness_knows_better_than_the_loom_that_was_rolled_back_with_its_state(
    served: Served, key: str, loom: Path, state_home: Path
) -> None:
    zaxy("log", "witness", "add", served.url, "--key", key)
    everything = {
        path: path.read_bytes()
        for top in (loom / ".eventloom", state_home)
        for path in top.rglob("*")
        if path.is_file()
    }
    record("Ship more")
    assert zaxy("log", "checkpoint").exit_code == 0
    for path, content in everything.items():
        path.write_bytes(content)
    (seen,) = state_home.rglob("seen")
    seen.unlink()
    done = zaxy("log", "verify")
    assert done.exit_code == 3
    assert done.stderr.startswith("error: witness_contradicts: the witness zaxy-witness knows another history")
    assert zaxy("log", "verify", "--offline").exit_code == 0
    record("Ship something else")
    forked = zaxy("log", "checkpoint")
    assert forked.exit_code == 3
    assert "zaxy-witness" in forked.stderr


def test_a_witness_that_does_not_know_the_loom_refuses_and_the_operator_is_told_what_to_do(
    loom: Path, key: str
) -> None:
    with Served(loom / "w") as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        done = zaxy("log", "witness", "add", server.url, "--key", key)
        server.shutdown()
        thread.join()
    assert done.exit_code == 1
    assert "does not know this log" in done.stderr
    assert "zaxy log key show --public" in done.stderr


def test_a_witness_that_is_down_is_kept_and_told_and_keeps_nothing_from_working(loom: Path, key: str) -> None:
    done = zaxy("log", "witness", "add", NOWHERE, "--key", key)
    assert done.exit_code == 1
    assert done.stdout == f"Added the witness zaxy-witness at {NOWHERE}\n"
    assert done.stderr.startswith("warning: zaxy-witness: ")
    assert zaxy("log", "witness", "list").stdout == f"zaxy-witness at {NOWHERE}: cosigned 0 events\n"
    record("Ship more")
    signed = zaxy("log", "checkpoint")
    assert (signed.exit_code, signed.stdout.splitlines()[0].endswith("took in 1 event")) == (0, True)
    assert "warning: zaxy-witness: " in signed.stderr
    verified = zaxy("log", "verify")
    assert verified.exit_code == 0
    assert "did not confirm the checkpoint" in verified.stderr
    assert zaxy("doctor").exit_code == 0
    assert json.loads(zaxy("log", "checkpoint", "--json").stdout)["witnesses"][0]["cosigned"] is False


def test_a_witness_is_removed_by_its_address_or_its_name(loom: Path, key: str) -> None:
    for name in (NOWHERE, "zaxy-witness"):
        zaxy("log", "witness", "add", NOWHERE, "--key", key)
        assert zaxy("log", "witness", "remove", name).stdout == "Removed the witness zaxy-witness\n"
        assert zaxy("log", "witness", "list").stdout == "No witness is asked.\n"
    done = zaxy("log", "witness", "remove", "zaxy-witness")
    assert done.exit_code == 2
    assert "zaxy log witness list" in done.stderr


@pytest.mark.parametrize("url", ["", "x", "ftp://w.example", "http://", "http://w.example/a b", "file:///etc/passwd"])
def test_what_is_no_address_of_a_witness_is_wrong_use(url: str, loom: Path, key: str) -> None:
    done = zaxy("log", "witness", "add", url, "--key", key)
    assert done.exit_code == 2
    assert "  next: " in done.stderr
    assert zaxy("log", "witness", "list").stdout == "No witness is asked.\n"


def test_the_key_of_a_log_is_not_the_key_of_a_witness_nor_the_other_way_round(loom: Path, key: str) -> None:
    assert zaxy("log", "witness", "add", NOWHERE, "--key", public_key()).exit_code == 2
    assert zaxy("log", "witness", "trust", "w", key).exit_code == 2


def test_a_log_is_not_said_to_be_cosigned_by_a_folder_that_holds_no_witness(loom: Path) -> None:
    done = zaxy("log", "witness", "trust", "mistyped", public_key())
    assert done.exit_code != 0
    assert "zaxy log witness key mistyped" in done.stderr
    assert not (loom / "mistyped").exists()


def test_serving_a_folder_that_holds_no_witness_says_how_to_make_one(loom: Path) -> None:
    done = zaxy("log", "witness", "serve", "mistyped")
    assert done.exit_code == 4
    assert "zaxy log witness key" in done.stderr
    assert not (loom / "mistyped").exists()


def test_a_folder_that_cannot_be_made_is_one_sentence(loom: Path) -> None:
    (loom / "file").write_text("in the way")
    done = zaxy("log", "witness", "key", "file/w")
    assert done.exit_code == 4
    assert done.stderr.count("cannot be written") == 1
