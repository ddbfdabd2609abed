//! The program: one record per step.
//!
//! A record is `opcode | inputs << 8 | words << 16`, the offset of the step's scratch in the arena, the tensor numbers of
//! the inputs, then the operator's own words. `words` counts the whole record. Step `k` writes tensor
//! `inputs + constants + k` and nothing else, so every tensor is written once and only after what it is made from.

use super::words::{Encode, Words, code, record};
use crate::error::StepProblem;
use crate::fixed::Rounding;
use crate::kernels::{Add, Affine, Clamp, Layout, Scale};

/// Most inputs of one step (concatenation).
pub const MAX_INPUTS: usize = 255;

impl Encode for Rounding {
    const WORDS: usize = 1;
    fn write(&self, put: &mut impl FnMut(u32)) {
        put(match self {
            Self::Single => 0,
            Self::Double => 1,
        });
    }
    #[inline(always)]
    fn read(words: &mut Words<'_>) -> Option<Self> {
        match words.word()? {
            0 => Some(Self::Single),
            1 => Some(Self::Double),
            _ => None,
        }
    }
}

impl Encode for Layout {
    const WORDS: usize = 1;
    fn write(&self, put: &mut impl FnMut(u32)) {
        put(match self {
            Self::Plain => 0,
            Self::Pairs => 1,
            Self::Winograd => 16,
            Self::Winograd4x4 => 17,
        });
    }
    #[inline(always)]
    fn read(words: &mut Words<'_>) -> Option<Self> {
        match words.word()? {
            0 => Some(Self::Plain),
            1 => Some(Self::Pairs),
            16 => Some(Self::Winograd),
            17 => Some(Self::Winograd4x4),
            _ => None,
        }
    }
}

/// Both bounds share a word: the low byte is `min`, the next is `max`.
impl Encode for Clamp {
    const WORDS: usize = 1;
    fn write(&self, put: &mut impl FnMut(u32)) {
        put(u32::from(self.min.cast_unsigned()) | u32::from(self.max.cast_unsigned()) << 8);
    }
    #[inline(always)]
    fn read(words: &mut Words<'_>) -> Option<Self> {
        let [min, max, 0, 0] = words.word()?.to_le_bytes() else { return None };
        Some(Self { min: min.cast_signed(), max: max.cast_signed() })
    }
}

impl Encode for Scale {
    const WORDS: usize = 2;
    fn write(&self, put: &mut impl FnMut(u32)) {
        self.multiplier.write(put);
        self.shift.write(put);
    }
    #[inline(always)]
    fn read(words: &mut Words<'_>) -> Option<Self> {
        Some(Self { multiplier: i32::read(words)?, shift: i32::read(words)? })
    }
}

code! {
    /// What a lookup table computes: for people, the bits are in the table.
    pub enum Function {
        /// From one scale and zero point to another.
        Requantize = 0,
        /// `max(x, 0)`.
        Relu = 1,
        /// `min(max(x, 0), 6)`.
        Relu6 = 2,
        /// `x` for positive `x`, otherwise `slope · x`.
        LeakyRelu = 3,
        /// `1 / (1 + e^−x)`.
        Sigmoid = 4,
        /// `tanh x`.
        Tanh = 5,
        /// `x · min(max(x + 3, 0), 6) / 6`.
        HardSwish = 6,
        /// Any other function of one element.
        Other = 7,
    }
}

record! {
    /// Padding around an image, in pixels.
    pub struct Border {
        /// Rows above.
        pub top: u32,
        /// Rows below.
        pub bottom: u32,
        /// Columns left.
        pub left: u32,
        /// Columns right.
        pub right: u32,
    }
}

record! {
    /// Parameters of a convolution, also of a depthwise one. Shapes come from the tensors.
    pub struct ConvParams {
        /// Height and width of the filter.
        pub size: [u32; 2],
        /// Step between outputs.
        pub stride: [u32; 2],
        /// Step between taps.
        pub dilation: [u32; 2],
        /// Padding; the padded image must hold the last window.
        pub pad: Border,
        /// Fused activation.
        pub clamp: Clamp,
        /// How accumulators become outputs.
        pub rounding: Rounding,
        /// Order of the weights.
        pub layout: Layout,
        /// Offset of the weights in the data section.
        pub weights: u32,
        /// Offset of the [`crate::kernels::Channel`]s in the data section, a multiple of 4.
        pub channels: u32,
    }
}

record! {
    /// Parameters of a fully connected layer. Rows and sizes come from the tensors.
    pub struct FullyConnectedParams {
        /// Fused activation.
        pub clamp: Clamp,
        /// How accumulators become outputs.
        pub rounding: Rounding,
        /// Order of the weights.
        pub layout: Layout,
        /// Offset of the weights in the data section.
        pub weights: u32,
        /// Offset of the [`crate::kernels::Channel`]s in the data section, a multiple of 4.
        pub channels: u32,
    }
}

record! {
    /// Parameters of a part of a fully connected layer; see [`crate::kernels::accumulate`].
    pub struct AccumulateParams {
        /// Offset of the part's weights in the data section.
        pub weights: u32,
    }
}

record! {
    /// Parameters of the end of a fully connected layer in parts; see [`crate::kernels::accumulate`].
    pub struct RequantizeParams {
        /// Fused activation.
        pub clamp: Clamp,
        /// How sums become outputs.
        pub rounding: Rounding,
        /// Offset of the [`crate::kernels::Channel`]s in the data section, a multiple of 4.
        pub channels: u32,
    }
}

record! {
    /// Parameters of a pool.
    pub struct PoolParams {
        /// Height and width of the window.
        pub size: [u32; 2],
        /// Step between outputs.
        pub stride: [u32; 2],
        /// Padding, which is never counted.
        pub pad: Border,
        /// Fused activation.
        pub clamp: Clamp,
    }
}

record! {
    /// How two operands are brought to a common scale, and their sum to the output's; see [`crate::kernels::Add`].
    pub struct AddParams {
        /// Headroom of the inputs.
        pub left_shift: u32,
        /// Factors of the inputs.
        pub inputs: [Scale; 2],
        /// Factor of the sum.
        pub output: Scale,
        /// Fused activation.
        pub clamp: Clamp,
    }
}

impl AddParams {
    /// The arguments of the kernel for operands and an output with these zero points.
    #[must_use]
    pub const fn bound(&self, input_zero_points: [i32; 2], output_zero_point: i32) -> Add {
        let Self { left_shift, inputs, output, clamp } = *self;
        Add { input_zero_points, output_zero_point, left_shift, inputs, output, clamp }
    }
}

/// Parameters of an addition; see [`crate::kernels::Sum`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SumParams {
    /// Factors and clamp.
    pub args: AddParams,
    /// A shorter way to the same bytes.
    pub affine: Option<Affine>,
}

/// Without the shorter way its words are not there.
impl Encode for SumParams {
    const WORDS: usize = AddParams::WORDS;
    fn write(&self, put: &mut impl FnMut(u32)) {
        self.args.write(put);
        if let Some(affine) = &self.affine {
            affine.write(put);
        }
    }
    #[inline(always)]
    fn read(words: &mut Words<'_>) -> Option<Self> {
        let args = AddParams::read(words)?;
        Some(Self { args, affine: if words.is_empty() { None } else { Some(Affine::read(words)?) } })
    }
}

impl Encode for Affine {
    const WORDS: usize = 3;
    fn write(&self, put: &mut impl FnMut(u32)) {
        self.factors.write(put);
        self.constant.write(put);
    }
    #[inline(always)]
    fn read(words: &mut Words<'_>) -> Option<Self> {
        Some(Self { factors: Encode::read(words)?, constant: i32::read(words)? })
    }
}

record! {
    /// Parameters of a product; see [`crate::kernels::Mul`].
    pub struct MulParams {
        /// Factor of the product.
        pub scale: Scale,
        /// How the product becomes an output.
        pub rounding: Rounding,
        /// Fused activation.
        pub clamp: Clamp,
    }
}

record! {
    /// Parameters of a concatenation.
    pub struct ConcatParams {
        /// The axis along which the inputs follow one another.
        pub axis: u32,
    }
}

record! {
    /// Parameters of padding.
    pub struct PadParams {
        /// Elements in front, per dimension; those behind follow from the output's shape.
        pub before: [u32; 6],
        /// The value, −128..127.
        pub value: i32,
    }
}

/// Parameters of softmax over the last axis; see [`crate::kernels::Softmax`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SoftmaxParams {
    /// Factor of the differences.
    pub scale: Scale,
    /// Differences below it are zero probability.
    pub diff_min: i32,
    /// Offset of the exponentials in the data section, a multiple of 4.
    pub exponentials: u32,
    /// How many there are; 0 for none.
    pub count: u32,
}

/// Without exponentials the last two words are not there.
impl Encode for SoftmaxParams {
    const WORDS: usize = Scale::WORDS + 1;
    fn write(&self, put: &mut impl FnMut(u32)) {
        self.scale.write(put);
        self.diff_min.write(put);
        if self.count > 0 {
            put(self.exponentials);
            put(self.count);
        }
    }
    #[inline(always)]
    fn read(words: &mut Words<'_>) -> Option<Self> {
        let (scale, diff_min) = (Scale::read(words)?, i32::read(words)?);
        let (exponentials, count) =
            if words.is_empty() { (0, 0) } else { (words.word()?, words.word().filter(|&count| count > 0)?) };
        Some(Self { scale, diff_min, exponentials, count })
    }
}

record! {
    /// Parameters of a function of one element.
    pub struct LookupParams {
        /// What the table computes.
        pub function: Function,
        /// Offset of its 256 bytes in the data section: entry `q + 128` is the output for `q`.
        pub table: u32,
    }
}

record! {
    /// Parameters of a long short-term memory; see [`crate::kernels::Lstm`].
    pub struct LstmParams {
        /// Bits behind the point of the cell state.
        pub cell_fraction: u32,
        /// Largest magnitude of the cell state.
        pub clip: u32,
        /// Added to the hidden state behind its scale.
        pub hidden_offset: i32,
        /// Factors of the inputs' products.
        pub input_scales: [Scale; 4],
        /// Factors of the hidden state's products.
        pub recurrent_scales: [Scale; 4],
        /// Factor of the hidden state.
        pub hidden: Scale,
        /// Order of both weights.
        pub layout: Layout,
        /// Offset of the inputs' weights in the data section.
        pub input_weights: u32,
        /// Offset of the hidden state's weights in the data section.
        pub recurrent_weights: u32,
        /// Offset of the biases in the data section, a multiple of 4.
        pub biases: u32,
    }
}

record! {
    /// Parameters of a singular value decomposition filter; see [`crate::kernels::Svdf`].
    pub struct SvdfParams {
        /// Filters that are summed for one output.
        pub rank: u32,
        /// Time steps that the state remembers.
        pub memory: u32,
        /// Factor from the features to the state.
        pub feature: Scale,
        /// Factor from the sums over time to the output.
        pub output: Scale,
        /// Offset of the int8 feature weights in the data section.
        pub feature_weights: u32,
        /// Offset of the int16 time weights in the data section, a multiple of 2.
        pub time_weights: u32,
        /// Offset of the biases in the data section, a multiple of 4.
        pub biases: u32,
    }
}

record! {
    /// Parameters of gathering.
    pub struct GatherParams {
        /// The axis that the numbers count along.
        pub axis: u32,
    }
}

code! {
    /// What a recurrent layer computes in every step; see [`crate::kernels::recurrent`].
    pub enum Cell {
        /// A simple (Elman) layer.
        Elman = 0,
        /// Long short-term memory: input, forget, new, output.
        Lstm = 1,
        /// Gated recurrent unit, the reset behind the recurrent product: reset, update, new.
        Gru = 2,
        /// Gated recurrent unit, the reset in front of the recurrent product.
        GruResetBefore = 3,
    }
}

impl Cell {
    /// Rows of weights per cell.
    #[must_use]
    pub const fn gates(self) -> usize {
        match self {
            Self::Elman => 1,
            Self::Lstm => 4,
            Self::Gru | Self::GruResetBefore => 3,
        }
    }
}

record! {
    /// Parameters of a recurrent layer; see [`crate::kernels::Recurrent`].
    pub struct RecurrentParams {
        /// What it computes.
        pub cell: Cell,
        /// 1 where it starts at the end of the sequence.
        pub reverse: u32,
        /// Bits behind the point of a long short-term memory's cell state, 9 to 15.
        pub memory_fraction: u32,
        /// Order of both weights.
        pub layout: Layout,
        /// Offset of the inputs' weights in the data section.
        pub input_weights: u32,
        /// Offset of the hidden state's weights in the data section.
        pub recurrent_weights: u32,
        /// Offset of the inputs' [`crate::kernels::Channel`]s in the data section, a multiple of 4.
        pub input_channels: u32,
        /// Offset of the hidden state's [`crate::kernels::Channel`]s in the data section, a multiple of 4.
        pub recurrent_channels: u32,
    }
}

record! {
    /// Parameters of per-channel energy normalization; see [`crate::kernels::pcen`]. All are 0 where there is none.
    pub struct PcenParams {
        /// How much of the difference goes into the mean in each frame, Q0.16; 0 for no normalization.
        pub smoothing: u32,
        /// Added to the mean, in units of 2^16.
        pub epsilon: u32,
        /// Exponent of the mean, Q1.15, at most 1.
        pub gain: u32,
        /// Added to the quotient, Q16.16.
        pub bias: u32,
        /// Exponent of the sum, Q1.15, at most 1.
        pub power: u32,
        /// `bias^power`, which is taken away in the end, Q14.16.
        pub start: i32,
        /// Logarithm of the energy of a sine of full scale, Q6.16.
        pub full_scale: i32,
    }
}

record! {
    /// Parameters of a short-time spectrum; see [`crate::kernels::Spectrogram`]. Offsets are in the data section.
    pub struct SpectrogramParams {
        /// Samples of a frame, at most the transform's length.
        pub frame: u32,
        /// Samples from one frame to the next, at most `frame`.
        pub hop: u32,
        /// Bits of the transform's length, 4 to 10.
        pub log2: u32,
        /// Number of bands.
        pub bands: u32,
        /// Number of weights of all bands.
        pub weight_count: u32,
        /// Least logarithm of an energy, Q6.10.
        pub floor: i32,
        /// What takes the place of the logarithm.
        pub pcen: PcenParams,
        /// 1 where the features are coefficients of the bands' logarithms, 0 where they are these.
        pub has_coefficients: u32,
        /// Offset of the window, i16.
        pub window: u32,
        /// Offset of the twiddle factors, i16 pairs.
        pub twiddles: u32,
        /// Offset of the bands, u16 pairs: first bin, number of bins.
        pub band_bins: u32,
        /// Offset of the bands' weights, u16.
        pub weights: u32,
        /// Offset of the coefficients, i16, where there are any.
        pub coefficients: u32,
        /// Offset of the features' [`crate::kernels::Channel`]s.
        pub channels: u32,
    }
}

record! {
    /// Parameters of features of motion; see [`crate::kernels::Motion`]. Offsets are in the data section.
    pub struct MotionParams {
        /// Rows of a window, at most 1024 and, where there are bands, the transform's length.
        pub window: u32,
        /// Rows from one window to the next, at most `window`.
        pub hop: u32,
        /// Which statistics, a bit for each; see [`crate::kernels::motion`].
        pub statistics: u32,
        /// Bits of the transform's length, 4 to 10; 0 where there are no bands.
        pub log2: u32,
        /// Number of bands of each axis.
        pub bands: u32,
        /// Number of weights of all bands.
        pub weight_count: u32,
        /// Least logarithm of an energy, Q6.10.
        pub floor: i32,
        /// Offset of the window's factors, i16.
        pub factors: u32,
        /// Offset of the twiddle factors, i16 pairs.
        pub twiddles: u32,
        /// Offset of the bands, u16 pairs: first bin, number of bins.
        pub band_bins: u32,
        /// Offset of the bands' weights, u16.
        pub weights: u32,
        /// Offset of the features' [`crate::kernels::Channel`]s.
        pub channels: u32,
    }
}

code! {
    /// Functions of two elements, with broadcasting; factors as in [`AddParams`], `q' = q − zero_point`.
    pub enum BinaryFunction {
        /// `out·(a·a' − b·b')`.
        Sub = 0,
        /// `out·(a·a' − b·b')^2`.
        SquaredDifference = 1,
        /// The smaller one; all three have the same quantization.
        Minimum = 2,
        /// The larger one; all three have the same quantization.
        Maximum = 3,
        /// `a·a'` for positive `a'`, otherwise `out·a'·b'`.
        Prelu = 4,
    }
}

record! {
    /// Parameters of a function of two elements.
    pub struct BinaryParams {
        /// What it computes.
        pub function: BinaryFunction,
        /// Factors and clamp.
        pub args: AddParams,
    }
}

record! {
    /// Parameters of a strided view; see [`crate::kernels::View`].
    pub struct ViewParams {
        /// Where the first element lies.
        pub offset: i32,
        /// Distance between neighbours along each dimension of the output.
        pub strides: [i32; 6],
    }
}

record! {
    /// Parameters of a selection along an axis.
    pub struct TakeParams {
        /// The axis.
        pub axis: u32,
        /// Offset of the indices in the data section, 32-bit each, as many as the output has along the axis.
        pub indices: u32,
    }
}

code! {
    /// What a reduction computes.
    pub enum ReduceFunction {
        /// The sum, or by its factor the mean.
        Sum = 0,
        /// The largest.
        Max = 1,
        /// The smallest.
        Min = 2,
    }
}

record! {
    /// Parameters of a reduction; see [`crate::kernels::Reduce`].
    pub struct ReduceParams {
        /// What it computes.
        pub function: ReduceFunction,
        /// Elements that become one.
        pub count: u32,
        /// Distance between them.
        pub inner: u32,
        /// Factor of a sum; its multiplier may be below 2^30.
        pub scale: Scale,
        /// How a sum becomes an output.
        pub rounding: Rounding,
    }
}

record! {
    /// Parameters of bilinear resizing.
    pub struct ResizeParams {
        /// 1 where the corners' centers are kept.
        pub align_corners: u32,
        /// 1 where a pixel's center is in its middle.
        pub half_pixel_centers: u32,
    }
}

record! {
    /// Parameters of a product of matrices `[.., rows, depth]` and `[.., columns, depth]`.
    pub struct MatMulParams {
        /// Factor of the product.
        pub scale: Scale,
        /// How the sum becomes an output.
        pub rounding: Rounding,
        /// Fused activation.
        pub clamp: Clamp,
    }
}

/// What is done for each operator by itself: the compiler knows its number, and of its parameters only its own.
pub(crate) trait PerOp {
    type Output;
    /// Of the operator with this number.
    fn run<const CODE: u32>(self) -> Self::Output;
    /// Where this build has none.
    fn none(self) -> Self::Output;
}

/// Declares [`Op`] from one list: opcode, variant, parameters, name, and number of inputs.
macro_rules! ops {
    ($($(#[$meta:meta])* $code:literal $variant:ident $(($params:ty))? $name:literal $inputs:expr;)*) => {
        /// The operators, each with its plain parameters.
        #[derive(Clone, Copy, Debug, PartialEq)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        pub enum Op { $($(#[$meta])* $variant $(($params))?,)* }

        impl Op {
            /// The number that stands for the operator in the file.
            #[must_use]
            pub const fn code(&self) -> u32 {
                match self { $(ops!(@pattern $variant $($params)?) => $code,)* }
            }

            /// The operator's name in the field, and that of the crate's feature that brings it.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $(ops!(@pattern $variant $($params)?) => $name,)* }
            }

            /// How many inputs it can have.
            #[must_use]
            pub const fn arity(&self) -> core::ops::RangeInclusive<usize> {
                match self { $(ops!(@pattern $variant $($params)?) => $inputs,)* }
            }

            /// Whether this build has it. Where a function asks that first, its code for other operators is not linked.
            #[inline(always)]
            pub(crate) const fn is_built(&self) -> bool {
                match self { $(ops!(@pattern $variant $($params)?) => cfg!(feature = $name),)* }
            }

            #[inline(always)]
            fn read(code: u32, words: &mut Words<'_>) -> Result<Self, StepProblem> {
                match code {
                    $($code if cfg!(feature = $name) => Ok(ops!(@read words $variant $($params)?)),)*
                    _ if [$($code),*].contains(&code) => Err(StepProblem::NotBuilt),
                    _ => Err(StepProblem::Record),
                }
            }

            /// Does what differs between operators, for the one with this number.
            #[inline(always)]
            pub(crate) fn with_code<P: PerOp>(code: u32, with: P) -> P::Output {
                match code {
                    $($code if cfg!(feature = $name) => with.run::<$code>(),)*
                    _ => with.none(),
                }
            }

            fn write(&self, put: &mut impl FnMut(u32)) {
                match self { $(ops!(@bind $variant params $($params)?) => ops!(@write put params $($params)?),)* }
            }
        }
    };
    (@pattern $variant:ident $params:ty) => { Op::$variant(_) };
    (@pattern $variant:ident) => { Op::$variant };
    (@bind $variant:ident $bound:ident $params:ty) => { Op::$variant($bound) };
    (@bind $variant:ident $bound:ident) => { Op::$variant };
    (@read $words:ident $variant:ident $params:ty) => { Op::$variant(<$params>::read($words).ok_or(StepProblem::Record)?) };
    (@read $words:ident $variant:ident) => { Op::$variant };
    (@write $put:ident $bound:ident $params:ty) => { $bound.write($put) };
    (@write $put:ident $bound:ident) => { () };
}

ops! {
    /// f32 to int8 at the output's scale and zero point.
    0 Quantize "quantize" 1..=1;
    /// int8 to f32.
    1 Dequantize "dequantize" 1..=1;
    /// 2-D convolution.
    2 Conv2d(ConvParams) "conv2d" 1..=1;
    /// Depthwise 2-D convolution: each input channel by itself.
    3 DepthwiseConv2d(ConvParams) "depthwise_conv2d" 1..=1;
    /// Matrix times vector.
    4 FullyConnected(FullyConnectedParams) "fully_connected" 1..=1;
    /// Maximum over a window; or over the whole image up to a row, whose number is a second input.
    5 MaxPool2d(PoolParams) "max_pool2d" 1..=2;
    /// Average over a window; or over the whole image up to a row, whose number is a second input.
    6 AveragePool2d(PoolParams) "average_pool2d" 1..=2;
    /// Elementwise sum.
    7 Add(SumParams) "add" 2..=2;
    /// Elementwise product.
    8 Mul(MulParams) "mul" 2..=2;
    /// Inputs one after the other along an axis.
    9 Concat(ConcatParams) "concat" 1..=MAX_INPUTS;
    /// A constant around the input.
    10 Pad(PadParams) "pad" 1..=1;
    /// The same bytes under another shape.
    11 Reshape "reshape" 1..=1;
    /// Softmax over the last axis.
    12 Softmax(SoftmaxParams) "softmax" 1..=1;
    /// A function of one element, by table.
    13 Lookup(LookupParams) "lookup" 1..=1;
    /// Position of the largest element of the last axis, as i32.
    14 ArgMax "arg_max" 1..=1;
    /// Long short-term memory over a sequence: of the input alone with empty states, or of the input, hidden state and
    /// cell state, which it changes.
    15 Lstm(LstmParams) "lstm" 1..=3;
    /// Another elementwise function of two tensors.
    16 Binary(BinaryParams) "binary" 2..=2;
    /// Elements of the input at other places: transposed, cut, repeated.
    17 View(ViewParams) "view" 1..=1;
    /// Elements along an axis by their numbers.
    18 Take(TakeParams) "take" 1..=1;
    /// Sum, mean or extreme along an axis.
    19 Reduce(ReduceParams) "reduce" 1..=1;
    /// Bilinear resizing of images.
    20 ResizeBilinear(ResizeParams) "resize_bilinear" 1..=1;
    /// Product of two computed matrices, the second one transposed.
    21 MatMul(MatMulParams) "mat_mul" 2..=2;
    /// Transposed 2-D convolution.
    22 TransposeConv2d(ConvParams) "transpose_conv2d" 1..=1;
    /// Singular value decomposition filter over time: of the input and its state, which it changes.
    23 Svdf(SvdfParams) "svdf" 2..=2;
    /// Elements along an axis of the first input by the i32 numbers of the second.
    24 Gather(GatherParams) "gather" 2..=2;
    /// Recurrent layer over a sequence: of the input alone with empty states, or of the input, hidden state and, but for a
    /// simple layer, memory, which it changes; or of the input and its length (i32), with empty states.
    25 Recurrent(RecurrentParams) "recurrent" 1..=3;
    /// Features of the short-time spectrum of i16 samples: of the input alone, as if silence came before, or of the input and
    /// what it changes: the samples before, and the memories of bands that are normalized.
    26 Spectrogram(SpectrogramParams) "spectrogram" 1..=3;
    /// Statistics and spectra of windows of i16 rows: of the input alone, as if zeros came before, or of the input and the rows
    /// before it, which it changes.
    27 Motion(MotionParams) "motion" 1..=2;
    /// Products of a part of a fully connected layer's input, as i32: alone, or added to the i32 sums of earlier parts.
    28 Accumulate(AccumulateParams) "accumulate" 1..=2;
    /// i32 sums to int8.
    29 Requantize(RequantizeParams) "requantize" 1..=1;
    /// Logarithm of softmax over the last axis.
    30 LogSoftmax(SoftmaxParams) "log_softmax" 1..=1;
}

/// One step of a program.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Step<'m> {
    /// What it computes.
    pub op: Op,
    /// Numbers of the tensors it reads.
    pub inputs: &'m [u32],
    /// Offset of its scratch in the arena, a multiple of 4; 0 where it needs none.
    pub scratch: u32,
}

impl<'m> Step<'m> {
    /// Hands the record's words to `put`. `inputs` must not be longer than [`MAX_INPUTS`].
    pub fn write(&self, put: &mut impl FnMut(u32)) {
        let mut params = 0u32;
        self.op.write(&mut |_| params += 1);
        let words = 2 + self.inputs.len() as u32 + params;
        put(self.op.code() | (self.inputs.len() as u32) << 8 | words << 16);
        put(self.scratch);
        self.inputs.iter().for_each(|&input| put(input));
        self.op.write(put);
    }
}

/// The record of a step, whose parameters are not decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'m> {
    pub code: u32,
    pub inputs: &'m [u32],
    pub scratch: u32,
    params: Words<'m>,
}

impl<'m> Record<'m> {
    #[inline(always)]
    fn read(words: &mut Words<'m>) -> Option<Self> {
        let head = words.word()?;
        let mut params = Words::new(words.take(((head >> 16) as usize).checked_sub(1)?)?);
        let scratch = params.word()?;
        let inputs = params.take((head >> 8 & 0xff) as usize)?;
        Some(Self { code: head & 0xff, inputs, scratch, params })
    }

    /// The operator with this number.
    ///
    /// # Errors
    /// Its parameters do not decode, or this build lacks it or the layout of its weights.
    #[inline(always)]
    pub fn op(&self, code: u32) -> Result<Op, StepProblem> {
        let mut params = self.params;
        let op = Op::read(code, &mut params)?;
        if !params.is_empty() {
            return Err(StepProblem::Record);
        }
        if op.layout().is_some_and(|layout| !layout.is_built()) {
            return Err(StepProblem::NotBuilt);
        }
        Ok(op)
    }

    /// The step, decoded. One copy of what knows every operator's record.
    #[inline(never)]
    pub fn step(&self) -> Result<Step<'m>, StepProblem> {
        Ok(Step { op: self.op(self.code)?, inputs: self.inputs, scratch: self.scratch })
    }
}

/// The records of a program, one by one. Ends early at one that is cut off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Records<'m>(Words<'m>);

impl<'m> Records<'m> {
    pub const fn new(words: &'m [u32]) -> Self {
        Self(Words::new(words))
    }

    /// Whether every word was read.
    pub const fn is_finished(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'m> Iterator for Records<'m> {
    type Item = Record<'m>;

    #[inline(always)]
    fn next(&mut self) -> Option<Record<'m>> {
        Record::read(&mut self.0)
    }
}

/// The steps of a program, decoded one by one. Ends early at a record that does not decode.
#[derive(Clone, Copy, Debug)]
pub struct Steps<'m>(Records<'m>);

impl<'m> Steps<'m> {
    pub(crate) const fn new(words: &'m [u32]) -> Self {
        Self(Records::new(words))
    }
}

impl<'m> Iterator for Steps<'m> {
    type Item = Step<'m>;

    #[inline(always)]
    fn next(&mut self) -> Option<Step<'m>> {
        self.0.next()?.step().ok()
    }
}
