#!/usr/bin/env bash
# One command from a fresh clone to a running service:
#   ./setup.sh run  [options of `python -m backend serve`, e.g. --no-fetch --port 9000]
#   ./setup.sh test [options of pytest]    the checks that CI runs: ruff, mypy, pytest
#   ./setup.sh demo                        both jobs on the example pictures, into examples/output/
# Everything is installed into .venv beside this file. PYTHON names another interpreter (3.11 or newer).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
venv=.venv
python="$venv/bin/python"

say() { printf '%s\n' "$*" >&2; }
fail() { say "setup.sh: $*"; exit 1; }

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3.11 python3.12 python3.13 python3 python; do
        [ -n "$candidate" ] || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11))' 2>/dev/null; then
            printf '%s' "$candidate"
            return
        fi
    done
    fail "Python 3.11 or newer is needed; name it with PYTHON=/path/to/python3.11"
}

# A stamp of what was installed: a second run installs nothing and starts within seconds.
install_stamp() { cat requirements.txt requirements-maskrcnn.txt constraints.txt "$@" | cksum; }

install_requirements() { # install_requirements NAME FILE...: once, until a file changes
    local name=$1 stamp_file="$venv/installed-$1"
    shift
    [ "$(cat "$stamp_file" 2>/dev/null)" = "$(install_stamp "$@")" ] && return
    say "Installing ($name); the first time this takes a few minutes."
    # torch first and by itself: nothing that follows may replace it by another build.
    "$python" -m pip install -q --disable-pip-version-check -c constraints.txt "$(grep '^torch==' requirements.txt)"
    local file arguments=()
    for file in requirements.txt "$@"; do arguments+=(-r "$file"); done
    "$python" -m pip install -q --disable-pip-version-check -c constraints.txt "${arguments[@]}"
    if [ "$name" = test ]; then # no dependencies: they would replace torch by another build
        "$python" -m pip install -q --disable-pip-version-check --no-deps -r requirements-maskrcnn.txt
    fi
    "$python" -m compileall -q backend tsr
    install_stamp "$@" > "$stamp_file"
}

prepare() { # prepare NAME FILE...
    if ! "$python" -m pip --version >/dev/null 2>&1; then # absent, moved, or left half-made by a Ctrl-C
        rm -rf "$venv"
        "$(find_python)" -m venv "$venv" || fail "cannot make $venv (on Debian: apt install python3-venv)"
    fi
    install_requirements "$@"
}

# The page's viewer of meshes, and for the tests the glTF validator.
install_node_tools() {
    [ node_modules/.package-lock.json -nt package-lock.json ] && return
    local without="the page shows the server's own pictures of a mesh in place of the viewer"
    if ! command -v npm >/dev/null; then
        say "npm is not here: $without, and the glTF validator's test is skipped."
        return
    fi
    npm ci --silent --no-audit --no-fund || say "npm could not install the viewer: $without."
}

# What some tests need beside Python: a real Redis, a real browser. Where they cannot be had, those tests are skipped.
install_test_programs() {
    local missing=()
    command -v redis-server >/dev/null || missing+=(redis-server)
    command -v chromium-headless-shell >/dev/null || command -v chromium >/dev/null || missing+=(chromium-headless-shell)
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        say "${missing[*]} not here; install by hand for their tests to run (on Debian: apt install ${missing[*]})."
        return
    fi
    say "Installing ${missing[*]} for the tests."
    if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        "${missing[@]}"; } >/dev/null; then
        say "Not all of ${missing[*]} could be installed; their tests will be skipped."
    fi
}

case "${1:-}" in
run)
    shift
    prepare run
    install_node_tools
    exec "$python" -m backend serve --fetch "$@"
    ;;
test)
    shift
    prepare test requirements-dev.txt
    install_node_tools
    install_test_programs
    "$python" -m ruff check .
    "$python" -m ruff format --check .
    "$python" -m mypy
    "$venv/bin/lint-imports" --no-logo --no-cache
    # A test file stays in one process; each of these does its sums on one core, as there are as many as cores.
    OMP_NUM_THREADS=1 exec "$python" -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder "$@"
    ;;
demo)
    shift
    prepare run
    exec "$python" examples/demo.py "$@"
    ;;
*)
    sed -n '2,6s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
