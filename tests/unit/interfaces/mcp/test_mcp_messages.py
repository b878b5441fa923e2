"""Reading JSON-RPC messages: what is bad is answered, where that is possible to the one who asked."""

from __future__ import annotations

import json

import pytest
from mcp.types.jsonrpc import JSONRPCRequest

from zaxy.interfaces.mcp.messages import LONGEST_LINE_BYTES, UnreadableMessageError, parse_message

DEEP = "[" * 3_000 + "]" * 3_000


def test_a_request_is_read() -> None:
    line = b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"x","arguments":{"n":[1,null,"\xc3\xa4"]}}}'
    message = parse_message(line)
    assert isinstance(message, JSONRPCRequest)
    assert message.params == {"name": "x", "arguments": {"n": [1, None, "ä"]}}


def test_what_a_tool_refuses_by_name_gets_as_far_as_the_tool() -> None:
    message = parse_message(b'{"jsonrpc":"2.0","id":7,"method":"m","params":{"a":NaN,"b":"\\ud800"}}')
    assert isinstance(message, JSONRPCRequest)
    assert message.params is not None
    assert message.params["b"] == "\ud800"


@pytest.mark.parametrize(
    ("line", "code", "told", "request_id"),
    [
        (b"{", -32700, "the message is not JSON: ", None),
        (b'{"jsonrpc":"2.0","id":7,"method":"m","params":{"a":"\xff"}}', -32700, "the message is not JSON: it is", 7),
        (b'{"jsonrpc":"2.0","id":"a","method":"m"', -32700, "the message is not JSON: ", "a"),
        (b'{"id":8,"method":"m","n":' + b"9" * 5_000 + b"}", -32700, "the message is not JSON: a number in it is", 8),
        (f'{{"jsonrpc": "2.0", "id": 9, "params": {DEEP}}}'.encode(), -32700, "the message nests too deep", 9),
        (
            f'{{"method":"m","params":{DEEP},"jsonrpc":"2.0","id":10}}'.encode(),
            -32700,
            "the message nests too deep",
            10,
        ),
        (f'{{"method":"m","params":{DEEP}}}'.encode(), -32700, "the message nests too deep", None),
        (b"[]", -32600, "this is no JSON-RPC 2.0 message", None),
        (b'{"jsonrpc":"1.0","id":7,"method":"m"}', -32600, "this is no JSON-RPC 2.0 message", 7),
        (b'{"jsonrpc":"2.0","id":true,"method":"m"}', -32600, "this is no JSON-RPC 2.0 message", None),
        (
            b'{"jsonrpc":"2.0","id":7,"method":"m","params":{"a":{"title":1,"title":2}}}',
            -32600,
            "an object in the message has the member 'title' twice",
            7,
        ),
    ],
)
def test_a_bad_message_is_answered_with_what_is_wrong(
    line: bytes, code: int, told: str, request_id: int | str | None
) -> None:
    with pytest.raises(UnreadableMessageError) as raised:
        parse_message(line)
    answer = raised.value.answer
    assert (answer.error.code, answer.id) == (code, request_id)
    assert answer.error.message.startswith(told)
    json.dumps(answer.error.message).encode("ascii")


def test_a_message_that_is_too_long_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(UnreadableMessageError, match="the message is longer than 67,108,864 bytes"):
        parse_message(b'{"id":1,' + b" " * LONGEST_LINE_BYTES)
