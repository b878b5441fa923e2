"""Serves what the public conformance suite wants to find on a server, over the same endpoint as the memory's own tools.

The suite asks for tools, resources and prompts of its own, some of which show an image or ask the client for something.
They are no part of a memory, so that they stand here; what is tested by them is the transport that they go over.

    python tests/end_to_end/conformance_server.py
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from mcp.server import Server, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    AudioContent,
    BlobResourceContents,
    CallToolRequestParams,
    CallToolResult,
    CompleteRequestParams,
    CompleteResult,
    Completion,
    ContentBlock,
    EmbeddedResource,
    EmptyResult,
    GetPromptRequestParams,
    GetPromptResult,
    ImageContent,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    Prompt,
    PromptArgument,
    PromptMessage,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    SamplingMessage,
    SetLevelRequestParams,
    SubscribeRequestParams,
    TextContent,
    TextResourceContents,
    Tool,
    UnsubscribeRequestParams,
)
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from zaxy import MemoryFabric
from zaxy.interfaces.calls.runner import CallRunner
from zaxy.interfaces.http.authentication import Authentication
from zaxy.interfaces.http.guard import Bound, Guard
from zaxy.interfaces.http.serving import listening, run_server, url_of
from zaxy.interfaces.mcp.asgi import McpEndpoint

Context = ServerRequestContext[Any]
Content = list[ContentBlock]
Run = Callable[[Context, dict[str, Any]], Awaitable[Content]]

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
SILENCE = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="


def text(said: str) -> TextContent:
    return TextContent(type="text", text=said)


def embedded(uri: str, mime_type: str, said: str) -> EmbeddedResource:
    return EmbeddedResource(resource=TextResourceContents(uri=uri, mime_type=mime_type, text=said))


IMAGE = ImageContent(type="image", data=PIXEL, mime_type="image/png")
AUDIO = AudioContent(type="audio", data=SILENCE, mime_type="audio/wav")
STATIC: dict[str, Content] = {
    "test_simple_text": [text("This is a simple text response for testing.")],
    "test_image_content": [IMAGE],
    "test_audio_content": [AUDIO],
    "test_embedded_resource": [embedded("test://embedded-resource", "text/plain", "An embedded resource.")],
    "test_multiple_content_types": [
        text("Multiple content types test:"),
        IMAGE,
        embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
    ],
    "json_schema_2020_12_tool": [text("Its schema is what is looked at.")],
}
DEFAULTS: dict[str, Any] = {
    "name": {"type": "string", "default": "John Doe"},
    "age": {"type": "integer", "default": 30},
    "score": {"type": "number", "default": 95.5},
    "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
    "verified": {"type": "boolean", "default": True},
}
_TITLED = [{"const": f"value{number}", "title": f"Option {number}"} for number in (1, 2, 3)]
_UNTITLED = ["option1", "option2", "option3"]
ENUMS: dict[str, Any] = {
    "untitledSingle": {"type": "string", "enum": _UNTITLED},
    "titledSingle": {"type": "string", "oneOf": _TITLED},
    "legacyEnum": {"type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": ["One", "Two", "Three"]},
    "untitledMulti": {"type": "array", "items": {"type": "string", "enum": _UNTITLED}},
    "titledMulti": {"type": "array", "items": {"anyOf": _TITLED}},
}
SCHEMA_2020_12 = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "address",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        },
    },
    "allOf": [{"anyOf": [{"required": ["name"]}, {"required": ["address"]}]}],
    "if": {"required": ["name"]},
    "then": {"required": ["name"]},
    "else": {"required": ["address"]},
    "properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"}},
    "additionalProperties": False,
}


async def log(context: Context, _: dict[str, Any]) -> Content:
    for said in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await context.session.send_log_message("info", said, related_request_id=context.request_id)
    return [text("It was logged.")]


async def progress(context: Context, _: dict[str, Any]) -> Content:
    for done in (0, 50, 100):
        await context.session.report_progress(done, 100)
    return [text("It is done.")]


async def sample(context: Context, arguments: dict[str, Any]) -> Content:
    asked = SamplingMessage(role="user", content=text(arguments["prompt"]))
    answer = await context.session.create_message([asked], max_tokens=100, related_request_id=context.request_id)
    return [text(f"LLM response: {answer.content}")]


def eliciting(properties: dict[str, Any]) -> Run:
    async def elicit(context: Context, arguments: dict[str, Any]) -> Content:
        schema = {"type": "object", "properties": properties, "required": []}
        message = arguments.get("message", "Please fill this in")
        answer = await context.session.elicit_form(message, schema, related_request_id=context.request_id)
        told = f"action={answer.action}, content={json.dumps(answer.content)}"
        return [text(f"Elicitation completed: {told}")]

    return elicit


async def fail(_: Context, __: dict[str, Any]) -> Content:
    raise ValueError("This tool intentionally returns an error for testing")


async def reconnect(context: Context, _: dict[str, Any]) -> Content:
    if context.close_sse_stream is not None:
        await context.close_sse_stream()
    return [text("The stream was closed meanwhile.")]


RUNS: dict[str, Run] = {
    "test_tool_with_logging": log,
    "test_tool_with_progress": progress,
    "test_sampling": sample,
    "test_elicitation": eliciting({"username": {"type": "string"}, "email": {"type": "string"}}),
    "test_elicitation_sep1034_defaults": eliciting(DEFAULTS),
    "test_elicitation_sep1330_enums": eliciting(ENUMS),
    "test_error_handling": fail,
    "test_reconnection": reconnect,
}
ARGUMENTS = {"test_sampling": "prompt", "test_elicitation": "message"}


def schema_of(name: str) -> dict[str, Any]:
    if name == "json_schema_2020_12_tool":
        return SCHEMA_2020_12
    argument = ARGUMENTS.get(name)
    return {"type": "object", "properties": {argument: {"type": "string"}} if argument else {}}


async def list_tools(_: Context, __: PaginatedRequestParams | None) -> ListToolsResult:
    names = [*STATIC, *RUNS]
    return ListToolsResult(tools=[Tool(name=name, description=name, input_schema=schema_of(name)) for name in names])


async def call_tool(context: Context, params: CallToolRequestParams) -> CallToolResult:
    if params.name in STATIC:
        return CallToolResult(content=STATIC[params.name])
    if params.name not in RUNS:
        raise MCPError(INVALID_PARAMS, f"Unknown tool: {params.name}")
    try:
        return CallToolResult(content=await RUNS[params.name](context, params.arguments or {}))
    except ValueError as error:
        return CallToolResult(content=[text(str(error))], is_error=True)


async def list_resources(_: Context, __: PaginatedRequestParams | None) -> ListResourcesResult:
    named = {"test://static-text": "text/plain", "test://static-binary": "image/png"}
    return ListResourcesResult(
        resources=[Resource(uri=uri, name=uri, description=uri, mime_type=kind) for uri, kind in named.items()]
    )


async def list_templates(_: Context, __: PaginatedRequestParams | None) -> ListResourceTemplatesResult:
    return ListResourceTemplatesResult(
        resource_templates=[ResourceTemplate(name="data", uri_template="test://template/{id}/data")]
    )


async def read_resource(_: Context, params: ReadResourceRequestParams) -> ReadResourceResult:
    uri = params.uri
    if uri == "test://static-binary":
        return ReadResourceResult(contents=[BlobResourceContents(uri=uri, mime_type="image/png", blob=PIXEL)])
    parts = uri.removeprefix("test://").split("/")
    if uri == "test://static-text":
        kind, said = "text/plain", "This is the content of the static text resource."
    elif parts[0] == "template":
        kind, said = "application/json", json.dumps({"id": parts[1], "templateTest": True, "data": parts[1]})
    else:
        raise MCPError(INVALID_PARAMS, f"Unknown resource: {uri}", {"uri": uri})
    return ReadResourceResult(contents=[TextResourceContents(uri=uri, mime_type=kind, text=said)])


async def subscribe(_: Context, __: SubscribeRequestParams | UnsubscribeRequestParams) -> EmptyResult:
    return EmptyResult()


PROMPTS: dict[str, list[str]] = {
    "test_simple_prompt": [],
    "test_prompt_with_arguments": ["arg1", "arg2"],
    "test_prompt_with_embedded_resource": ["resourceUri"],
    "test_prompt_with_image": [],
}


async def list_prompts(_: Context, __: PaginatedRequestParams | None) -> ListPromptsResult:
    return ListPromptsResult(
        prompts=[
            Prompt(name=name, description=name, arguments=[PromptArgument(name=each, required=True) for each in wanted])
            for name, wanted in PROMPTS.items()
        ]
    )


async def get_prompt(_: Context, params: GetPromptRequestParams) -> GetPromptResult:
    given = params.arguments or {}
    contents: dict[str, Callable[[], Content]] = {
        "test_simple_prompt": lambda: [text("This is a simple prompt for testing.")],
        "test_prompt_with_arguments": lambda: [text(f"Prompt with arguments: {given}")],
        "test_prompt_with_embedded_resource": lambda: [embedded(given["resourceUri"], "text/plain", "Embedded.")],
        "test_prompt_with_image": lambda: [IMAGE, text("Please analyze the image above.")],
    }
    return GetPromptResult(messages=[PromptMessage(role="user", content=part) for part in contents[params.name]()])


async def complete(_: Context, __: CompleteRequestParams) -> CompleteResult:
    return CompleteResult(completion=Completion(values=[]))


async def set_level(_: Context, __: SetLevelRequestParams) -> EmptyResult:
    return EmptyResult()


def fixtures() -> Server[Any]:
    """Return the server that the suite wants to find."""
    with warnings.catch_warnings(action="ignore"):  # setting a log level is deprecated and still asked for
        return Server(
            "conformance-fixtures",
            version="1",
            on_list_tools=list_tools,
            on_call_tool=call_tool,
            on_list_resources=list_resources,
            on_list_resource_templates=list_templates,
            on_read_resource=read_resource,
            on_subscribe_resource=subscribe,
            on_unsubscribe_resource=subscribe,
            on_list_prompts=list_prompts,
            on_get_prompt=get_prompt,
            on_completion=complete,
            on_set_logging_level=set_level,
        )


def main() -> None:
    """Serve on a free port until a signal comes; the first line of the output is the URL."""
    with tempfile.TemporaryDirectory() as folder, listening("127.0.0.1", 0) as listener:
        fabric = MemoryFabric(folder)
        endpoint = McpEndpoint(CallRunner(fabric), server=fixtures())

        @contextlib.asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            async with fabric, endpoint.run():
                print(f"Serving at {url_of(listener)}", flush=True)
                yield

        bound = Bound("127.0.0.1", listener.getsockname()[1])
        routes = [Route("/mcp", endpoint.streamable, methods=["GET", "POST", "DELETE"])]
        middleware = [Middleware(Guard, bound), Middleware(Authentication, fabric.memory.settings)]
        run_server(Starlette(routes=routes, middleware=middleware, lifespan=lifespan), listener)


if __name__ == "__main__":
    main()
