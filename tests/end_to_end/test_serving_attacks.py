"""A web server and clients that mean it no good, over sockets."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest
from http_process import exchange, request, serving, status

IMPATIENT = """
import zaxy.interfaces.http.connections
zaxy.interfaces.http.connections.HEAD_TIMEOUT_SECONDS = 0.2
from zaxy.__main__ import main
main()
"""


def test_a_client_that_reads_none_of_its_answers_is_dropped(tmp_path: Path) -> None:
    with serving(tmp_path, program=(sys.executable, "-c", IMPATIENT)) as server:
        many = request(server.place, "GET /healthz", Connection="keep-alive") * 1_000
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
            connection.settimeout(30)  # as long as it is not dropped, sending waits for a server that waits for us
            connection.connect(server.place)
            with pytest.raises(ConnectionError):
                connection.sendall(many * 1_000)
        assert status(exchange(server.place, request(server.place, "GET /healthz"))) == 200


def test_a_request_with_two_lengths_is_refused_and_nothing_behind_it_on_its_connection_is_read(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        hidden = request(server.place, "GET /healthz")
        both = request(server.place, "POST /v1/query", Connection="keep-alive", Content_Length="5")
        both = both.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")
        answer = exchange(server.place, both + b"0\r\n\r\n" + hidden)
        assert status(answer) == 400
        assert answer.count(b"HTTP/1.1") == 1
