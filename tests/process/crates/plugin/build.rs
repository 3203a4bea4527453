//! A library with the ledger must stay loaded: threads that used it call it once
//! more when they end. `nodelete` has the loader keep it, whatever the host does.

fn main() {
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo::rerun-if-changed=build.rs");
}
