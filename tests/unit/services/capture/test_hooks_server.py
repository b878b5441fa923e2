"""A server that runs answers for the hook; one that ended, however it did, is not asked."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hook_calls import Client

from json_server import serving
from zaxy.config import Settings
from zaxy.services.capture.hooks.place import CapturePlace
from zaxy.services.capture.hooks.server_note import leaving_note, running_server

PACKET = {"text": "from the server", "facts": [], "working_set": [], "evidence": [{}]}


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return Client(tmp_path)


def test_a_running_server_is_asked_within_the_budget(client: Client) -> None:
    with serving(lambda _: PACKET) as server, leaving_note(client.settings, server.url):
        assert client.hook("SessionStart", source="startup").context == "from the server"
        [asked] = server.asked
        assert (asked["path"], asked["token_budget"]) == ("/v1/checkout", 1_500)
        assert server.headers[0]["Host"] == server.url.removeprefix("http://")
    assert client.asked == []


@pytest.mark.parametrize("reply", [(500, {}, b"{}"), (200, {}, b"not json"), (200, {}, b"[]"), (421, {}, b"")])
def test_a_server_that_answers_badly_is_answered_for(client: Client, reply: tuple[int, dict[str, str], bytes]) -> None:
    with serving(lambda _: PACKET) as server, leaving_note(client.settings, server.url):
        server.replies.append(reply)
        outcome = client.hook("SessionStart", source="startup")
    assert (outcome.problems, len(server.asked)) == ([], 1)
    assert len(client.asked) == 1 or outcome.context == ""


def test_the_note_of_a_server_that_was_killed_does_not_count(client: Client) -> None:
    with serving(lambda _: PACKET) as server:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            with leaving_note(client.settings, server.url):
                os.write(writing, b"1")
                signal.pause()
        os.read(reading, 1)
        place = CapturePlace.of(client.settings)
        assert running_server(place) == server.url
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
        os.close(writing)
        assert place is not None
        assert place.server_note.exists()
        assert running_server(place) == ""
        client.hook("SessionStart", source="startup")
    assert (server.asked, len(client.asked)) == ([], 1)


@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_a_note_in_a_folder_that_others_may_write_is_not_believed(client: Client, mode: int) -> None:
    place = CapturePlace.of(client.settings)
    assert place is not None
    with leaving_note(client.settings, "http://127.0.0.1:1"):
        assert running_server(place) == "http://127.0.0.1:1"
        place.folder.chmod(mode)
        assert running_server(place) == ""


def test_a_server_that_asks_for_credentials_leaves_no_note_and_neither_does_one_without_a_state_folder(
    client: Client, tmp_path: Path
) -> None:
    with leaving_note(client.settings, ""), leaving_note(Settings(eventloom_path=tmp_path), "http://127.0.0.1:1"):
        assert running_server(CapturePlace.of(client.settings)) == ""
