//! Which operators this build has, by the crate's features: what a firmware never runs need not lie in its flash.

use crate::format::Op;
use crate::kernels::Layout;

/// Families of operators: a constant for the code that dispatches, the crate's feature, the operators.
macro_rules! families {
    ($($(#[$doc:meta])* $name:ident $feature:literal $($op:ident)|+;)*) => {
        $($(#[$doc])* pub(crate) const $name: bool = cfg!(feature = $feature);)*

        impl Op {
            /// The crate's feature that brings the operator; `None` for those that are always there.
            #[must_use]
            pub const fn feature(&self) -> Option<&'static str> {
                match self {
                    $($(Self::$op { .. })|+ => Some($feature),)*
                    _ => None,
                }
            }

            /// Whether this build has the operator, with the layout of its weights.
            pub(crate) const fn is_built(&self) -> bool {
                match self {
                    Self::Conv2d(p) if matches!(p.layout, Layout::Winograd | Layout::Winograd4x4) => WINOGRAD,
                    $($(Self::$op { .. })|+ => $name,)*
                    _ => true,
                }
            }
        }
    };
}

families! {
    /// Convolution, depthwise, transposed.
    CONV "conv" Conv2d | DepthwiseConv2d | TransposeConv2d;
    /// Fully connected, product of matrices.
    DENSE "dense" FullyConnected | MatMul | Accumulate | Requantize;
    /// Maximum and average over windows.
    POOL "pool" MaxPool2d | AveragePool2d;
    /// Functions of two tensors.
    ELEMENTWISE "elementwise" Add | Mul | Binary;
    /// Padding, picking, reducing, resizing.
    SHAPE "shape" Pad | Take | Gather | Reduce | ResizeBilinear;
    /// Softmax and its logarithm.
    SOFTMAX "softmax" Softmax | LogSoftmax;
    /// The recurrent layers that are trained here.
    RECURRENT "recurrent" Recurrent;
    /// LSTM and SVDF with TensorFlow Lite's bits.
    TFLITE_RECURRENT "tflite-recurrent" Lstm | Svdf;
    /// The front end for sound.
    SPECTROGRAM "spectrogram" Spectrogram;
    /// The front end for motion sensors.
    MOTION "motion" Motion;
}

/// Convolution by transformed filters: as much code as all other convolutions.
pub(crate) const WINOGRAD: bool = cfg!(feature = "winograd");

impl Op {
    /// The crate's feature that brings the layout of the operator's weights; `None` for those that come with the operator.
    #[must_use]
    pub const fn layout_feature(&self) -> Option<&'static str> {
        match self {
            Self::Conv2d(p) if matches!(p.layout, Layout::Winograd | Layout::Winograd4x4) => Some("winograd"),
            _ => None,
        }
    }
}
