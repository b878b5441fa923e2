#!/bin/sh
# The viewer and the dashboard in a real browser: Chromium from Debian, driven over its DevTools pipe. `make browser` runs
# it; PICTURES=1 also makes the screenshots in docs/pictures anew. Needs no network once Chromium is there.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
python=${PYTHON:-$root/.venv/bin/python}

chromium=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
if [ -z "$chromium" ]; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "There is no Chromium here: install it, or name it with CHROMIUM=/path/to/chromium" >&2
    exit 1
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
  chromium=$(command -v chromium)
fi

PYTHONPATH="$root/tests:$here" exec "$python" "$here/browser_checks.py" "$chromium" ${PICTURES:+--pictures "$root/docs/pictures"}
