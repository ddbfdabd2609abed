//! What the memory planner on the desktop must know of the operators: asked there, and checked here with the same words.

use crate::bind::{Call, right_aligned};
use crate::error::StepProblem;
use crate::format::{ConvParams, Op, PoolParams, Step, Tensor};
use crate::kernels::{Layout, depthwise};

/// Bytes of scratch that a step needs, the same on every core, so that one plan fits all of them.
///
/// `inputs` are the tensors it reads; `data` is the data section.
///
/// # Errors
/// The step does not fit its tensors or its data.
pub fn scratch_len(data: &[u8], step: &Step<'_>, inputs: &[Tensor], output: &Tensor) -> Result<usize, StepProblem> {
    let first = inputs.first().ok_or(StepProblem::Arity)?;
    let second = inputs.get(1).unwrap_or(first);
    Ok(Call::new(data, step, first, second, output)?.scratch_len())
}

/// Whether an operator may write its output over an input of the same size that nobody reads later: it reads element by
/// element, before it writes the same one, or channel by channel as [`depthwise::may_overwrite`] says. An operand that is repeated, or given twice, is excluded by the caller.
#[must_use]
pub fn may_overwrite(op: &Op, input: &Tensor, output: &Tensor) -> bool {
    if !op.is_built() {
        return false;
    }
    let same_shape = input.dims == output.dims && input.rank == output.rank;
    match op {
        Op::Reshape => input.bytes() == output.bytes(),
        Op::Lookup(_) | Op::Softmax(_) | Op::LogSoftmax(_) | Op::Add(_) | Op::Mul(_) => same_shape,
        Op::DepthwiseConv2d(p) => {
            let [.., channels] = first_four(input);
            same_shape && depthwise::may_overwrite(p.size, p.stride, p.dilation, p.pad.top, channels)
        }
        Op::Accumulate(_) => same_shape && input.dtype == output.dtype,
        _ => false,
    }
}

/// Where in its input the output of a view already lies, in bytes; `None` where it is not one run of whole words.
///
/// There the step has nothing to do, and its input may live on: a slice of rows, a part of a split, is free.
#[must_use]
pub fn part_of_input(op: &Op, output: &Tensor) -> Option<u32> {
    let Op::View(p) = op else { return None };
    if !cfg!(feature = "view") {
        return None;
    }
    let mut run = 1u32;
    for (&size, &stride) in right_aligned(output).iter().zip(&p.strides).rev() {
        if size > 1 && u32::try_from(stride).ok()? != run {
            return None;
        }
        run = run.checked_mul(u32::try_from(size).ok()?)?;
    }
    u32::try_from(p.offset).ok().filter(|offset| offset.is_multiple_of(4))
}

/// Whether the inputs of a concatenation lie in its output as they are, one behind the other: nothing is in front of the axis.
///
/// An input that lies there already is not copied.
#[must_use]
pub fn keeps_parts(op: &Op, output: &Tensor) -> bool {
    cfg!(feature = "concat")
        && matches!(op, Op::Concat(p) if output.dims.iter().take(p.axis as usize).all(|&dim| dim == 1))
}

/// Whether a reshape may move its input, which dies there, to a place that starts behind it and overlaps it: it is copied from
/// the end.
#[must_use]
pub const fn may_move(op: &Op) -> bool {
    matches!(op, Op::Reshape)
}

/// How far in front of its input the output of an operator must start so that both may lie over one another, in bytes;
/// `None` where they may not. The input must die in that step.
///
/// Convolutions and pools read row by row: behind output row `r` they need the input from row `r·stride − pad` on, so the
/// distance is the maximum over `r` of `(r + 1)·output row − max(0, r·stride − pad)·input row`, with `r + 2` or
/// `r + 4` for those that compute two or four rows at a time ([`crate::kernels::winograd`], [`crate::kernels::winograd_4x4`]). A
/// pointwise convolution has read a pixel, or up to four, whole before it writes them: what counts is by how much outputs outgrow
/// inputs.
#[must_use]
pub fn lead(op: &Op, input: &Tensor, output: &Tensor) -> Option<u32> {
    if !op.is_built() {
        return None;
    }
    let (stride, pad) = match op {
        Op::Conv2d(p) | Op::DepthwiseConv2d(p) => (p.stride[0], p.pad.top),
        Op::MaxPool2d(p) | Op::AveragePool2d(p) => (p.stride[0], p.pad.top),
        _ => return None,
    };
    let ([1, _, width, channels], [1, rows, out_width, out_channels]) = (first_four(input), first_four(output)) else {
        return None;
    };
    if let Op::Conv2d(p) = op
        && (p.size, p.stride) == ([1, 1], [1, 1])
        && [p.pad.top, p.pad.bottom, p.pad.left, p.pad.right] == [0; 4]
    {
        let growth = out_channels.saturating_sub(channels);
        return rows.checked_mul(out_width)?.checked_mul(growth)?.checked_next_multiple_of(4);
    }
    // Rows that are written before the next ones are read.
    let ahead = match op {
        Op::Conv2d(p) if p.layout == Layout::Winograd => 2,
        Op::Conv2d(p) if p.layout == Layout::Winograd4x4 => 4,
        _ => 1,
    };
    let (in_row, out_row) = (width.checked_mul(channels)?, out_width.checked_mul(out_channels)?);
    // An output has less than 2^31 elements: a product that saturates is beyond all of them.
    let distance = |row: u32| {
        let first = row.saturating_mul(stride).saturating_sub(pad);
        row.saturating_add(ahead).min(rows).saturating_mul(out_row).saturating_sub(first.saturating_mul(in_row))
    };
    // It grows while the window still starts in the padding; from there on it is linear, so that an end is the largest.
    let last = rows.checked_sub(1)?;
    let clamped = pad.checked_div(stride)?.min(last);
    let ends = [clamped, clamped.saturating_add(1).min(last), rows.saturating_sub(ahead), last];
    ends.map(distance).into_iter().fold(0, u32::max).checked_next_multiple_of(4)
}

fn first_four(tensor: &Tensor) -> [u32; 4] {
    let [n, h, w, c, ..] = tensor.dims;
    [n, h, w, c]
}

/// An upper bound of how often the innermost loops of a step run, whatever the input: multiply-accumulates, or elements that
/// are read, compared or written. A model file states the sum and the check computes it again.
///
/// `operands` is the number of its inputs, `a` the first of them. A number that overflows stays at the largest there is.
#[must_use]
pub fn work(op: &Op, operands: usize, a: &Tensor, y: &Tensor) -> u64 {
    if !op.is_built() {
        return 0;
    }
    let elements = |tensor: &Tensor| u64::from(tensor.elements().unwrap_or(u32::MAX));
    // What is done beside the multiply-accumulates.
    let other = match op {
        // Taps that reach no input pixel are looked at as well.
        Op::TransposeConv2d(ConvParams { size, .. })
        | Op::MaxPool2d(PoolParams { size, .. })
        | Op::AveragePool2d(PoolParams { size, .. }) => product(&[elements(y), size[0].into(), size[1].into()]),
        Op::Spectrogram(p) => {
            let per_feature = if p.has_coefficients == 0 { 1 } else { p.bands };
            let features = product(&[last(y), per_feature.into()]);
            let parts = [transform(p.log2), p.frame.into(), p.weight_count.into(), p.bands.into(), features];
            product(&[frames(y), sum(&parts)])
        }
        // Every statistic looks at a window once, all of them at most eight times.
        Op::Motion(p) => {
            let statistics = product(&[p.window.into(), 8]);
            let parts = [statistics, transform(p.log2), p.weight_count.into(), p.bands.into()];
            product(&[frames(y), last(a), sum(&parts)])
        }
        Op::Svdf(p) => product(&[elements(y), p.rank.into(), last(a).saturating_add(p.memory.into())]),
        // Four neighbours.
        Op::ResizeBilinear(_) => product(&[elements(y), 4]),
        Op::Quantize
        | Op::Dequantize
        | Op::Conv2d(_)
        | Op::DepthwiseConv2d(_)
        | Op::FullyConnected(_)
        | Op::Accumulate(_)
        | Op::MatMul(_)
        | Op::Lstm(_)
        | Op::Recurrent(_)
        | Op::Add(_)
        | Op::Mul(_)
        | Op::Binary(_)
        | Op::Concat(_)
        | Op::Pad(_)
        | Op::Reshape
        | Op::Softmax(_)
        | Op::LogSoftmax(_)
        | Op::Lookup(_)
        | Op::ArgMax
        | Op::View(_)
        | Op::Take(_)
        | Op::Gather(_)
        | Op::Requantize(_)
        | Op::Reduce(_) => 0,
    };
    sum(&[macs(op, a, y), other, elements(a), elements(y), operands as u64])
}

/// Butterflies of a transform, one for each of its points in each of its stages.
fn transform(log2: u32) -> u64 {
    product(&[1u64.checked_shl(log2).unwrap_or(u64::MAX), log2.into()])
}

/// Vectors of an output.
fn frames(y: &Tensor) -> u64 {
    u64::from(y.elements().unwrap_or(u32::MAX)).checked_div(last(y)).unwrap_or(u64::MAX)
}

fn last(tensor: &Tensor) -> u64 {
    tensor.shape().last().map_or(1, |&dim| dim.into())
}

#[inline(never)]
fn product(factors: &[u64]) -> u64 {
    factors.iter().copied().fold(1, u64::saturating_mul)
}

#[inline(never)]
fn sum(parts: &[u64]) -> u64 {
    parts.iter().copied().fold(0, u64::saturating_add)
}

/// Multiply-accumulates of a step whose first input is `input`: 0 for what only moves, compares or looks up.
#[must_use]
pub fn macs(op: &Op, input: &Tensor, output: &Tensor) -> u64 {
    if !op.is_built() {
        return 0;
    }
    let elements = |tensor: &Tensor| u64::from(tensor.elements().unwrap_or(0));
    match op {
        Op::Conv2d(p) => product(&[elements(output), p.size[0].into(), p.size[1].into(), last(input)]),
        // Most taps of a transposed convolution reach no input pixel; each input reaches every tap.
        Op::TransposeConv2d(p) => product(&[elements(input), p.size[0].into(), p.size[1].into(), last(output)]),
        Op::MatMul(_) => product(&[elements(output), last(input)]),
        Op::DepthwiseConv2d(p) => product(&[elements(output), p.size[0].into(), p.size[1].into()]),
        Op::FullyConnected(_) | Op::Accumulate(_) => product(&[elements(input), last(output)]),
        // Four gates, each of the input and of the hidden state.
        Op::Lstm(_) => product(&[elements(output), 4, last(input).saturating_add(last(output))]),
        Op::Recurrent(p) => {
            let steps = elements(input).checked_div(last(input)).unwrap_or(0);
            let per_step = [last(output), p.cell.gates() as u64, last(input).saturating_add(last(output))];
            product(&[steps, product(&per_step)])
        }
        _ => 0,
    }
}
