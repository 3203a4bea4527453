#!/bin/sh
# The gate on what heapledger adds to an allocation and its free, in instructions
# (callgrind, exact, the same on every run). About 30 seconds after the build.
#
#   ci/instructions.sh        checks the limits below
#   LIMIT_NO_SCOPE=18 LIMIT_IN_SCOPE=32 ci/instructions.sh
#
# Installs valgrind with apt-get if there is none.
set -eu
cd "$(dirname "$0")/.."

LIMIT_NO_SCOPE=${LIMIT_NO_SCOPE:-20}
LIMIT_IN_SCOPE=${LIMIT_IN_SCOPE:-40}

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

# Lines `<size> <instructions per pair>` for one variant.
count() {
    variant=$1
    # shellcheck disable=SC2086 # one argument a size
    valgrind --tool=callgrind --callgrind-out-file="$work/$variant.out" \
        --collect-atstart=no --toggle-collect=heapledger_measured \
        --dump-after=heapledger_measured --quiet \
        "$target/instructions-$variant" $SIZES >"$work/$variant.sizes"
    number=0
    while read -r size pairs; do
        number=$((number + 1))
        awk -v size="$size" -v pairs="$pairs" \
            '/^(totals|summary):/ { sum = $2 } END { printf "%d %.2f\n", size, sum / pairs }' \
            "$work/$variant.out.$number"
    done <"$work/$variant.sizes" >"$work/$variant"
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

for variant in bare no-scope in-scope; do count "$variant"; done

# A gate that cannot fail is none: with either limit at 1, which nothing can
# keep, it has to.
if check 1 "$LIMIT_IN_SCOPE" >/dev/null || check "$LIMIT_NO_SCOPE" 1 >/dev/null; then
    echo "the gate passes whatever is measured" >&2
    exit 2
fi
check "$LIMIT_NO_SCOPE" "$LIMIT_IN_SCOPE"
