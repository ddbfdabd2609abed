//! Channels that are the same whatever the input.

use thumbnet::fixed::{Rounding, requantize};
use thumbnet::format::Op;
use thumbnet::kernels::{Channel, Clamp};

use super::super::program::Program;
use super::{Groups, Weights, is_padded};

/// The value of every channel of every tensor, where it has one.
pub fn constants(program: &Program, groups: &Groups) -> Vec<Vec<Option<i8>>> {
    let first = program.first_result();
    let unknown = |tensor: usize| vec![None; groups.channels[groups.of[tensor]]];
    let mut known: Vec<Vec<Option<i8>>> = (0..first).map(unknown).collect();
    for number in 0..program.steps.len() {
        known.push(of_step(program, number, &known).unwrap_or_else(|| unknown(first + number)));
        let channels = groups.channels[groups.of[first + number]];
        if known[first + number].len() != channels {
            known[first + number] = unknown(first + number);
        }
    }
    known
}

fn of_step(program: &Program, number: usize, known: &[Vec<Option<i8>>]) -> Option<Vec<Option<i8>>> {
    let step = &program.steps[number];
    let (input, output) = (step.inputs[0], &program.tensors[program.first_result() + number]);
    let zero_points = (program.tensors[input].zero_point, output.zero_point);
    let clamped =
        |clamp: Clamp| known[input].iter().map(|value| value.map(|value| clamp.apply(value.into()))).collect();
    Some(match &step.op {
        Op::Conv2d(_) | Op::FullyConnected(_) if super::weighs_inputs(&step.op) => {
            let (clamp, rounding) = end(&step.op)?;
            let weights = Weights::new(program, number);
            let is_constant = |output: usize| weights.row(output).iter().all(|&weight| weight == 0);
            let value = |output: usize| finish(&weights.channels[output], 0, rounding, zero_points.1, clamp);
            (0..weights.outputs).map(|output| is_constant(output).then(|| value(output))).collect()
        }
        Op::DepthwiseConv2d(_) if super::is_tied(program, step, program.first_result() + number) => {
            let (clamp, rounding) = end(&step.op)?;
            let weights = Weights::new(program, number);
            let value = |channel: usize| {
                let taps = || weights.values.iter().skip(channel).step_by(weights.outputs);
                let constant = if taps().all(|&tap| tap == 0) { Some(0) } else { *known[input].get(channel)? };
                let distance = i32::from(constant?) - zero_points.0;
                let sees_padding = is_padded(&step.op) && distance != 0 && taps().any(|&tap| tap != 0);
                let sum = taps().map(|&tap| distance.wrapping_mul(tap.into())).fold(0, i32::wrapping_add);
                (!sees_padding).then(|| finish(&weights.channels[channel], sum, rounding, zero_points.1, clamp))
            };
            (0..weights.outputs).map(value).collect()
        }
        Op::MaxPool2d(p) | Op::AveragePool2d(p) if step.inputs.len() == 1 => clamped(p.clamp),
        Op::Lookup(p) => {
            let table: &[i8] = bytemuck::cast_slice(&program.data[p.table as usize..][..256]);
            let entry = |value: i8| table[(i32::from(value) + 128) as usize];
            known[input].iter().map(|value| value.map(entry)).collect()
        }
        Op::Reshape => known[input].clone(),
        _ => return None,
    })
}

fn end(op: &Op) -> Option<(Clamp, Rounding)> {
    match op {
        Op::Conv2d(p) | Op::DepthwiseConv2d(p) => Some((p.clamp, p.rounding)),
        Op::FullyConnected(p) => Some((p.clamp, p.rounding)),
        _ => None,
    }
}

/// What an output is whose products sum up to `sum`.
fn finish(channel: &Channel, sum: i32, rounding: Rounding, zero_point: i32, clamp: Clamp) -> i8 {
    let sum = channel.bias.wrapping_add(sum);
    clamp.apply(requantize(sum, channel.multiplier, channel.shift, rounding).wrapping_add(zero_point))
}
