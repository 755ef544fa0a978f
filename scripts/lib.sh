# What the other scripts share; read by them, not run. The current folder becomes the project's.

cd "$(dirname "${BASH_SOURCE[0]}")/.."

# A newer Node than the system's, when setup.sh had to fetch one.
if [ -x .tools/node_modules/node/bin/node ]; then
    PATH="$PWD/.tools/node_modules/node/bin:$PATH"
fi

say() {
    printf '== %s\n' "$*"
}

# Package registries fail now and then: everything that asks one is tried twice.
twice() {
    "$@" && return
    say "that failed; trying once more: $*"
    sleep 5
    "$@"
}

# Whether the stamp is newer than all the files named after it.
fresh() {
    local stamp=$1 file
    shift
    [ -e "$stamp" ] || return 1
    for file in "$@"; do
        [ "$file" -nt "$stamp" ] && return 1
    done
    return 0
}
