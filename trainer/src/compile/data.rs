//! Other bytes in the place of a layer's weights, and where all others lie.

use std::ops::Range;

use thumbnet::format::Op;
use thumbnet::kernels::Layout;

use super::program::Program;

/// Gives a convolution, and all that have the same weights, weights in another layout: in the place of their `len` bytes, or behind
/// everything where others read these too.
pub(super) fn relayout(program: &mut Program, step: usize, layout: Layout, len: usize, bytes: &[u8]) {
    let Op::Conv2d(params) = program.steps[step].op else { return };
    let is_alike = |op: &Op| matches!(op, Op::Conv2d(p) if (p.weights, p.layout) == (params.weights, params.layout));
    let alike: Vec<usize> = (0..program.steps.len()).filter(|&step| is_alike(&program.steps[step].op)).collect();
    let range = params.weights..params.weights + len as u32;
    let weights = if readers(program, &range) == alike.len() {
        replace(program, &range, bytes);
        range.start
    } else {
        program.push_data(bytes)
    };
    for step in alike {
        if let Op::Conv2d(p) = &mut program.steps[step].op {
            (p.layout, p.weights) = (layout, weights);
        }
    }
}

/// How many offsets of a program lie in a range of its data.
pub(super) fn readers(program: &mut Program, range: &Range<u32>) -> usize {
    let mut readers = 0;
    offsets(program, &mut |offset| readers += usize::from(range.contains(offset)));
    readers
}

/// Puts other bytes in the place of a range of the data; what lies behind it moves.
pub(super) fn replace(program: &mut Program, range: &Range<u32>, bytes: &[u8]) {
    let end = range.end.next_multiple_of(4);
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    let (moved, len) = (bytes.len() as i64 - i64::from(end - range.start), program.data.len());
    program.data.splice(range.start as usize..(end as usize).min(len), bytes);
    offsets(program, &mut |offset| {
        if *offset > range.start {
            *offset = (i64::from(*offset) + moved) as u32;
        }
    });
}

/// Puts bytes in the place of the `len` at `start`, or behind everything where others read these too; gives where they are.
pub(super) fn substitute(program: &mut Program, start: u32, len: usize, bytes: &[u8]) -> u32 {
    let range = start..start + len as u32;
    if readers(program, &range) != 1 {
        return program.push_data(bytes);
    }
    replace(program, &range, bytes);
    start
}

/// Shows every offset in the data of a program, to be changed where data moves.
pub fn offsets(program: &mut Program, show: &mut impl FnMut(&mut u32)) {
    program.tensors.iter_mut().filter_map(|tensor| tensor.constant.as_mut()).for_each(&mut *show);
    for step in &mut program.steps {
        // Exhaustive, so that no operator with data of its own is forgotten.
        match &mut step.op {
            Op::Conv2d(p) | Op::DepthwiseConv2d(p) | Op::TransposeConv2d(p) => {
                [&mut p.weights, &mut p.channels].into_iter().for_each(&mut *show);
            }
            Op::FullyConnected(p) => [&mut p.weights, &mut p.channels].into_iter().for_each(&mut *show),
            Op::Accumulate(p) => show(&mut p.weights),
            Op::Requantize(p) => show(&mut p.channels),
            Op::Lookup(p) => show(&mut p.table),
            Op::Softmax(p) | Op::LogSoftmax(p) if p.count > 0 => show(&mut p.exponentials),
            Op::Lstm(p) => {
                [&mut p.input_weights, &mut p.recurrent_weights, &mut p.biases].into_iter().for_each(&mut *show);
            }
            Op::Svdf(p) => {
                [&mut p.feature_weights, &mut p.time_weights, &mut p.biases].into_iter().for_each(&mut *show);
            }
            Op::Take(p) => show(&mut p.indices),
            Op::Recurrent(p) => {
                [&mut p.input_weights, &mut p.recurrent_weights].into_iter().for_each(&mut *show);
                [&mut p.input_channels, &mut p.recurrent_channels].into_iter().for_each(&mut *show);
            }
            Op::Motion(p) => {
                [&mut p.factors, &mut p.twiddles, &mut p.band_bins, &mut p.weights].into_iter().for_each(&mut *show);
                show(&mut p.channels);
            }
            Op::Spectrogram(p) => {
                [&mut p.window, &mut p.twiddles, &mut p.band_bins, &mut p.weights].into_iter().for_each(&mut *show);
                show(&mut p.channels);
                if p.has_coefficients == 1 {
                    show(&mut p.coefficients);
                }
            }
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
            | Op::ArgMax
            | Op::View(_)
            | Op::Gather(_)
            | Op::Reduce(_)
            | Op::ResizeBilinear(_)
            | Op::MatMul(_)
            | Op::MaxPool2d(_)
            | Op::AveragePool2d(_) => {}
        }
    }
}
