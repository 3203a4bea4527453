#!/bin/sh
# Fuzzes the allocator and pools against reference models, and the rules for tag
# names, under AddressSanitizer. Four minutes and a half after the build.
#
#   ci/fuzz.sh        a minute for each target
#   ci/fuzz.sh 3600   an hour for each
#   ci/fuzz.sh 60 operations
#
# First shows that a planted error is found. Installs cargo-fuzz if there is none;
# works with the stable toolchain.
set -eu
cd "$(dirname "$0")/.."

seconds=${1:-60}
targets=${2:-operations tag_names pools bounded}

command -v cargo-fuzz >/dev/null || cargo install cargo-fuzz --locked
# Sanitizers and coverage are not stable flags; the compiler is the stable one.
export RUSTC_BOOTSTRAP=1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# fuzz <target> <seconds> <corpus> [feature]
fuzz() {
    mkdir -p "$3" "$work/artifacts"
    cargo fuzz run ${4:+--features "$4"} "$1" "$3" -- \
        -max_total_time="$2" -timeout=20 -artifact_prefix="${artifacts:-fuzz/artifacts/$1}/"
}

echo "fuzz: a planted error must be found"
if artifacts=$work/artifacts fuzz operations 300 "$work/corpus" planted-bug >"$work/log" 2>&1; then
    tail -n 20 "$work/log"
    echo "fuzz: the planted error was NOT found in 300 seconds"
    exit 1
fi
if ! grep -q "the ledger differs from the model" "$work/log"; then
    tail -n 40 "$work/log"
    echo "fuzz: the run failed, but not by the planted error"
    exit 1
fi
echo "fuzz: found"

for target in $targets; do
    mkdir -p "fuzz/artifacts/$target"
    echo "fuzz: $target for $seconds seconds"
    fuzz "$target" "$seconds" "fuzz/corpus/$target" >"$work/log" 2>&1 || {
        grep -A 60 -E "panicked|ERROR" "$work/log" || tail -n 60 "$work/log"
        echo "fuzz: $target FAILED; the input is in fuzz/artifacts/$target"
        exit 1
    }
    grep "^Done" "$work/log"
done
