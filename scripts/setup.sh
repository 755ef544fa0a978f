#!/usr/bin/env bash
# Installs what is missing: setup.sh rust | web | test
# Debian packages need root; without it, the script says what to install.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# The oldest Node that Vite takes.
NODE_LEAST=20.19

apt_install() {
    local missing=() package
    for package in "$@"; do
        dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    if [ "$(id -u)" -ne 0 ]; then
        echo "Please install as root: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    say "installing ${missing[*]}"
    twice apt-get update -qq
    DEBIAN_FRONTEND=noninteractive twice apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

node_is_enough() {
    command -v node >/dev/null && command -v npm >/dev/null || return 1
    local have
    have=$(node --version | tr -d v)
    [ "$(printf '%s\n' "$NODE_LEAST" "$have" | sort -V | head -n 1)" = "$NODE_LEAST" ]
}

setup_rust() {
    if ! command -v cargo >/dev/null && [ -x "$HOME/.cargo/bin/cargo" ]; then
        echo "cargo is in ~/.cargo/bin, which is not in PATH: run '. ~/.cargo/env' first." >&2
        exit 1
    fi
    if ! command -v cargo >/dev/null; then
        echo "Rust is missing. Install it from https://rustup.rs, then run this again." >&2
        exit 1
    fi
    # Rust links with the C compiler's linker.
    command -v cc >/dev/null || apt_install gcc libc6-dev
}

setup_web() {
    node_is_enough && return
    command -v npm >/dev/null || apt_install nodejs npm
    if ! node_is_enough; then
        say "Node $(node --version) is too old; fetching a newer one into .tools"
        twice npm install --silent --no-save --no-audit --no-fund --prefix .tools node@22
    fi
}

setup_test() {
    setup_rust
    setup_web
    command -v "${EVERBOND_CHROMIUM:-/usr/bin/chromium}" >/dev/null || apt_install chromium
    command -v python3 >/dev/null || apt_install python3
    python3 -c 'import ensurepip' 2>/dev/null || apt_install python3-venv
    command -v valgrind >/dev/null || apt_install valgrind
}

case "${1:-}" in
rust | web | test) "setup_$1" ;;
*)
    echo "usage: setup.sh rust | web | test" >&2
    exit 2
    ;;
esac
