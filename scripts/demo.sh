#!/bin/sh
# Zaxy on its own history: a loom in a temporary folder takes in this repository's commits, documents and source files,
# answers three questions with citations, and verifies the chain. `make demo` runs it; KEEP=1 keeps the folder.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
zaxy=${ZAXY:-$root/.venv/bin/zaxy}
folder=$(mktemp -d "${TMPDIR:-/tmp}/zaxy-demo.XXXXXX")
loom=$folder/.eventloom

finish() {
  code=$?
  trap - EXIT
  if [ -n "${KEEP:-}" ]; then
    printf '\nThe loom is kept in %s\n' "$loom"
  else
    rm -rf "$folder"
    printf '\nThe loom was in %s and is removed; KEEP=1 make demo keeps it.\n' "$folder"
  fi
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

step() {
  printf '\n== %s\n' "$1"
}

ask() {
  step "$1"
  "$zaxy" query "$@" --eventloom-path "$loom" --limit 2
}

step "A loom in $folder"
(cd "$folder" && "$zaxy" init --eventloom-path "$loom")

cd "$root"
step "This repository's history"
if [ -e .git ] && git rev-parse --quiet --verify HEAD >/dev/null 2>&1; then
  "$zaxy" ingest git . --eventloom-path "$loom"
else
  echo "There is no git history here (a source archive?): going on with the documents and the code."
fi

step "Its documents and source files"
"$zaxy" ingest documents docs src README.md --eventloom-path "$loom"

ask "Why was tantivy chosen for the search index?"
ask "What happens to a torn last line of a log?"
ask "Which commits mended the log?" --type commit.recorded

step "Is what it answered from still what was written?"
"$zaxy" status --eventloom-path "$loom"
