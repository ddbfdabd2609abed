//! How near the accumulators of a program can come to overflow, layer by layer.

use serde::Serialize;
use thumbnet::format::Op;
use thumbnet::kernels::Layout;

use super::overflow::{LIMIT, bound};
use crate::compile::{Program, TensorDesc};

/// The largest magnitude that an accumulator of a layer can reach, whatever the input.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Headroom {
    /// The layer.
    pub layer: String,
    /// `|bias| + max |x − zp| · Σ |w|` of its worst output channel.
    pub largest: i64,
    /// Share of what is allowed, 2^30 − 1.
    pub share: f64,
}

/// One matrix of weights with its biases and shifts.
struct Matrix {
    weights: u32,
    channels: u32,
    outputs: usize,
    per_output: usize,
    /// Whether the output channel is the last dimension, as in depthwise convolutions.
    channel_last: bool,
    zero_point: i32,
}

/// The layers with weights of a program whose weights are in their plain order, as the quantizer gives it.
#[must_use]
pub fn headroom(program: &Program) -> Vec<Headroom> {
    let of_step = |number: usize| {
        let matrices = matrices(program, number)?;
        let largest = matrices.iter().filter_map(|matrix| largest(program, matrix)).max()?;
        let layer = program.tensors[program.first_result() + number].name.clone();
        Some(Headroom { layer, largest, share: largest as f64 / LIMIT as f64 })
    };
    (0..program.steps.len()).filter_map(of_step).collect()
}

fn last(tensor: &TensorDesc) -> usize {
    tensor.shape.last().map_or(1, |&dim| dim as usize)
}

fn elements(tensor: &TensorDesc) -> usize {
    tensor.shape.iter().product::<u32>() as usize
}

/// The matrices of a step; none of one without weights or with another order.
fn matrices(program: &Program, number: usize) -> Option<Vec<Matrix>> {
    let step = &program.steps[number];
    let (input, output) = (&program.tensors[step.inputs[0]], &program.tensors[program.first_result() + number]);
    let (outputs, zero_point) = (last(output), input.zero_point);
    let plain = |weights, channels, outputs, per_output| Matrix {
        weights,
        channels,
        outputs,
        per_output,
        channel_last: false,
        zero_point,
    };
    match step.op {
        Op::Conv2d(p) if p.layout == Layout::Plain => {
            let window = p.size.iter().product::<u32>() as usize;
            Some(vec![plain(p.weights, p.channels, outputs, window * last(input))])
        }
        Op::DepthwiseConv2d(p) if p.layout == Layout::Plain => {
            let window = p.size.iter().product::<u32>() as usize;
            Some(vec![Matrix { channel_last: true, ..plain(p.weights, p.channels, outputs, window) }])
        }
        Op::FullyConnected(p) if p.layout == Layout::Plain => {
            let rows = elements(output) / outputs;
            Some(vec![plain(p.weights, p.channels, outputs, elements(input) / rows)])
        }
        Op::Recurrent(p) if p.layout == Layout::Plain => {
            let gates = p.cell.gates();
            // The input's zero point is in the biases.
            let of = |weights, channels, columns| Matrix {
                zero_point: 0,
                ..plain(weights, channels, gates * outputs, columns)
            };
            Some(vec![
                of(p.input_weights, p.input_channels, last(input)),
                of(p.recurrent_weights, p.recurrent_channels, outputs),
            ])
        }
        _ => None,
    }
}

fn largest(program: &Program, matrix: &Matrix) -> Option<i64> {
    let weights = program.data.get(matrix.weights as usize..)?.get(..matrix.outputs * matrix.per_output)?;
    let words = program.data.get(matrix.channels as usize..)?.get(..12 * matrix.outputs)?.as_chunks::<4>().0;
    let of_output = |output: usize| {
        let [bias, _, shift] = [0, 1, 2].map(|word| i32::from_le_bytes(words[3 * output + word]));
        let (first, stride) =
            if matrix.channel_last { (output, matrix.outputs) } else { (output * matrix.per_output, 1) };
        let own = weights.iter().skip(first).step_by(stride).take(matrix.per_output).map(|w| w.cast_signed());
        bound(own, bias.into(), matrix.zero_point, shift)
    };
    (0..matrix.outputs).map(of_output).max()
}

#[cfg(test)]
mod tests {
    use thumbnet::fixed::Rounding;
    use thumbnet::format::{DType, FullyConnectedParams};
    use thumbnet::kernels::{Channel, Clamp};

    use super::*;
    use crate::compile::StepDesc;

    #[test]
    fn the_worst_channel_counts() {
        let mut program = Program::default();
        let weights = program.push_data(&[1i8, -2, 3, 100, -100, 27]);
        let channel = |bias| Channel { bias, multiplier: 1 << 30, shift: -3 };
        let channels = program.push_data(&[channel(7), channel(-1000)]);
        let clamp = Clamp::NONE;
        let params =
            FullyConnectedParams { clamp, rounding: Rounding::Single, layout: Layout::Plain, weights, channels };
        let tensor = |name: &str, shape: &[u32], zero_point| TensorDesc {
            name: name.into(),
            dtype: DType::I8,
            shape: shape.to_vec(),
            scale: 1.0,
            zero_point,
            constant: None,
        };
        program.tensors = vec![tensor("x", &[1, 3], -128), tensor("y", &[1, 2], 0)];
        program.inputs = 1;
        program.steps = vec![StepDesc { op: Op::FullyConnected(params), inputs: vec![0] }];
        // x − zp is 0 to 255; the second channel has |−1000| + 255·(100 + 100 + 27).
        let largest = 1000 + 255 * 227;
        let expected = Headroom { layer: "y".into(), largest, share: largest as f64 / ((1u64 << 30) - 1) as f64 };
        assert_eq!(headroom(&program), [expected]);
    }
}
