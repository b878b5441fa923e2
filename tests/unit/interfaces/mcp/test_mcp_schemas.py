"""The schemas are sound, and fit for every model provider."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from zaxy.interfaces.calls.tools import INSTRUCTIONS, TOOLS, Tool


@pytest.fixture(params=TOOLS, ids=lambda tool: tool.name)
def tool(request: pytest.FixtureRequest) -> Tool:
    return request.param


def test_both_schemas_are_json_schema_with_an_object_at_the_root(tool: Tool) -> None:
    for schema in (tool.takes, tool.gives):
        Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
        assert not {"anyOf", "oneOf", "allOf", "$ref"} & set(schema)


def test_an_argument_that_is_not_listed_is_refused(tool: Tool) -> None:
    assert tool.takes["additionalProperties"] is False


def test_every_argument_and_every_member_is_described(tool: Tool) -> None:
    def undescribed(schema: dict[str, Any], place: str) -> list[str]:
        found = []
        for name, member in schema.get("properties", {}).items():
            inner = member.get("items", member)
            described = "description" in member or "const" in member
            found += [] if described else [f"{place}.{name}"]
            found += undescribed(inner, f"{place}.{name}")
        return found

    assert undescribed(tool.takes, "takes") + undescribed(tool.gives, "gives") == []


def test_what_records_something_does_not_claim_to_read_only() -> None:
    changing = {"memory_invalidate", "memory_edit", "memory_rollback", "memory_forget"}
    recording = {tool.name for tool in TOOLS if not tool.reads_only}
    assert recording == {*changing, "memory_append", "memory_review", "evolution_gate", "memory_prove"}
    assert {tool.name for tool in TOOLS if tool.is_destructive} == changing


def test_a_guarded_tool_takes_the_admin_token_and_no_other_does() -> None:
    for tool in TOOLS:
        decides = tool.name == "memory_review"  # its list is free, its decisions are not
        is_guarded = tool.is_guarded or tool.is_irreversible or decides
        assert is_guarded == ("admin_token" in tool.takes["properties"])


def test_the_instructions_speak_of_every_tool() -> None:
    assert [tool.name for tool in TOOLS if tool.name not in INSTRUCTIONS] == []
