//! Fuzzing: every target for some time, from a fixed seed and from the model files in `fuzz/seeds`.

use std::fs;

use anyhow::{Result, ensure};

use crate::shell::{command, finish, root};

/// What to do where fuzzing is not possible.
pub const MISSING: &str =
    "it needs nightly Rust and cargo-fuzz: rustup toolchain install nightly; cargo install cargo-fuzz";

struct Target {
    name: &'static str,
    /// The folder in `fuzz` with what it starts from, where it reads files as they are.
    seeds: Option<&'static str>,
    /// Whether it needs the exporter, which takes long to build.
    needs_trainer: bool,
}

const TARGETS: [Target; 5] = [
    Target { name: "loader", seeds: Some("seeds"), needs_trainer: false },
    Target { name: "load_and_run", seeds: Some("seeds"), needs_trainer: false },
    Target { name: "mutated", seeds: None, needs_trainer: false },
    Target { name: "importer", seeds: Some("tflite"), needs_trainer: true },
    Target { name: "differential", seeds: None, needs_trainer: true },
];

/// Whether nightly Rust and cargo-fuzz are there.
pub fn is_possible() -> bool {
    let mut fuzz = command("cargo", &["+nightly", "fuzz", "--version"]);
    fuzz.output().is_ok_and(|output| output.status.success())
}

/// Fuzzes each target for so many seconds. What is found lies in `fuzz/artifacts`.
pub fn all(seconds: u32) -> Result<()> {
    ensure!(is_possible(), "{MISSING}");
    for Target { name, seeds, needs_trainer } in TARGETS {
        let corpus = root().join("fuzz/corpus").join(name);
        fs::create_dir_all(&corpus)?;
        // Our own code is safe Rust on the host: guard bytes and overflow checks find what a sanitizer would.
        let mut fuzz = command("cargo", &["+nightly", "fuzz", "run", "--sanitizer", "none"]);
        if needs_trainer {
            fuzz.args(["--features", "trainer"]);
        }
        fuzz.arg(name).arg(&corpus);
        if let Some(seeds) = seeds {
            fuzz.arg(root().join("fuzz").join(seeds));
        }
        fuzz.args(["--", "-seed=1", "-max_len=4096", "-len_control=0", "-timeout=20", "-print_final_stats=1"]);
        fuzz.arg(format!("-max_total_time={seconds}"));
        finish(fuzz)?;
    }
    Ok(())
}
