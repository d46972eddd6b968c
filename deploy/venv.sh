#!/usr/bin/env bash
# Makes or updates the virtual environment: locked, hash-checked, the project itself editable.
# usage: venv.sh PYTHON VENV LOCKFILE
set -euo pipefail
python=$1 venv=$2 lock=$3

if [ ! -x "$venv/bin/pip" ]; then
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "entra-syncro needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ..." >&2
    exit 2
  }
  if ! "$python" -m venv "$venv"; then
    # Debian keeps ensurepip in a package of its own.
    rm -rf "$venv"
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
      apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null
      "$python" -m venv "$venv"
    else
      echo "this Python cannot make virtual environments; install its venv package (Debian: python3-venv)" >&2
      exit 2
    fi
  fi
fi
export PIP_DISABLE_PIP_VERSION_CHECK=1
"$venv/bin/pip" install --quiet --require-hashes -r "$lock"
"$venv/bin/pip" install --quiet --no-deps --no-build-isolation --editable .
