//! Which operators take the same number of instructions whatever their input, and so tell nothing of it by their time.
//!
//! The promise is of instructions, with the shapes and the parameters of a step given; a test counts them on emulated cores.
//! Cycles are the chip's affair: a Cortex-M3 takes fewer for long products of small numbers, and a divider fewer for
//! small quotients, of which an average pool has one for each output.

use crate::format::Op;

/// Whether the number of instructions of an operator depends on its input's values.
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

impl Op {
    /// Whether the number of instructions depends on the input's values.
    #[must_use]
    pub const fn timing(&self) -> Timing {
        match self {
            Self::Concat(_) | Self::Pad(_) | Self::Reshape | Self::Lookup(_) | Self::View(_) | Self::Take(_) => {
                Timing::Constant
            }
            Self::Conv2d(_)
            | Self::DepthwiseConv2d(_)
            | Self::FullyConnected(_)
            | Self::MatMul(_)
            | Self::TransposeConv2d(_)
            | Self::MaxPool2d(_)
            | Self::AveragePool2d(_)
            | Self::Add(_)
            | Self::Mul(_)
            | Self::Reduce(_)
            | Self::ArgMax
            | Self::ResizeBilinear(_)
            | Self::Svdf(_) => Timing::ConstantFromArmv7,
            Self::Quantize | Self::Dequantize => {
                Timing::Varies("floats are computed by cases, without a unit for them")
            }
            Self::Softmax(_) => Timing::Varies("what is far below the largest element has no exponential"),
            Self::Lstm(_) | Self::Recurrent(_) => Timing::Varies("the functions of the gates distinguish cases"),
            Self::Binary(_) => Timing::Varies("PRELU distinguishes signs"),
            Self::Gather(_) => Timing::Varies("numbers that there are not are skipped"),
            Self::Spectrogram(_) => Timing::Varies("leading zeros of energies are counted in a loop on the Cortex-M0"),
            Self::Motion(_) => Timing::Varies("a root is found bit by bit"),
        }
    }
}
