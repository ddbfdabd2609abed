//! Which operators take the same number of instructions whatever their input, and so tell nothing of it by their time.
//!
//! The promise is of instructions, with the shapes and the parameters of a step given; a test counts them on emulated cores.
//! Cycles are the chip's affair: a Cortex-M3 takes fewer for long products of small numbers, and a divider fewer for
//! small quotients, of which an average pool has one for each output.

use crate::format::{BinaryFunction, Op, Step};

/// Whether the number of instructions of a step depends on its input's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Timing {
    /// On no core: it only moves bytes.
    Constant,
    /// Not from Armv7-M on. The Cortex-M0 has no conditional instructions and no divider: it branches to clamp and to compare,
    /// and divides in a loop.
    ConstantFromArmv7,
    /// On some or all cores; this is why.
    Varies(&'static str),
}

impl Step<'_> {
    /// Whether the number of instructions depends on the input's values.
    #[must_use]
    pub const fn timing(&self) -> Timing {
        match &self.op {
            Op::Concat(_) | Op::Pad(_) | Op::Reshape | Op::Lookup(_) | Op::View(_) | Op::Take(_) => Timing::Constant,
            Op::MaxPool2d(_) | Op::AveragePool2d(_) if self.inputs.len() > 1 => {
                Timing::Varies("of a sequence only the steps that it has are looked at")
            }
            Op::Binary(p) if matches!(p.function, BinaryFunction::Prelu) => Timing::Varies("PRELU distinguishes signs"),
            Op::Conv2d(_)
            | Op::DepthwiseConv2d(_)
            | Op::FullyConnected(_)
            | Op::Accumulate(_)
            | Op::Requantize(_)
            | Op::MatMul(_)
            | Op::TransposeConv2d(_)
            | Op::MaxPool2d(_)
            | Op::AveragePool2d(_)
            | Op::Add(_)
            | Op::Mul(_)
            | Op::Reduce(_)
            | Op::ArgMax
            | Op::ResizeBilinear(_)
            | Op::Binary(_)
            | Op::Svdf(_) => Timing::ConstantFromArmv7,
            Op::Quantize | Op::Dequantize => Timing::Varies("floats are computed by cases, without a unit for them"),
            Op::Softmax(_) | Op::LogSoftmax(_) => {
                Timing::Varies("what is far below the largest element has no exponential")
            }
            Op::Lstm(_) | Op::Recurrent(_) => Timing::Varies("the functions of the gates distinguish cases"),
            Op::Gather(_) => Timing::Varies("numbers that there are not are skipped"),
            Op::Spectrogram(_) => Timing::Varies("leading zeros of energies are counted in a loop on the Cortex-M0"),
            Op::Motion(_) => Timing::Varies("a root is found bit by bit"),
        }
    }
}
