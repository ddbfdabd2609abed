//! Remedies in the order of their cost; what does not help is taken back.

use anyhow::Result;
use serde::Serialize;

use crate::data::Dataset;
use crate::model::Model;
use crate::quantize::{float_values, judge, quantize_with_reference};
use crate::recipe::{Calibration, Method, Quantize};

/// One remedy.
#[derive(Clone, Debug, Serialize)]
pub struct Trial {
    /// What was changed.
    pub remedy: String,
    /// Signal to noise of the network's scores afterwards.
    pub decibels: f64,
    /// Whether it helped and was kept.
    pub kept: bool,
}

/// What a remedy must gain to be kept, in decibels.
const GAIN: f64 = 0.2;

/// A change of the options.
type Change = fn(Quantize) -> Quantize;

/// In the order of their cost.
const REMEDIES: [(&str, Change); 8] = [
    ("calibration = \"mse\"", |options| Quantize { calibration: Calibration::Mse, ..options }),
    ("calibration = \"percentile\"", |options| Quantize { calibration: Calibration::Percentile, ..options }),
    ("calibration = \"min_max\"", |options| Quantize { calibration: Calibration::MinMax, ..options }),
    ("calibration = \"entropy\"", |options| Quantize { calibration: Calibration::Entropy, ..options }),
    ("equalize = true", |options| Quantize { equalize: true, ..options }),
    ("bias_correction = true", |options| Quantize { bias_correction: true, ..options }),
    ("adaround = true", |options| Quantize { adaround: true, ..options }),
    ("method = \"auto\"", |options| Quantize { method: Method::Auto, ..options }),
];

/// Tries every remedy on the best options so far, judged on the first `samples` of `data`, which should not be the test set.
///
/// # Errors
/// The data does not fit the model.
pub fn cure(model: &Model, data: &Dataset, options: Quantize, samples: usize) -> Result<(Quantize, Vec<Trial>)> {
    let samples: Vec<usize> = (0..samples.clamp(1, data.len())).collect();
    let measure = |options: Quantize| -> Result<f64> { score(model, data, options, &samples) };
    let (mut best, mut most) = (options, measure(options)?);
    let mut trials = vec![Trial { remedy: "as it is".into(), decibels: most, kept: true }];
    // What training has rounded is not changed any more, and `auto` has tried everything.
    let is_done = !model.meta.ranges.is_empty() || options.method == Method::Auto;
    for (name, change) in REMEDIES.into_iter().filter(|_| !is_done) {
        let changed = change(best);
        if changed == best {
            continue;
        }
        let decibels = measure(changed)?;
        let kept = decibels >= most + GAIN;
        if kept {
            (best, most) = (changed, decibels);
        }
        trials.push(Trial { remedy: name.into(), decibels, kept });
    }
    Ok((best, trials))
}

/// Signal to noise of what the last softmax reads, or of the output.
fn score(model: &Model, data: &Dataset, options: Quantize, samples: &[usize]) -> Result<f64> {
    let quantized = quantize_with_reference(model, data, options)?;
    let values = float_values(&quantized.reference, data, samples)?;
    judge::scores(&quantized.program, &quantized.reference.graph, &values, data, samples)
}
