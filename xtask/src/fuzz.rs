//! Fuzzing: every target for some time, from a fixed seed and from the model files in `fuzz/seeds`.

use std::fs;

use anyhow::{Result, ensure};

use crate::shell::{command, finish, root};

/// What to do where fuzzing is not possible.
pub const MISSING: &str =
    "it needs nightly Rust and cargo-fuzz: rustup toolchain install nightly; cargo install cargo-fuzz";

/// The targets, and whether they read a model file as it is, so that `fuzz/seeds` helps them.
const TARGETS: [(&str, bool); 3] = [("loader", true), ("load_and_run", true), ("mutated", false)];

/// Whether nightly Rust and cargo-fuzz are there.
pub fn is_possible() -> bool {
    let mut fuzz = command("cargo", &["+nightly", "fuzz", "--version"]);
    fuzz.output().is_ok_and(|output| output.status.success())
}

/// Fuzzes each target for so many seconds. What is found lies in `fuzz/artifacts`.
pub fn all(seconds: u32) -> Result<()> {
    ensure!(is_possible(), "{MISSING}");
    for (target, reads_models) in TARGETS {
        let corpus = root().join("fuzz/corpus").join(target);
        fs::create_dir_all(&corpus)?;
        // Our own code is safe Rust on the host: guard bytes and overflow checks find what a sanitizer would.
        let mut fuzz = command("cargo", &["+nightly", "fuzz", "run", "--sanitizer", "none", target]);
        fuzz.arg(&corpus);
        if reads_models {
            fuzz.arg(root().join("fuzz/seeds"));
        }
        fuzz.args(["--", "-seed=1", "-max_len=4096", "-timeout=20", "-print_final_stats=1"]);
        fuzz.arg(format!("-max_total_time={seconds}"));
        finish(fuzz)?;
    }
    Ok(())
}
