#!/usr/bin/env bash
# The features that touch the allocation path, each combination built and its
# quick tests run; each other feature by itself, without what tests add. About five
# minutes on two cores.
set -euo pipefail
cd "$(dirname "$0")/.."

check() {
    echo "-- $*"
    cargo test --quiet -p heapledger --lib --test layouts "$@"
}

echo "-- alloc-sys, mimalloc"
cargo test --quiet -p heapledger-alloc-sys --no-default-features --features backend-mimalloc

check --no-default-features --features backend-system
check --no-default-features --features backend-mimalloc
check --features backend-mimalloc,backend-system
check --features cdylib
check --features serde

for feature in cache criterion crossbeam futures macros rayon serde testing tokio tower tracing \
    tracing-layer; do
    echo "-- --features $feature"
    cargo check --quiet -p heapledger --features "$feature"
done
