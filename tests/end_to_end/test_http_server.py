"""The memory as a web server: a process of its own, asked over sockets, ended by signals, killed and started again."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from cli_process import zaxy
from http_process import exchange, request, rest_of, serving, status

from zaxy.client import Client
from zaxy.errors import UnavailableError
from zaxy.interfaces.http.streams import MOST_STREAMS

PAGE = Path(__file__).parents[2] / "docs" / "http.md"
DOCUMENTED = "http://127.0.0.1:8080"
NOTE = json.dumps({"event_type": "note.made", "actor": "ann", "payload": {"content": "The alpaca eats hay."}}).encode()
INITIALIZE = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
).encode()


def test_a_client_in_another_process_records_and_asks(tmp_path: Path) -> None:
    with serving(tmp_path) as server, Client(server.url) as memory:
        assert memory.health() == {"status": "ok"}
        receipt = memory.append("note.made", "ann", {"content": "The alpaca eats hay."})
        assert memory.query("What does the alpaca eat?")["hits"][0]["citation"] == receipt["citation"]
        shown = json.loads(
            zaxy(tmp_path, "query", "What does the alpaca eat?", "--json", EMBEDDING_PROVIDER="none").stdout
        )
        assert shown["hits"][0]["citation"] == receipt["citation"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_server_and_what_has_begun_is_finished(number: signal.Signals, tmp_path: Path) -> None:
    with serving(tmp_path) as server, socket.create_connection(server.place, 30) as connection:
        whole = request(server.place, "POST /v1/append", NOTE)
        connection.sendall(whole[:-20])
        # Only when a second request was answered is it certain that the first one is being read.
        assert status(exchange(server.place, request(server.place, "GET /healthz"))) == 200
        server.signal(number)
        connection.sendall(whole[-20:])
        answer = rest_of(connection)
        assert status(answer) == 200
        assert server.ended() == (0, "")
    citation = json.loads(answer.partition(b"\r\n\r\n")[2])["citation"]
    verified = json.loads(zaxy(tmp_path, "log", "verify", "--json").stdout)
    assert verified["ok"]
    assert citation in zaxy(tmp_path, "query", "alpaca", "--json", EMBEDDING_PROVIDER="none").stdout


def test_open_streams_do_not_keep_a_server_from_ending(tmp_path: Path) -> None:
    with serving(tmp_path, transport="sse") as server:
        streams = []
        for _ in range(3):
            connection = socket.create_connection(server.place, 30)
            connection.sendall(request(server.place, "GET /sse", Accept="text/event-stream"))
            assert b"event: endpoint" in connection.recv(65_536) + connection.recv(65_536)
            streams.append(connection)
        server.signal(signal.SIGTERM)
        assert server.ended() == (0, "")
        for connection in streams:
            assert rest_of(connection).endswith(b"0\r\n\r\n")  # the stream was ended, not cut
            connection.close()


def test_clients_that_only_listen_do_not_keep_others_from_calling(tmp_path: Path) -> None:
    with serving(tmp_path, transport="sse") as server, contextlib.ExitStack() as listeners:
        stream = request(server.place, "GET /sse", Accept="text/event-stream")
        for _ in range(MOST_STREAMS):
            connection = listeners.enter_context(socket.create_connection(server.place, 30))
            connection.sendall(stream)
            assert status(connection.recv(65_536)) == 200
        for _ in range(3):
            refused = exchange(server.place, stream)
            assert status(refused) == 503
            assert b"retry-after: 10\r\n" in refused
            assert json.loads(refused.partition(b"\r\n\r\n")[2])["error"]["code"] == "busy"
            assert status(exchange(server.place, request(server.place, "POST /v1/append", NOTE))) == 200


def test_a_second_signal_ends_a_server_at_once(tmp_path: Path) -> None:
    with serving(tmp_path) as server, socket.create_connection(server.place, 30) as connection:
        connection.sendall(request(server.place, "POST /v1/append", NOTE)[:-1])
        assert status(exchange(server.place, request(server.place, "GET /healthz"))) == 200
        server.signal(signal.SIGTERM)
        while refused_or_answered(server.place):
            pass  # until the first signal was seen
        server.signal(signal.SIGTERM)
        assert server.ended()[0] == -signal.SIGTERM


def refused_or_answered(place: tuple[str, int]) -> bool:
    """Return whether a server still takes connections."""
    try:
        exchange(place, request(place, "GET /healthz"))
    except OSError:
        return False
    return True


def test_a_server_that_was_killed_leaves_nothing_to_repair(tmp_path: Path) -> None:
    citations = []
    for number in range(3):
        with serving(tmp_path) as server, Client(server.url) as memory:
            for word in range(5):
                receipt = memory.append("note.made", "ann", {"content": f"word{number}x{word} was said"})
                citations.append(receipt["citation"])
            server.signal(signal.SIGKILL)
            assert server.ended()[0] == -signal.SIGKILL
    with serving(tmp_path) as server, Client(server.url) as memory:
        replayed = memory.replay("default")
        assert [event["citation"] for event in replayed["events"]] == citations
        assert memory.status(verify=True)["ok"]
        assert memory.query("word0x0")["hits"][0]["citation"] == citations[0]


def test_two_servers_and_a_command_line_share_one_loom(tmp_path: Path) -> None:
    with serving(tmp_path) as one, serving(tmp_path) as two, Client(one.url) as left, Client(two.url) as right:
        for number in range(5):
            said = left.append("note.made", "ann", {"content": f"left{number} was said"})
            assert right.query(f"left{number}", limit=1)["hits"][0]["citation"] == said["citation"]
            said = right.append("note.made", "bob", {"content": f"right{number} was said"})
            assert left.query(f"right{number}", limit=1)["hits"][0]["citation"] == said["citation"]
        payload = json.dumps({"content": "typed was said"})
        typed = zaxy(tmp_path, "append", "note.made", "--actor", "ann", "--payload", payload)
        assert typed.returncode == 0
        assert "typed" in left.query("typed", limit=1)["hits"][0]["content"]
        assert right.status(verify=True)["total_events"] == 11


def test_the_commands_and_the_program_of_the_page_work_as_they_stand(tmp_path: Path) -> None:
    blocks = re.findall(r"```(\w*)\n(.+?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    shell = [text for kind, text in blocks if kind == "" and text.startswith("curl")]
    (program,) = [text for kind, text in blocks if kind == "python"]
    with serving(tmp_path) as server:
        done = subprocess.run(
            ["sh", "-ec", shell[0].replace(DOCUMENTED, server.url)], capture_output=True, text=True, check=True
        )
        receipt, end = json.JSONDecoder().raw_decode(done.stdout)
        answer = json.loads(done.stdout[end:])
        assert answer["hits"][0]["citation"] == receipt["citation"]
        program = program.replace(DOCUMENTED, server.url)
        printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert "Ship the parser eventloom://default/events/" in printed.stdout


def test_mcp_is_served_beside_the_calls(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        accept = "application/json, text/event-stream"
        answer = exchange(server.place, request(server.place, "POST /mcp", INITIALIZE, Accept=accept))
        assert status(answer) == 200
        assert b"zaxy-memory" in answer
        rebound = exchange(
            server.place, request(server.place, "POST /mcp", INITIALIZE, Accept=accept, Host="evil.example")
        )
        assert status(rebound) == 421
        assert status(exchange(server.place, request(server.place, "GET /sse"))) == 404


def test_what_is_no_request_does_not_end_a_server(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        for stray in (
            b"\r\n\r\n",
            b"SSH-2.0-x\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            bytes(range(256)) * 16 + b"\r\n\r\n",
        ):
            with socket.create_connection(server.place, 30) as connection:
                connection.sendall(stray)
        chunked = b"POST /v1/query HTTP/1.1\r\nHost: %s:%d\r\nContent-Type: application/json\r\n" % (
            server.place[0].encode(),
            server.place[1],
        )
        longest = [b"100000\r\n" + b" " * (1 << 20) + b"\r\n"] * 4
        answer = exchange(server.place, chunked + b"Transfer-Encoding: chunked\r\n\r\n", *longest, b"1\r\nx\r\n")
        assert status(answer) == 413
        assert status(exchange(server.place, request(server.place, "GET /healthz"))) == 200


IMPATIENT = """
import zaxy.interfaces.http.connections
zaxy.interfaces.http.connections.HEAD_TIMEOUT_SECONDS = 0.2
from zaxy.__main__ import main
main()
"""


def test_a_request_whose_head_does_not_come_is_not_waited_for(tmp_path: Path) -> None:
    with serving(tmp_path, program=(sys.executable, "-c", IMPATIENT)) as server:
        kept = request(server.place, "GET /healthz", Connection="keep-alive")
        for begun in (b"", b"GET", kept[:-2], kept + kept[:-2]):
            with socket.create_connection(server.place, 30) as connection:
                connection.sendall(begun)
                answer = rest_of(connection)  # which ends when the server closes
                assert answer.count(b"200 OK") == begun.count(b"\r\n\r\n")
        with socket.create_connection(server.place, 30) as connection:  # one whose body comes slowly has its own limit
            whole = request(server.place, "POST /v1/append", NOTE)
            connection.sendall(whole[:-1])
            for _ in range(3):
                with socket.create_connection(server.place, 30) as other:
                    assert rest_of(other) == b""
            connection.sendall(whole[-1:])
            assert status(rest_of(connection)) == 200


def test_a_port_that_is_taken_is_told_of(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = zaxy(tmp_path, "serve", "--transport", "http", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 4
    assert "cannot be listened on" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_an_address_that_others_reach_is_not_served_without_credentials(host: str, tmp_path: Path) -> None:
    done = zaxy(tmp_path, "serve", "--transport", "http", "--host", host, "--port", "0")
    assert done.returncode == 2
    assert "credentials" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_listens_on_this_machine_only_unless_told_otherwise(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        host, port = server.place
        assert host == "127.0.0.1"
        with Client(f"http://127.0.0.2:{port}") as memory, pytest.raises(UnavailableError):
            memory.health()
