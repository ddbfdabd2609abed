//! What training gave, epoch by epoch.

use anyhow::{Context, Result};
use serde::Serialize;

use super::run::Run;
use crate::train::Epoch;

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

pub(super) fn collect(run: &Run) -> Result<Training> {
    match run.metrics() {
        Ok(metrics) => Ok(Training {
            epochs: metrics.epochs.clone(),
            is_finished: true,
            // A checkpoint may be of a training that was begun anew.
            best: run
                .epochs()
                .ok()
                .flatten()
                .filter(|(epochs, _)| is_same(epochs, &metrics.epochs))
                .map(|&(_, best)| best),
            parameters: Some(metrics.parameters),
            seconds: Some(metrics.seconds),
        }),
        Err(why) => {
            let (epochs, _) = run.epochs()?.context(why.to_string())?;
            Ok(Training { epochs: epochs.clone(), is_finished: false, best: None, parameters: None, seconds: None })
        }
    }
}

/// Whether two lists are of the same training; numbers in files may differ in the last bit.
fn is_same(a: &[Epoch], b: &[Epoch]) -> bool {
    let is_near = |(a, b): (&Epoch, &Epoch)| (a.loss - b.loss).abs() <= 1e-9 * a.loss.abs();
    a.len() == b.len() && a.iter().zip(b).all(is_near)
}
