"""Asking a witness: what it answers is taken for what it is, and a witness that misbehaves costs one bounded call."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from witness_log import ORIGIN, WitnessLog
from zaxy.errors import InvalidInputError, UnavailableError, ZaxyError
from zaxy.eventloom.proof.notes import NoteSignature, SigningKey
from zaxy.eventloom.proof.witness import (
    BadCosignatureError,
    Witness,
    WitnessAheadError,
    WitnessClient,
    WitnessInconsistentError,
    WitnessKey,
    WitnessRefusedError,
    WitnessSizeError,
    WitnessUnavailableError,
    WitnessUnknownKeyError,
    WitnessUnknownLogError,
    cosignatures_of,
)
from zaxy.eventloom.proof.witness_protocol import MAX_ANSWER_BYTES, checkpoint_path

WITNESS_KEY = SigningKey.generate("witness.example/w1", 4)
Serve = Callable[[bytes], bytes]


@dataclass
class Server:
    """A server on this machine that answers each connection with what a function makes of the request."""

    url: str
    requests: list[bytes] = field(default_factory=list)


def received(connection: socket.socket) -> bytes:
    """Return a whole request."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65_536)
        if not part:
            return data
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line.partition(b":")[2]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


@contextlib.contextmanager
def serving(answer: Serve, *, handle: Callable[[socket.socket], None] | None = None) -> Iterator[Server]:
    """Serve until the end of a ``with`` block; ``handle`` takes over a connection once its request is read."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(f"http://127.0.0.1:{listener.getsockname()[1]}")

    def work() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                request = received(connection)
                if not request:
                    return
                server.requests.append(request)
                connection.sendall(answer(request))
                if handle is not None:
                    handle(connection)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield server
    finally:
        with contextlib.suppress(OSError), socket.create_connection(listener.getsockname()[:2]):
            pass  # an empty request ends the server
        thread.join()
        listener.close()


def http(status: int, body: bytes = b"", content_type: str = "text/plain", more: str = "") -> bytes:
    head = f"HTTP/1.1 {status} x\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


def over_http(witness: Witness) -> Serve:
    """Return what puts a witness behind a server."""

    def answer(request: bytes) -> bytes:
        head, _, body = request.partition(b"\r\n\r\n")
        path = head.split(b" ")[1].decode()
        reply = witness.add_checkpoint(body) if path == "/add-checkpoint" else witness.checkpoint(path.split("/")[1])
        return http(reply.status, reply.body, reply.content_type)

    return answer


@pytest.fixture(scope="module")
def log() -> WitnessLog:
    return WitnessLog(40)


@pytest.fixture
def witness(tmp_path: Path, log: WitnessLog) -> Witness:
    return Witness(tmp_path / "witness", WITNESS_KEY, {ORIGIN: log.key.verifier})


def test_cosignatures_are_obtained_from_whatever_size_the_witness_holds(witness: Witness, log: WitnessLog) -> None:
    with serving(over_http(witness)) as server:
        client = WitnessClient(server.url)
        for size, known_size, requests in ((7, 0, 1), (20, 7, 1), (33, 0, 2), (33, 40, 1), (40, 20, 2)):
            server.requests.clear()
            note = log.note(size)
            (signature,) = client.cosign(note, witness.verifier, known_size, log.proof)
            assert note.with_signature(signature).signed_by(witness.verifier)
            assert len(server.requests) == requests


def test_a_log_that_was_cut_is_found_by_what_the_witness_holds(witness: Witness, log: WitnessLog) -> None:
    with serving(over_http(witness)) as server:
        client = WitnessClient(server.url)
        client.cosign(log.note(33), witness.verifier, 0, log.proof)
        for known_size in (0, 20, 33):
            with pytest.raises(WitnessAheadError, match="was cut") as raised:
                client.cosign(log.note(20), witness.verifier, known_size, log.proof)
            assert (raised.value.size, raised.value.exit_code) == (33, 3)


def test_a_log_that_was_rewritten_is_found_by_what_the_witness_holds(witness: Witness, log: WitnessLog) -> None:
    fork = WitnessLog(40, log.key, forked_at=12)
    with serving(over_http(witness)) as server:
        client = WitnessClient(server.url)
        client.cosign(log.note(20), witness.verifier, 0, log.proof)
        for size in (20, 33):
            with pytest.raises(WitnessInconsistentError, match="does not continue") as raised:
                client.cosign(fork.note(size), witness.verifier, 20, fork.proof)
            assert (raised.value.status, raised.value.exit_code) == (422, 3)


def test_the_last_cosigned_checkpoint_can_be_fetched(witness: Witness, log: WitnessLog) -> None:
    keys = [log.key.verifier, witness.verifier]
    with serving(over_http(witness)) as server:
        client = WitnessClient(server.url)
        assert client.latest(ORIGIN, keys) is None
        client.cosign(log.note(20), witness.verifier, 0, log.proof)
        fetched = client.latest(ORIGIN, keys)
        assert fetched is not None
        assert fetched.text == log.note(20).text
        with pytest.raises(BadCosignatureError, match="not signed as it should be"):
            client.latest(ORIGIN, [*keys, SigningKey.generate("another.example").verifier])


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (b"not a note", 200, BadCosignatureError),
        (b"text\n\n\xe2\x80\x94 name AAAAAAE=\n", 200, BadCosignatureError),
        (b"moved", 302, WitnessRefusedError),
        (b"broken", 500, WitnessUnavailableError),
    ],
)
def test_what_is_fetched_is_a_checkpoint_or_an_error(body: bytes, status: int, error: type[ZaxyError]) -> None:
    with serving(lambda request: http(status, body)) as server, pytest.raises(error):
        WitnessClient(server.url).latest(ORIGIN, [])


def test_a_checkpoint_of_another_log_is_not_taken_for_the_one_asked_for(log: WitnessLog) -> None:
    other = log.note(7, origin="another.example").encode()
    with serving(lambda request: http(200, other)) as server, pytest.raises(BadCosignatureError):
        WitnessClient(server.url).latest(ORIGIN, [log.key.verifier])


@pytest.mark.parametrize(
    ("answer", "error", "size"),
    [
        (http(409, b"20\n", "text/x.tlog.size"), WitnessSizeError, 20),
        (http(409, b"34\n", "text/x.tlog.size"), WitnessAheadError, 34),
        (http(409, b"a fork\n"), WitnessInconsistentError, None),
        (http(422, b"a fork\n"), WitnessInconsistentError, None),
        (http(404), WitnessUnknownLogError, None),
        (http(403), WitnessUnknownKeyError, None),
        (http(400, b"no\n"), WitnessRefusedError, None),
        (http(401), WitnessRefusedError, None),
        (http(204), WitnessRefusedError, None),
        (http(302, more="Location: http://127.0.0.1:9/\r\n"), WitnessRefusedError, None),
    ],
)
def test_each_refusal_has_its_error(
    answer: bytes, error: type[WitnessRefusedError], size: int | None, log: WitnessLog
) -> None:
    with serving(lambda request: answer) as server, pytest.raises(WitnessRefusedError) as raised:
        WitnessClient(server.url).add_checkpoint(7, log.proof(7, 33), log.note(33))
    assert (type(raised.value), raised.value.size) == (error, size)
    assert server.url in raised.value.message
    assert isinstance(raised.value, error)


def test_a_conflict_at_the_size_that_was_sent_is_a_fork(log: WitnessLog) -> None:
    with serving(lambda request: http(409, b"33\n", "text/x.tlog.size")) as server:
        with pytest.raises(WitnessInconsistentError):
            WitnessClient(server.url).add_checkpoint(33, (), log.note(33))
        with pytest.raises(WitnessSizeError):  # it contradicts itself, and is not asked for ever
            WitnessClient(server.url).cosign(log.note(40), WITNESS_KEY.verifier, 33, log.proof)
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_witness_that_cannot_cosign_now_is_unavailable(status: int, log: WitnessLog) -> None:
    unavailable = pytest.raises(WitnessUnavailableError, match=f"answered {status} later")
    with serving(lambda request: http(status, b"later\x1b[31m\n")) as server, unavailable as raised:
        WitnessClient(server.url).add_checkpoint(0, (), log.note(7))
    assert (raised.value.retryable, raised.value.exit_code) == (True, 4)
    assert "\x1b" not in str(raised.value)
    assert isinstance(raised.value, UnavailableError)


@pytest.mark.parametrize("body", [b"", b"hello\n", b"\n\n", b"\xff\n"])
def test_an_answer_that_is_no_signature_is_a_bad_cosignature(body: bytes, log: WitnessLog) -> None:
    with serving(lambda request: http(200, body)) as server, pytest.raises(BadCosignatureError):
        WitnessClient(server.url).add_checkpoint(0, (), log.note(7))


@pytest.mark.parametrize("body", [b"x" * (MAX_ANSWER_BYTES + 1), b"x" * (MAX_ANSWER_BYTES * 4)])
@pytest.mark.parametrize("status", [200, 409, 422])
def test_an_answer_without_end_is_not_read_to_its_end(body: bytes, status: int, log: WitnessLog) -> None:
    with serving(lambda request: http(status, body)) as server, pytest.raises(BadCosignatureError, match="more than"):
        WitnessClient(server.url).add_checkpoint(0, (), log.note(7))


def test_redirects_are_not_followed(witness: Witness, log: WitnessLog) -> None:
    with serving(over_http(witness)) as real:
        moved = http(307, more=f"Location: {real.url}/add-checkpoint\r\n")
        with serving(lambda request: moved) as server, pytest.raises(WitnessRefusedError, match="307"):
            WitnessClient(server.url).cosign(log.note(7), witness.verifier, 0, log.proof)
        assert real.requests == []


def test_no_proxy_is_used_and_nothing_but_the_request_is_sent(
    witness: Witness, log: WitnessLog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("default login ann password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with serving(over_http(witness)) as server:
        WitnessClient(server.url).cosign(log.note(7), witness.verifier, 0, log.proof)
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
    names = sorted(line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:])
    assert names == [b"accept-encoding", b"content-length", b"content-type", b"host"]
    assert body == log.request(0, 7)


def test_an_address_may_have_a_path(witness: Witness, log: WitnessLog) -> None:
    with serving(lambda request: http(404)) as server:
        client = WitnessClient(f"{server.url}/some/where/")
        assert client.latest(ORIGIN, []) is None
        with pytest.raises(WitnessUnknownLogError):
            client.add_checkpoint(0, (), log.note(7))
    paths = [request.split(b" ")[1].decode() for request in server.requests]
    assert paths == [f"/some/where{checkpoint_path(ORIGIN)}", "/some/where/add-checkpoint"]


def test_a_witness_that_is_not_there_is_unavailable(log: WitnessLog) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(WitnessUnavailableError, match="cannot be reached") as raised:
        WitnessClient(url).add_checkpoint(0, (), log.note(7))
    assert url in raised.value.message
    assert "check the address" in raised.value.remedy


def dribble(connection: socket.socket) -> None:
    """Send a byte at a time for as long as the other side listens, each before a limit on silence is over."""
    gone = threading.Event()
    while True:
        connection.sendall(b"x")
        gone.wait(0.02)


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(b"", id="no status"),
        pytest.param(b"HTTP/1.1 200 x\r\nX-Long: ", id="headers"),
        pytest.param(b"HTTP/1.1 200 x\r\nContent-Length: 60000\r\n\r\n", id="a body"),
        pytest.param(b"HTTP/1.1 200 x\r\n\r\n", id="a body without a length"),
        pytest.param(b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\nfff0\r\n", id="a chunk"),
    ],
)
def test_a_witness_that_answers_byte_by_byte_is_broken_off(begun: bytes, log: WitnessLog) -> None:
    unavailable = pytest.raises(WitnessUnavailableError, match=r"no answer within 0\.3 seconds")
    with serving(lambda request: begun, handle=dribble) as server, unavailable:
        WitnessClient(server.url, timeout_seconds=0.3).add_checkpoint(0, (), log.note(7))


def test_a_witness_that_never_answers_is_broken_off(log: WitnessLog) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"//127.0.0.1:{listener.getsockname()[1]}"
        for scheme in ("http", "https"):
            with pytest.raises(WitnessUnavailableError, match=r"no answer within 0\.2 seconds"):
                WitnessClient(f"{scheme}:{url}", timeout_seconds=0.2).add_checkpoint(0, (), log.note(7))


@pytest.mark.parametrize(
    "said", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 x\r\n" + b"a: b\r\n" * 200]
)
def test_what_is_no_web_server_is_unavailable(said: bytes, log: WitnessLog) -> None:
    with serving(lambda request: said) as server, pytest.raises(WitnessUnavailableError, match="cannot be reached"):
        WitnessClient(server.url).add_checkpoint(0, (), log.note(7))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "witness.example.com",
        "ftp://witness.example.com",
        "file:///etc/passwd",
        "http://",
        "http:///add-checkpoint",
        "http://witness.example.com:0",
        "http://witness.example.com:99999",
        "http://witness.example.com:port",
        "http://[::1",
        "http://a..b",
        f"http://{'a' * 70}.example",
        "http://ann:secret@witness.example.com",
        "http://witness.example.com/?key=secret",
        "http://witness.example.com/?",
        "http://witness.example.com/#here",
        "http://witness.example.com/a path",
        "http://witness.example.com/\r\nX-Header: 1",
        "http://witness.example.com/wég",
    ],
)
def test_what_is_not_an_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError, match="address of a witness") as raised:
        WitnessClient(url)
    assert "secret" not in str(raised.value) or "?key" in url
    with pytest.raises(InvalidInputError):
        WitnessKey.parse(url, str(WITNESS_KEY.verifier))


def test_a_witness_is_named_by_its_address_and_its_key() -> None:
    key = WITNESS_KEY.verifier
    named = WitnessKey.parse("https://witness.example.com/w1/", str(key))
    assert named == WitnessKey("https://witness.example.com/w1", key)
    for wrong in (str(SigningKey.generate("log.example").verifier), "witness.example/w1", str(key)[:-4] + "AAAA"):
        with pytest.raises(InvalidInputError):
            WitnessKey.parse("https://witness.example.com", wrong)


def test_only_cosignatures_that_verify_count(log: WitnessLog) -> None:
    note, key = log.note(20), WITNESS_KEY.verifier
    good = WITNESS_KEY.cosign(note.text, 1_700_000_000)
    stranger = SigningKey.generate("witness.example/w1", 4).cosign(note.text, 1_700_000_000)
    assert cosignatures_of(note, (stranger, good), key) == (good,)
    elsewhere = WITNESS_KEY.cosign(log.note(33).text, 1_700_000_000)
    later = NoteSignature(good.name, good.key_id, (1_700_000_001).to_bytes(8, "big") + good.signature[8:])
    short = NoteSignature(good.name, good.key_id, good.signature[:-1])
    for bad in (elsewhere, later, short):
        for answer in ((bad,), (good, bad), (bad, good)):
            with pytest.raises(BadCosignatureError, match="does not verify"):
                cosignatures_of(note, answer, key)
    for answer in ((), (stranger,)):
        with pytest.raises(BadCosignatureError, match="without a cosignature"):
            cosignatures_of(note, answer, key)


def test_a_witness_with_another_key_is_found(witness: Witness, log: WitnessLog) -> None:
    other = SigningKey.generate("witness.example/w1", 4).verifier
    with serving(over_http(witness)) as server, pytest.raises(BadCosignatureError, match="check its key"):
        WitnessClient(server.url).cosign(log.note(7), other, 0, log.proof)
