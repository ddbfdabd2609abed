//! The integer kernels: one file per operator, each beside a dull [`mod@reference`] that is its oracle.
//!
//! A kernel is a plain function over slices: an argument struct that says what the equation's letters are, the input,
//! the output, and scratch where it needs some. It never allocates, never fails and never panics: slices that are too
//! short make it write less, never out of bounds. [`crate::Model::new`] has proven that they are not too short.
//!
//! Tensors are row-major, images NHWC. `real = scale · (q − zero_point)` throughout.
//!
//! # One switch
//!
//! Weight layouts are data ([`Layout`]) and scratch is the same for every core, so one file runs everywhere. `build.rs` names
//! the [`FAMILY`]: assembly for cores with the DSP extension (`dsp`), for those without (`v6m`, `v7m`) and for those with Helium
//! (`helium`), plain loops for the rest. The bits are the same.

use crate::fixed::{Rounding, requantize_accumulator, requantize_single};
use crate::format::{BinaryFunction, PcenParams};

pub mod accumulate;
pub mod activation;
pub mod arg_max;
#[cfg(any(thumbnet_asm, thumbnet_helium))]
mod asm_eltwise;
#[cfg(thumbnet_asm)]
mod asm_lstm;
pub mod concat;
pub mod conv2d;
#[cfg(thumbnet_dsp)]
mod conv_2x2;
#[cfg(thumbnet_helium)]
mod conv_helium;
mod curves;
pub mod depthwise;
#[cfg(any(thumbnet_dsp, thumbnet_helium))]
mod depthwise_blocks;
#[cfg(thumbnet_helium)]
mod depthwise_helium;
mod depthwise_planes;
mod depthwise_records;
mod dot;
#[cfg(thumbnet_dsp)]
mod dsp;
#[cfg(thumbnet_dsp)]
mod dsp_gates;
#[cfg(thumbnet_dsp)]
mod dsp_lstm;
#[cfg(thumbnet_dsp)]
mod dsp_pairs;
#[cfg(thumbnet_dsp)]
mod dsp_pool;
#[cfg(thumbnet_dsp)]
mod dsp_rows;
#[cfg(thumbnet_dsp)]
mod dsp_winograd;
#[cfg(thumbnet_dsp)]
mod dsp_winograd_4x4;
pub mod eltwise;
mod energies;
pub mod fft;
#[cfg(thumbnet_asm)]
mod finish;
mod framing;
pub mod fully_connected;
mod halves;
#[cfg(thumbnet_helium)]
mod helium_columns;
#[cfg(thumbnet_helium)]
mod helium_gates;
#[cfg(thumbnet_helium)]
mod helium_lstm;
#[cfg(thumbnet_helium)]
mod helium_pool;
#[cfg(thumbnet_helium)]
mod helium_rows;
pub mod log_softmax;
pub mod lstm;
pub mod mat_mul;
pub mod motion;
pub mod move_up;
pub mod pad;
pub(crate) mod pairs;
pub mod pcen;
pub mod pool;
pub mod quantize;
pub mod recurrent;
pub mod reduce;
pub mod reference;
pub mod resize;
pub(crate) mod rows;
pub mod softmax;
pub mod spectrogram;
mod stream;
mod strided;
pub mod svdf;
pub mod transpose_conv;
pub mod up_to;
#[cfg(thumbnet_v6m)]
mod v6m;
#[cfg(thumbnet_v7m)]
mod v7m;
pub mod view;
mod window;
pub mod winograd;
pub mod winograd_4x4;
mod winograd_tiles;

pub use crate::format::Cell;
#[cfg(thumbnet_dsp)]
pub(crate) use dsp::rounded_high;
pub use stream::Stream;
#[cfg(thumbnet_v7m)]
pub(crate) use v7m::rounded_high;

/// Name of the kernels that this build uses; `build.rs` chooses by the target.
pub const FAMILY: &str = if cfg!(thumbnet_dsp) {
    "dsp"
} else if cfg!(thumbnet_v7m) {
    "v7m"
} else if cfg!(thumbnet_v6m) {
    "v6m"
} else if cfg!(thumbnet_helium) {
    "helium"
} else {
    "portable"
};

/// What one output channel adds to its products: `requantize(bias + Σ …, multiplier, shift)`.
///
/// Stored in the file as three little-endian `i32`, 12 bytes, aligned to 4.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Channel {
    /// Bias at scale `s_input · s_weights[channel]`.
    pub bias: i32,
    /// Mantissa of `s_input · s_weights[channel] / s_output`, in [2^30, 2^31), or 0 for a channel that is constant.
    pub multiplier: i32,
    /// Exponent: the real factor is `multiplier · 2^(shift − 31)`. In [−31, 30].
    pub shift: i32,
}

/// Whether all shifts are to the right, by 1 to 22 bits: those that most assembly is made for.
#[must_use]
pub fn are_right_shifts(channels: &[Channel]) -> bool {
    channels.iter().all(|channel| (-22..=-1).contains(&channel.shift))
}

#[cfg(thumbnet_helium)]
impl Channel {
    /// Whether it is shifted to the right, so that it is rounded twice, or is 0 behind the product.
    fn is_shifted_right(&self) -> bool {
        (-31..=-1).contains(&self.shift) || self.multiplier == 0
    }
}

/// The range that an output is clamped to: the fused activation, or −128..127.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Clamp {
    /// Smallest output.
    pub min: i8,
    /// Largest output, not below `min`.
    pub max: i8,
}

/// Order of the weights in the file. A core family has one that it reads fastest; every core reads all of them, to the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Layout {
    /// As TFLite has it: convolution `[out][kh][kw][in]`, depthwise `[kh][kw][out]`, fully connected `[out][in]`.
    Plain,
    /// Two output channels in one `i16` for cores with the DSP extension: `256·w_b + w_a`, `[out / 2][kh·kw·in]`, taps
    /// filled up with zeros to a multiple of 4 and every four in the order 0, 2, 1, 3. All channels of a convolution are
    /// rounded twice and shifted to the right by 1 to 22, and no sum of products reaches 2^23; the rows of fully connected
    /// and recurrent layers may have any.
    Pairs,
    /// Filters of a 3×3 convolution with stride 1, transformed; see [`winograd`].
    Winograd,
    /// The same in larger tiles, all channels shifted to the right by 1 to 22; see [`winograd_4x4`].
    Winograd4x4,
}

/// A window that slides over an image: the geometry that convolution and pooling share.
///
/// Output pixel `(y, x)` sees the input rows `y·stride − pad_top + i·dilation` for `i` in `0..size`, columns likewise;
/// what lies outside of the image is padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Window {
    /// Height and width in taps, each at least 1.
    pub size: [usize; 2],
    /// Step between outputs, down and across, each at least 1.
    pub stride: [usize; 2],
    /// Step between taps, down and across, each at least 1.
    pub dilation: [usize; 2],
    /// Rows of padding above the image and columns left of it.
    pub pad: [usize; 2],
}

/// Arguments of [`conv2d::conv2d`] and, with its own weight order, of [`depthwise::depthwise`].
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Conv2d<'m> {
    /// Input shape, NHWC.
    pub input: [usize; 4],
    /// Output shape, NHWC. For depthwise its channels are a multiple of the input's.
    pub output: [usize; 4],
    /// How the filter slides.
    pub window: Window,
    /// Zero point of the input, −128..127; padding has this value.
    pub input_zero_point: i32,
    /// Zero point of the output, −128..127.
    pub output_zero_point: i32,
    /// Fused activation.
    pub clamp: Clamp,
    /// How the accumulator becomes an output.
    pub rounding: Rounding,
    /// Order of `weights`.
    pub layout: Layout,
    /// Weights, zero point 0, −127..127; in the layouts of [`winograd`] the bytes of `i16`.
    pub weights: &'m [i8],
    /// One per output channel.
    pub channels: &'m [Channel],
    /// Of a depthwise convolution [`are_right_shifts`] of the channels, which a compiled model knows beforehand.
    pub right_shifts: bool,
}

/// Arguments of [`fully_connected::fully_connected`].
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct FullyConnected<'m> {
    /// Number of input vectors.
    pub rows: usize,
    /// Elements of one input vector.
    pub inputs: usize,
    /// Elements of one output vector.
    pub outputs: usize,
    /// Zero point of the input.
    pub input_zero_point: i32,
    /// Zero point of the output.
    pub output_zero_point: i32,
    /// Fused activation.
    pub clamp: Clamp,
    /// How the accumulator becomes an output.
    pub rounding: Rounding,
    /// Order of `weights`.
    pub layout: Layout,
    /// Weights, zero point 0.
    pub weights: &'m [i8],
    /// One per output.
    pub channels: &'m [Channel],
}

/// Arguments of [`accumulate::accumulate`]: a part of a fully connected layer's input.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Accumulate<'m> {
    /// Zero point of the input.
    pub input_zero_point: i32,
    /// `[out][in]` of this part, zero point 0.
    pub weights: &'m [i8],
}

/// Arguments of [`accumulate::requantize`].
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Requantize<'m> {
    /// Zero point of the output.
    pub output_zero_point: i32,
    /// Fused activation.
    pub clamp: Clamp,
    /// How the sum becomes an output.
    pub rounding: Rounding,
    /// One per output.
    pub channels: &'m [Channel],
}

/// Arguments of the pools in [`pool`]. Input and output share scale and zero point.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Pool {
    /// Input shape, NHWC.
    pub input: [usize; 4],
    /// Output shape, NHWC, same channels.
    pub output: [usize; 4],
    /// How the window slides; its dilation is 1. Padding is not counted.
    pub window: Window,
    /// Fused activation.
    pub clamp: Clamp,
}

/// `multiplier · 2^(shift − 31)` as a real factor; see [`crate::fixed`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Scale {
    /// In [2^30, 2^31), or 0.
    pub multiplier: i32,
    /// In [−31, 30].
    pub shift: i32,
}

/// How two tensors are added. `y = clamp(zp + out·(a·(q_a − zp_a)·2^left + b·(q_b − zp_b)·2^left))`.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Add {
    /// Zero points of both inputs.
    pub input_zero_points: [i32; 2],
    /// Zero point of the output.
    pub output_zero_point: i32,
    /// Bits of headroom for the inputs: 20 for int8.
    pub left_shift: u32,
    /// Factors of both inputs, below 1: `s_i / (2·max(s_a, s_b))`.
    pub inputs: [Scale; 2],
    /// Factor of the sum: `2·max(s_a, s_b) / (2^left_shift · s_out)`.
    pub output: Scale,
    /// Fused activation.
    pub clamp: Clamp,
}

/// Arguments of [`eltwise::add`].
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Sum {
    /// What is computed.
    pub args: Add,
    /// A shorter way to the same bytes, which whoever gives it has tried on every pair of them.
    pub affine: Option<Affine>,
}

/// A sum that rounds only once: `sat8((⌊f_a·q_a / 2^8⌋ + ⌊f_b·q_b / 2^8⌋ + constant) >> 20)`, the factors being
/// `2^28 · s_i / s_out` or next to it, and the constant what half and the zero points come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Affine {
    /// Factors of both inputs.
    pub factors: [i32; 2],
    /// Added to their products.
    pub constant: i32,
}

/// Arguments of [`eltwise::mul`]. `y = clamp(zp + scale·(q_a − zp_a)·(q_b − zp_b))`.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Mul {
    /// Zero points of both inputs.
    pub input_zero_points: [i32; 2],
    /// Zero point of the output.
    pub output_zero_point: i32,
    /// `s_a·s_b / s_out`.
    pub scale: Scale,
    /// How the product becomes an output.
    pub rounding: Rounding,
    /// Fused activation.
    pub clamp: Clamp,
}

/// How two operands of an elementwise operator cover the output: shapes padded in front with 1 to the same rank.
/// A dimension of an operand is the output's, or 1, and is then repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Broadcast {
    /// Shape of the output.
    pub output: [usize; 6],
    /// Shapes of both operands.
    pub inputs: [[usize; 6]; 2],
}

/// Arguments of [`softmax::softmax`] over the last axis. Output scale 1/256, zero point −128.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Softmax<'m> {
    /// Elements of one row.
    pub row: usize,
    /// `min(β · s_in · 2^26, 2^31 − 1)` as a factor, shift not negative.
    pub scale: Scale,
    /// Differences to the row's maximum below this count as zero probability.
    pub diff_min: i32,
    /// `e^−(scale·d)` in Q0.31 for the differences `d = 0, 1, …`, as long as they count; or empty, and they are computed.
    pub exponentials: &'m [i32],
}

/// Arguments of [`eltwise::binary`].
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Binary {
    /// What it computes.
    pub function: BinaryFunction,
    /// Zero points and factors as for a sum.
    pub args: Add,
}

/// Arguments of [`view::view`]. Strides and offset are in elements and reach no element outside of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct View {
    /// Shape of the output, unused dimensions in front being 1.
    pub shape: [usize; 6],
    /// Where the first element lies.
    pub offset: isize,
    /// Distance in the input between neighbours along each dimension of the output.
    pub strides: [isize; 6],
}

/// Arguments of the reductions in [`reduce`]: `[outer, count, inner]` to `[outer, inner]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Reduce {
    /// Elements that become one.
    pub count: usize,
    /// Distance between them.
    pub inner: usize,
    /// Zero point of the input.
    pub input_zero_point: i32,
    /// Zero point of the output.
    pub output_zero_point: i32,
    /// `s_x / s_y`, for a mean `/ count`; its multiplier may be below 2^30.
    pub scale: Scale,
    /// How a sum becomes an output.
    pub rounding: Rounding,
}

/// Arguments of [`resize::bilinear`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Resize {
    /// Input shape, NHWC.
    pub input: [usize; 4],
    /// Output shape, NHWC, same batch and channels.
    pub output: [usize; 4],
    /// The corners' centers are kept.
    pub align_corners: bool,
    /// A pixel's center is in its middle.
    pub half_pixel_centers: bool,
}

/// Arguments of [`mat_mul::mat_mul`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct MatMul {
    /// Rows and columns of the product, and the length of the sums.
    pub size: [usize; 3],
    /// Zero points of both inputs.
    pub input_zero_points: [i32; 2],
    /// Zero point of the output.
    pub output_zero_point: i32,
    /// `s_a·s_b / s_y`.
    pub scale: Scale,
    /// How the sum becomes an output.
    pub rounding: Rounding,
    /// Fused activation.
    pub clamp: Clamp,
}

/// Arguments of [`recurrent::recurrent`]. Weights and channels are `[gate][cell]`, the weights with zero point 0.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Recurrent<'m> {
    /// What it computes.
    pub cell: Cell,
    /// Whether it starts at the end of the sequence; outputs stay where their inputs are.
    pub reverse: bool,
    /// Whether only the output of the last step it takes is kept.
    pub last_only: bool,
    /// Steps of a sequence.
    pub time: usize,
    /// Elements of an input vector.
    pub inputs: usize,
    /// Cells, which is also the elements of an output vector.
    pub cells: usize,
    /// Order of both weights.
    pub layout: Layout,
    /// Bits behind the point of a long short-term memory's cell state, 9 to 15.
    pub memory_fraction: u32,
    /// Of the inputs; their zero point is folded into the biases.
    pub input_weights: &'m [i8],
    /// Of the hidden state.
    pub recurrent_weights: &'m [i8],
    /// Biases at `s_x·s_w`, and factors `s_x·s_w / 2^−12`.
    pub input_channels: &'m [Channel],
    /// Biases at `2^−7·s_u`, and factors `2^−7·s_u / 2^−12`.
    pub recurrent_channels: &'m [Channel],
}

/// Arguments of [`spectrogram::spectrogram`].
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Spectrogram<'m> {
    /// Samples of a row.
    pub samples: usize,
    /// Frames of a row: `samples / hop`.
    pub frames: usize,
    /// Samples from one frame to the next.
    pub hop: usize,
    /// Bits of the transform's length, 4 to 10.
    pub log2: u32,
    /// Least logarithm of an energy, Q6.10.
    pub floor: i32,
    /// What takes the place of the logarithm, where something does.
    pub pcen: Option<PcenParams>,
    /// Of the output.
    pub zero_point: i32,
    /// Q0.15, one factor per sample of a frame.
    pub window: &'m [i16],
    /// `e^(−2πi·k/N)`, Q0.15.
    pub twiddles: &'m [[i16; 2]],
    /// First bin and number of bins of every band.
    pub bands: &'m [[u16; 2]],
    /// Weights of every band's bins, one band after the other, Q4.12.
    pub weights: &'m [u16],
    /// `[feature][band]`, Q0.15, or empty where the bands are the features.
    pub coefficients: &'m [i16],
    /// Offset, in Q6.10 or, where energies are normalized, Q14.16, and factor of every feature.
    pub channels: &'m [Channel],
}

impl Spectrogram<'_> {
    /// Features of a frame.
    #[must_use]
    pub const fn features(&self) -> usize {
        self.channels.len()
    }
}

/// Arguments of [`motion::motion`].
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Motion<'m> {
    /// Rows of a batch.
    pub rows: usize,
    /// Numbers of a row.
    pub axes: usize,
    /// Windows of a batch: `rows / hop`.
    pub frames: usize,
    /// Rows of a window, at most 1024.
    pub window: usize,
    /// Rows from one window to the next.
    pub hop: usize,
    /// Which statistics, a bit for each.
    pub statistics: u32,
    /// Bits of the transform's length, 4 to 10, where there are bands.
    pub log2: u32,
    /// Least logarithm of an energy, Q6.10.
    pub floor: i32,
    /// Of the output.
    pub zero_point: i32,
    /// Q0.15, one factor per row of a window; with the next three empty where there are no bands.
    pub factors: &'m [i16],
    /// `e^(−2πi·k/N)`, Q0.15.
    pub twiddles: &'m [[i16; 2]],
    /// First bin and number of bins of every band.
    pub bands: &'m [[u16; 2]],
    /// Weights of every band's bins, one band after the other, Q4.12.
    pub weights: &'m [u16],
    /// Offset and factor of every feature.
    pub channels: &'m [Channel],
}

impl Motion<'_> {
    /// Features of a window.
    #[must_use]
    pub const fn features(&self) -> usize {
        self.channels.len()
    }
}

/// Arguments of [`lstm::lstm`]. Gates are in the order input, forget, cell, output.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Lstm<'m> {
    /// Steps of a sequence.
    pub time: usize,
    /// Elements of an input vector.
    pub inputs: usize,
    /// Cells, which is also the elements of an output vector.
    pub cells: usize,
    /// Order of both weights.
    pub layout: Layout,
    /// Zero point of the input.
    pub input_zero_point: i32,
    /// Zero point of the hidden state, which is the output.
    pub hidden_zero_point: i32,
    /// Added to the hidden state behind its scale.
    pub hidden_offset: i32,
    /// Bits behind the point of the cell state, 9 to 15.
    pub cell_fraction: u32,
    /// Largest magnitude of the cell state; 32767 for none.
    pub clip: i16,
    /// Per gate `s_x·s_w / 2^−12`.
    pub input_scales: [Scale; 4],
    /// Per gate `s_h·s_u / 2^−12`.
    pub recurrent_scales: [Scale; 4],
    /// `2^−30 / s_h`.
    pub hidden: Scale,
    /// `[cell][gate][input]`, zero point 0.
    pub input_weights: &'m [i8],
    /// `[cell][gate][hidden]`, zero point 0.
    pub recurrent_weights: &'m [i8],
    /// `[cell][gate]` at scale `s_x·s_w`.
    pub biases: &'m [i32],
}

/// A singular value decomposition filter, one frame a run; see [`mod@svdf`].
#[derive(Clone, Copy, Debug)]
pub struct Svdf<'m> {
    /// Elements of a frame.
    pub inputs: usize,
    /// Elements of an output.
    pub units: usize,
    /// Filters of each unit.
    pub rank: usize,
    /// Time steps that each filter remembers.
    pub memory: usize,
    /// Zero point of the input.
    pub input_zero_point: i32,
    /// Zero point of the output.
    pub output_zero_point: i32,
    /// `s_x·s_v / s_state`.
    pub feature: Scale,
    /// `s_state·s_α / s_y`.
    pub output: Scale,
    /// `[unit][rank][input]`, zero point 0.
    pub feature_weights: &'m [i8],
    /// `[unit][rank][memory]`, oldest first, zero point 0.
    pub time_weights: &'m [i16],
    /// Per unit, at scale `s_state·s_α`.
    pub biases: &'m [i32],
}

/// `clamp(zero_point + requantize(accumulator))`: how every product ends.
#[inline(always)]
#[must_use]
fn output_i8(accumulator: i32, channel: &Channel, rounding: Rounding, zero_point: i32, clamp: Clamp) -> i8 {
    let scaled = match rounding {
        Rounding::Double => requantize_accumulator(accumulator, channel.multiplier, channel.shift),
        Rounding::Single => single(accumulator, channel),
    };
    clamp.apply(scaled.wrapping_add(zero_point))
}

/// One copy: its 64-bit shift is as long as an inner loop.
#[inline(never)]
fn single(accumulator: i32, channel: &Channel) -> i32 {
    requantize_single(accumulator, channel.multiplier, channel.shift)
}

impl Clamp {
    /// All of int8: no activation.
    pub const NONE: Self = Self { min: i8::MIN, max: i8::MAX };

    /// The value, or the bound that it is beyond.
    #[inline(always)]
    #[must_use]
    pub fn apply(self, value: i32) -> i8 {
        value.min(i32::from(self.max)).max(i32::from(self.min)) as i8
    }

    /// The same of all bytes; nothing to do without an activation.
    #[inline(always)]
    pub(crate) fn apply_all(self, y: &mut [i8]) {
        if self == Self::NONE {
            return;
        }
        #[cfg(thumbnet_dsp)]
        dsp::clamp_all(y, self);
        #[cfg(not(thumbnet_dsp))]
        y.iter_mut().for_each(|y| *y = self.apply((*y).into()));
    }
}
