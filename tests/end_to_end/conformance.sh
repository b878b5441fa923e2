#!/usr/bin/env bash
# Holds the MCP server against the protocol's public conformance suite, over HTTP.
#
#   tests/end_to_end/conformance.sh [PYTHON]
#
# PYTHON has Zaxy installed (default: .venv/bin/python). Runs every server scenario against `zaxy serve`, where
# conformance_memory.yml lists what does not apply and why, and against the suite's own fixtures behind the same
# endpoint, with conformance_fixtures.yml likewise; each with the suite for older protocols and with the preview of the
# one for today's. Needs npm and the network: the suites, and the Node 22 that they need, are installed into a temporary
# folder, which is removed afterwards. No part of the test suite for that.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$here/../.." && pwd)"
python="$(cd "$root" && command -v "${1:-.venv/bin/python}")"
[[ "$python" == /* ]] || python="$root/$python"

work="$(mktemp -d)"
server=""
finish() {
  [[ -z "$server" ]] || kill "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
mkdir "$work/tools" "$work/project" "$work/home"

declare -A suites=([0.1.16]=2025-11-25 [0.2.0-alpha.12]=2026-07-28)

install() {
  npm install --prefix "$work/$1" --no-audit --no-fund --loglevel=error "$2" >/dev/null
}
install tools node@22
export PATH="$work/tools/node_modules/.bin:$PATH"
for suite in "${!suites[@]}"; do
  install "$suite" "@modelcontextprotocol/conformance@$suite"
done

export HOME="$work/home" EMBEDDING_PROVIDER=none MCP_RATE_LIMIT_ENABLED=false
cd "$work/project"

# run NAME COMMAND...: starts a server, runs all scenarios of both suites against it, and ends it.
run() {
  local name="$1" url="" suite
  shift
  mkfifo "$work/$name.told"
  "$@" >"$work/$name.told" 2>&1 &
  server=$!
  exec 3<"$work/$name.told"
  read -r -u 3 url
  for suite in "${!suites[@]}"; do
    if ! "$work/$suite/node_modules/.bin/conformance" server --url "${url#Serving at }/mcp" --suite all \
      --spec-version "${suites[$suite]}" --expected-failures "$here/conformance_$name.yml" \
      -o "$work/$name-$suite" >"$work/$name.out" 2>&1; then
      cat "$work/$name.out" >&2
      printf 'FAILED  %s, %s\n' "$name" "$suite" >&2
      exit 1
    fi
    sed -n '/^=== SUMMARY ===/,/^Total/p' "$work/$name.out"
    printf 'ok      %s, conformance %s, protocol %s\n' "$name" "$suite" "${suites[$suite]}"
  done
  kill "$server"
  wait "$server"
  server=""
  exec 3<&-
}

run memory "$python" -m zaxy serve --transport http --port 0
run fixtures "$python" "$here/conformance_server.py"
