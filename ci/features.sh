#!/usr/bin/env bash
# The features that touch the allocation path, each combination built and its
# quick tests run. About five minutes on two cores.
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

# What the hand-overs may ask of the crates they are for, and their tests, which
# ask for more.
hand_overs=crossbeam,futures,rayon,tokio
echo "-- --features $hand_overs"
cargo check --quiet -p heapledger --features tokio
cargo test --quiet -p heapledger --features "$hand_overs" --test handover
cargo test --quiet -p heapledger --features "$hand_overs" --doc
cargo clippy --quiet -p heapledger --features "$hand_overs" --all-targets -- -D warnings
cargo test --quiet -p heapledger --features tower,tracing-layer \
    --test bounded_tags --test requests --test spans
