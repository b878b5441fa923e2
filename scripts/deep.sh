#!/bin/sh
# The promises of docs/trust.md with their full numbers: every test in tests/trust, all cases that the promises name.
# `make deep` runs it, in about 40 minutes on two idle cores as far as its parts tell. What is added to the command line goes to pytest:
# scripts/deep.sh -k crash
#
# It uses strace to let system calls fail, and installs it with apt-get where it is missing and that is possible.
# Where it is not, the tests say so in their figures and use functions in place of those of os.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-$root/.venv/bin/python}
cd "$root"

tell() {
  printf 'deep: %s\n' "$1" >&2
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null 2>&1; then
    sudo -n "$@"
  else
    tell "this is not root, and there is no sudo"
    return 1
  fi
}

install_strace() {
  command -v apt-get >/dev/null 2>&1 || { tell "there is no apt-get here"; return 1; }
  tell "installing strace"
  as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq strace >&2
}

"$python" -c 'import pytest, xdist, zaxy' || { tell "run make install first"; exit 1; }

if ! command -v strace >/dev/null 2>&1 && ! install_strace; then
  tell "WITHOUT strace: system calls fail by functions in place of those of os, and some rows cannot be tried in full;"
  tell "their figures say so"
fi

# To a process that is killed a page in memory is as good as one on disk, and what a power cut leaves is simulated.
if [ -w /dev/shm ] && [ "$(df -Pk /dev/shm | awk 'NR == 2 { print $4 }')" -gt 4000000 ]; then
  folder=$(mktemp -d /dev/shm/zaxy-deep.XXXXXX)
  trap 'rm -rf "$folder"' EXIT
  trap 'exit 130' INT TERM
  set -- --basetemp "$folder/tests" --override-ini tmp_path_retention_policy=failed "$@"
fi

mkdir -p build
# The longest tests come first, and each worker is given one test at a time: --dist load --maxschedchunk 1.
ZAXY_TRUST=full "$python" -m pytest tests/trust --quiet --numprocesses auto --dist load --maxschedchunk 1 \
  --durations=25 --figures build/trust.json "$@"
