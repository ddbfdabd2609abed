//! Rewrites of the float graph that change nothing it computes: batch normalization into the layer before it, or into a
//! depthwise 1×1 convolution of its own; dropout away.

use anyhow::{Context, Result};

use crate::graph::{Graph, Node, Op, Padding, Pair, Tensor, Weights};
use crate::model::Model;

/// The same function with fewer nodes. A layer that took a normalization in keeps its name and computes both.
///
/// # Errors
/// A weight is missing, or the graph is not consistent.
pub fn fold(model: &Model) -> Result<Model> {
    let mut model = model.clone();
    while let Some(at) = model.graph.nodes.iter().position(|node| matches!(node.op, Op::Dropout { .. })) {
        remove(&mut model.graph, at);
    }
    let shapes = model.graph.shapes()?;
    while let Some(at) = model.graph.nodes.iter().position(|node| matches!(node.op, Op::BatchNorm { .. })) {
        let node = model.graph.nodes[at].clone();
        let (gain, offset) = affine(&mut model.weights, &node)?;
        let before = model.graph.node(&node.inputs[0]).cloned();
        let is_alone = model.graph.readers(&node.inputs[0]) == 1;
        match before {
            Some(layer) if is_alone && scale(&mut model.weights, &layer, &gain, &offset) => {
                set_bias(&mut model.graph, &layer.name);
                remove(&mut model.graph, at);
            }
            _ => stand_alone(&mut model, at, shapes[&node.name].len(), gain, offset),
        }
    }
    Ok(model)
}

/// Takes a node out; its readers read what it read.
fn remove(graph: &mut Graph, at: usize) {
    let node = graph.nodes.remove(at);
    let names = graph.nodes.iter_mut().flat_map(|node| &mut node.inputs).chain(&mut graph.outputs);
    names.filter(|name| **name == node.name).for_each(|name| name.clone_from(&node.inputs[0]));
}

/// `γ / sqrt(variance + ε)` and `β − mean · gain`.
fn affine(weights: &mut Weights, node: &Node) -> Result<(Vec<f32>, Vec<f32>)> {
    let Op::BatchNorm { epsilon, .. } = node.op else { return Ok((vec![], vec![])) };
    let mut part = |name: &str| {
        let key = format!("{}/{name}", node.name);
        weights.remove(&key).map(|tensor| tensor.data).with_context(|| format!("the weights hold no \"{key}\""))
    };
    let (gamma, beta, mean, variance) = (part("gamma")?, part("beta")?, part("mean")?, part("variance")?);
    let gain: Vec<f32> =
        gamma.iter().zip(&variance).map(|(g, v)| (f64::from(*g) / (f64::from(*v) + epsilon).sqrt()) as f32).collect();
    let offset = beta.iter().zip(&mean).zip(&gain).map(|((b, m), g)| b - m * g).collect();
    Ok((gain, offset))
}

/// Scales the output channels of a linear layer. `false` where it is none.
fn scale(weights: &mut Weights, layer: &Node, gain: &[f32], offset: &[f32]) -> bool {
    let is_last = match layer.op {
        Op::Conv2d { .. } | Op::Dense { .. } => false,
        Op::DepthwiseConv2d { .. } => true,
        _ => return false,
    };
    let Some(kernel) = weights.get_mut(&format!("{}/kernel", layer.name)) else { return false };
    let per_channel = kernel.data.len() / gain.len();
    for (index, weight) in kernel.data.iter_mut().enumerate() {
        *weight *= gain[if is_last { index % gain.len() } else { index / per_channel }];
    }
    let zeros = || Tensor { shape: vec![gain.len()], data: vec![0.0; gain.len()] };
    let bias = weights.entry(format!("{}/bias", layer.name)).or_insert_with(zeros);
    bias.data.iter_mut().zip(gain).zip(offset).for_each(|((bias, gain), offset)| *bias = *bias * gain + offset);
    true
}

fn set_bias(graph: &mut Graph, name: &str) {
    for node in graph.nodes.iter_mut().filter(|node| node.name == name) {
        if let Op::Conv2d { bias, .. } | Op::DepthwiseConv2d { bias, .. } | Op::Dense { bias, .. } = &mut node.op {
            *bias = true;
        }
    }
}

/// A normalization that follows no linear layer becomes a linear layer itself.
fn stand_alone(model: &mut Model, at: usize, rank: usize, gain: Vec<f32>, offset: Vec<f32>) {
    let node = &mut model.graph.nodes[at];
    let count = gain.len();
    let bias = Tensor { shape: vec![count], data: offset };
    let kernel = if rank > 1 {
        let (kernel, stride, dilation) = (Pair::one(), Pair::one(), Pair::one());
        node.op = Op::DepthwiseConv2d { kernel, multiplier: 1, stride, dilation, padding: Padding::Valid, bias: true };
        Tensor { shape: vec![1, 1, 1, count], data: gain }
    } else {
        node.op = Op::Dense { units: count, bias: true };
        let diagonal = |index: usize| if index / count == index % count { gain[index % count] } else { 0.0 };
        Tensor { shape: vec![count, count], data: (0..count * count).map(diagonal).collect() }
    };
    model.weights.insert(format!("{}/kernel", node.name), kernel);
    model.weights.insert(format!("{}/bias", node.name), bias);
}
