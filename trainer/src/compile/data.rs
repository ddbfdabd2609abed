//! Other bytes in the place of weights.

use thumbnet::format::Op;
use thumbnet::kernels::Layout;

use super::program::Program;

/// Gives a convolution weights in another layout.
pub(super) fn relayout(program: &mut Program, step: usize, layout: Layout, len: usize, bytes: &[u8]) {
    let Op::Conv2d(params) = program.steps[step].op else { return };
    let weights = replace(program, params.weights, len, bytes);
    if let Op::Conv2d(p) = &mut program.steps[step].op {
        (p.layout, p.weights) = (layout, weights);
    }
}

/// Puts bytes in the place of the `len` at `start`, or behind everything where others read these too; gives where they are.
pub(super) fn replace(program: &mut Program, start: u32, len: usize, bytes: &[u8]) -> u32 {
    let end = start + len.next_multiple_of(4) as u32;
    let mut readers = 0;
    offsets(program, &mut |offset| readers += usize::from((start..end).contains(offset)));
    if readers != 1 {
        return program.push_data(bytes);
    }
    let end = (end as usize).min(program.data.len());
    let grown = bytes.len() as u32 - (end as u32 - start);
    program.data.splice(start as usize..end, bytes.iter().copied());
    offsets(program, &mut |offset| *offset += if *offset > start { grown } else { 0 });
    start
}

/// Shows every offset in the data of a program.
fn offsets(program: &mut Program, show: &mut impl FnMut(&mut u32)) {
    program.tensors.iter_mut().filter_map(|tensor| tensor.constant.as_mut()).for_each(&mut *show);
    for step in &mut program.steps {
        // Exhaustive, so that no operator with data of its own is forgotten.
        match &mut step.op {
            Op::Conv2d(p) | Op::DepthwiseConv2d(p) | Op::TransposeConv2d(p) => {
                [&mut p.weights, &mut p.channels].into_iter().for_each(&mut *show);
            }
            Op::FullyConnected(p) => [&mut p.weights, &mut p.channels].into_iter().for_each(&mut *show),
            Op::Lookup(p) => show(&mut p.table),
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
