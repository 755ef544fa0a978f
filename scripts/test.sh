#!/usr/bin/env bash
# All checks and tests. Each runner's own counts are added up; a check that counts nothing (form,
# clippy, types) is one, and so is a runner that breaks without saying which test failed. The last
# line is exactly 'N passed, N failed'; the exit code says the same.
#
# EVERBOND_FIXTURES names a folder with further cases; without it those tests say that they skip.
set -uo pipefail
. "$(dirname "$0")/lib.sh"

passed=0
failed=0
failures=()
output=$(mktemp)
trap 'rm -f "$output"' EXIT

# Runs a command, shows what it says, and keeps it for counting.
run() {
    "$@" 2>&1 | tee "$output"
    return "${PIPESTATUS[0]}"
}

# One check that passes or fails as a whole.
check() {
    local name=$1
    shift
    say "$name"
    if run "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        failures+=("$name")
    fi
}

# A runner that counts by itself: cargo's 'test result' lines, node's '# pass', and lines of our
# own scripts that are nothing but 'N passed, N failed'.
count() {
    local name=$1 status=0 good bad
    shift
    say "$name"
    run "$@" || status=$?
    read -r good bad < <(awk '
        /^test result: / {
            for (i = 1; i <= NF; i++) {
                if ($i ~ /^passed/) good += $(i - 1)
                if ($i ~ /^failed/) bad += $(i - 1)
            }
        }
        /^(#|ℹ) pass [0-9]+$/ { good += $3 }
        /^(#|ℹ) (fail|cancelled) [0-9]+$/ { bad += $3 }
        /^[0-9]+ passed, [0-9]+ failed$/ { good += $1; bad += $3 }
        END { print good + 0, bad + 0 }' "$output")
    if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
        bad=1
    fi
    if [ "$status" -eq 0 ] && [ "$good" -eq 0 ] && [ "$bad" -eq 0 ]; then
        echo "$name ran no test at all"
        bad=1
    fi
    passed=$((passed + good))
    failed=$((failed + bad))
    if [ "$bad" -gt 0 ]; then
        failures+=("$name: $bad")
    fi
}

finish() {
    if [ ${#failures[@]} -gt 0 ]; then
        printf 'FAILED: %s\n' "${failures[@]}"
    fi
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
    exit
}

# What the tests of the real SDKs use.
sdks() {
    local installed=tests/sdks/node_modules/.everbond-installed
    if ! fresh "$installed" tests/sdks/package-lock.json; then
        # Not 'npm ci': it refuses a lock without the optional parts for other systems, which not
        # every mirror of the registry has.
        say "SDKs: npm install"
        (cd tests/sdks && twice npm install --no-save --ignore-scripts --no-audit --no-fund) || return
        touch "$installed"
    fi
    installed=tests/sdks/.venv/.everbond-installed
    if ! fresh "$installed" tests/sdks/requirements.txt; then
        say "SDKs: pip install"
        python3 -m venv tests/sdks/.venv || return
        twice tests/sdks/.venv/bin/pip install -q --disable-pip-version-check \
            -r tests/sdks/requirements.txt || return
        touch "$installed"
    fi
}

for step in 'scripts/setup.sh test' scripts/web.sh sdks; do
    if ! $step; then
        failed=$((failed + 1))
        failures+=("$step")
        finish
    fi
done
. scripts/lib.sh

if [ -n "${EVERBOND_FIXTURES:-}" ]; then
    say "further cases from $EVERBOND_FIXTURES"
else
    say "EVERBOND_FIXTURES is not set: the cases that need it are skipped"
fi

check 'form: cargo fmt --check' cargo fmt --all --check
check 'tidy: layers, lengths, links, tables' cargo xtask tidy
check 'clippy' cargo clippy --locked --workspace --all-targets --quiet -- -D warnings
check 'types of the companion' npm --prefix web run --silent check
count 'unit tests of the companion' npm --prefix web run --silent test
count 'tests' cargo test --locked --workspace --no-fail-fast
count 'instructions of a decision and of a touch' scripts/instructions.sh
# The program that the Rust tests were built with; without them it is built here.
check 'the program' cargo build --locked --quiet -p server
export EVERBOND_BIN=${CARGO_TARGET_DIR:-target}/debug/everbond
count 'the story in a browser' node tests/story/story.mjs
count 'the server killed under load' node tests/story/crash.mjs
count 'the demo in a browser' node tests/browser/demo.mjs "${CARGO_TARGET_DIR:-target}/debug/everbond"
finish
