//! What the memory planner on the desktop must know of the operators: asked there, and checked here with the same words.

use crate::bind::{Call, right_aligned};
use crate::error::StepProblem;
use crate::format::{Op, Step, Tensor};
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
    matches!(op, Op::Concat(p) if output.dims.iter().take(p.axis as usize).all(|&dim| dim == 1))
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
/// `r + 4` for those that compute two or four rows at a time ([`crate::kernels::winograd`], [`crate::kernels::winograd_4x4`]). A pointwise convolution has read
/// a pixel, or two, whole before it writes them: what counts is by how much outputs outgrow inputs.
#[must_use]
pub fn lead(op: &Op, input: &Tensor, output: &Tensor) -> Option<u32> {
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
        let growth = u64::from(out_channels.saturating_sub(channels));
        let most = u64::from(rows).checked_mul(out_width.into())?.checked_mul(growth)?;
        return u32::try_from(most).ok()?.checked_next_multiple_of(4);
    }
    let ahead = match op {
        Op::Conv2d(p) if p.layout == Layout::Winograd => 2,
        Op::Conv2d(p) if p.layout == Layout::Winograd4x4 => 4,
        _ => 1,
    };
    let (in_row, out_row) =
        (u64::from(width).checked_mul(channels.into())?, u64::from(out_width).checked_mul(out_channels.into())?);
    let distance = |row: u64| {
        let first = row.checked_mul(stride.into())?.saturating_sub(pad.into());
        Some(row.checked_add(ahead)?.min(rows.into()).checked_mul(out_row)?.saturating_sub(first.checked_mul(in_row)?))
    };
    // It grows while the window still starts in the padding; from there on it is linear, so that an end is the largest.
    let last = u64::from(rows).checked_sub(1)?;
    let clamped = u64::from(pad).checked_div(stride.into())?.min(last);
    let whole = u64::from(rows).saturating_sub(ahead);
    let ends = [clamped, clamped.checked_add(1)?.min(last), whole, last];
    let most = ends.into_iter().try_fold(0, |most: u64, row| Some(most.max(distance(row)?)))?;
    u32::try_from(most).ok()?.checked_next_multiple_of(4)
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
    let elements = |tensor: &Tensor| u64::from(tensor.elements().unwrap_or(u32::MAX));
    let last = |tensor: &Tensor| tensor.shape().last().map_or(1, |&dim| u64::from(dim));
    let product = |factors: &[u64]| factors.iter().fold(1u64, |product, &factor| product.saturating_mul(factor));
    let [height, width] = window(op).map(u64::from);
    let inner = match op {
        Op::Conv2d(_) | Op::FullyConnected(_) | Op::MatMul(_) | Op::DepthwiseConv2d(_) => macs(op, a, y),
        Op::Accumulate(_) => macs(op, a, y),
        Op::Lstm(_) | Op::Recurrent(_) => macs(op, a, y),
        // Taps that reach no input pixel are looked at as well.
        Op::TransposeConv2d(_) => macs(op, a, y).saturating_add(product(&[elements(y), height, width])),
        Op::MaxPool2d(_) | Op::AveragePool2d(_) => product(&[elements(y), height, width]),
        Op::Spectrogram(p) => {
            let frames = elements(y).checked_div(last(y)).unwrap_or(u64::MAX);
            let transform = product(&[1u64.checked_shl(p.log2).unwrap_or(u64::MAX), p.log2.into()]);
            let per_feature = if p.has_coefficients == 0 { 1 } else { u64::from(p.bands) };
            let parts =
                [transform, p.frame.into(), p.weight_count.into(), p.bands.into(), product(&[last(y), per_feature])];
            product(&[frames, parts.into_iter().fold(0, u64::saturating_add)])
        }
        // Every statistic looks at a window once, all of them at most eight times.
        Op::Motion(p) => {
            let frames = elements(y).checked_div(last(y)).unwrap_or(u64::MAX);
            let transform = product(&[1u64.checked_shl(p.log2).unwrap_or(u64::MAX), p.log2.into()]);
            let parts = [product(&[p.window.into(), 8]), transform, p.weight_count.into(), p.bands.into()];
            product(&[frames, last(a), parts.into_iter().fold(0, u64::saturating_add)])
        }
        Op::Svdf(p) => product(&[elements(y), p.rank.into(), last(a).saturating_add(p.memory.into())]),
        // Four neighbours.
        Op::ResizeBilinear(_) => product(&[elements(y), 4]),
        Op::Quantize
        | Op::Dequantize
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
    [elements(a), elements(y), operands as u64].into_iter().fold(inner, u64::saturating_add)
}

/// Height and width of the window of an operator that has one.
fn window(op: &Op) -> [u32; 2] {
    match op {
        Op::Conv2d(p) | Op::DepthwiseConv2d(p) | Op::TransposeConv2d(p) => p.size,
        Op::MaxPool2d(p) | Op::AveragePool2d(p) => p.size,
        _ => [1; 2],
    }
}

/// Multiply-accumulates of a step whose first input is `input`: 0 for what only moves, compares or looks up.
#[must_use]
pub fn macs(op: &Op, input: &Tensor, output: &Tensor) -> u64 {
    let elements = |tensor: &Tensor| u64::from(tensor.elements().unwrap_or(0));
    let last = |tensor: &Tensor| tensor.shape().last().map_or(1, |&dim| u64::from(dim));
    let taps = |size: [u32; 2]| u64::from(size[0]).saturating_mul(size[1].into());
    match op {
        Op::Conv2d(p) => elements(output).saturating_mul(taps(p.size)).saturating_mul(last(input)),
        // Most taps of a transposed convolution reach no input pixel; each input reaches every tap.
        Op::TransposeConv2d(p) => elements(input).saturating_mul(taps(p.size)).saturating_mul(last(output)),
        Op::MatMul(_) => elements(output).saturating_mul(last(input)),
        Op::DepthwiseConv2d(p) => elements(output).saturating_mul(taps(p.size)),
        Op::FullyConnected(_) | Op::Accumulate(_) => elements(input).saturating_mul(last(output)),
        // Four gates, each of the input and of the hidden state.
        Op::Lstm(_) => elements(output).saturating_mul(4).saturating_mul(last(input).saturating_add(last(output))),
        Op::Recurrent(p) => {
            let steps = elements(input).checked_div(last(input)).unwrap_or(0);
            let per_step = last(output).saturating_mul(p.cell.gates() as u64);
            steps.saturating_mul(per_step).saturating_mul(last(input).saturating_add(last(output)))
        }
        _ => 0,
    }
}
