//! AdaRound: whether a weight is rounded up or down is chosen for the outputs of its layer, not for the weight alone.
//!
//! Rounding `W` to `W̃` changes a layer's outputs by `(W̃ − W) x`; the mean square of that over inputs `x` is
//! `r H rᵀ` for each output channel, with `r` its row of `W̃ − W` and `H = E[x xᵀ]` over windows of the calibration samples, as
//! bytes and zeros of the padding. So a channel is a problem of its own and needs no further look at the samples.
//! Source: Nagel et al., "Up or down? Adaptive rounding for post-training quantization", ICML 2020 (arXiv:2004.10568),
//! sections 3.2 and 4; without its asymmetric reconstruction: each layer is judged behind a float one.

mod row;
mod windows;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use rayon::prelude::*;

use super::calibrate::Activations;
use super::grid::{Ranges, quants};
use super::scale::Quant;
use super::weights::{input, is_linear, largest, output, outputs, step};
use crate::graph::{Node, Op, Shapes, Tensor};
use crate::model::Model;
use windows::Windows;

/// Weights of an output channel beyond which they are rounded to the nearest: `H` has the square of that many numbers.
const MOST: usize = 2048;

/// A folded model in which the kernels of these layers have weights that the exporter's rounding leaves as they are.
///
/// # Errors
/// A weight is missing, or the graph is not consistent.
pub(super) fn round(model: &Model, seen: &Activations, ranges: &Ranges, layers: &BTreeSet<String>) -> Result<Model> {
    let shapes = model.graph.shapes()?;
    let quants = quants(&model.graph, ranges);
    let mut rounded = model.clone();
    for node in model.graph.nodes.iter().filter(|node| layers.contains(&node.name) && is_linear(&node.op)) {
        let name = &node.inputs[0];
        let Some(&quant) = quants.get(name) else { continue };
        let kernel = layer(model, node, &shapes, &seen[name], quant)?;
        rounded.weights.insert(format!("{}/kernel", node.name), kernel);
    }
    Ok(rounded)
}

fn layer(model: &Model, node: &Node, shapes: &Shapes, values: &[f32], quant: Quant) -> Result<Tensor> {
    let key = format!("{}/kernel", node.name);
    let kernel = model.weights.get(&key).with_context(|| format!("the weights hold no \"{key}\""))?;
    let count = outputs(node, kernel);
    if kernel.data.len() / count > MOST {
        return Ok(kernel.clone());
    }
    let windows = Windows::new(node, &shapes[&node.inputs[0]], &shapes[&node.name]);
    let bytes: Vec<f32> = values.iter().map(|&x| quant.real(quant.quantize(x.into())) as f32).collect();
    // A depthwise layer has the moments of each of its inputs, every other one of all together.
    let inputs = shapes[&node.inputs[0]].last().copied().unwrap_or(1);
    let is_depthwise = matches!(node.op, Op::DepthwiseConv2d { .. });
    let groups = if is_depthwise { inputs } else { 1 };
    let moments: Vec<Vec<f32>> =
        (0..groups).into_par_iter().map(|group| windows.moments(&bytes, is_depthwise.then_some(group))).collect();

    let bias = model.weights.get(&format!("{}/bias", node.name));
    let largest = largest(&kernel.data, count, |at| output(node, kernel, at));
    let mut places: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    (0..kernel.data.len()).for_each(|at| places.entry(output(node, kernel, at)).or_default().push(at));
    let rows = places.into_par_iter().map(|(channel, places)| {
        let bias = bias.map_or(0.0, |bias| f64::from(bias.data[channel]));
        let step = step(largest[channel], bias, quant.scale.into());
        let weights: Vec<f32> = places.iter().map(|&at| (f64::from(kernel.data[at]) / step) as f32).collect();
        let group = if is_depthwise { input(node, kernel, inputs, places[0]) } else { 0 };
        let rounded = row::round(&moments[group], &weights).into_iter().map(move |q| (f64::from(q) * step) as f32);
        places.into_iter().zip(rounded).collect::<Vec<_>>()
    });
    let mut rounded = kernel.clone();
    for (at, weight) in rows.collect::<Vec<_>>().into_iter().flatten() {
        rounded.data[at] = weight;
    }
    Ok(rounded)
}
