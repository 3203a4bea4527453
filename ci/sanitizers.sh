#!/bin/sh
# The tests under AddressSanitizer (with leaks) and ThreadSanitizer, over the
# system's malloc: of what jemalloc serves they see nothing. About ten minutes.
#
#   ci/sanitizers.sh            both
#   ci/sanitizers.sh address    one of them
#
# Each first has to catch planted errors (tests/planted.rs). Works with the stable
# toolchain. ThreadSanitizer needs a std that is built with it, or it takes std's
# own synchronisation for races: installs the component rust-src if it is missing.
set -eu
cd "$(dirname "$0")/.."

host=$(rustc -vV | sed -n 's/^host: //p')
target_root=${CARGO_TARGET_DIR:-target}
# Sanitizers are not stable flags; the compiler is the stable one.
export RUSTC_BOOTSTRAP=1
export RUST_BACKTRACE=0
export HEAPLEDGER_PROPERTY_OPS="${HEAPLEDGER_PROPERTY_OPS:-1000000}"
# Impossible sizes are null here too, as they are without a sanitizer.
may_fail=allocator_may_return_null=1

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# sanitized <sanitizer> <arguments of cargo test>
sanitized() {
    directory=$target_root/sanitizer-$1
    shift
    # shellcheck disable=SC2086 # BUILD_STD is one word or none
    cargo test -q ${BUILD_STD:-} -p heapledger --target "$host" --target-dir "$directory" \
        --no-default-features --features backend-system,cache,crossbeam,futures,rayon,tokio "$@"
}

# must_catch <sanitizer> <planted error> <what the report says>
must_catch() {
    if sanitized "$1" --test planted -- --ignored --exact "$2" >"$log" 2>&1; then
        tail -n 60 "$log"
        echo "sanitizers: $1 did NOT catch the planted error $2"
        exit 1
    fi
    if ! grep -q "$3" "$log" || ! grep -q "planted::$2" "$log"; then
        tail -n 60 "$log"
        echo "sanitizers: $2 failed, but not by a report of $3 there"
        exit 1
    fi
    echo "sanitizers: $1 catches $2"
}

# run <sanitizer> <test program>...
run() {
    name=$1
    shift
    for program in "$@"; do
        case $program in
            lib) set -- --lib ;;
            # What its planted errors leave behind is their point.
            property) set -- --test property -- --skip is_found ;;
            *) set -- --test "$program" ;;
        esac
        if ! sanitized "$name" "$@" >"$log" 2>&1; then
            grep -A 60 -m 1 -E "panicked at|ERROR: |WARNING: Thread" "$log" || tail -n 60 "$log"
            echo "sanitizers: $name: $program FAILED"
            exit 1
        fi
        grep "test result" "$log" | sed "s/^/sanitizers: $name: $program: /"
    done
}

address() {
    export ASAN_OPTIONS="$may_fail"
    export RUSTFLAGS="-Zsanitizer=address"
    must_catch address use_after_free "AddressSanitizer: heap-use-after-free"
    must_catch address write_past_the_end "AddressSanitizer: heap-buffer-overflow"
    must_catch address use_after_an_injected_failure "AddressSanitizer: heap-use-after-free"
    # Some unit tests leak what stands for memory that lives for ever.
    ASAN_OPTIONS="$may_fail:detect_leaks=0" run address lib
    run address it testing property property_backends address_reuse failing_inner realloc layouts
    run address pools_property bounded cache handover ephemeral_flood
    # A forgotten guard's memory is never freed: that is what it tests.
    ASAN_OPTIONS="$may_fail:detect_leaks=0" run address process_pools
}

thread() {
    [ -d "$(rustc --print sysroot)/lib/rustlib/src/rust/library" ] ||
        rustup component add rust-src
    export TSAN_OPTIONS="halt_on_error=1:$may_fail"
    export RUSTFLAGS="-Zsanitizer=thread"
    BUILD_STD=-Zbuild-std
    must_catch thread race "ThreadSanitizer: data race"
    run thread lib it testing property property_backends address_reuse failing_inner
    run thread process_pools pools_property bounded cache ephemeral_flood
}

for sanitizer in ${1:-address thread}; do
    "$sanitizer"
done
