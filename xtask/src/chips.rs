//! The table of chips, anew.

use anyhow::Result;

use crate::shell::run;

/// Writes `runtime/budget/src/chips.txt` from the target list of the version of probe-rs that `xtask/chips` names.
pub fn write() -> Result<()> {
    run(
        "cargo",
        &[
            "run",
            "--quiet",
            "--locked",
            "--manifest-path",
            "xtask/chips/Cargo.toml",
            "--target-dir",
            "target/chips",
            "--",
            "runtime/budget/src/chips.txt",
        ],
    )
}
