//! Runs that were stopped from outside, and can go on.

use std::path::PathBuf;

/// The error of a run that was stopped; all that it has learned is saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interrupted {
    /// Epochs that are complete.
    pub epochs: usize,
    /// Steps of the next one that are.
    pub step: usize,
    /// The run's folder.
    pub out: PathBuf,
}

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { epochs, step, out } = self;
        let out = out.display();
        write!(
            f,
            "interrupted after {epochs} epochs and {step} steps, saved in {out}: the same command with --resume goes on from there"
        )
    }
}

impl std::error::Error for Interrupted {}
