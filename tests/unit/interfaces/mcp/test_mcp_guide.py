"""The guide says what is offered, and nothing else."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from zaxy.interfaces.calls.tool import Tool
from zaxy.interfaces.calls.tools import TOOLS
from zaxy.interfaces.mcp.prompts import PROMPTS
from zaxy.interfaces.mcp.tool_listing import CORE_TOOLS

GUIDE = (Path(__file__).parents[4] / "docs" / "mcp.md").read_text(encoding="utf-8")


def row(tool: Tool) -> str:
    """Return a tool's row in the guide; after a change on purpose, this is what belongs there."""
    does = "reads" if tool.reads_only else "changes" if tool.is_destructive else "records"
    guard = ", admin" if tool.is_irreversible else ", guarded" if tool.is_guarded else ""
    return f"| `{tool.name}` | {'yes' if tool.name in CORE_TOOLS else ''} | {tool.title} | {does}{guard} |"


def test_the_guides_table_is_the_registry() -> None:
    shown = [line for line in GUIDE.splitlines() if re.match(r"\| `(memory|evolution)_", line)]
    assert shown == [row(tool) for tool in TOOLS]


def test_the_guide_names_every_prompt_with_its_arguments() -> None:
    for prompt in PROMPTS:
        arguments = ", ".join(f"`{argument.name}`" for argument in prompt.arguments or ())
        assert f"| `{prompt.name}` | {arguments} |" in GUIDE


def test_every_configuration_in_the_guide_can_be_read() -> None:
    blocks = re.findall(r"```(\w+)\n(.*?)```", GUIDE, flags=re.DOTALL)
    read = {"json": json.loads, "toml": tomllib.loads}
    assert [kind for kind, _ in blocks] == ["toml", "toml", "json", "json"]
    for kind, text in blocks:
        assert "zaxy" in str(read[kind](text))
