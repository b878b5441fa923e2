"""The types of the client's answers are those that the calls say they give, member by member."""

from __future__ import annotations

import inspect
import types as python_types
from typing import Any, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from zaxy.client import AsyncClient, Client, calls
from zaxy.client.calls import Request
from zaxy.interfaces.calls.tool import Tool
from zaxy.interfaces.calls.tools import TOOLS
from zaxy.interfaces.http.rest import path_of

KINDS = {str: "string", int: "integer", float: "number", bool: "boolean"}
CALLS = [tool.name.removeprefix("memory_") for tool in TOOLS]


def result_type(name: str) -> Any:
    """Return what a call of the client gives."""
    returned = get_type_hints(getattr(calls, name))["return"]
    assert get_origin(returned) is Request
    return get_args(returned)[0]


def differences(told: Any, schema: dict[str, Any], where: str) -> list[str]:
    """Return where a type and a schema do not say the same."""
    if get_origin(told) in (Union, python_types.UnionType):
        branches = schema.get("anyOf", [])
        if branches[1:] != [{"type": "null"}] or get_args(told)[1:] != (type(None),):
            return [f"{where}: one is optional and one is not"]
        return differences(get_args(told)[0], branches[0], where)
    if told in KINDS:
        return [] if schema.get("type") == KINDS[told] or kind_of(schema) is told else [f"{where}: {told} for {schema}"]
    if get_origin(told) is list:
        fits = schema.get("type") == "array"
        return differences(get_args(told)[0], schema["items"], f"{where}[]") if fits else [f"{where}: not a list"]
    if get_origin(told) is dict:
        named = [*schema.get("properties", {}).values(), schema.get("additionalProperties")]
        members = [member for member in named if isinstance(member, dict)]
        value = get_args(told)[1]
        wrong = [] if schema.get("type") == "object" else [f"{where}: not an object"]
        return wrong + [found for member in members if value is not Any for found in differences(value, member, where)]
    assert is_typeddict(told), where
    return object_differences(told, schema, where)


def kind_of(schema: dict[str, Any]) -> type | None:
    return type(schema["const"]) if "const" in schema else None


def object_differences(told: Any, schema: dict[str, Any], where: str) -> list[str]:
    members = get_type_hints(told, include_extras=True)
    known: dict[str, Any] = schema["properties"]
    found = [f"{where}: {name} is in one of them" for name in set(members) ^ set(known)]
    if set(told.__required_keys__) != set(schema["required"]):
        found.append(f"{where}: {sorted(set(told.__required_keys__) ^ set(schema['required']))} is not always there")
    for name in set(members) & set(known):
        member = members[name]
        inner = get_args(member)[0] if get_origin(member) is NotRequired else member
        found += differences(inner, known[name], f"{where}.{name}")
    return found


@pytest.mark.parametrize("tool", TOOLS, ids=CALLS)
def test_an_answer_has_the_type_that_its_schema_tells(tool: Tool) -> None:
    told = result_type(tool.name.removeprefix("memory_"))
    assert differences(told, tool.gives, told.__name__) == []


def test_a_type_that_differs_from_its_schema_is_found() -> None:
    tool = next(tool for tool in TOOLS if tool.name == "memory_query")
    hits = tool.gives["properties"]["hits"]
    for changed in (
        {**tool.gives, "required": tool.gives["required"][1:]},
        {**tool.gives, "properties": {**tool.gives["properties"], "more": {"type": "string"}}},
        {**tool.gives, "properties": {**tool.gives["properties"], "query": {"type": "integer"}}},
        {
            **tool.gives,
            "properties": {
                **tool.gives["properties"],
                "hits": {**hits, "items": {"type": "string", "properties": {}, "required": []}},
            },
        },
        {**tool.gives, "properties": {**tool.gives["properties"], "contrast": {"type": "number"}}},
    ):
        assert differences(result_type("query"), changed, "Answer")


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_either_client_has_every_call_there_is(client: type[Any]) -> None:
    for name in [*CALLS, "health"]:
        method = getattr(client, name)
        assert inspect.getdoc(method) == inspect.getdoc(getattr(calls, name))


def test_each_call_goes_to_the_route_of_its_tool() -> None:
    arguments: dict[str, tuple[Any, ...]] = {
        "append": ("note.made", "ann"),
        "query": ("hay",),
        "verbatim": ("hay",),
        "checkout": ("hay",),
        "replay": ("work",),
        "edit": (("work", 1), "hay"),
        "rollback": ("eventloom://work/events/1",),
        "show": (("work", 1),),
        "prove": (("work", 1),),
        "evolution_gate": ("update", 0.5),
    }
    needs_reason = ("edit", "rollback", "forget")
    for tool in TOOLS:
        name = tool.name.removeprefix("memory_")
        named = {"reason": "wrong"} if name in needs_reason else {}
        request = getattr(calls, name)(*arguments.get(name, ()), **named)
        assert request.path == path_of(tool)
        assert request.is_guarded == ("admin_token" in tool.takes["properties"])
        assert set(request.body) <= set(tool.takes["properties"])
