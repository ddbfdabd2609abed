//! Rounding that gradients do not see: `x + constant`, the constant being what rounding changes.

use std::collections::BTreeMap;

use burn::tensor::{Tensor, TensorData};

use super::super::grid::SYMMETRIC;
use super::super::scale::Quant;
use super::super::spread::stride;
use super::super::weights;
use super::fold::param;
use crate::graph::{Graph, Node, Op};
use crate::nn::{Params, Slots, Value, slots};

/// Values of a batch that its range is taken from.
const SAMPLE: usize = 4096;

/// Adding and subtracting it rounds an `f32` of less than 2^22 to the nearest whole number; the compiler makes vectors of that.
const MAGIC: f32 = 12_582_912.0;

/// To the nearest value of a grid: steps from its zero to steps.
pub(super) fn nearest(steps: f32, _: f32) -> f32 {
    (steps + MAGIC) - MAGIC
}

/// As the integer average rounds: halves of the byte away from zero. A tie that `f32` has moved a little is still one: sums of
/// fewer than 500 values have nothing else so near.
pub(super) fn average(steps: f32, zero: f32) -> f32 {
    let byte = steps + zero;
    let half = 0.5 + 1e-3;
    let rounded = if byte < 0.0 { (byte - half).ceil() } else { (byte + half).floor() };
    rounded - zero
}

/// Rounds values to a grid; where they are clipped they have no gradient.
pub(super) fn value(x: Value, quant: Quant, rule: fn(f32, f32) -> f32) -> Value {
    match x {
        Value::Image(x) => Value::Image(tensor(x, quant, rule)),
        Value::Flat(x) => Value::Flat(tensor(x, quant, rule)),
    }
}

/// The bytes of a recurrent layer's state.
pub(super) fn state(hidden: Tensor<2>) -> Tensor<2> {
    tensor(hidden, SYMMETRIC, nearest)
}

fn tensor<const D: usize>(x: Tensor<D>, quant: Quant, rule: fn(f32, f32) -> f32) -> Tensor<D> {
    let [low, high] = [i8::MIN, i8::MAX].map(|end| quant.real(end) as f32);
    let x = x.clamp(low, high);
    let (scale, zero) = (quant.scale, quant.zero_point as f32);
    let change = |x: f32| rule(x / scale, zero) * scale - x;
    let changes = numbers(&x).into_iter().map(change).collect();
    moved(x, changes)
}

/// Adds constants.
fn moved<const D: usize>(x: Tensor<D>, changes: Vec<f32>) -> Tensor<D> {
    let (shape, device) = (x.dims(), x.device().without_autodiff());
    x + Tensor::from_data(TensorData::new(changes, shape), &device)
}

fn numbers<const D: usize>(x: &Tensor<D>) -> Vec<f32> {
    x.clone().inner().into_data().try_into_vec::<f32>().expect("all tensors here are f32")
}

/// Whether gradients are computed.
pub(super) fn is_learning(x: &Value) -> bool {
    match x {
        Value::Image(x) => x.is_autodiff(),
        Value::Flat(x) => x.is_autodiff(),
    }
}

/// Some of the values of a batch, spread over it.
pub(super) fn sample(value: &Value) -> Vec<f32> {
    let all = match value {
        Value::Image(x) => numbers(x),
        Value::Flat(x) => numbers(x),
    };
    let stride = stride(all.len(), SAMPLE);
    all.into_iter().step_by(stride).collect()
}

/// Rounds every kernel and bias of a folded network as the exporter does.
pub(super) fn params(params: &mut Params, graph: &Graph, quants: &BTreeMap<String, Quant>) {
    for (node, slots) in graph.nodes.iter().zip(slots(graph)) {
        let Some(input) = quants.get(&node.inputs[0]).map(|quant| f64::from(quant.scale)) else { continue };
        layer(params, node, slots, input);
    }
}

fn layer(params: &mut Params, node: &Node, slots: Slots, input: f64) {
    let bias = |params: &Params, slot: Option<usize>| slot.map(|slot| params.biases[slot].val());
    let put = |params: &mut Params, slot: Option<usize>, value: Option<Tensor<1>>| {
        if let (Some(slot), Some(value)) = (slot, value) {
            params.biases[slot] = param(value);
        }
    };
    match &node.op {
        Op::Conv2d { .. } | Op::DepthwiseConv2d { .. } => {
            let kernel = params.kernels[slots.weight].val();
            let per_channel = kernel.dims()[1..].iter().product::<usize>();
            let own = bias(params, slots.bias);
            let (kernel, own) = rounded(kernel, own, input, |at| at / per_channel);
            params.kernels[slots.weight] = param(kernel);
            put(params, slots.bias, own);
        }
        op if matches!(op, Op::Dense { .. }) || op.recurrence().is_some() => {
            let state = f64::from(SYMMETRIC.scale);
            let parts = [(slots.weight, slots.bias, input), (slots.recurrent, slots.recurrent_bias, state)];
            for (slot, bias_slot, input) in parts.into_iter().take(if op.recurrence().is_some() { 2 } else { 1 }) {
                let kernel = params.matrices[slot].val();
                let columns = kernel.dims()[1];
                let own = bias(params, bias_slot);
                let (kernel, own) = rounded(kernel, own, input, |at| at % columns);
                params.matrices[slot] = param(kernel);
                put(params, bias_slot, own);
            }
        }
        _ => {}
    }
}

/// Rounds a kernel per output channel, and its biases.
fn rounded<const D: usize>(
    kernel: Tensor<D>,
    bias: Option<Tensor<1>>,
    input: f64,
    channel: impl Fn(usize) -> usize,
) -> (Tensor<D>, Option<Tensor<1>>) {
    let all = numbers(&kernel);
    let channels = all.len().checked_sub(1).map_or(0, |last| channel(last) + 1);
    let biases = bias.as_ref().map_or_else(|| vec![0.0; channels], numbers);
    let largest = weights::largest(&all, channels, &channel);
    let steps: Vec<f64> =
        largest.iter().zip(&biases).map(|(&largest, &bias)| weights::step(largest, bias.into(), input)).collect();
    let change = |x: f32, step: f64| ((f64::from(x) / step).round() * step - f64::from(x)) as f32;
    let of_kernel = all.iter().enumerate().map(|(at, &weight)| change(weight, steps[channel(at)])).collect();
    let of_bias = biases.iter().zip(&steps).map(|(&bias, &step)| change(bias, input * step)).collect();
    (moved(kernel, of_kernel), bias.map(|bias| moved(bias, of_bias)))
}
