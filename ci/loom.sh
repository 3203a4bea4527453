#!/usr/bin/env bash
# The loom models of the lock-free structures (src/tests/loom_*.rs), and their
# mutants, which must fail. Prints how many executions each model took.
#
# A minute on two cores, after half a minute to build. With two preemptions it is
# 20 seconds, with four three minutes; small models are explored fully, whatever
# the bound. All models and mutants passed with four when they were written.
#
#   ci/loom.sh                            everything
#   ci/loom.sh slots                      tests with a name that holds "slots"
#   LOOM_MAX_PREEMPTIONS=4 ci/loom.sh counters
set -euo pipefail
cd "$(dirname "$0")/.."

# So many there are; fewer means that some were not built.
MODELS=39
MUTANTS=96

only=${1:-}
# Away from the ordinary build, whose flags are others. No jemalloc to build:
# the models have no allocator.
output=$(RUSTFLAGS="--cfg loom ${RUSTFLAGS:-}" RUST_BACKTRACE=0 \
    LOOM_MAX_PREEMPTIONS="${LOOM_MAX_PREEMPTIONS:-3}" CARGO_TARGET_DIR=target/loom \
    cargo test --release --lib -p heapledger --no-default-features --features backend-system \
    -- "loom_$only" --show-output --test-threads=2) || { printf '%s\n' "$output"; exit 1; }

grep '^model: ' <<<"$output"
models=$(grep -c '^model: ' <<<"$output")
mutants=$(grep -c '_mutant_.* - should panic \.\.\. ok$' <<<"$output" || true)
echo "$models models hold, $mutants mutants were caught"
if [ -z "$only" ] && { [ "$models" -lt "$MODELS" ] || [ "$mutants" -lt "$MUTANTS" ]; }; then
    echo "expected at least $MODELS models and $MUTANTS mutants" >&2
    exit 1
fi
