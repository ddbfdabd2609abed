//! Rewrites of the float graph that change nothing it computes: batch normalization into the layer before it, or into a
//! depthwise 1×1 convolution of its own; dropout away.

use anyhow::{Context, Result};

use super::weights::output;
use crate::graph::{Graph, Node, Op, Padding, Pair, Tensor, Weights};
use crate::model::Model;

/// What becomes of a batch normalization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fold {
    /// A part of the linear layer before it.
    Into {
        /// That layer, which keeps its name.
        layer: String,
        /// The normalization, which is gone.
        norm: String,
    },
    /// A linear layer itself, of the same name.
    Alone {
        /// The normalization.
        norm: String,
    },
}

/// The same function with fewer nodes. A layer that took a normalization in keeps its name and computes both.
///
/// # Errors
/// A weight is missing, or the graph is not consistent.
pub fn fold(model: &Model) -> Result<Model> {
    let (graph, folds) = fold_graph(&model.graph)?;
    let mut folded = Model { graph, weights: model.weights.clone(), meta: model.meta.clone() };
    for fold in &folds {
        let (Fold::Into { norm, .. } | Fold::Alone { norm }) = fold;
        let node = model.graph.node(norm).context("a normalization is a node")?;
        let (gain, offset) = affine(&mut folded.weights, node)?;
        match fold {
            Fold::Into { layer, .. } => scale(&mut folded, layer, &gain, &offset)?,
            Fold::Alone { norm } => stand_alone(&mut folded, norm, gain, offset),
        }
    }
    Ok(folded)
}

/// The graph without normalizations and dropout, and what became of the former, in the order in which they follow one another.
pub(super) fn fold_graph(graph: &Graph) -> Result<(Graph, Vec<Fold>)> {
    let shapes = graph.shapes()?;
    let (mut graph, mut folds) = (graph.clone(), Vec::new());
    while let Some(at) = graph.nodes.iter().position(|node| matches!(node.op, Op::Dropout { .. })) {
        remove(&mut graph, at);
    }
    while let Some(at) = graph.nodes.iter().position(|node| matches!(node.op, Op::BatchNorm { .. })) {
        let Node { name: norm, inputs, .. } = graph.nodes[at].clone();
        let layer = inputs[0].clone();
        if graph.readers(&layer) == 1 && take_bias(&mut graph, &layer) {
            remove(&mut graph, at);
            folds.push(Fold::Into { layer, norm });
        } else {
            let shape = &shapes[&norm];
            let units = shape.last().copied().unwrap_or(1);
            let (kernel, stride, dilation) = (Pair::one(), Pair::one(), Pair::one());
            graph.nodes[at].op = if shape.len() > 1 {
                Op::DepthwiseConv2d { kernel, multiplier: 1, stride, dilation, padding: Padding::Valid, bias: true }
            } else {
                Op::Dense { units, bias: true }
            };
            folds.push(Fold::Alone { norm });
        }
    }
    Ok((graph, folds))
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

/// Gives a linear layer a bias. `false` where it is none.
pub(super) fn take_bias(graph: &mut Graph, name: &str) -> bool {
    let layer = graph.nodes.iter_mut().find(|node| node.name == name).map(|node| &mut node.op);
    let Some(Op::Conv2d { bias, .. } | Op::DepthwiseConv2d { bias, .. } | Op::Dense { bias, .. }) = layer else {
        return false;
    };
    *bias = true;
    true
}

/// Scales the output channels of a linear layer.
fn scale(model: &mut Model, name: &str, gain: &[f32], offset: &[f32]) -> Result<()> {
    let layer = model.graph.node(name).context("a layer that took a normalization in is a node")?;
    let key = format!("{name}/kernel");
    let kernel = model.weights.get_mut(&key).with_context(|| format!("the weights hold no \"{key}\""))?;
    let channels: Vec<usize> = (0..kernel.data.len()).map(|at| output(layer, kernel, at)).collect();
    kernel.data.iter_mut().zip(channels).for_each(|(weight, channel)| *weight *= gain[channel]);
    let zeros = || Tensor { shape: vec![gain.len()], data: vec![0.0; gain.len()] };
    let bias = model.weights.entry(format!("{name}/bias")).or_insert_with(zeros);
    bias.data.iter_mut().zip(gain).zip(offset).for_each(|((bias, gain), offset)| *bias = *bias * gain + offset);
    Ok(())
}

/// The weights of a normalization that follows no linear layer and became one.
fn stand_alone(model: &mut Model, name: &str, gain: Vec<f32>, offset: Vec<f32>) {
    let count = gain.len();
    let bias = Tensor { shape: vec![count], data: offset };
    let is_dense = model.graph.node(name).is_some_and(|node| matches!(node.op, Op::Dense { .. }));
    let kernel = if is_dense {
        let diagonal = |index: usize| if index / count == index % count { gain[index % count] } else { 0.0 };
        Tensor { shape: vec![count, count], data: (0..count * count).map(diagonal).collect() }
    } else {
        Tensor { shape: vec![1, 1, 1, count], data: gain }
    };
    model.weights.insert(format!("{name}/kernel"), kernel);
    model.weights.insert(format!("{name}/bias"), bias);
}
