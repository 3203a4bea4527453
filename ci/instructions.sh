#!/bin/sh
# The gate on what heapledger adds to an allocation and its free, and on what pools do
# for an object, in instructions (callgrind, exact, the same on every run). About 30
# seconds after the build.
#
#   ci/instructions.sh        checks the limits below
#   LIMIT_NO_SCOPE=18 LIMIT_IN_SCOPE=32 ci/instructions.sh
#
# Installs valgrind with apt-get if there is none.
set -eu
cd "$(dirname "$0")/.."

LIMIT_NO_SCOPE=${LIMIT_NO_SCOPE:-20}
LIMIT_IN_SCOPE=${LIMIT_IN_SCOPE:-40}

# An object taken and returned, the loop around it included.
LIMITS_POOLS="Pool 42
Pool_64_held 77
pool! 41
pool!_64_held 72
BoundedPool 76"

# No scope: every size of 16..256. In a scope: those that stay in their size
# class with the owner's 8 bytes; the others are shown, as their cost is
# jemalloc's for a larger class too.
SAME_CLASS="24 40 56 72 88 104 120 152 184 216 248"
NEXT_CLASS="16 32 48 64 80 96 112 128 160 192 224 256"
OTHERS="1 6 8 504 512 1024 2048"
SIZES=$(printf '%s\n' $SAME_CLASS $NEXT_CLASS $OTHERS | sort -n)

if ! command -v valgrind >/dev/null; then
    if [ "$(id -u)" = 0 ]; then as_root=; else as_root=sudo; fi
    $as_root apt-get update -qq
    $as_root apt-get install -y -qq valgrind
fi

cargo build --release --quiet -p heapledger-instructions
target=${CARGO_TARGET_DIR:-target}/release
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# count <variant> <function> <arguments>: lines `<size or name> <instructions each>`.
count() {
    variant=$1
    function=$2
    shift 2
    valgrind --tool=callgrind --callgrind-out-file="$work/$variant.out" \
        --collect-atstart=no --toggle-collect="$function" --dump-after="$function" --quiet \
        "$target/instructions-$variant" "$@" >"$work/$variant.names"
    number=0
    while read -r name times; do
        number=$((number + 1))
        awk -v name="$name" -v times="$times" \
            '/^(totals|summary):/ { sum = $2 } END { printf "%s %.2f\n", name, sum / times }' \
            "$work/$variant.out.$number"
    done <"$work/$variant.names" >"$work/$variant"
}

# Checks the counts against two limits; prints the table and what exceeds them.
check() {
    paste -d' ' "$work/bare" "$work/no-scope" "$work/in-scope" | awk \
        -v no_scope="$1" -v in_scope="$2" -v same_class=" $SAME_CLASS " '
        BEGIN {
            printf "| size | bare | no scope adds | in a scope adds |\n|---|---|---|---|\n"
        }
        {
            none = $4 - $2; scoped = $6 - $2; mark_none = mark_scoped = ""
            if ($1 >= 16 && $1 <= 256) {
                checked++
                if (none > no_scope) { mark_none = " ✗"; failed++ }
            }
            if (index(same_class, " " $1 " ")) {
                if (scoped > in_scope) { mark_scoped = " ✗"; failed++ }
                mark_scoped = mark_scoped " *"
            }
            printf "| %d | %.1f | %+.1f%s | %+.1f%s |\n", $1, $2, none, mark_none, scoped, mark_scoped
        }
        END {
            printf "\nLimits: %s with no scope (16 to 256 B), %s in a scope (sizes marked *).\n", \
                no_scope, in_scope
            if (checked < 20 || failed) { printf "%d sizes, %d above a limit\n", checked, failed; exit 1 }
        }'
}

# check_pools <lines `name limit`>
check_pools() {
    echo "$1" | paste -d' ' - "$work/pools" | awk '
        BEGIN { printf "\n| an object of | instructions | limit |\n|---|---|---|\n" }
        {
            if ($1 != $3) { print "the names differ: " $1 ", " $3; failed++ }
            mark = ""
            if ($4 > $2) { mark = " ✗"; failed++ }
            gsub("_", " ", $1)
            printf "| %s | %.1f%s | %s |\n", $1, $4, mark, $2
        }
        END { exit failed > 0 || NR < 5 }'
}

# shellcheck disable=SC2086 # one argument a size
for variant in bare no-scope in-scope; do count "$variant" heapledger_measured $SIZES; done
count pools heapledger_measured_work

# A gate that cannot fail is none: with a limit at 1, which nothing can keep, it has
# to.
none=$(echo "$LIMITS_POOLS" | sed 's/ .*/ 1/')
if check 1 "$LIMIT_IN_SCOPE" >/dev/null || check "$LIMIT_NO_SCOPE" 1 >/dev/null ||
    check_pools "$none" >/dev/null; then
    echo "the gate passes whatever is measured" >&2
    exit 2
fi
check "$LIMIT_NO_SCOPE" "$LIMIT_IN_SCOPE"
check_pools "$LIMITS_POOLS"
