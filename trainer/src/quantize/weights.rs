//! The scale of an output channel's weights.

use crate::graph::{Node, Op, Tensor};

/// The real value of one step of a channel: `max |w| / 127`. A channel with hardly any weight gets one at which its bias, in
/// steps of `input · scale`, still fits 32 bits well.
pub(super) fn step(largest: f64, bias: f64, input: f64) -> f64 {
    (largest / 127.0).max(bias.abs() / (input * 2f64.powi(24))).max(1e-12)
}

/// The largest magnitude of every channel.
pub(super) fn largest(weights: &[f32], channels: usize, channel: impl Fn(usize) -> usize) -> Vec<f64> {
    let mut largest = vec![0f64; channels];
    for (at, &weight) in weights.iter().enumerate() {
        let most = &mut largest[channel(at)];
        *most = most.max(f64::from(weight).abs());
    }
    largest
}

/// Whether a layer has a kernel and, for each output channel, a bias.
pub(super) const fn is_linear(op: &Op) -> bool {
    matches!(op, Op::Conv2d { .. } | Op::DepthwiseConv2d { .. } | Op::Dense { .. })
}

/// Output channels of a layer's kernel.
pub(super) fn outputs(node: &Node, kernel: &Tensor) -> usize {
    let is_last = matches!(node.op, Op::DepthwiseConv2d { .. });
    kernel.shape[if is_last { kernel.shape.len() - 1 } else { 0 }]
}

/// Output channel of the weight at an index.
pub(super) fn output(node: &Node, kernel: &Tensor, at: usize) -> usize {
    let count = outputs(node, kernel);
    if matches!(node.op, Op::DepthwiseConv2d { .. }) { at % count } else { at / (kernel.data.len() / count) }
}

/// Input channel, of `count`, of the weight at an index; behind a flatten, the channel that the element belonged to.
pub(super) fn input(node: &Node, kernel: &Tensor, count: usize, at: usize) -> usize {
    if matches!(node.op, Op::DepthwiseConv2d { .. }) {
        let all = outputs(node, kernel);
        at % all / (all / count)
    } else {
        at % count
    }
}
