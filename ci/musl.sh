#!/usr/bin/env bash
# Unit tests, tests/it, the properties, pools, caches and tests/process on x86-64 musl,
# statically linked, over jemalloc: two minutes after the first build. Not of
# tests/process: what loads shared libraries or builds programs (dlopen, two_ledgers,
# fat_lto) and what reads its own machine code (no_lock, no_panic). Needs musl-gcc
# (installed if missing), and either the target's std or, where that cannot be had, the
# sources of std (component rust-src): then it builds std and the unwinder that goes with
# it, which a stable compiler does if told to.
#
#   ci/musl.sh                      all of them
#   ci/musl.sh property lib         some of them
set -euo pipefail
cd "$(dirname "$0")/.."

target=x86_64-unknown-linux-musl
output=${CARGO_TARGET_DIR:-$PWD/target}/musl
sysroot=$(rustc --print sysroot)
mkdir -p "$output"

if ! command -v musl-gcc >/dev/null; then
    if [ "$(id -u)" = 0 ]; then as_root=; else as_root=sudo; fi
    $as_root apt-get update -qq
    $as_root apt-get install -y -qq musl-tools
fi
export CC_x86_64_unknown_linux_musl=musl-gcc

build_std=()
if [ ! -d "$sysroot/lib/rustlib/$target/lib" ]; then
    source=$sysroot/lib/rustlib/src/rust/src/llvm-project/libunwind
    [ -d "$source" ] || rustup component add rust-src
    flags="-O2 -fPIC -funwind-tables -I$source/include -DNDEBUG -D_LIBUNWIND_IS_NATIVE_ONLY
        -D_LIBUNWIND_DISABLE_VISIBILITY_ANNOTATIONS"
    mkdir -p "$output/unwind"
    (
        cd "$output/unwind"
        # shellcheck disable=SC2086 # words
        musl-gcc $flags -c "$source"/src/{UnwindLevel1,UnwindLevel1-gcc-ext,Unwind-sjlj}.c \
            "$source"/src/{UnwindRegistersRestore,UnwindRegistersSave}.S
        # shellcheck disable=SC2086
        musl-gcc -x c++ $flags -std=c++17 -fno-exceptions -fno-rtti -nostdinc++ \
            -c "$source/src/libunwind.cpp"
        ar rcs libunwind.a ./*.o
        cp "$(gcc -print-file-name=libgcc.a)" .
    )
    export RUSTC_BOOTSTRAP=1
    export CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER=musl-gcc
    export RUSTFLAGS="-Clink-self-contained=no -Lnative=$output/unwind -Clink-arg=-lgcc"
    build_std=(-Zbuild-std)
fi

programs=()
processes=$(printf 'process_%s ' address_space at_exit before_main ephemeral_fork fork \
    guard_not_send late_tls not_installed out_of_memory pools recursion short_threads signal tidy)
for program in "${@:-lib it property realloc pools_property bounded cache $processes}"; do
    for one in $program; do
        if [ "$one" = lib ]; then programs+=(--lib); else programs+=(--test "$one"); fi
    done
done
cargo test -p heapledger --target "$target" --target-dir "$output" "${build_std[@]}" "${programs[@]}"
