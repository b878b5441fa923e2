"""Which calls are offered as tools, and how they are told to a client that reads the whole list into its context."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from mcp.types import Tool as ListedTool
from mcp.types import ToolAnnotations

from zaxy.errors import InvalidInputError
from zaxy.interfaces.calls.schemas import Schema
from zaxy.interfaces.calls.tool import Tool

CORE_TOOLS: Final = (
    "memory_checkout",
    "memory_append",
    "memory_query",
    "memory_verbatim",
    "memory_invalidate",
    "memory_edit",
    "memory_show",
    "memory_status",
)
"""What the profile ``core`` offers: to recall, to record, to correct, and to look."""

PROFILES: Final[Mapping[str, Sequence[str] | None]] = {"core": CORE_TOOLS, "full": None}
"""Names of the tools of each profile; None stands for all."""

_TOLD_IN_FULL: Final = ("description", "properties", "required")
_TOOL_NAME: Final = re.compile(r"\b(?:memory|evolution)_[a-z]+\b")


def offered_tools(tools: Iterable[Tool], profile: str) -> tuple[Tool, ...]:
    """Return the tools that a profile offers, in the order they have.

    Raises:
        InvalidInputError: There is no such profile.
    """
    if profile not in PROFILES:
        raise InvalidInputError(f"there is no tool profile {profile[:40]!r}", remedy=f"use {' or '.join(PROFILES)}")
    wanted = PROFILES[profile]
    return tuple(tool for tool in tools if wanted is None or tool.name in wanted)


def told_instructions(instructions: str, tools: Iterable[Tool]) -> str:
    """Return the lines of the instructions that speak of no tool but those that are offered."""
    names = {tool.name for tool in tools}
    return "\n".join(line for line in instructions.splitlines() if names.issuperset(_TOOL_NAME.findall(line)))


def listed(tool: Tool) -> ListedTool:
    """Return a tool as it is listed.

    The output schema is listed in short, as the types of the members alone: clients hold answers against it, and a
    model finds the members' names in every answer.
    """
    return ListedTool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.takes,
        output_schema={**_types(tool.gives), "required": tool.gives["required"]},
        annotations=ToolAnnotations(
            read_only_hint=tool.reads_only,
            destructive_hint=tool.is_destructive,
            idempotent_hint=tool.reads_only,
            open_world_hint=False,
        ),
    )


def _types(schema: Schema) -> Schema:
    """Return a schema that accepts all that another one does, without what that says of members and their presence."""
    shape = {name: _part(part) for name, part in schema.items() if name not in _TOLD_IN_FULL}
    if "properties" in schema:
        shape["properties"] = {name: _types(member) for name, member in schema["properties"].items()}
    return shape


def _part(part: Any) -> Any:
    if isinstance(part, list):
        return [_part(each) for each in part]
    return _types(part) if isinstance(part, dict) else part
