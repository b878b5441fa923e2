"""Editing TOML and YAML by lines: a server comes in and goes out, the rest keeps every byte."""

from __future__ import annotations

import sys

import pytest
import yaml

from zaxy.errors import MissingDependencyError
from zaxy.services.operations.onboarding.additions import Addition, ShapeError
from zaxy.services.operations.onboarding.line_text import TomlText, YamlText

SERVER = Addition(("mcp_servers", "zaxy"), {"command": '/a "b"/zaxy', "args": ["serve", "--session-id", "größe"]})


def taken_out(editor: TomlText | YamlText, text: str) -> str:
    place = SERVER.found_in(editor.parse(text))
    assert place is not None
    return editor.cut(text, place)


@pytest.mark.parametrize(
    "text",
    [
        "",
        'model = "o5"\n',
        '# mine\nmodel = "o5"\n\n[mcp_servers.other]\ncommand = "x"\nargs = [\n  "a",\n]\n',
        '[mcp_servers]\n[mcp_servers.other]\ncommand = "x"\n',
        "[features]\r\nhooks = true\r\n",
    ],
)
def test_a_table_of_toml_comes_in_and_goes_out_again(text: str) -> None:
    editor = TomlText()
    before = editor.parse(text)
    new = editor.insert(text, SERVER)
    assert new.startswith(text)
    assert editor.parse(new) == SERVER.added_to(before)
    assert taken_out(editor, new) == text


def test_a_table_of_toml_goes_from_between_others_with_what_they_say_kept() -> None:
    editor = TomlText()
    text = editor.insert("", SERVER) + '\n# another\n[mcp_servers.other]\ncommand = "x"\n'
    assert taken_out(editor, text) == '\n# another\n[mcp_servers.other]\ncommand = "x"\n'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "model: big\n",
        "# mine\nmodel: big\nmcp_servers:\n  other:\n    command: x\n    args: [a]\ntheme: dark\n",
        "mcp_servers:  # all of them\n\n    # the first\n    other:\n        command: x\n",
        "list:\n- a\n- b\n",
    ],
)
def test_a_block_of_yaml_comes_in_and_goes_out_again(text: str) -> None:
    editor = YamlText()
    before = editor.parse(text)
    new = editor.insert(text, SERVER)
    assert yaml.safe_load(new) == SERVER.added_to(before)
    assert taken_out(editor, new) == text


def test_yaml_in_a_layout_that_is_not_known_is_not_cut() -> None:
    editor = YamlText()
    text = "mcp_servers: {zaxy: {command: x}, b: {}}\n"
    with pytest.raises(ShapeError, match="laid out"):
        editor.cut(text, SERVER.place)


def test_yaml_that_is_none_is_refused_and_one_that_is_blank_is_an_empty_object() -> None:
    with pytest.raises(ValueError, match="expected"):
        YamlText().parse("a: [1,\n")
    assert YamlText().parse("# nothing\n") == {}


def test_without_a_reader_of_yaml_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(MissingDependencyError, match="pip install pyyaml"):
        YamlText().parse("")
