//! What training gave, epoch by epoch.

use std::fs;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::run::Run;
use crate::train::{Epoch, RunDir};

/// What training gave.
#[derive(Clone, Debug, Serialize)]
pub struct Training {
    /// Epoch by epoch.
    pub epochs: Vec<Epoch>,
    /// Whether it came to its end.
    pub is_finished: bool,
    /// Number of the epoch whose weights were taken; `None` while it is not finished.
    pub best: Option<usize>,
    /// Number of weights.
    pub parameters: Option<usize>,
    /// Time that it took.
    pub seconds: Option<f64>,
}

/// What a report needs of a checkpoint.
#[derive(Deserialize)]
struct Checkpoint {
    epochs: Vec<Epoch>,
    best: usize,
}

pub(super) fn collect(run: &Run) -> Result<Training> {
    let path = RunDir(run.folder.clone()).checkpoint();
    let checkpoint = path.exists().then(|| -> Result<Checkpoint> {
        serde_json::from_str(&fs::read_to_string(&path)?).context("The file checkpoint.json is damaged")
    });
    let checkpoint = checkpoint.transpose();
    match run.metrics() {
        Ok(metrics) => Ok(Training {
            epochs: metrics.epochs.clone(),
            is_finished: true,
            // A checkpoint may be of a training that was begun anew.
            best: checkpoint.ok().flatten().filter(|found| found.epochs == metrics.epochs).map(|found| found.best),
            parameters: Some(metrics.parameters),
            seconds: Some(metrics.seconds),
        }),
        Err(why) => {
            let Checkpoint { epochs, .. } = checkpoint?.context(why.to_string())?;
            Ok(Training { epochs, is_finished: false, best: None, parameters: None, seconds: None })
        }
    }
}
