//! Bias correction: rounded weights `W̃ = W + ε` shift a layer's outputs by `E[W̃x] − E[Wx] = ε·E[x]`, which the bias can take
//! back: `b' = b − ε·E[x]`, with the mean of every input channel over the calibration samples. Padding counts as such a mean,
//! so that outputs at the border are off by what it differs.
//! Source: Nagel et al., 2019 (arXiv:1906.04721), section 4.2, with measured means.

use std::collections::BTreeSet;

use anyhow::{Context, Result};

use super::calibrate::Activations;
use super::fold::take_bias;
use super::weights::{input, is_linear, largest, output, outputs, step};
use crate::graph::Tensor;
use crate::model::Model;

/// `changed` with corrected biases in these layers: its weights, rounded, against those of the folded model that it comes from.
///
/// # Errors
/// A weight is missing.
pub(super) fn correct(model: &Model, changed: &Model, seen: &Activations, layers: &BTreeSet<String>) -> Result<Model> {
    let shapes = model.graph.shapes()?;
    let mut corrected = changed.clone();
    for node in model.graph.nodes.iter().filter(|node| layers.contains(&node.name) && is_linear(&node.op)) {
        take_bias(&mut corrected.graph, &node.name);
        let name = &node.inputs[0];
        let key = format!("{}/kernel", node.name);
        let kernel = |model: &'_ Model| model.weights.get(&key).cloned().context("the weights hold no kernel");
        let (truth, kernel) = (kernel(model)?, kernel(changed)?);
        let means = means(&seen[name], shapes[name].last().copied().unwrap_or(1));
        let count = outputs(node, &kernel);
        let mut shift = vec![0f64; count];
        let rounded = rounded(&kernel, count, |at| output(node, &kernel, at));
        for (at, (rounded, &truth)) in rounded.zip(&truth.data).enumerate() {
            let channel = output(node, &kernel, at);
            shift[channel] += (rounded - f64::from(truth)) * means[input(node, &kernel, means.len(), at)];
        }
        let zeros = || Tensor { shape: vec![count], data: vec![0.0; count] };
        let bias = corrected.weights.entry(format!("{}/bias", node.name)).or_insert_with(zeros);
        bias.data.iter_mut().zip(shift).for_each(|(bias, shift)| *bias = (f64::from(*bias) - shift) as f32);
    }
    Ok(corrected)
}

/// Mean of every channel.
fn means(values: &[f32], channels: usize) -> Vec<f64> {
    let mut means = vec![0f64; channels];
    values.iter().enumerate().for_each(|(at, &value)| means[at % channels] += f64::from(value));
    let count = (values.len() / channels).max(1) as f64;
    means.iter_mut().for_each(|mean| *mean /= count);
    means
}

/// Every weight, rounded per output channel as the exporter does.
fn rounded(kernel: &Tensor, count: usize, channel: impl Fn(usize) -> usize) -> impl Iterator<Item = f64> {
    let largest = largest(&kernel.data, count, &channel);
    kernel.data.iter().enumerate().map(move |(at, &weight)| {
        let step = step(largest[channel(at)], 0.0, 1.0);
        (f64::from(weight) / step).round() * step
    })
}
