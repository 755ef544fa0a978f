#!/usr/bin/env bash
# Counts the instructions of one decision and of one touch folded in, which do not depend on how busy
# the machine is, and holds them against scripts/instructions.txt: at most 3 % more than there.
# 'instructions.sh --write' writes the file anew; what got worse must be said in the commit.
#
# Each is run so many times and twice as many, and the difference counts, so that what comes before
# does not. The build is the release build, whose profile decides what the numbers are.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

TIMES=500
FILE=scripts/instructions.txt

if ! command -v valgrind >/dev/null; then
    say "valgrind is missing: scripts/setup.sh test installs it"
    exit 1
fi
say "cargo build --release -p engine --example instructions"
cargo build --locked --release --quiet -p engine --example instructions
program=${CARGO_TARGET_DIR:-target}/release/examples/instructions

collected() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$@" 2>&1 |
        awk '/Collected :/ { print $NF; found = 1 } END { exit !found }'
}

measure() {
    local once twice
    once=$(collected "$1" "$TIMES")
    twice=$(collected "$1" $((2 * TIMES)))
    echo $(((twice - once) / TIMES))
}

passed=0 failed=0
decide=$(measure decide)
fold=$(measure fold)
if [ "${1:-}" = --write ]; then
    {
        echo "# Instructions of one decision (20 menu items with conditions, 5 offers) and of one touch"
        echo "# folded in; scripts/instructions.sh counts them and writes this file."
        echo "decide $decide"
        echo "fold $fold"
    } >"$FILE"
    cat "$FILE"
    exit 0
fi
for row in "decide $decide" "fold $fold"; do
    read -r what now <<<"$row"
    before=$(awk -v what="$what" '$1 == what { print $2 }' "$FILE")
    if [ $((now * 100)) -le $((before * 103)) ]; then
        passed=$((passed + 1))
        echo "$what: $now instructions, $before in $FILE"
        if [ $((now * 100)) -lt $((before * 97)) ]; then
            echo "  that is less: 'scripts/instructions.sh --write' keeps it so"
        fi
    else
        failed=$((failed + 1))
        echo "$what: $now instructions, more than 3 % above $before in $FILE"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
