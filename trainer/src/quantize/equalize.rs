//! Cross-layer equalization: brings the channels between two linear layers to like ranges, without changing the function.
//!
//! What lies between is positively homogeneous, `f(s·x) = s·f(x)` for `s > 0`: rectifiers without an upper end, pools,
//! padding, flattening. So channel `i` of the first layer can be divided by `s_i`, and the weights of the second layer that
//! read it multiplied: `W1'_i = W1_i / s_i`, `b1'_i = b1_i / s_i`, `W2'_i = W2_i · s_i`. With `r1_i` and `r2_i` the largest
//! magnitudes of both, `s_i = sqrt(r1_i / r2_i)` makes both `sqrt(r1_i · r2_i)`. Chains are gone through until nothing moves.
//! Source: Nagel et al., "Data-free quantization through weight equalization and bias correction", ICCV 2019
//! (arXiv:1906.04721).

use anyhow::{Context, Result};

use super::weights::{input, is_linear, output, outputs};
use crate::graph::{Graph, Node, Op, Tensor, Weights};
use crate::model::Model;

/// Equalizes all pairs of layers of a folded model.
///
/// # Errors
/// A weight is missing.
pub(super) fn equalize(model: &mut Model) -> Result<()> {
    let Model { graph, weights, .. } = model;
    let pairs: Vec<(Node, Node)> =
        graph.nodes.iter().filter_map(|first| Some((first.clone(), second(graph, first)?.clone()))).collect();
    for _ in 0..40 {
        let mut moved = 0f32;
        for (first, second) in &pairs {
            moved = moved.max(pair(weights, first, second)?);
        }
        if moved < 1e-3 {
            break;
        }
    }
    Ok(())
}

/// The linear layer that alone reads what a linear layer computes, through homogeneous operators.
fn second<'a>(graph: &'a Graph, first: &Node) -> Option<&'a Node> {
    let mut name = is_linear(&first.op).then_some(&first.name)?;
    loop {
        let reader = graph.nodes.iter().find(|node| node.inputs.contains(name))?;
        if graph.readers(name) != 1 {
            return None;
        }
        match reader.op {
            Op::Relu
            | Op::LeakyRelu { .. }
            | Op::MaxPool2d { .. }
            | Op::AveragePool2d { .. }
            | Op::GlobalMaxPool2d
            | Op::GlobalAveragePool2d
            | Op::ZeroPad2d { .. }
            | Op::Flatten => name = &reader.name,
            _ => return is_linear(&reader.op).then_some(reader),
        }
    }
}

/// Equalizes one pair; gives the largest `|ln s|`.
fn pair(weights: &mut Weights, first: &Node, second: &Node) -> Result<f32> {
    let [from, to] = [first, second].map(|node| format!("{}/kernel", node.name));
    let kernel = |name: &String| weights.get(name).with_context(|| format!("the weights hold no \"{name}\""));
    let (w1, w2) = (kernel(&from)?, kernel(&to)?);
    let count = outputs(first, w1);
    let (r1, r2) =
        (ranges(w1, count, |at| output(first, w1, at)), ranges(w2, count, |at| input(second, w2, count, at)));
    let factor = |(&r1, &r2): (&f32, &f32)| if r1 > 0.0 && r2 > 0.0 { (r1 / r2).sqrt() } else { 1.0 };
    let factors: Vec<f32> = r1.iter().zip(&r2).map(factor).collect();
    let mut w1 = w1.clone();
    let mut w2 = w2.clone();
    let places: Vec<usize> = (0..w1.data.len()).map(|at| output(first, &w1, at)).collect();
    w1.data.iter_mut().zip(places).for_each(|(w, channel)| *w /= factors[channel]);
    let places: Vec<usize> = (0..w2.data.len()).map(|at| input(second, &w2, count, at)).collect();
    w2.data.iter_mut().zip(places).for_each(|(w, channel)| *w *= factors[channel]);
    weights.insert(from, w1);
    weights.insert(to, w2);
    if let Some(bias) = weights.get_mut(&format!("{}/bias", first.name)) {
        bias.data.iter_mut().zip(&factors).for_each(|(b, s)| *b /= s);
    }
    Ok(factors.iter().fold(0.0, |most, s| most.max(s.ln().abs())))
}

fn ranges(kernel: &Tensor, count: usize, channel: impl Fn(usize) -> usize) -> Vec<f32> {
    let mut ranges = vec![0f32; count];
    for (at, weight) in kernel.data.iter().enumerate() {
        let most = &mut ranges[channel(at)];
        *most = most.max(weight.abs());
    }
    ranges
}
