"""Holds both halves of the witness protocol against an implementation that Zaxy's authors did not write.

    .venv/bin/python tests/end_to_end/witness_interop.py [PYTHON]

PYTHON is 3.12 or newer (default: the first one found), which the other implementation needs: ``aics-witness`` 0.1.0 and
``aics-tlog`` 0.2.1 from PyPI, installed into a temporary folder that is removed afterwards. Needs the network: it is no
part of the test suite; `test_proof_witness_vectors.py` holds what that witness answered once.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from witness_log import ORIGIN, WitnessLog
from zaxy.errors import ZaxyError
from zaxy.eventloom.proof.notes import SigningKey, VerifierKey
from zaxy.eventloom.proof.witness import (
    WitnessAheadError,
    WitnessClient,
    WitnessInconsistentError,
    WitnessKey,
    WitnessUnknownKeyError,
    WitnessUnknownLogError,
    add_log,
    make_witness_folder,
)

PACKAGES = ("aics-witness==0.1.0", "aics-tlog==0.2.1")
SERVE = """
import sys
from pathlib import Path
from zaxy.interfaces.http.witness import serve_witness

serve_witness(Path(sys.argv[1]), port=0, on_ready=lambda url, key: print(url, key, flush=True))
"""
FEED = """
import json, sys
from aics_tlog import Checkpoint, MerkleTree, sign_checkpoint
from aics_witness.feeder import WitnessAhead, WitnessClient, WitnessRejected, merge_cosignatures
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

url, vkey, origin, seed, folder = sys.argv[1:]
key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))
tree = MerkleTree([b"leaf %d" % number for number in range(40)])
fork = MerkleTree([b"leaf %d" % number if number < 12 else b"other" for number in range(40)])


def note(size, of=tree):
    return sign_checkpoint(Checkpoint(origin, size, of.root(size)), key, origin).to_bytes()


client = WitnessClient(url, vkey)
for size in (0, 1, 7, 7, 20, 33):
    line = client.submit(note(size), tree.consistency_proof)
open(f"{folder}/cosigned", "wb").write(merge_cosignatures(note(33), line))
line = WitnessClient(url, vkey).submit(note(40), tree.consistency_proof)
told = []
for size in (33, 40):
    try:
        client.submit(note(size, fork), fork.consistency_proof)
    except (WitnessRejected, WitnessAhead) as error:
        told.append(type(error).__name__)
print(json.dumps(told))
"""


def newer_python() -> str:
    """Return the first Python that is new enough."""
    for version in ("3.12", "3.13", "3.14"):
        if found := shutil.which(f"python{version}"):
            return found
    raise SystemExit("no Python 3.12 or newer was found; name one")


def run(*command: object) -> str:
    """Run a command to its end and return what it printed."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"FAILED  {command[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def expect(name: str, condition: bool) -> None:
    """Tell that a thing holds, or end."""
    if not condition:
        raise SystemExit(f"FAILED  {name}")
    print(f"ok      {name}")


def refused(call: Callable[[], object]) -> type[ZaxyError] | None:
    """Return with which error a call ends."""
    try:
        call()
    except ZaxyError as error:
        return type(error)
    return None


@contextlib.contextmanager
def serving(*command: object) -> Iterator[subprocess.Popen[str]]:
    """Run a server for the length of a ``with`` block."""
    asked = [str(part) for part in command]
    with subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


def ask_theirs(tool: Path, work: Path) -> None:
    """Ask the other witness with our client."""
    log = WitnessLog(40)
    fork = WitnessLog(40, log.key, forked_at=12)
    config = work / "witness.json"
    key = re.findall(
        r"witness\.example/w1\+\S+", run(tool, "init", "--config", config, "--name", "witness.example/w1")
    )[0]
    run(tool, "add-log", "--config", config, "--origin", ORIGIN, "--vkey", log.key.verifier)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = f"127.0.0.1:{listener.getsockname()[1]}"
    named = WitnessKey.parse(f"http://{place}", key)
    client = WitnessClient(named.url)
    keys = [log.key.verifier, named.verifier]
    with serving(tool, "serve", "--config", config, "--listen", place):
        host, _, port = place.partition(":")
        for _ in range(300):  # it prints no line when it is ready
            with contextlib.suppress(OSError), socket.create_connection((host, int(port))):
                break
            time.sleep(0.1)  # nothing but its port tells that a program of others is ready
        expect("theirs shows nothing at first", client.latest(ORIGIN, keys) is None)
        for size, known_size in ((0, 0), (1, 0), (7, 1), (7, 7), (20, 0), (33, 20)):
            (signature,) = client.cosign(log.note(size), named.verifier, known_size, log.proof)
            expect(f"theirs cosigns {size} leaves", log.note(size).with_signature(signature).signed_by(named.verifier))
        expect("theirs shows what it cosigned", client.latest(ORIGIN, keys) == log.note(33).with_signature(signature))
        refusals = {
            "a cut log": (lambda: client.cosign(log.note(20), named.verifier, 33, log.proof), WitnessAheadError),
            "a fork of its size": (
                lambda: client.cosign(fork.note(33), named.verifier, 33, fork.proof),
                WitnessInconsistentError,
            ),
            "a fork": (lambda: client.cosign(fork.note(40), named.verifier, 33, fork.proof), WitnessInconsistentError),
            "another key": (
                lambda: client.add_checkpoint(33, (), log.note(33, key=SigningKey.generate(ORIGIN))),
                WitnessUnknownKeyError,
            ),
            "another log": (
                lambda: client.add_checkpoint(0, (), log.note(7, origin="another.example")),
                WitnessUnknownLogError,
            ),
        }
        for name, (call, error) in refusals.items():
            expect(f"theirs refuses {name}: {error.code}", refused(call) is error)


def be_asked(python: Path, work: Path) -> None:
    """Let the other client ask our witness, and the other verifier look at what came of it."""
    seed, folder = bytes(range(32)), work / "ours"
    log_key = SigningKey(ORIGIN, 1, seed).verifier
    key = make_witness_folder(folder, "witness.example/w2")
    add_log(folder, log_key)
    with serving(sys.executable, "-c", SERVE, folder) as process:
        assert process.stdout is not None
        url, shown = process.stdout.readline().split()
        expect("ours shows its key", VerifierKey.parse(shown) == key)
        told = json.loads(run(python, "-c", FEED, url, key, ORIGIN, seed.hex(), work))
        expect("their client obtains cosignatures, and is refused a fork", told == ["WitnessAhead", "WitnessRejected"])
    checked = run(
        *(python.parent / "aics-tlog", "verify-checkpoint", "--note", work / "cosigned", "--origin", ORIGIN),
        *("--log-key", log_key, "--witness-key", key, "--quorum", 1),
    )
    expect("their verifier accepts our cosignature", json.loads(checked)["witnesses"] == [key.name])


def main() -> None:
    """Run all of it."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        run(sys.argv[1] if len(sys.argv) > 1 else newer_python(), "-m", "venv", work / "venv")
        python = work / "venv" / "bin" / "python"
        run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES)
        ask_theirs(python.parent / "aics-witness", work)
        be_asked(python, work)


if __name__ == "__main__":
    main()
