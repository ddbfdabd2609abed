//! From numbers to causes in words.

use serde::Serialize;

use super::{Diagnosis, Layer};

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// `[quantize] calibration`: another range.
    Calibrate,
    /// `[quantize] equalize = true`.
    Equalize,
    /// `[quantize] adaround = true` or `bias_correction = true`.
    Round,
}

/// A cause and its cheapest remedy.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The layer.
    pub layer: String,
    /// Its signal to noise.
    pub decibels: f64,
    /// The cause in words, with its numbers.
    pub cause: String,
    /// What to do.
    pub remedy: Remedy,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let remedy = match self.remedy {
            Remedy::Calibrate => "try another calibration",
            Remedy::Equalize => "equalize",
            Remedy::Round => "try adaround or bias_correction",
        };
        write!(f, "{} ({:.1} dB): {}: {remedy}", self.layer, self.decibels, self.cause)
    }
}

/// What integers may cost before training is the remedy that is left, in points.
const ACCEPTABLE: f64 = 0.5;

/// What is left to do where the best of the other remedies is not enough.
#[must_use]
pub fn needs_training(diagnosis: &Diagnosis) -> Option<String> {
    let lost = match (diagnosis.float_accuracy, diagnosis.integer_accuracy) {
        (Some(float), Some(integer)) => 100.0 * (float - integer),
        _ => return None,
    };
    (lost > ACCEPTABLE).then(|| {
        format!(
            "int8 is {lost:.2} points below float: train it with what int8 computes, by quantization_aware = {{}} under [train] of the \
             recipe and `thumbnet train RECIPE --from RUN`"
        )
    })
}

/// Signal to noise below which a layer needs an explanation.
pub const ENOUGH: f64 = 25.0;

/// The causes: unequal channels first, since what comes behind them suffers too; then the worst layer first.
pub(super) fn findings(layers: &[Layer]) -> Vec<Finding> {
    let mut found: Vec<Finding> = layers.iter().filter_map(finding).collect();
    let is_behind = |finding: &Finding| finding.remedy != Remedy::Equalize;
    found.sort_by(|a, b| is_behind(a).cmp(&is_behind(b)).then(a.decibels.total_cmp(&b.decibels)));
    found
}

fn finding(layer: &Layer) -> Option<Finding> {
    let (cause, remedy) = if layer.coarse >= 0.1 && layer.range_ratio >= 16.0 {
        let cause = format!(
            "ranges of its channels differ {:.0}-fold, {:.0} % of them use fewer than 4 of the 8 bits",
            layer.range_ratio,
            100.0 * layer.coarse
        );
        (cause, Remedy::Equalize)
    } else if layer.decibels >= ENOUGH {
        return None;
    } else if layer.saturated > 1e-3 {
        (format!("{:.2} % of its values are clipped", 100.0 * layer.saturated), Remedy::Calibrate)
    } else {
        ("its noise comes from rounded weights and from the layers before".to_owned(), Remedy::Round)
    };
    Some(Finding { layer: layer.name.clone(), decibels: layer.decibels, cause, remedy })
}
