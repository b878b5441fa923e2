"""A real server that takes JSON and answers in JSON, or as a test wants it to."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, dict[str, str], bytes]


@dataclass
class Server:
    """What was asked, and what is answered: `replies` first, then `answer`. It waits as long as `hold` is not set."""

    answer: Callable[[dict[str, Any]], Any]
    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)

    def reply(self, path: str, body: dict[str, Any]) -> Reply:
        self.asked.append({"path": path, **body})
        return self.replies.pop(0) if self.replies else (200, {}, json.dumps(self.answer(body)).encode())


@contextlib.contextmanager
def serving(answer: Callable[[dict[str, Any]], Any]) -> Iterator[Server]:
    """Give a server on a port of its own."""
    told = Server(answer)
    told.hold.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.headers.append(dict(self.headers))
            status, headers, data = told.reply(self.path, body)
            told.hold.wait(30)
            try:
                self.send_response(status)
                for name, value in {"Content-Length": str(len(data)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)
            except OSError:
                pass  # the client did not wait

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        listening.daemon_threads = True
        told.url = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield told
        told.hold.set()
        listening.shutdown()
        thread.join()
