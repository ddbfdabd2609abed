//! Transforms the weights of 3×3 convolutions, where it pays and where it is proven to be exact.

use bytemuck::pod_read_unaligned;
use thumbnet::fixed::Rounding;
use thumbnet::format::{ConvParams, Op};
use thumbnet::kernels::{Channel, Layout, winograd};

use super::data::relayout;
use super::program::Program;

/// What a model is optimized for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Optimize {
    /// Weights as they are.
    #[default]
    Balanced,
    /// Fewest instructions on cores with the DSP extension (M4, M7, M33): transformed filters, 3.6 times the flash.
    Speed,
    /// Fewest bytes of RAM: parts of the network run in bands of rows.
    Ram,
}

/// A layer whose weights were transformed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transformed {
    /// Name of its output.
    pub name: String,
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

/// Gives suitable convolutions the Winograd layout: all of them for [`Optimize::Speed`] without a budget, otherwise those that save the
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
    let candidate = |step| Some((step, candidate(program, step)?)).filter(|(step, layer)| saved(*step, layer) > 0);
    let mut candidates: Vec<(usize, Transformed)> = (0..program.steps.len()).filter_map(candidate).collect();
    let value = |(step, layer): &(usize, Transformed)| saved(*step, layer) as f64 / layer.growth().max(1) as f64;
    candidates.sort_by(|a, b| value(b).total_cmp(&value(a)));
    let mut left = budget.unwrap_or(usize::MAX);
    candidates.retain(|(_, layer)| {
        let fits = layer.growth() <= left;
        left -= if fits { layer.growth() } else { 0 };
        fits
    });
    candidates.sort_by_key(|&(step, _)| step);
    for &(step, ref layer) in &candidates {
        let weights = transformed(program, step);
        relayout(program, step, Layout::Winograd, layer.before, bytemuck::cast_slice(&weights));
    }
    candidates.into_iter().map(|(_, layer)| layer).collect()
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

/// What transforming a step would change; `None` where the layout does not fit it, or where the proof fails.
fn candidate(program: &Program, step: usize) -> Option<Transformed> {
    let p = params(program, step)?;
    let is_3x3 = (p.size, p.stride, p.dilation) == ([3, 3], [1, 1], [1, 1]);
    if !is_3x3 || p.rounding != Rounding::Double || p.layout != Layout::Plain || !is_exact(program, step) {
        return None;
    }
    let [inputs, outputs] = channels(program, step);
    let tensor = &program.tensors[program.first_result() + step];
    let &[_, height, width, _] = tensor.shape.as_slice() else { return None };
    // Tiles are computed in pairs, inputs in fours: what small images and few channels waste.
    let products = 16 * 2 * u64::from(height.div_ceil(2) * width.div_ceil(4));
    let products = products * (inputs.next_multiple_of(4) * outputs.next_multiple_of(2)) as u64;
    let saved = program.step_macs(step).checked_sub(products).filter(|&saved| saved > 0)?;
    let (before, after) = (9 * inputs * outputs, winograd::weights_len(inputs, outputs)?);
    Some(Transformed { name: tensor.name.clone(), before, after, saved })
}

/// Proves from the weights that four times each accumulator stays below 2^31: `|bias| + max |x − zp| · Σ |w| < 2^29`. All sums
/// in between are taken modulo 2^32 and may wrap.
fn is_exact(program: &Program, step: usize) -> bool {
    let Some(p) = params(program, step) else { return false };
    let [inputs, outputs] = channels(program, step);
    let zero_point = program.tensors[program.steps[step].inputs[0]].zero_point;
    let most = i64::from((127 - zero_point).max(zero_point + 128));
    (0..outputs).all(|output| {
        let weights = &program.data[p.weights as usize + output * 9 * inputs..][..9 * inputs];
        let sum: i64 = weights.iter().map(|&w| i64::from(w.cast_signed()).abs()).sum();
        let at = p.channels as usize + output * size_of::<Channel>();
        let channel: Channel = pod_read_unaligned(&program.data[at..at + size_of::<Channel>()]);
        i64::from(channel.bias).abs() + most * sum < 1 << 29
    })
}

fn transformed(program: &Program, step: usize) -> Vec<i16> {
    let Some(p) = params(program, step) else { return Vec::new() };
    let [inputs, outputs] = channels(program, step);
    let mut all = vec![0; winograd::weights_len(inputs, outputs).unwrap_or(0) / size_of::<i16>()];
    for (output, input) in (0..outputs).flat_map(|output| (0..inputs).map(move |input| (output, input))) {
        let tap = |i: usize, j: usize| program.data[p.weights as usize + (output * 9 + i * 3 + j) * inputs + input];
        let positions = winograd::transform([0, 1, 2].map(|i| [0, 1, 2].map(|j| tap(i, j).cast_signed())));
        for (i, j) in (0..4).flat_map(|i| (0..4).map(move |j| (i, j))) {
            all[winograd::weight_index(inputs, output, winograd::place(i, j), input)] = positions[i][j];
        }
    }
    all
}
