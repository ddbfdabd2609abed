//! Takes channels out of tensors and weights.

use std::ops::Range;

use thumbnet::format::Op;
use thumbnet::kernels::Channel;

use super::super::data::{readers, replace};
use super::super::program::Program;
use super::{Groups, Weights, is_tied, weighs_inputs};

/// Leaves the needed channels, and adds what constants contribute to the biases of what reads them.
pub fn remove(program: &mut Program, groups: &Groups, known: &[Vec<Option<i8>>], needed: &[Vec<bool>]) {
    for number in 0..program.steps.len() {
        let (input, output) = (program.steps[number].inputs[0], program.first_result() + number);
        let (reads, writes) = (&needed[groups.of[input]], &needed[groups.of[output]]);
        if reads.iter().chain(writes).all(|&needed| needed) {
            continue;
        }
        let op = program.steps[number].op;
        let layer = if weighs_inputs(&op) {
            dense(program, number, &known[input], reads, writes)
        } else if matches!(op, Op::DepthwiseConv2d(_)) && is_tied(program, &program.steps[number], output) {
            depthwise(program, number, writes)
        } else {
            continue;
        };
        put(program, number, &layer);
    }
    for (tensor, desc) in program.tensors.iter_mut().enumerate() {
        let needed = &needed[groups.of[tensor]];
        if let Some(last) = desc.shape.last_mut() {
            let live = needed.iter().filter(|&&needed| needed).count() as u32;
            *last = *last / needed.len() as u32 * live;
        }
    }
}

/// New weights and channels.
struct Layer {
    weights: Vec<i8>,
    channels: Vec<Channel>,
    /// Bytes that both had.
    before: [usize; 2],
}

impl Layer {
    fn new(weights: &Weights<'_>) -> Self {
        let before = [weights.values.len(), size_of_val(weights.channels.as_slice())];
        Self { weights: Vec::new(), channels: Vec::new(), before }
    }
}

fn dense(program: &Program, number: usize, known: &[Option<i8>], reads: &[bool], writes: &[bool]) -> Layer {
    let old = Weights::new(program, number);
    let zero_point = program.tensors[program.steps[number].inputs[0]].zero_point;
    let mut layer = Layer::new(&old);
    for output in (0..old.outputs).filter(|&output| writes[output]) {
        let mut channel = old.channels[output];
        for (input, &weight) in old.row(output).iter().enumerate() {
            let place = input % reads.len();
            if reads[place] {
                layer.weights.push(weight);
            } else if let Some(value) = known[place].filter(|_| weight != 0) {
                let product = (i32::from(value) - zero_point).wrapping_mul(weight.into());
                channel.bias = channel.bias.wrapping_add(product);
            }
        }
        layer.channels.push(channel);
    }
    layer
}

fn depthwise(program: &Program, number: usize, writes: &[bool]) -> Layer {
    let old = Weights::new(program, number);
    let mut layer = Layer::new(&old);
    let kept = |&(place, _): &(usize, &i8)| writes[place % old.outputs];
    layer.weights = old.values.iter().enumerate().filter(kept).map(|(_, &weight)| weight).collect();
    layer.channels = old.channels.iter().zip(writes).filter(|&(_, &needed)| needed).map(|(&c, _)| c).collect();
    layer
}

/// Writes them in the place of the old ones, or behind everything where others read these.
fn put(program: &mut Program, number: usize, layer: &Layer) {
    let offsets = |program: &mut Program| match &mut program.steps[number].op {
        Op::Conv2d(p) | Op::DepthwiseConv2d(p) => [p.weights, p.channels],
        Op::FullyConnected(p) => [p.weights, p.channels],
        _ => [0; 2],
    };
    let parts: [&[u8]; 2] = [bytemuck::cast_slice(&layer.weights), bytemuck::cast_slice(&layer.channels)];
    for (part, bytes) in parts.into_iter().enumerate() {
        // Read anew: what was replaced in front has moved what lies behind it.
        let start = offsets(program)[part];
        let range: Range<u32> = start..start + layer.before[part] as u32;
        let at = if readers(program, &range) == 1 {
            replace(program, &range, bytes);
            start
        } else {
            program.push_data(bytes)
        };
        match &mut program.steps[number].op {
            Op::Conv2d(p) | Op::DepthwiseConv2d(p) => *[&mut p.weights, &mut p.channels][part] = at,
            Op::FullyConnected(p) => *[&mut p.weights, &mut p.channels][part] = at,
            _ => {}
        }
    }
}
