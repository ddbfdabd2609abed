//! Dead channels: those that nobody needs, or that are the same whatever the input, are not computed.
//!
//! An output channel without weights is a constant, and pools, tables and depthwise layers make constants of constants. What
//! a convolution or a fully connected layer makes of a constant is a part of its bias. A channel whose weights in all layers that
//! read it are zero is not needed at all. Both go from the layer that computes them and from those that read them, and the bits
//! of the rest stay the same. Padding has the zero point's value, so behind a padded convolution a constant is one only
//! where it is the zero point.
//!
//! Tensors whose channels correspond (those around a pool, say) keep or lose a channel together: they are a [`Group`]. As
//! many channels stay as make whole fours, which kernels take at a time.

mod constants;
mod remove;

use thumbnet::format::Op;
use thumbnet::kernels::{Channel, Layout};

use super::program::{Program, StepDesc};
use super::write::record;
use constants::constants;

/// Channels of a layer that are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dead {
    /// Name of the layer's output.
    pub name: String,
    /// How many of them.
    pub dead: usize,
    /// How many there were.
    pub channels: usize,
}

/// Removes them, and tells where there were any. The program's outputs keep their bits.
pub fn remove_dead_channels(program: &mut Program) -> Vec<Dead> {
    let mut all: Vec<Dead> = Vec::new();
    // A layer that loses its inputs may become a constant itself.
    loop {
        let found = remove_once(program);
        if found.is_empty() {
            return all;
        }
        for dead in found {
            match all.iter_mut().find(|known| known.name == dead.name) {
                Some(known) => known.dead += dead.dead,
                None => all.push(dead),
            }
        }
    }
}

fn remove_once(program: &mut Program) -> Vec<Dead> {
    let groups = Groups::new(program);
    let known = constants(program, &groups);
    let needed = needed(program, &groups, &known);
    let mut all = Vec::new();
    for (step, desc) in program.steps.iter().enumerate() {
        let tensor = program.first_result() + step;
        let live = &needed[groups.of[tensor]];
        let dead = live.iter().filter(|&&needed| !needed).count();
        if dead > 0 && matches!(desc.op, Op::Conv2d(_) | Op::DepthwiseConv2d(_) | Op::FullyConnected(_)) {
            all.push(Dead { name: program.tensors[tensor].name.clone(), dead, channels: live.len() });
        }
    }
    if !all.is_empty() {
        remove::remove(program, &groups, &known, &needed);
    }
    all
}

/// Which tensors have the same channels: element `j` of a last dimension is of channel `j % channels`.
struct Groups {
    /// The group of every tensor.
    of: Vec<usize>,
    /// Channels of every group.
    channels: Vec<usize>,
}

impl Groups {
    fn new(program: &Program) -> Self {
        let last = |tensor: usize| program.tensors[tensor].shape.last().map_or(1, |&dim| dim as usize);
        let channels = (0..program.tensors.len()).map(last).collect();
        let mut groups = Self { of: (0..program.tensors.len()).collect(), channels };
        for (number, step) in program.steps.iter().enumerate() {
            let output = program.first_result() + number;
            if is_tied(program, step, output) {
                step.inputs.iter().for_each(|&input| groups.join(input, output));
            }
        }
        groups
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.of[a], self.of[b]);
        self.channels[a] = self.channels[a].min(self.channels[b]);
        self.of.iter_mut().filter(|group| **group == b).for_each(|group| *group = a);
    }
}

/// Whether a step keeps channels apart: those of its inputs are those of its output.
fn is_tied(program: &Program, step: &StepDesc, output: usize) -> bool {
    let shape = |tensor: usize| program.tensors[tensor].shape.as_slice();
    let last = |tensor: usize| shape(tensor).last().copied().unwrap_or(1).max(1);
    let input = step.inputs[0];
    match &step.op {
        Op::DepthwiseConv2d(p) => p.layout == Layout::Plain && last(input) == last(output),
        // Another input of a pool is a length.
        Op::MaxPool2d(_) | Op::AveragePool2d(_) | Op::Lookup(_) => step.inputs.len() == 1,
        Op::Add(_) => step.inputs.iter().all(|&input| shape(input) == shape(output)),
        Op::Reshape => last(input).max(last(output)).is_multiple_of(last(input).min(last(output))),
        _ => false,
    }
}

/// Which channels of every group are needed.
fn needed(program: &Program, groups: &Groups, known: &[Vec<Option<i8>>]) -> Vec<Vec<bool>> {
    let first = program.first_result();
    let mut needed: Vec<Vec<bool>> = groups.channels.iter().map(|&channels| vec![false; channels]).collect();
    let mut all_of = |tensor: usize| needed[groups.of[tensor]].fill(true);
    let kept = program.updates.iter().map(|(result, _)| result).chain(&program.outputs).copied();
    (0..first).chain(kept).for_each(&mut all_of);
    for (number, step) in
        program.steps.iter().enumerate().filter(|&(number, step)| !is_tied(program, step, first + number))
    {
        let (input, output) = (step.inputs[0], first + number);
        let channels = |tensor: usize| groups.channels[groups.of[tensor]];
        if !weighs_inputs(&step.op) || channels(output) != last_dim(program, output) {
            all_of(output);
        }
        if !weighs_inputs(&step.op) || !inputs_of(program, step, output).is_multiple_of(channels(input)) {
            step.inputs.iter().copied().for_each(&mut all_of);
        }
    }
    for (number, step) in program.steps.iter().enumerate() {
        if is_tied(program, step, first + number) || !weighs_inputs(&step.op) {
            continue;
        }
        let input = step.inputs[0];
        let is_foldable = |value: i8| i32::from(value) == program.tensors[input].zero_point || !is_padded(&step.op);
        let weights = Weights::new(program, number);
        let channels = groups.channels[groups.of[input]];
        for (channel, needed) in needed[groups.of[input]].iter_mut().enumerate() {
            let is_weighed = (0..weights.outputs)
                .any(|output| weights.row(output).iter().skip(channel).step_by(channels).any(|&weight| weight != 0));
            *needed |= is_weighed && !known[input][channel].is_some_and(is_foldable);
        }
    }
    needed.iter_mut().for_each(|needed| keep_fours(needed));
    needed
}

/// Keeps at least one channel, and whole fours where there were.
fn keep_fours(needed: &mut [bool]) {
    let live = needed.iter().filter(|&&needed| needed).count().max(1);
    let wanted = if needed.len().is_multiple_of(4) { live.next_multiple_of(4) } else { live };
    let more = wanted - needed.iter().filter(|&&needed| needed).count();
    needed.iter_mut().filter(|needed| !**needed).take(more).for_each(|needed| *needed = true);
}

/// Whether every output is a sum of all channels of an input by weights that are stored plainly.
fn weighs_inputs(op: &Op) -> bool {
    match op {
        Op::Conv2d(p) => p.layout == Layout::Plain,
        Op::FullyConnected(p) => p.layout == Layout::Plain,
        _ => false,
    }
}

fn is_padded(op: &Op) -> bool {
    match op {
        Op::Conv2d(p) | Op::DepthwiseConv2d(p) => [p.pad.top, p.pad.bottom, p.pad.left, p.pad.right] != [0; 4],
        _ => false,
    }
}

fn last_dim(program: &Program, tensor: usize) -> usize {
    program.tensors[tensor].shape.last().map_or(1, |&dim| dim as usize)
}

/// Weights of one output of a convolution or fully connected layer, or taps of one channel of a depthwise one.
fn inputs_of(program: &Program, step: &StepDesc, output: usize) -> usize {
    let [x, y] = [step.inputs[0], output].map(|tensor| record(program, tensor, 0));
    let taps = |size: [u32; 2]| (size[0] * size[1]) as usize;
    match &step.op {
        Op::Conv2d(p) => taps(p.size) * last_dim(program, step.inputs[0]),
        Op::DepthwiseConv2d(p) => taps(p.size),
        Op::FullyConnected(_) => {
            let rows = y.elements().unwrap_or(1) as usize / last_dim(program, output).max(1);
            x.elements().unwrap_or(0) as usize / rows.max(1)
        }
        _ => 0,
    }
}

/// The weights and channels of a step that has them.
struct Weights<'a> {
    outputs: usize,
    inputs: usize,
    /// `[out][in]`; of a depthwise layer `[in][out]`.
    values: &'a [i8],
    channels: Vec<Channel>,
}

impl<'a> Weights<'a> {
    fn new(program: &'a Program, step: usize) -> Self {
        let desc = &program.steps[step];
        let output = program.first_result() + step;
        let (weights, channels) = match &desc.op {
            Op::Conv2d(p) | Op::DepthwiseConv2d(p) => (p.weights, p.channels),
            Op::FullyConnected(p) => (p.weights, p.channels),
            _ => (0, 0),
        };
        let (outputs, inputs) = (last_dim(program, output), inputs_of(program, desc, output));
        let values = bytemuck::cast_slice(&program.data[weights as usize..][..inputs * outputs]);
        let channels = &program.data[channels as usize..][..outputs * size_of::<Channel>()];
        Self { outputs, inputs, values, channels: bytemuck::pod_collect_to_vec(channels) }
    }

    /// Of one output.
    fn row(&self, output: usize) -> &'a [i8] {
        &self.values[output * self.inputs..][..self.inputs]
    }
}
