//! Builds the programs that need other settings than the tests themselves.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Builds a member of the workspace with cargo, in release; returns the directory
/// of the results. `arguments` go to cargo as they are.
///
/// The target directory is that of this build, so that what is compiled already is
/// used: jemalloc alone takes a minute.
pub fn release(package: &str, arguments: &[&str]) -> PathBuf {
    let output = cargo(&["build", "--release", "--package", package], arguments);
    assert!(
        output.status.success(),
        "cargo build --package {package} failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    target().join("release")
}

/// Checks a member of the workspace with cargo.
pub fn check(package: &str, arguments: &[&str]) -> Output {
    cargo(&["check", "--package", package], arguments)
}

fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target/tmp has a parent")
}

fn cargo(command: &[&str], arguments: &[&str]) -> Output {
    Command::new(env!("CARGO"))
        .args(command)
        .arg("--quiet")
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CARGO_TARGET_DIR", target())
        // What the tests themselves are built with (a sanitizer, say) is theirs.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .expect("cargo runs: it started this test")
}
