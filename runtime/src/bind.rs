//! From a step's record and its tensors to the arguments of its kernel.
//!
//! The check and the session bind in the same way, so that what was checked is what runs.

use crate::arena::Span;
use crate::error::StepProblem;
use crate::format::{
    AddParams, ConvParams, DType, LstmParams, MAX_RANK, MotionParams, Op, PoolParams, Record, RecurrentParams,
    ReduceFunction, SoftmaxParams, SpectrogramParams, Step, SvdfParams, Tensor,
};
use crate::kernels::{
    Accumulate, Add, Binary, Broadcast, Clamp, Conv2d, FullyConnected, Layout, Lstm, MatMul, Motion, Mul, Pool,
    Recurrent, Reduce, Requantize, Resize, Softmax, Spectrogram, Sum, Svdf, View, Window, are_right_shifts, conv2d,
    depthwise, fully_connected, lstm, motion, pairs, recurrent, rows, spectrogram, winograd, winograd_4x4,
};

/// A step bound to its weights and shapes: a kernel and its arguments.
#[derive(Debug)]
#[expect(missing_docs, reason = "each variant is a kernel with its own documented arguments")]
pub enum Call<'m> {
    Quantize { scale: f32, zero_point: i32 },
    Dequantize { scale: f32, zero_point: i32 },
    Conv2d(Conv2d<'m>),
    Depthwise(Conv2d<'m>),
    FullyConnected(FullyConnected<'m>),
    MaxPool(Pool),
    AveragePool(Pool),
    Add(Sum, Broadcast),
    Mul(Mul, Broadcast),
    Concat { outer: usize },
    Pad { input: [usize; MAX_RANK], before: [usize; MAX_RANK], output: [usize; MAX_RANK], value: i8 },
    Reshape,
    Softmax(Softmax<'m>),
    LogSoftmax(Softmax<'m>),
    Lookup(&'m [i8; 256]),
    ArgMax { row: usize },
    Lstm(Lstm<'m>),
    LstmFrom(Lstm<'m>),
    Recurrent(Recurrent<'m>),
    RecurrentUpTo(Recurrent<'m>),
    MaxPoolUpTo(Pool),
    AveragePoolUpTo(Pool),
    RecurrentFrom(Recurrent<'m>),
    Spectrogram(Spectrogram<'m>),
    SpectrogramFrom(Spectrogram<'m>),
    Motion(Motion<'m>),
    MotionFrom(Motion<'m>),
    Binary(Binary, Broadcast),
    View(View),
    Take { len: usize, inner: usize, indices: &'m [i32] },
    Reduce(ReduceFunction, Reduce),
    Resize(Resize),
    MatMul(MatMul),
    TransposeConv(Conv2d<'m>),
    Svdf(Svdf<'m>),
    Gather { len: usize, inner: usize, count: usize },
    Accumulate(Accumulate<'m>),
    Requantize(Requantize<'m>),
}

impl<'m> Call<'m> {
    /// Binds `step`, whose first two inputs and output are given; `b` is `a` again where there is one input. The elements of each tensor
    /// fit 31 bits, as [`crate::Model::new`] has checked before it binds; of others the lengths wrap.
    ///
    /// # Errors
    /// The step does not fit its tensors or its data, or this build lacks its operator.
    #[inline(never)]
    pub fn new(data: &'m [u8], step: &Step<'m>, a: &Tensor, b: &Tensor, y: &Tensor) -> Result<Self, StepProblem> {
        Self::of(data, &step.op, step.inputs, [a, b, y])
    }

    /// The same from the record of the operator with this number: in a function that knows it, no other's parameters are decoded.
    #[inline(always)]
    pub(crate) fn read<const CODE: u32>(
        data: &'m [u8],
        record: &Record<'m>,
        a: &Tensor,
        b: &Tensor,
        y: &Tensor,
    ) -> Result<Self, StepProblem> {
        Self::of(data, &record.op(CODE)?, record.inputs, [a, b, y])
    }

    #[inline(always)]
    fn of(data: &'m [u8], op: &Op, inputs: &[u32], [a, b, y]: [&Tensor; 3]) -> Result<Self, StepProblem> {
        if !op.is_built() {
            return Err(StepProblem::NotBuilt);
        }
        Ok(match op {
            Op::Quantize => Self::Quantize { scale: y.scale, zero_point: y.zero_point },
            Op::Dequantize => Self::Dequantize { scale: a.scale, zero_point: a.zero_point },
            Op::Conv2d(p) => Self::Conv2d(convolution(data, p, a, y, true)?),
            Op::DepthwiseConv2d(p) => Self::Depthwise(convolution(data, p, a, y, false)?),
            Op::FullyConnected(p) => {
                let outputs = last_dim(y);
                let rows = elements(y).checked_div(outputs).ok_or(StepProblem::Shape)?;
                let inputs = elements(a).checked_div(rows).ok_or(StepProblem::Shape)?;
                Self::FullyConnected(FullyConnected {
                    rows,
                    inputs,
                    outputs,
                    input_zero_point: a.zero_point,
                    output_zero_point: y.zero_point,
                    clamp: p.clamp,
                    rounding: p.rounding,
                    layout: p.layout,
                    weights: weights(data, p.weights, rows::len(p.layout, inputs, outputs))?,
                    channels: numbers(data, p.channels, outputs)?,
                })
            }
            Op::Accumulate(p) => Self::Accumulate(Accumulate {
                input_zero_point: a.zero_point,
                weights: weights(data, p.weights, elements(a).checked_mul(elements(y)))?,
            }),
            Op::Requantize(p) => Self::Requantize(Requantize {
                output_zero_point: y.zero_point,
                clamp: p.clamp,
                rounding: p.rounding,
                channels: numbers(data, p.channels, last_dim(y))?,
            }),
            Op::MaxPool2d(p) if inputs.len() > 1 => Self::MaxPoolUpTo(pool(p, a, y)?),
            Op::AveragePool2d(p) if inputs.len() > 1 => Self::AveragePoolUpTo(pool(p, a, y)?),
            Op::MaxPool2d(p) => Self::MaxPool(pool(p, a, y)?),
            Op::AveragePool2d(p) => Self::AveragePool(pool(p, a, y)?),
            Op::Add(p) => Self::Add(Sum { args: sum(&p.args, a, b, y), affine: p.affine }, broadcast(a, b, y)),
            Op::Binary(p) => {
                Self::Binary(Binary { function: p.function, args: sum(&p.args, a, b, y) }, broadcast(a, b, y))
            }
            Op::Mul(p) => Self::Mul(
                Mul {
                    input_zero_points: [a.zero_point, b.zero_point],
                    output_zero_point: y.zero_point,
                    scale: p.scale,
                    rounding: p.rounding,
                    clamp: p.clamp,
                },
                broadcast(a, b, y),
            ),
            Op::Concat(p) => Self::Concat { outer: sizes(&y.dims).iter().take(p.axis as usize).product() },
            Op::Pad(p) => Self::Pad {
                input: sizes(&a.dims),
                before: sizes(&p.before),
                output: sizes(&y.dims),
                value: i8::try_from(p.value).map_err(|_| StepProblem::Params)?,
            },
            Op::Reshape => Self::Reshape,
            Op::Softmax(p) => Self::Softmax(probabilities(data, p, a)?),
            Op::LogSoftmax(p) => Self::LogSoftmax(probabilities(data, p, a)?),
            Op::Lookup(p) => Self::Lookup(table(data, p.table)?),
            Op::ArgMax => Self::ArgMax { row: last_dim(a) },
            Op::View(p) => Self::View(View {
                shape: right_aligned(y),
                offset: p.offset as isize,
                strides: p.strides.map(|stride| stride as isize),
            }),
            Op::Take(p) => {
                let axis = p.axis as usize;
                let (&len, &count) = a.dims.get(axis).zip(y.dims.get(axis)).ok_or(StepProblem::Params)?;
                let inner = sizes(&a.dims).iter().skip(axis.saturating_add(1)).product();
                Self::Take { len: len as usize, inner, indices: numbers(data, p.indices, count as usize)? }
            }
            Op::Reduce(p) => Self::Reduce(
                p.function,
                Reduce {
                    count: p.count as usize,
                    inner: p.inner as usize,
                    input_zero_point: a.zero_point,
                    output_zero_point: y.zero_point,
                    scale: p.scale,
                    rounding: p.rounding,
                },
            ),
            Op::ResizeBilinear(p) => Self::Resize(Resize {
                input: image(a)?,
                output: image(y)?,
                align_corners: p.align_corners != 0,
                half_pixel_centers: p.half_pixel_centers != 0,
            }),
            Op::MatMul(p) => {
                let [.., rows, _] = *a.shape() else { return Err(StepProblem::Shape) };
                let [.., columns, depth] = *b.shape() else { return Err(StepProblem::Shape) };
                Self::MatMul(MatMul {
                    size: [rows, columns, depth].map(|n| n as usize),
                    input_zero_points: [a.zero_point, b.zero_point],
                    output_zero_point: y.zero_point,
                    scale: p.scale,
                    rounding: p.rounding,
                    clamp: p.clamp,
                })
            }
            Op::TransposeConv2d(p) => Self::TransposeConv(convolution(data, p, a, y, true)?),
            Op::Lstm(p) if inputs.len() > 1 => Self::LstmFrom(long_short_term_memory(data, p, a, y)?),
            Op::Lstm(p) => Self::Lstm(long_short_term_memory(data, p, a, y)?),
            Op::Recurrent(p) if has_length(inputs, b) => Self::RecurrentUpTo(recurrent_layer(data, p, a, y)?),
            Op::Recurrent(p) if inputs.len() > 1 => Self::RecurrentFrom(recurrent_layer(data, p, a, y)?),
            Op::Recurrent(p) => Self::Recurrent(recurrent_layer(data, p, a, y)?),
            Op::Spectrogram(p) if inputs.len() > 1 => Self::SpectrogramFrom(short_time_spectrum(data, p, a, y)?),
            Op::Spectrogram(p) => Self::Spectrogram(short_time_spectrum(data, p, a, y)?),
            Op::Motion(p) if inputs.len() > 1 => Self::MotionFrom(motion_features(data, p, a, y)?),
            Op::Motion(p) => Self::Motion(motion_features(data, p, a, y)?),
            Op::Svdf(p) => Self::Svdf(decomposed_filter(data, p, a, y)?),
            Op::Gather(p) => {
                let axis = p.axis as usize;
                let len = *a.shape().get(axis).ok_or(StepProblem::Params)? as usize;
                let inner = sizes(&a.dims).iter().skip(axis.saturating_add(1)).product();
                Self::Gather { len, inner, count: elements(b) }
            }
        })
    }

    /// Whether the kernel writes only behind what it has read; see [`crate::plan::lead`].
    #[inline(always)]
    pub(crate) const fn streams(&self) -> bool {
        matches!(self, Self::Conv2d(_) | Self::Depthwise(_) | Self::MaxPool(_) | Self::AveragePool(_))
    }

    /// Whether the kernel changes states.
    #[inline(always)]
    pub(crate) const fn has_states(&self) -> bool {
        matches!(
            self,
            Self::LstmFrom(_) | Self::RecurrentFrom(_) | Self::SpectrogramFrom(_) | Self::MotionFrom(_) | Self::Svdf(_)
        )
    }

    /// Bytes of scratch that the kernel needs, on every core the same.
    #[inline(always)]
    #[must_use]
    pub fn scratch_len(&self) -> usize {
        match self {
            Self::Conv2d(p) => conv2d::scratch_len(p),
            Self::Depthwise(p) => depthwise::scratch_len(p),
            Self::FullyConnected(p) => fully_connected::scratch_len(p),
            Self::Lstm(p) => lstm::scratch_len(p),
            Self::Recurrent(p) | Self::RecurrentUpTo(p) => recurrent::scratch_len(p, false),
            Self::RecurrentFrom(p) => recurrent::scratch_len(p, true),
            Self::Spectrogram(p) => spectrogram::scratch_len(p, false),
            Self::SpectrogramFrom(p) => spectrogram::scratch_len(p, true),
            Self::Motion(p) | Self::MotionFrom(p) => motion::scratch_len(p),
            _ => 0,
        }
    }
}

/// Whether a recurrent layer's second input is no state but how many steps of the first are there.
pub(crate) fn has_length(inputs: &[u32], second: &Tensor) -> bool {
    inputs.len() == 2 && second.dtype == DType::I32
}

fn convolution<'m>(
    data: &'m [u8],
    p: &ConvParams,
    a: &Tensor,
    y: &Tensor,
    dense: bool,
) -> Result<Conv2d<'m>, StepProblem> {
    let (input, output) = (image(a)?, image(y)?);
    let [_, _, _, out_channels] = output;
    let [_, _, _, in_channels] = input;
    let size = p.size.map(|taps| taps as usize);
    let taps = size[0].checked_mul(size[1]).and_then(|taps| taps.checked_mul(if dense { in_channels } else { 1 }));
    let len = match p.layout {
        Layout::Plain => taps.and_then(|taps| taps.checked_mul(out_channels)),
        Layout::Pairs => taps.and_then(|taps| pairs::weights_len(taps, out_channels)),
        // Numbers of 16 bits, read two at a time.
        Layout::Winograd if dense && p.weights.is_multiple_of(4) => winograd::weights_len(in_channels, out_channels),
        Layout::Winograd4x4 if dense && p.weights.is_multiple_of(4) => {
            winograd_4x4::weights_len(in_channels, out_channels)
        }
        Layout::Winograd | Layout::Winograd4x4 => return Err(StepProblem::Params),
    };
    let channels = numbers(data, p.channels, out_channels)?;
    Ok(Conv2d {
        input,
        output,
        window: Window {
            size,
            stride: p.stride.map(|n| n as usize),
            dilation: p.dilation.map(|n| n as usize),
            pad: [p.pad.top as usize, p.pad.left as usize],
        },
        input_zero_point: a.zero_point,
        output_zero_point: y.zero_point,
        clamp: p.clamp,
        rounding: p.rounding,
        layout: p.layout,
        weights: weights(data, p.weights, len)?,
        channels,
        right_shifts: !dense && are_right_shifts(channels),
    })
}

fn probabilities<'m>(data: &'m [u8], p: &SoftmaxParams, a: &Tensor) -> Result<Softmax<'m>, StepProblem> {
    let exponentials = numbers(data, p.exponentials, p.count as usize)?;
    Ok(Softmax { row: last_dim(a), scale: p.scale, diff_min: p.diff_min, exponentials })
}

fn pool(p: &PoolParams, a: &Tensor, y: &Tensor) -> Result<Pool, StepProblem> {
    Ok(Pool {
        input: image(a)?,
        output: image(y)?,
        window: Window {
            size: p.size.map(|n| n as usize),
            stride: p.stride.map(|n| n as usize),
            dilation: [1, 1],
            pad: [p.pad.top as usize, p.pad.left as usize],
        },
        clamp: p.clamp,
    })
}

fn long_short_term_memory<'m>(data: &'m [u8], p: &LstmParams, a: &Tensor, y: &Tensor) -> Result<Lstm<'m>, StepProblem> {
    let [_, time, inputs] = a.shape() else { return Err(StepProblem::Shape) };
    let (inputs, cells) = (*inputs as usize, last_dim(y));
    let gates = cells.checked_mul(4).ok_or(StepProblem::Shape)?;
    Ok(Lstm {
        time: *time as usize,
        inputs,
        cells,
        layout: p.layout,
        input_zero_point: a.zero_point,
        hidden_zero_point: y.zero_point,
        hidden_offset: p.hidden_offset,
        cell_fraction: p.cell_fraction,
        clip: i16::try_from(p.clip).map_err(|_| StepProblem::Params)?,
        input_scales: p.input_scales,
        recurrent_scales: p.recurrent_scales,
        hidden: p.hidden,
        input_weights: weights(data, p.input_weights, rows::len(p.layout, inputs, gates))?,
        recurrent_weights: weights(data, p.recurrent_weights, rows::len(p.layout, cells, gates))?,
        biases: numbers(data, p.biases, gates)?,
    })
}

fn recurrent_layer<'m>(
    data: &'m [u8],
    p: &RecurrentParams,
    a: &Tensor,
    y: &Tensor,
) -> Result<Recurrent<'m>, StepProblem> {
    let [_, time, inputs] = a.shape() else { return Err(StepProblem::Shape) };
    let (inputs, cells) = (*inputs as usize, last_dim(y));
    let gates = cells.checked_mul(p.cell.gates()).ok_or(StepProblem::Shape)?;
    Ok(Recurrent {
        cell: p.cell,
        reverse: p.reverse != 0,
        last_only: y.rank == 2,
        time: *time as usize,
        inputs,
        cells,
        layout: p.layout,
        memory_fraction: p.memory_fraction,
        input_weights: weights(data, p.input_weights, rows::len(p.layout, inputs, gates))?,
        recurrent_weights: weights(data, p.recurrent_weights, rows::len(p.layout, cells, gates))?,
        input_channels: numbers(data, p.input_channels, gates)?,
        recurrent_channels: numbers(data, p.recurrent_channels, gates)?,
    })
}

fn short_time_spectrum<'m>(
    data: &'m [u8],
    p: &SpectrogramParams,
    a: &Tensor,
    y: &Tensor,
) -> Result<Spectrogram<'m>, StepProblem> {
    let ([_, samples], [_, frames, features]) = (a.shape(), y.shape()) else { return Err(StepProblem::Shape) };
    let (bands, features) = (p.bands as usize, *features as usize);
    let coefficients = if p.has_coefficients == 0 { Some(0) } else { features.checked_mul(bands) };
    // The length of the transform, where it is one of those that there are.
    let log2 = if (4..=10).contains(&p.log2) { p.log2 } else { return Err(StepProblem::Params) };
    Ok(Spectrogram {
        samples: *samples as usize,
        frames: *frames as usize,
        hop: p.hop as usize,
        log2,
        floor: p.floor,
        pcen: (p.pcen.smoothing > 0).then_some(p.pcen),
        zero_point: y.zero_point,
        window: numbers(data, p.window, p.frame as usize)?,
        twiddles: numbers(data, p.twiddles, 1 << (log2 - 1))?,
        bands: numbers(data, p.band_bins, bands)?,
        weights: numbers(data, p.weights, p.weight_count as usize)?,
        coefficients: numbers(data, p.coefficients, coefficients.ok_or(StepProblem::Shape)?)?,
        channels: numbers(data, p.channels, features)?,
    })
}

fn motion_features<'m>(data: &'m [u8], p: &MotionParams, a: &Tensor, y: &Tensor) -> Result<Motion<'m>, StepProblem> {
    let ([_, rows, axes], [_, frames, features]) = (a.shape(), y.shape()) else { return Err(StepProblem::Shape) };
    let has_bands = p.bands > 0;
    let transform = match (has_bands, p.log2) {
        (false, 0) => 0,
        (true, 4..=10) => 1 << (p.log2 - 1),
        _ => return Err(StepProblem::Params),
    };
    Ok(Motion {
        rows: *rows as usize,
        axes: *axes as usize,
        frames: *frames as usize,
        window: p.window as usize,
        hop: p.hop as usize,
        statistics: p.statistics,
        log2: p.log2,
        floor: p.floor,
        zero_point: y.zero_point,
        factors: numbers(data, p.factors, if has_bands { p.window as usize } else { 0 })?,
        twiddles: numbers(data, p.twiddles, transform)?,
        bands: numbers(data, p.band_bins, p.bands as usize)?,
        weights: numbers(data, p.weights, p.weight_count as usize)?,
        channels: numbers(data, p.channels, *features as usize)?,
    })
}

fn decomposed_filter<'m>(data: &'m [u8], p: &SvdfParams, a: &Tensor, y: &Tensor) -> Result<Svdf<'m>, StepProblem> {
    let (inputs, units) = (last_dim(a), last_dim(y));
    let (rank, memory) = (p.rank as usize, p.memory as usize);
    let filters = units.checked_mul(rank).ok_or(StepProblem::Shape)?;
    Ok(Svdf {
        inputs,
        units,
        rank,
        memory,
        input_zero_point: a.zero_point,
        output_zero_point: y.zero_point,
        feature: p.feature,
        output: p.output,
        feature_weights: weights(data, p.feature_weights, filters.checked_mul(inputs))?,
        time_weights: numbers(data, p.time_weights, filters.checked_mul(memory).ok_or(StepProblem::Shape)?)?,
        biases: numbers(data, p.biases, units)?,
    })
}

fn sum(p: &AddParams, a: &Tensor, b: &Tensor, y: &Tensor) -> Add {
    p.bound([a.zero_point, b.zero_point], y.zero_point)
}

/// The dimensions of an image, NHWC; a sequence (batch, time, channels) is an image that is one pixel wide.
pub(crate) fn image(t: &Tensor) -> Result<[usize; 4], StepProblem> {
    match *t.shape() {
        [n, h, w, c] => Ok([n, h, w, c].map(|size| size as usize)),
        [n, time, c] => Ok([n, time, 1, c].map(|size| size as usize)),
        _ => Err(StepProblem::Shape),
    }
}

/// Both operands and the output with their dimensions moved to the right end, as broadcasting has them.
fn broadcast(a: &Tensor, b: &Tensor, y: &Tensor) -> Broadcast {
    Broadcast { output: right_aligned(y), inputs: [right_aligned(a), right_aligned(b)] }
}

pub(crate) fn right_aligned(t: &Tensor) -> [usize; MAX_RANK] {
    let mut dims = [1; MAX_RANK];
    dims.iter_mut().rev().zip(t.shape().iter().rev()).for_each(|(to, &from)| *to = from as usize);
    dims
}

pub(crate) fn sizes(dims: &[u32; MAX_RANK]) -> [usize; MAX_RANK] {
    dims.map(|dim| dim as usize)
}

pub(crate) fn last_dim(t: &Tensor) -> usize {
    t.shape().last().map_or(1, |&dim| dim as usize)
}

/// Number of elements of a tensor that was checked.
pub(crate) fn elements(t: &Tensor) -> usize {
    t.checked_elements() as usize
}

fn weights(data: &[u8], offset: u32, len: Option<usize>) -> Result<&[i8], StepProblem> {
    let span = Span { start: offset as usize, len: len.ok_or(StepProblem::Shape)? };
    span.of(data).map(bytemuck::cast_slice).ok_or(StepProblem::Data)
}

/// Records of the data section.
fn numbers<T: bytemuck::AnyBitPattern>(data: &[u8], offset: u32, count: usize) -> Result<&[T], StepProblem> {
    let len = count.checked_mul(size_of::<T>()).ok_or(StepProblem::Shape)?;
    let bytes = Span { start: offset as usize, len }.of(data).ok_or(StepProblem::Data)?;
    bytemuck::try_cast_slice(bytes).map_err(|_| StepProblem::Data)
}

fn table(data: &[u8], offset: u32) -> Result<&[i8; 256], StepProblem> {
    weights(data, offset, Some(256))?.try_into().map_err(|_| StepProblem::Data)
}

/// Whether this clamp lets something through.
pub(crate) const fn is_range(clamp: Clamp) -> bool {
    clamp.min <= clamp.max
}
