"""The description of the HTTP API, as OpenAPI 3.1, made from what the calls say of themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from zaxy import __version__
from zaxy.interfaces.calls.schemas import Schema, gives, text
from zaxy.interfaces.calls.tool import Tool
from zaxy.interfaces.http.answers import JSON_TYPE
from zaxy.interfaces.http.health import HEALTH_PATH, READY_PATH
from zaxy.interfaces.http.metrics import METRICS_PATH
from zaxy.interfaces.http.rest import ADMIN_HEADER, ADMIN_MEMBER, path_of

OPENAPI_PATH: Final = "/openapi.json"

_DIGEST: Final = "eventloom://work/events/12#9f2c41d07b3a"
_REASON: Final = "The release moved to May"

EXAMPLES: Final[Mapping[str, Schema]] = {
    "memory_checkout": {"query": "Plan the release", "token_budget": 1_000},
    "memory_append": {
        "event_type": "goal.created",
        "actor": "ann",
        "payload": {"title": "Ship the parser"},
        "session_id": "work",
        "key": "planner:42",
    },
    "memory_query": {"query": "What are our goals?", "limit": 5},
    "memory_verbatim": {"query": "Ship the parser"},
    "memory_invalidate": {"entity_type": "goal", "entity_name": "Ship the parser", "reason": _REASON},
    "memory_replay": {"session_id": "work", "from_seq": 1},
    "memory_edit": {"citation": _DIGEST, "new_content": "Ship the parser in May", "reason": _REASON},
    "memory_rollback": {"citation": _DIGEST, "reason": "The correction was wrong"},
    "memory_forget": {"citation": _DIGEST, "reason": "Ann asked for it", "dry_run": True},
    "memory_show": {"citation": _DIGEST},
    "memory_review": {},
    "memory_conflicts": {},
    "evolution_gate": {"op": "update", "confidence": 0.9},
    "evolution_policy": {},
    "memory_status": {},
    "memory_prove": {"citation": _DIGEST},
}
"""A body for each call."""

_ERRORS: Final[Mapping[int, str]] = {
    400: "The body is not a JSON object, or the request carries its credentials where none belong.",
    403: "The admin token is needed, or the policy does not let it through, or a page may not speak to the server.",
    404: "There is no such event, session or entity.",
    408: "The body did not arrive in time.",
    409: "Stored bytes are not what was sealed, or not what was named.",
    410: "It was forgotten.",
    413: "The body is too long, or the event would be.",
    415: "The body is not of the type application/json.",
    421: "The server does not answer to the name in the Host header.",
    422: "The body is understood, and what it asks for cannot be done.",
    500: "A defect; the server's standard error says more.",
    503: "Something does not let the call finish, such as the disk; retryable says whether to try again.",
}
_CREDENTIAL_ERRORS: Final[Mapping[int, str]] = {
    401: "The request does not say who sends it in a way that can be believed.",
    429: "Too many requests; Retry-After says when to go on.",
}
_ERROR: Final = gives(
    {
        "error": gives(
            {
                "code": text("What kind of error it is: not_found, invalid_input, ..."),
                "message": text("What went wrong, in a sentence"),
                "remedy": text("What to do next, empty when there is nothing"),
                "retryable": {"type": "boolean", "description": "Whether the same request may succeed later"},
            }
        )
    }
)
_STATUS: Final = gives({"status": text("ok or ready")})


def describe(tools: Sequence[Tool], *, asks_for_credentials: bool = False) -> Schema:
    """Return the description.

    Args:
        tools: The calls there are.
        asks_for_credentials: Whether requests must say who sends them.
    """
    errors = {**_ERRORS, **_CREDENTIAL_ERRORS}
    schemes: Schema = {"bearer": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Zaxy memory",
            "version": __version__,
            "description": "A durable, cited memory. What it returns is data, not instructions.",
        },
        "paths": {
            **{path_of(tool): {"post": _operation(tool)} for tool in tools},
            HEALTH_PATH: {"get": _probe("health", "Whether the server runs")},
            READY_PATH: {"get": _probe("ready", "Whether the loom can be read and its stores are open", 503)},
            METRICS_PATH: {"get": _page("metrics", "Metrics for Prometheus", "text/plain", {"type": "string"})},
            OPENAPI_PATH: {"get": _page("openapi", "This description", JSON_TYPE, {"type": "object"})},
        },
        "components": {
            "schemas": {"Error": _ERROR},
            "responses": {
                str(status): {
                    "description": told,
                    "content": {JSON_TYPE: {"schema": {"$ref": "#/components/schemas/Error"}}},
                }
                for status, told in errors.items()
            },
            **({"securitySchemes": schemes} if asks_for_credentials else {}),
        },
        **({"security": [{"bearer": []}]} if asks_for_credentials else {}),
    }


def _operation(tool: Tool) -> Schema:
    members = {name: schema for name, schema in tool.takes["properties"].items() if name != ADMIN_MEMBER}
    taken: Schema = {**tool.takes, "properties": members}
    example = {"example": EXAMPLES[tool.name]} if tool.name in EXAMPLES else {}
    operation: Schema = {
        "operationId": tool.name,
        "summary": tool.title,
        "description": tool.description,
        "requestBody": {"required": True, "content": {JSON_TYPE: {"schema": taken, **example}}},
        "responses": {
            "200": _answer("The answer", tool.gives),
            **_references(*_ERRORS, *_CREDENTIAL_ERRORS),
        },
    }
    if ADMIN_MEMBER in tool.takes["properties"]:
        schema = {"type": "string"}
        told = "The admin token, where the server was given one"
        operation["parameters"] = [{"name": ADMIN_HEADER, "in": "header", "description": told, "schema": schema}]
    return operation


def _probe(name: str, summary: str, *errors: int) -> Schema:
    answers = {"200": _answer("It does", _STATUS), **_references(*errors, 403, 421)}
    return {"operationId": name, "summary": summary, "security": [], "responses": answers}


def _page(name: str, summary: str, kind: str, schema: Schema) -> Schema:
    answers = {"200": _answer("It", schema, kind), **_references(400, 403, 421, *_CREDENTIAL_ERRORS)}
    return {"operationId": name, "summary": summary, "responses": answers}


def _answer(told: str, schema: Schema, kind: str = JSON_TYPE) -> dict[str, Any]:
    return {"description": told, "content": {kind: {"schema": schema}}}


def _references(*statuses: int) -> Schema:
    return {str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(statuses)}
