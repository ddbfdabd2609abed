//! What an epoch gave.

use serde::{Deserialize, Serialize};

/// What one epoch gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Its number, from 1.
    pub epoch: usize,
    /// Mean loss over the training samples while they were learned.
    pub loss: f64,
    /// Their accuracy; `None` for regression.
    pub accuracy: Option<f64>,
    /// Loss over the validation samples afterwards; `None` without such.
    pub validation_loss: Option<f64>,
    /// Their accuracy.
    pub validation_accuracy: Option<f64>,
}

impl Epoch {
    pub(super) fn line(&self, epochs: usize) -> String {
        let percent =
            |name: &str, value: Option<f64>| value.map_or(String::new(), |v| format!("  {name} {:.2} %", 100.0 * v));
        let validation = self.validation_loss.map_or(String::new(), |loss| format!("  validation loss {loss:.4}"));
        let accuracy = percent("accuracy", self.accuracy);
        let validation_accuracy = percent("accuracy", self.validation_accuracy);
        format!("epoch {}/{epochs}  loss {:.4}{accuracy}{validation}{validation_accuracy}", self.epoch, self.loss)
    }
}
