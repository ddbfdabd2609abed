//! Which operators this build has, by the crate's features: what a firmware never runs need not lie in its flash.

use crate::format::Op;

/// `conv`: convolution, depthwise, transposed.
pub(crate) const CONV: bool = cfg!(feature = "conv");
/// `dense`: fully connected, product of matrices.
pub(crate) const DENSE: bool = cfg!(feature = "dense");
/// `pool`: maximum and average over windows.
pub(crate) const POOL: bool = cfg!(feature = "pool");
/// `elementwise`: functions of two tensors.
pub(crate) const ELEMENTWISE: bool = cfg!(feature = "elementwise");
/// `shape`: padding, picking, reducing, resizing.
pub(crate) const SHAPE: bool = cfg!(feature = "shape");
/// `softmax`.
pub(crate) const SOFTMAX: bool = cfg!(feature = "softmax");
/// `recurrent`: the layers that are trained here.
pub(crate) const RECURRENT: bool = cfg!(feature = "recurrent");
/// `tflite-recurrent`: LSTM and SVDF with TensorFlow Lite's bits.
pub(crate) const TFLITE_RECURRENT: bool = cfg!(feature = "tflite-recurrent");
/// `spectrogram`: the front end for sound.
pub(crate) const SPECTROGRAM: bool = cfg!(feature = "spectrogram");

impl Op {
    /// The crate's feature that brings the operator; `None` for those that are always there.
    #[must_use]
    pub const fn feature(&self) -> Option<&'static str> {
        match self {
            Self::Conv2d(_) | Self::DepthwiseConv2d(_) | Self::TransposeConv2d(_) => Some("conv"),
            Self::FullyConnected(_) | Self::MatMul(_) => Some("dense"),
            Self::MaxPool2d(_) | Self::AveragePool2d(_) => Some("pool"),
            Self::Add(_) | Self::Mul(_) | Self::Binary(_) => Some("elementwise"),
            Self::Pad(_) | Self::Take(_) | Self::Gather(_) | Self::Reduce(_) | Self::ResizeBilinear(_) => Some("shape"),
            Self::Softmax(_) => Some("softmax"),
            Self::Recurrent(_) => Some("recurrent"),
            Self::Lstm(_) | Self::Svdf(_) => Some("tflite-recurrent"),
            Self::Spectrogram(_) => Some("spectrogram"),
            Self::Quantize
            | Self::Dequantize
            | Self::Concat(_)
            | Self::Reshape
            | Self::Lookup(_)
            | Self::ArgMax
            | Self::View(_) => None,
        }
    }

    /// Whether this build has the operator.
    #[must_use]
    pub(crate) const fn is_built(&self) -> bool {
        match self {
            Self::Conv2d(_) | Self::DepthwiseConv2d(_) | Self::TransposeConv2d(_) => CONV,
            Self::FullyConnected(_) | Self::MatMul(_) => DENSE,
            Self::MaxPool2d(_) | Self::AveragePool2d(_) => POOL,
            Self::Add(_) | Self::Mul(_) | Self::Binary(_) => ELEMENTWISE,
            Self::Pad(_) | Self::Take(_) | Self::Gather(_) | Self::Reduce(_) | Self::ResizeBilinear(_) => SHAPE,
            Self::Softmax(_) => SOFTMAX,
            Self::Recurrent(_) => RECURRENT,
            Self::Lstm(_) | Self::Svdf(_) => TFLITE_RECURRENT,
            Self::Spectrogram(_) => SPECTROGRAM,
            _ => true,
        }
    }
}
