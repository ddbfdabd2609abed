//! `method = "auto"`: every way of quantizing is tried, tensor by tensor and layer by layer, and what helps is kept.
//!
//! Judged is the signal to noise of the network's scores, integers against float, on training samples that calibration does
//! not see. In this order, since each depends on those before: channels equalized or not, the calibration of all tensors, that of
//! each, AdaRound for each layer, bias correction for each layer.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Serialize;

use super::calibrate::{self, Activations};
use super::fold::take_bias;
use super::grid::{Grid, Ranges, grid};
use super::lower::lower;
use super::weights::is_linear;
use super::{adaround, bias_correction, equalize, judge};
use crate::data::Dataset;
use crate::graph::{Node, Weights};
use crate::model::Model;
use crate::recipe::Calibration;

/// What must be gained by a choice for one tensor or layer, in decibels: less is chance.
const GAIN: f64 = 0.05;

/// What was chosen.
#[derive(Clone, Debug, Serialize)]
pub struct Choices {
    /// Signal to noise of the scores with the best of the calibrations for all tensors alike.
    pub before: f64,
    /// With everything that was chosen.
    pub after: f64,
    /// Whether channels were brought to like ranges.
    pub equalize: bool,
    /// The calibration of every tensor that has a range of its own.
    pub calibration: BTreeMap<String, Calibration>,
    /// Layers whose weights are rounded for their outputs.
    pub adaround: Vec<String>,
    /// Layers with corrected biases.
    pub bias_correction: Vec<String>,
}

/// A network with all that decides its program.
struct Candidate {
    /// In float, as it is compared.
    reference: Model,
    /// With what was done to weights.
    changed: Model,
    seen: Activations,
    calibration: BTreeMap<String, Calibration>,
    ranges: Ranges,
    decibels: f64,
}

/// How candidates are judged.
struct Judge<'a> {
    data: &'a Dataset,
    samples: &'a [usize],
    /// The float values for them.
    values: Activations,
}

/// Quantizes a folded model with ranges of the samples `seen_on`, as judged on `held_out`. Gives the float network, the one whose
/// weights were changed, its ranges, and what was chosen.
///
/// # Errors
/// The data does not fit the model, or a weight is missing.
pub(super) fn choose(
    folded: &Model,
    data: &Dataset,
    seen_on: &[usize],
    held_out: &[usize],
) -> Result<(Model, Model, Ranges, Choices)> {
    let judge = Judge { data, samples: held_out, values: calibrate::activations(folded, data, held_out)? };
    let mut equalized = folded.clone();
    equalize::equalize(&mut equalized)?;
    let [plain, equalized] = [folded.clone(), equalized].map(|reference| judge.uniform(reference, seen_on));
    let (plain, equalized) = (plain?, equalized?);
    let before = plain.decibels;
    let equalize = equalized.decibels >= before + GAIN;
    let mut best = if equalize { equalized } else { plain };

    judge.calibrate(&mut best)?;
    let layers: Vec<Node> = best.reference.graph.nodes.iter().filter(|node| is_linear(&node.op)).cloned().collect();
    let all = layers.iter().map(|node| node.name.clone()).collect();
    let rounded = adaround::round(&best.reference, &best.seen, &best.ranges, &all)?;
    let adaround = judge.take(&mut best, &layers, "kernel", |_| Ok(rounded.weights.clone()))?;
    let bias_correction = judge.take(&mut best, &layers, "bias", |best| {
        Ok(bias_correction::correct(&best.reference, &best.changed, &best.seen, &all)?.weights)
    })?;
    let Candidate { reference, changed, calibration, ranges, decibels, .. } = best;
    let choices = Choices { before, after: decibels, equalize, calibration, adaround, bias_correction };
    Ok((reference, changed, ranges, choices))
}

impl Judge<'_> {
    fn measure(&self, changed: &Model, ranges: &Ranges) -> Result<f64> {
        judge::scores(&lower(changed, ranges)?, &changed.graph, &self.values, self.data, self.samples)
    }

    /// The best calibration for all tensors alike.
    fn uniform(&self, reference: Model, seen_on: &[usize]) -> Result<Candidate> {
        let seen = calibrate::activations(&reference, self.data, seen_on)?;
        let mut best: Option<(f64, Calibration, Ranges)> = None;
        for method in Calibration::ALL {
            let ranges = calibrate::ranges(&reference, &seen, |_| method);
            let decibels = self.measure(&reference, &ranges)?;
            if best.as_ref().is_none_or(|best| decibels > best.0) {
                best = Some((decibels, method, ranges));
            }
        }
        let (decibels, method, ranges) = best.context("there are calibrations")?;
        let measured = reference.graph.nodes.iter().filter(|node| grid(&reference.graph, node) == Grid::Measured);
        let calibration = measured.map(|node| (node.name.clone(), method)).collect();
        Ok(Candidate { changed: reference.clone(), reference, seen, calibration, ranges, decibels })
    }

    /// The best calibration for each tensor.
    fn calibrate(&self, best: &mut Candidate) -> Result<()> {
        let names: Vec<String> = best.calibration.keys().cloned().collect();
        for name in names {
            for method in Calibration::ALL {
                let mut ranges = best.ranges.clone();
                ranges.insert(name.clone(), calibrate::range(&best.seen[&name], method));
                if ranges == best.ranges {
                    continue;
                }
                let decibels = self.measure(&best.changed, &ranges)?;
                if decibels >= best.decibels + GAIN {
                    (best.decibels, best.ranges) = (decibels, ranges);
                    best.calibration.insert(name.clone(), method);
                }
            }
        }
        Ok(())
    }

    /// Takes one part of each layer from changed weights where that helps; gives the names of those layers.
    fn take(
        &self,
        best: &mut Candidate,
        layers: &[Node],
        part: &str,
        change: impl Fn(&Candidate) -> Result<Weights>,
    ) -> Result<Vec<String>> {
        let mut taken = Vec::new();
        let mut weights = change(best)?;
        for node in layers {
            let key = format!("{}/{part}", node.name);
            let Some(new) = weights.remove(&key) else { continue };
            let mut changed = best.changed.clone();
            changed.weights.insert(key, new);
            take_bias(&mut changed.graph, &node.name);
            let decibels = self.measure(&changed, &best.ranges)?;
            if decibels >= best.decibels + GAIN {
                (best.decibels, best.changed) = (decibels, changed);
                taken.push(node.name.clone());
            }
        }
        Ok(taken)
    }
}
