//! Bias correction: rounded weights `W̃ = W + ε` shift a layer's outputs by `E[W̃x] − E[Wx] = ε·E[x]`, which the bias can take
//! back: `b' = b − ε·E[x]`, with the mean of every input channel over the calibration samples. Padding counts as such a mean,
//! so that outputs at the border are off by what it differs.
//! Source: Nagel et al., 2019 (arXiv:1906.04721), section 4.2, with measured means.

use anyhow::{Context, Result};

use super::calibrate::Activations;
use super::weights::{input, largest, output, outputs, step};
use crate::graph::{Op, Tensor};
use crate::model::Model;

/// A folded model with corrected biases.
///
/// # Errors
/// A weight is missing.
pub(super) fn correct(model: &Model, seen: &Activations) -> Result<Model> {
    let shapes = model.graph.shapes()?;
    let mut corrected = model.clone();
    for node in &mut corrected.graph.nodes {
        let (Op::Conv2d { bias, .. } | Op::DepthwiseConv2d { bias, .. } | Op::Dense { bias, .. }) = &mut node.op else {
            continue;
        };
        *bias = true;
        let name = &node.inputs[0];
        let kernel = model.weights.get(&format!("{}/kernel", node.name)).context("the weights hold no kernel")?;
        let means = means(&seen[name], shapes[name].last().copied().unwrap_or(1));
        let count = outputs(node, kernel);
        let mut shift = vec![0f64; count];
        for (at, error) in errors(kernel, count, |at| output(node, kernel, at)).into_iter().enumerate() {
            shift[output(node, kernel, at)] += error * means[input(node, kernel, means.len(), at)];
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

/// `ε` of every weight, rounded per output channel as the exporter does.
fn errors(kernel: &Tensor, count: usize, channel: impl Fn(usize) -> usize) -> Vec<f64> {
    let largest = largest(&kernel.data, count, &channel);
    let error = |(at, &weight): (usize, &f32)| {
        let (scale, weight) = (step(largest[channel(at)], 0.0, 1.0), f64::from(weight));
        (weight / scale).round() * scale - weight
    };
    kernel.data.iter().enumerate().map(error).collect()
}
