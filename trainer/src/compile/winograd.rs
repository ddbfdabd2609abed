//! Transforms the weights of 3×3 convolutions, where it pays and where it is proven to be exact.

use std::collections::BTreeMap;

use bytemuck::pod_read_unaligned;
use thumbnet::fixed::Rounding;
use thumbnet::format::{ConvParams, Op};
use thumbnet::kernels::{Channel, Layout, winograd, winograd_4x4};

use super::data::relayout;
use super::program::Program;

/// What a model is optimized for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Optimize {
    /// Weights as they are.
    #[default]
    Balanced,
    /// Fewest instructions on cores with the DSP extension (M4, M7, M33): transformed filters, up to 8 times the flash.
    Speed,
    /// Fewest bytes of RAM: parts of the network run in bands of rows.
    Ram,
}

/// A layer whose weights were transformed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transformed {
    /// Name of its output.
    pub name: String,
    /// Layout of its weights now.
    pub layout: Layout,
    /// Bytes of weights before.
    pub before: usize,
    /// Bytes of weights now.
    pub after: usize,
    /// Multiply-accumulates of the direct convolution that are saved.
    pub saved: u64,
}

impl Transformed {
    /// Further bytes of flash.
    #[must_use]
    pub const fn growth(&self) -> usize {
        self.after.saturating_sub(self.before)
    }
}

/// The layouts of transformed filters.
pub const TRANSFORMED: [Layout; 2] = [Layout::Winograd, Layout::Winograd4x4];

/// Gives suitable convolutions a Winograd layout: all of them for [`Optimize::Speed`] without a budget, otherwise those that save the
/// most multiply-accumulates per byte until `budget` bytes of further flash are used up; none where neither is given.
pub fn transform(program: &mut Program, optimize: Optimize, budget: Option<usize>) -> Vec<Transformed> {
    if optimize != Optimize::Speed && budget.is_none() {
        return Vec::new();
    }
    transform_by(program, budget, |_, layer| layer.saved)
}

/// The same with what `saved` says of a step, in any unit; where that is nothing the step stays as it is.
pub fn transform_by(
    program: &mut Program,
    budget: Option<usize>,
    saved: impl Fn(usize, &Transformed) -> u64,
) -> Vec<Transformed> {
    let candidate = |(step, layout)| Some((step, candidate(program, step, layout)?));
    let all = (0..program.steps.len()).flat_map(|step| TRANSFORMED.map(|layout| (step, layout)));
    let mut candidates: Vec<(usize, Transformed)> = all.filter_map(candidate).collect();
    let value = |(step, layer): &(usize, Transformed)| saved(*step, layer) as f64 / layer.growth().max(1) as f64;
    candidates.sort_by(|a, b| value(b).total_cmp(&value(a)));
    let mut left = budget.unwrap_or(usize::MAX);
    let mut chosen: BTreeMap<usize, Transformed> = BTreeMap::new();
    for (step, layer) in candidates {
        // What saves less per byte may save more, if there is room for it.
        let (least, freed) = chosen.get(&step).map_or((0, 0), |other| (saved(step, other), other.growth()));
        let room = left.saturating_add(freed);
        if saved(step, &layer) > least && layer.growth() <= room {
            left = room - layer.growth();
            chosen.insert(step, layer);
        }
    }
    for (&step, layer) in &chosen {
        let weights = transformed(program, step, layer.layout);
        relayout(program, step, layer.layout, layer.before, bytemuck::cast_slice(&weights));
    }
    chosen.into_values().collect()
}

/// The parameters of a step that is a convolution.
fn params(program: &Program, step: usize) -> Option<&ConvParams> {
    match &program.steps[step].op {
        Op::Conv2d(p) => Some(p),
        _ => None,
    }
}

/// Input and output channels of a step.
fn channels(program: &Program, step: usize) -> [usize; 2] {
    let last = |tensor: usize| program.tensors[tensor].shape.last().map_or(1, |&dim| dim as usize);
    [last(program.steps[step].inputs[0]), last(program.first_result() + step)]
}

/// Outputs of a tile down and across, whose positions are two more each way.
fn tile(layout: Layout) -> usize {
    if layout == Layout::Winograd4x4 { 4 } else { 2 }
}

fn weights_len(layout: Layout, [inputs, outputs]: [usize; 2]) -> Option<usize> {
    match layout {
        Layout::Winograd4x4 => winograd_4x4::weights_len(inputs, outputs),
        _ => winograd::weights_len(inputs, outputs),
    }
}

/// What transforming a step would change; `None` where the layout does not fit it, or where the proof fails.
fn candidate(program: &Program, step: usize, layout: Layout) -> Option<Transformed> {
    let p = params(program, step)?;
    let is_3x3 = (p.size, p.stride, p.dilation) == ([3, 3], [1, 1], [1, 1]);
    if !is_3x3 || p.rounding != Rounding::Double || p.layout != Layout::Plain || !is_exact(program, step, layout) {
        return None;
    }
    let [inputs, outputs] = channels(program, step);
    let tensor = &program.tensors[program.first_result() + step];
    let &[_, height, width, _] = tensor.shape.as_slice() else { return None };
    // Tiles are computed in pairs, inputs in fours: what small images and few channels waste.
    let tile = tile(layout) as u32;
    let products = 2 * u64::from((tile + 2).pow(2)) * u64::from(height.div_ceil(tile) * width.div_ceil(2 * tile));
    let products = products * (inputs.next_multiple_of(4) * outputs.next_multiple_of(2)) as u64;
    let saved = program.step_macs(step).checked_sub(products).filter(|&saved| saved > 0)?;
    let (before, after) = (9 * inputs * outputs, weights_len(layout, [inputs, outputs])?);
    Some(Transformed { name: tensor.name.clone(), layout, before, after, saved })
}

/// Proves from the weights that what a layout makes of each accumulator, 4 or 64 times it, stays below 2^31: a bound on
/// `|bias| + max |x − zp| · Σ |w|`. All sums in between are taken modulo 2^32 and may wrap. Larger tiles also take shifts of 1 to 22.
fn is_exact(program: &Program, step: usize, layout: Layout) -> bool {
    let Some(p) = params(program, step) else { return false };
    let [inputs, outputs] = channels(program, step);
    let zero_point = program.tensors[program.steps[step].inputs[0]].zero_point;
    let most = i64::from((127 - zero_point).max(zero_point + 128));
    let (bound, shifts) = match layout {
        Layout::Winograd4x4 => (1 << 25, -22..=-1),
        _ => (1 << 29, -31..=30),
    };
    (0..outputs).all(|output| {
        let weights = &program.data[p.weights as usize + output * 9 * inputs..][..9 * inputs];
        let sum: i64 = weights.iter().map(|&w| i64::from(w.cast_signed()).abs()).sum();
        let at = p.channels as usize + output * size_of::<Channel>();
        let channel: Channel = pod_read_unaligned(&program.data[at..at + size_of::<Channel>()]);
        i64::from(channel.bias).abs() + most * sum < bound && shifts.contains(&channel.shift)
    })
}

fn transformed(program: &Program, step: usize, layout: Layout) -> Vec<i16> {
    let Some(p) = params(program, step) else { return Vec::new() };
    let [inputs, outputs] = channels(program, step);
    let mut all = vec![0; weights_len(layout, [inputs, outputs]).unwrap_or(0) / size_of::<i16>()];
    for (output, input) in (0..outputs).flat_map(|output| (0..inputs).map(move |input| (output, input))) {
        let tap = |i: usize, j: usize| program.data[p.weights as usize + (output * 9 + i * 3 + j) * inputs + input];
        let filter = [0, 1, 2].map(|i| [0, 1, 2].map(|j| tap(i, j).cast_signed()));
        if layout == Layout::Winograd4x4 {
            let positions = winograd_4x4::transform(filter);
            for (i, j) in grid(6) {
                all[winograd_4x4::weight_index(inputs, output, winograd_4x4::place(i, j), input)] = positions[i][j];
            }
        } else {
            let positions = winograd::transform(filter);
            for (i, j) in grid(4) {
                all[winograd::weight_index(inputs, output, winograd::place(i, j), input)] = positions[i][j];
            }
        }
    }
    all
}

fn grid(side: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..side).flat_map(move |i| (0..side).map(move |j| (i, j)))
}
