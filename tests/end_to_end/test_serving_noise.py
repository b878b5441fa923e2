"""What strangers send to a server fills no log of it."""

from __future__ import annotations

import json
from pathlib import Path

from http_process import exchange, request, serving, status


def test_requests_that_cannot_be_read_and_upgrades_leave_no_line(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        upgrade = request(server.place, "GET /healthz", Connection="upgrade", Upgrade="websocket")
        assert json.loads(exchange(server.place, upgrade).partition(b"\r\n\r\n")[2]) == {"status": "ok"}
        assert status(exchange(server.place, b"no request at all\r\n\r\n")) == 400
        server.process.terminate()
        assert server.process.stderr is not None
        assert server.process.stderr.read() == ""
