//! The operators of a graph, with their parameters as recipes write them.

use serde::{Deserialize, Serialize};
use thumbnet::kernels::Cell;

/// Height and width. A recipe may give one number for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "OneOrTwo")]
pub struct Pair(pub [usize; 2]);

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a number, or height and width as [h, w]")]
enum OneOrTwo {
    One(usize),
    Two([usize; 2]),
}

impl From<OneOrTwo> for Pair {
    fn from(value: OneOrTwo) -> Self {
        match value {
            OneOrTwo::One(n) => Self([n, n]),
            OneOrTwo::Two(pair) => Self(pair),
        }
    }
}

impl Pair {
    pub(crate) const fn one() -> Self {
        Self([1, 1])
    }
}

/// How an image is padded before a window slides over it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// Not at all.
    #[default]
    Valid,
    /// So that the output has `ceil(input / stride)` pixels, an odd one at the end, as TensorFlow has it.
    Same,
    /// Top, bottom, left, right.
    Explicit([usize; 4]),
}

impl Padding {
    /// Pixels before and after along one axis (0 down, 1 across), for an input of `len` and a filter that reaches `reach`.
    #[must_use]
    pub fn along(self, axis: usize, len: usize, reach: usize, stride: usize) -> [usize; 2] {
        match self {
            Self::Valid => [0, 0],
            Self::Explicit(pad) => [pad[2 * axis], pad[2 * axis + 1]],
            Self::Same => {
                let total = ((len.div_ceil(stride) - 1) * stride + reach).saturating_sub(len);
                [total / 2, total - total / 2]
            }
        }
    }
}

const fn yes() -> bool {
    true
}

const fn epsilon() -> f64 {
    1e-3
}

const fn momentum() -> f64 {
    0.99
}

const fn slope() -> f64 {
    0.2
}

const fn last() -> isize {
    -1
}

const fn multiplier() -> usize {
    1
}

const fn side() -> usize {
    2
}

const fn two() -> Pair {
    Pair([2, 2])
}

/// The regression of [`Op::Delta`] as the taps of a filter over time, in units of `1 / (2·Σ n²)`: from `−width` to `width`.
pub(crate) fn delta_taps(width: usize) -> Vec<f32> {
    let width = width as i32;
    (-width..=width).map(|n| n as f32).collect()
}

/// The unit of [`delta_taps`].
pub(crate) fn delta_unit(width: usize) -> f64 {
    let squares: usize = (1..=width).map(|n| n * n).sum();
    1.0 / (2 * squares) as f64
}

/// Steps in front of a sequence and behind it that [`Op::Delta`] takes as zero.
pub(crate) const fn delta_padding(width: usize, centered: bool) -> [usize; 2] {
    if centered { [width, width] } else { [2 * width, 0] }
}

/// A recurrent layer of any kind.
#[derive(Clone, Copy, Debug)]
pub struct Recurrence {
    /// What it computes in a step.
    pub cell: Cell,
    /// Cells.
    pub units: usize,
    /// Whether it answers the state after every step, otherwise after the last.
    pub return_sequences: bool,
    /// Whether it reads the sequence from its end.
    pub go_backwards: bool,
}

impl Recurrence {
    /// Rows of its weights.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.units * self.cell.gates()
    }

    /// Whether the recurrent product has a bias of its own: only where a gate acts on it behind the sum.
    #[must_use]
    pub const fn has_recurrent_bias(&self) -> bool {
        matches!(self.cell, Cell::Gru)
    }
}

/// An operator. Defaults are those of Keras.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Op {
    /// Convolution of an image.
    Conv2d {
        /// Output channels.
        filters: usize,
        /// Size of the filters.
        kernel: Pair,
        /// Step between outputs.
        #[serde(default = "Pair::one")]
        stride: Pair,
        /// Step between taps.
        #[serde(default = "Pair::one")]
        dilation: Pair,
        /// Padding.
        #[serde(default)]
        padding: Padding,
        /// Whether there is a bias.
        #[serde(default = "yes")]
        bias: bool,
    },
    /// Convolution of each channel by itself.
    DepthwiseConv2d {
        /// Size of the filters.
        kernel: Pair,
        /// Output channels per input channel.
        #[serde(default = "multiplier")]
        multiplier: usize,
        /// Step between outputs.
        #[serde(default = "Pair::one")]
        stride: Pair,
        /// Step between taps.
        #[serde(default = "Pair::one")]
        dilation: Pair,
        /// Padding.
        #[serde(default)]
        padding: Padding,
        /// Whether there is a bias.
        #[serde(default = "yes")]
        bias: bool,
    },
    /// Fully connected, over the last axis.
    Dense {
        /// Outputs.
        units: usize,
        /// Whether there is a bias.
        #[serde(default = "yes")]
        bias: bool,
    },
    /// Simple (Elman) recurrent layer: `h = tanh(W·x + U·h + b)`.
    SimpleRnn {
        /// Cells.
        units: usize,
        /// Whether it answers the state after every step, otherwise after the last.
        #[serde(default)]
        return_sequences: bool,
        /// Whether it reads the sequence from its end. Answers of steps stay in their place.
        #[serde(default)]
        go_backwards: bool,
    },
    /// Long short-term memory.
    Lstm {
        /// Cells.
        units: usize,
        /// Whether it answers the state after every step, otherwise after the last.
        #[serde(default)]
        return_sequences: bool,
        /// Whether it reads the sequence from its end. Answers of steps stay in their place.
        #[serde(default)]
        go_backwards: bool,
    },
    /// Gated recurrent unit.
    Gru {
        /// Cells.
        units: usize,
        /// Whether it answers the state after every step, otherwise after the last.
        #[serde(default)]
        return_sequences: bool,
        /// Whether it reads the sequence from its end. Answers of steps stay in their place.
        #[serde(default)]
        go_backwards: bool,
        /// Whether the reset gate acts behind the recurrent product, as in Keras and PyTorch, or in front of it.
        #[serde(default = "yes")]
        reset_after: bool,
    },
    /// Slope of every channel of a sequence over the `2·width + 1` steps around each (delta features, Furui 1986, with the
    /// regression of HTK): `d_t = Σ_n n·(x_{t+n} − x_{t−n}) / (2·Σ_n n²)` for `n` of 1 to `width`, zeros around the sequence. Has no
    /// weights to train.
    Delta {
        /// Steps to each side.
        #[serde(default = "side")]
        width: usize,
        /// Whether step `t` has its own slope, which looks ahead; otherwise it has that of step `t − width`, which streams.
        #[serde(default)]
        centered: bool,
    },
    /// Maximum over a window.
    MaxPool2d {
        /// Size of the window.
        #[serde(default = "two")]
        size: Pair,
        /// Step, by default the size.
        stride: Option<Pair>,
        /// Padding.
        #[serde(default)]
        padding: Padding,
    },
    /// Average over a window; padding is not counted.
    AveragePool2d {
        /// Size of the window.
        #[serde(default = "two")]
        size: Pair,
        /// Step, by default the size.
        stride: Option<Pair>,
        /// Padding.
        #[serde(default)]
        padding: Padding,
    },
    /// Maximum over the whole image.
    GlobalMaxPool2d,
    /// Average over the whole image.
    GlobalAveragePool2d,
    /// `γ · (x − mean) / sqrt(variance + ε) + β` per channel.
    BatchNorm {
        /// Added to the variance.
        #[serde(default = "epsilon")]
        epsilon: f64,
        /// How much of the running mean and variance stays at each batch.
        #[serde(default = "momentum")]
        momentum: f64,
    },
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, 0), 6)`.
    Relu6,
    /// `x` for positive `x`, otherwise `slope · x`.
    LeakyRelu {
        /// Slope of the negative side.
        #[serde(default = "slope")]
        slope: f64,
    },
    /// `1 / (1 + e^−x)`.
    Sigmoid,
    /// `tanh x`.
    Tanh,
    /// `x · min(max(x + 3, 0), 6) / 6`.
    HardSwish,
    /// `e^x_i / Σ_j e^x_j` over the last axis.
    Softmax,
    /// Sets a share of the elements to 0 in training, and scales the others up.
    Dropout {
        /// The share, in [0, 1).
        rate: f64,
    },
    /// All elements in one axis, in NHWC order.
    Flatten,
    /// The same elements under another shape, in NHWC order.
    Reshape {
        /// The shape, without the batch.
        shape: Vec<usize>,
    },
    /// Zeros around an image.
    ZeroPad2d {
        /// Top, bottom, left, right.
        pad: [usize; 4],
    },
    /// Elementwise sum.
    Add,
    /// Elementwise product.
    Multiply,
    /// Inputs one after the other along an axis.
    Concat {
        /// The axis, without the batch; negative counts from the end.
        #[serde(default = "last")]
        axis: isize,
    },
    /// Position of the largest element of the last axis.
    ArgMax,
}

impl Op {
    /// Names of all operators, as recipes write them.
    pub const NAMES: [&str; 27] = [
        "conv2d",
        "depthwise_conv2d",
        "dense",
        "simple_rnn",
        "lstm",
        "gru",
        "delta",
        "max_pool2d",
        "average_pool2d",
        "global_max_pool2d",
        "global_average_pool2d",
        "batch_norm",
        "relu",
        "relu6",
        "leaky_relu",
        "sigmoid",
        "tanh",
        "hard_swish",
        "softmax",
        "dropout",
        "flatten",
        "reshape",
        "zero_pad2d",
        "add",
        "multiply",
        "concat",
        "arg_max",
    ];

    /// What a recurrent layer computes and how it goes through its sequence.
    #[must_use]
    pub const fn recurrence(&self) -> Option<Recurrence> {
        let (cell, units, return_sequences, go_backwards) = match *self {
            Self::SimpleRnn { units, return_sequences, go_backwards } => {
                (Cell::Elman, units, return_sequences, go_backwards)
            }
            Self::Lstm { units, return_sequences, go_backwards } => (Cell::Lstm, units, return_sequences, go_backwards),
            Self::Gru { units, return_sequences, go_backwards, reset_after: true } => {
                (Cell::Gru, units, return_sequences, go_backwards)
            }
            Self::Gru { units, return_sequences, go_backwards, reset_after: false } => {
                (Cell::GruResetBefore, units, return_sequences, go_backwards)
            }
            _ => return None,
        };
        Some(Recurrence { cell, units, return_sequences, go_backwards })
    }

    /// How many inputs it takes.
    #[must_use]
    pub const fn arity(&self) -> std::ops::RangeInclusive<usize> {
        match self {
            Self::Add | Self::Multiply => 2..=2,
            Self::Concat { .. } => 2..=255,
            _ => 1..=1,
        }
    }

    /// Its name, as recipes write it.
    #[must_use]
    pub fn name(&self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        value.get("op").and_then(|name| name.as_str()).unwrap_or("?").to_owned()
    }
}
