#!/usr/bin/env bash
# Holds the MCP server against the MCP inspector's command line: a client that Zaxy's authors did not write. It speaks
# to the server on standard input and output, over HTTP, and over the event stream of older clients.
#
#   tests/end_to_end/inspector.sh [PYTHON]
#
# PYTHON has Zaxy installed (default: .venv/bin/python). Needs npm and the network: the inspector, and the Node 22 that
# it needs, are installed into a temporary folder, which is removed afterwards. No part of the test suite for that.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
python="$(cd "$root" && command -v "${1:-.venv/bin/python}")"
[[ "$python" == /* ]] || python="$root/$python"

work="$(mktemp -d)"
server=""
finish() {
  [[ -z "$server" ]] || kill "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
mkdir "$work/tools" "$work/home"

install() {
  npm install --prefix "$work/tools" --no-audit --no-fund --loglevel=error "$@" >/dev/null
}
install node@22
export PATH="$work/tools/node_modules/.bin:$PATH"
install @modelcontextprotocol/inspector@2.12.0

export HOME="$work/home" EMBEDDING_PROVIDER=none

inspect() {
  mcp-inspector --cli "${target[@]}" "$@"
}

# expect NAME STATUS PATTERN COMMAND...: the command ends with this status, and its output holds the pattern.
expect() {
  local name="$1" status="$2" pattern="$3" told=0 output
  shift 3
  output="$("$@" 2>&1)" || told=$?
  if [[ "$told" != "$status" ]] || ! grep -q -- "$pattern" <<<"$output"; then
    printf 'FAILED  %s: status %s instead of %s, or no %s in:\n%s\n' "$name" "$told" "$status" "$pattern" "$output" >&2
    exit 1
  fi
  printf 'ok      %s\n' "$name"
}

portability() {
  local output
  output="$(inspect --method tools/list --strict 2>&1)" || return
  printf '%s\n%d findings\n' "$output" "$(grep -c '^ *Issue: ' <<<"$output")"
}

call=(inspect --method tools/call --tool-name)

# check NAME: all that a client does, in an empty memory, with the server that target reaches.
check() {
  local name="$1"
  expect "$name: the tools are listed" 0 '"name": "memory_checkout"' inspect --method tools/list
  expect "$name: every schema is portable" 0 '^0 findings$' portability
  expect "$name: a goal is recorded" 0 '"citation": "eventloom://default/events/1#' \
    "${call[@]}" memory_append --tool-arg event_type=goal.created actor=user 'payload={"title":"Ship MVP"}'
  expect "$name: the goal answers the question" 0 '"content": "title: Ship MVP"' \
    "${call[@]}" memory_query --tool-arg 'query=What are our goals?' limit=5
  expect "$name: it is not known before it was recorded" 0 '"hits": \[\]' \
    "${call[@]}" memory_query --tool-arg 'query=What are our goals?' temporal_filter=2024-06-01T00:00:00Z
  expect "$name: it is in a checkout" 0 '"verdict": "answer"' "${call[@]}" memory_checkout --tool-arg 'query=our goals'
  expect "$name: it is replayed" 0 '"next_from_seq": null' "${call[@]}" memory_replay --tool-arg session_id=default
  expect "$name: its session is a resource" 0 '"uri": "eventloom://default"' inspect --method resources/list
  expect "$name: it is a resource" 0 'Ship MVP' inspect --method resources/read --uri eventloom://default/events/1
  expect "$name: a prompt recalls it" 0 'Ship MVP' \
    inspect --method prompts/get --prompt-name recall_before_work --prompt-args 'task=our goals'
  expect "$name: it is invalidated" 0 '"status": "invalidated"' \
    "${call[@]}" memory_invalidate --tool-arg entity_type=goal 'entity_name=Ship MVP' reason=shipped
  expect "$name: then it answers no more" 0 '"hits": \[\]' "${call[@]}" memory_query --tool-arg 'query=What are our goals?'
  expect "$name: a bad argument is an error of the tool" 5 'limit must be at least 1' \
    "${call[@]}" memory_query --tool-arg query=x limit=0
  expect "$name: a session that is not there is an error of the tool" 5 'not_found' \
    "${call[@]}" memory_replay --tool-arg session_id=none
  expect "$name: the log is sound" 0 'OK' "$python" -m zaxy status
}

# serve TRANSPORT: starts a server in an empty folder on a free port; its address is in url.
serve() {
  mkdir "$work/$1"
  cd "$work/$1"
  mkfifo "$work/$1.told"
  "$python" -m zaxy serve --transport "$1" --port 0 >"$work/$1.told" 2>&1 &
  server=$!
  exec 3<"$work/$1.told"
  read -r -u 3 url
  url="${url#Serving at }"
}

# stop: ends it; it has to end well.
stop() {
  kill "$server"
  wait "$server"
  server=""
  exec 3<&-
}

mkdir "$work/stdio"
cd "$work/stdio"
target=("$python" -m zaxy serve)
check stdio

serve http
target=(--transport http --server-url "$url/mcp")
check http
stop

serve sse
target=(--transport sse --server-url "$url/sse")
check sse
stop
