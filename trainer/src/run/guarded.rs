//! Many model files, whatever they hold, in one run on an emulated board, between guard bytes.

use std::fs;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{Target, qemu};

/// What became of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Outcomes {
    /// The check refused them.
    pub refused: u64,
    /// Accepted, but with more arena or work than the firmware `mutated` has for one.
    pub too_large: u64,
    /// Ran twice, and nothing outside of their arena changed.
    pub ran: u64,
}

/// Checks and runs each of `models` on an emulated core.
///
/// # Errors
/// A byte outside of an arena was written to, a panic or a fault, each with the number of the file; or the machine cannot be started.
pub fn guarded(models: &[Vec<u8>], target: Target) -> Result<Outcomes> {
    let board = target.board().context("files are run between guard bytes on an emulated core: name one")?;
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let framed = models.iter().flat_map(|model| [&(model.len() as u32).to_le_bytes(), model.as_slice()].concat());
    fs::write(folder.path().join("models"), framed.collect::<Vec<u8>>())?;
    let text = qemu::output(qemu::machine("mutated", &[], folder.path(), &[], board)?, board)?;
    serde_json::from_str(&text).with_context(|| format!("the firmware answered {text:?}"))
}
