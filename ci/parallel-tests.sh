#!/usr/bin/env bash
# Budgets under parallel tests: sixteen tests with exact budgets, sixteen at one
# time, five hundred runs, and not one may fail. About 20 seconds after the build.
#
#   ci/parallel-tests.sh          500 runs
#   ci/parallel-tests.sh 5000     more of them
#
# First it has to catch a planted flake: counts that are the tag's and not the
# test's own fail in parallel.
set -euo pipefail
cd "$(dirname "$0")/.."

runs=${1:-500}
program=$(cargo test -q -p heapledger --test parallel_budgets --no-run --message-format=json |
    sed -n 's/.*"name":"parallel_budgets".*"executable":"\([^"]*\)".*/\1/p')
[ -x "$program" ] || { echo "parallel-tests: no program was built" >&2; exit 1; }

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Runs that fail, of so many.
failures() {
    local failed=0
    for ((run = 0; run < $1; run++)); do
        if ! RUST_BACKTRACE=0 "$program" --test-threads=16 "${@:2}" >"$log" 2>&1; then
            failed=$((failed + 1))
            [ "$failed" -gt 1 ] || cp "$log" "$log.first"
        fi
    done
    echo "$failed"
}

planted=$(failures 10 --ignored)
rm -f "$log.first"
if [ "$planted" = 0 ]; then
    echo "parallel-tests: the planted flake was not caught" >&2
    exit 1
fi
echo "parallel-tests: the planted flake fails $planted of 10 runs"

failed=$(failures "$runs")
tests=$(sed -n 's/^running \([0-9]*\) tests/\1/p' "$log")
if [ "$failed" != 0 ]; then
    cat "$log.first"
    rm -f "$log.first"
    echo "parallel-tests: $failed of $runs runs FAILED" >&2
    exit 1
fi
[ "$tests" = 32 ] || { echo "parallel-tests: $tests tests, 32 expected" >&2; exit 1; }
echo "parallel-tests: $runs runs of 16 parallel tests, 0 flakes"
