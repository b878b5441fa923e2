"""Editing JSON as text: what is not ours keeps every byte, and what was put in comes out again."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zaxy.services.operations.onboarding.additions import Addition, ShapeError, pruned, without
from zaxy.services.operations.onboarding.json_text import JsonText

STRICT, LENIENT = JsonText(), JsonText(comments=True)
SERVER = Addition(("mcpServers", "zaxy"), {"command": "/bin/zaxy", "args": ["serve"]})
HOOK = Addition(("hooks", "Stop"), {"hooks": [{"command": "zaxy hook"}]}, in_list=True)


def taken_out(editor: JsonText, text: str, addition: Addition) -> str:
    place = addition.found_in(editor.parse(text))
    assert place is not None
    return editor.cut(text, place)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "{}\n",
        '{"mcpServers": {"other": {"command": "x"}}}\n',
        '{"a":1,"mcpServers":{"other":{"command":"x"}},"b":[1,2]}',
        '{\n  "mcpServers": {\n    "other": {\n      "command": "x"\n    }\n  },\n  "theme": "dark"\n}\n',
        '{\n\t"theme": "dark"\n}\n',
        '{\n    "theme": "dark",\n    "hooks": {\n        "Stop": [\n            {"hooks": []}\n        ]\n    }\n}',
        '{\r\n  "theme": "dark"\r\n}\r\n',
        '{"odd": "}],{[\\" // no comment", "hooks": {"Stop": [1]}}',
        '{"größe": "日本 😀"}',
    ],
)
@pytest.mark.parametrize("addition", [SERVER, HOOK], ids=["member", "element"])
def test_what_is_put_in_is_there_and_comes_out_again_to_the_last_byte(text: str, addition: Addition) -> None:
    before = STRICT.parse(text)
    new = STRICT.insert(text, addition)
    assert json.loads(new) == addition.added_to(before)
    assert taken_out(STRICT, new, addition) == text


def test_what_is_put_in_is_laid_out_as_the_rest_is() -> None:
    text = '{\n    "mcpServers": {\n        "other": {}\n    }\n}\n'
    assert STRICT.insert(text, Addition(("mcpServers", "zaxy"), {"args": ["serve"]})) == (
        '{\n    "mcpServers": {\n        "zaxy": {\n            "args": [\n                "serve"\n            ]\n'
        '        },\n        "other": {}\n    }\n}\n'
    )
    assert "\n" not in STRICT.insert('{"mcpServers":{"other":{}}}', SERVER)
    windows = STRICT.insert('{\r\n  "a": 1\r\n}\r\n', SERVER)
    assert windows.count("\n") == windows.count("\r\n")


@pytest.mark.parametrize(
    "text",
    [
        '// mine\n{\n  "servers": {\n    // the first\n    "other": {"command": "x"}, // and last\n  },\n}\n',
        "{ /* nothing yet */ }",
        "{\n  // nothing yet\n}\n",
        '{"servers": {"a": 1, /* , */ "b": [1, 2,],},}',
        '{"url": "https://example.org/*not a comment*/", "servers": {}}',
    ],
)
def test_comments_and_trailing_commas_stay_where_they_are(text: str) -> None:
    addition = Addition(("servers", "zaxy"), {"command": "/bin/zaxy"})
    before = LENIENT.parse(text)
    new = LENIENT.insert(text, addition)
    assert LENIENT.parse(new) == addition.added_to(before)
    back = taken_out(LENIENT, new, addition)
    assert LENIENT.parse(back) == pruned(before, addition.place)
    assert all(comment in back for comment in re.findall(r"// .*|/\* .*? \*/", text))


def test_a_comment_beside_ours_stays_when_ours_goes() -> None:
    text = '{"servers": {\n  "zaxy": {},\n  // my own\n  "mine": {}\n}}'
    addition = Addition(("servers", "zaxy"), {})
    assert taken_out(LENIENT, text, addition) == '{"servers": {\n  // my own\n  "mine": {}\n}}'
    last = '{"servers": {\n  "mine": {}, // my own\n  "zaxy": {}\n}}'
    assert LENIENT.parse(taken_out(LENIENT, last, addition)) == {"servers": {"mine": {}}}
    assert "// my own" in taken_out(LENIENT, last, addition)


def test_comments_are_refused_where_the_client_does_not_take_them() -> None:
    with pytest.raises(ValueError, match="Expecting"):
        STRICT.parse('{"a": 1, // no\n "b": 2}')
    with pytest.raises(ValueError, match="nested"):
        STRICT.parse("[" * 100_000)


@pytest.mark.parametrize("text", ['{"mcpServers": []}', '{"mcpServers": "none"}', '{"mcpServers": null}', "[]", "3"])
def test_something_else_where_an_object_should_be_is_not_edited(text: str) -> None:
    with pytest.raises(ShapeError):
        STRICT.insert(text, SERVER)


def test_of_two_members_of_one_name_the_one_that_counts_is_edited() -> None:
    new = STRICT.insert('{"mcpServers": {"a": 1}, "mcpServers": {"b": 2}}', SERVER)
    assert json.loads(new)["mcpServers"] == {"zaxy": SERVER.value, "b": 2}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(st.sampled_from(["hooks", "mcpServers", "a", "b"]), VALUES, max_size=4)


@given(document=DOCUMENTS, indent=st.sampled_from([None, 1, 2, 4, "\t"]), addition=st.sampled_from([SERVER, HOOK]))
def test_any_document_says_what_it_said_with_the_addition_and_without_it(
    document: dict[str, Any], indent: int | str | None, addition: Addition
) -> None:
    text = json.dumps(document, indent=indent)
    try:
        new = STRICT.insert(text, addition)
        wanted = addition.added_to(document)
    except ShapeError:
        return
    assert STRICT.parse(new) == wanted
    place = addition.found_in(wanted)
    assert place is not None
    assert STRICT.parse(taken_out(STRICT, new, addition)) == without(wanted, place)
