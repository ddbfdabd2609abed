//! Carrying out one step: its slices are cut out of the arena and handed to its kernel.
//!
//! The same code runs a step of a file, bound a moment ago, and one whose arguments are constants
//! ([`crate::compiled`]): there the compiler sees which kernel it is, and links no other.

use crate::arena::{Carved, Rest, Span};
use crate::bind::Call;
use crate::format::{MAX_INPUTS, ReduceFunction};
use crate::kernels::Stream;
use crate::kernels::eltwise::Operand;
use crate::kernels::{
    accumulate, activation, arg_max, concat, conv2d, depthwise, eltwise, fully_connected, log_softmax, lstm, mat_mul,
    motion, move_up, pad, pool, quantize, recurrent, reduce, resize, softmax, spectrogram, svdf, transpose_conv, up_to,
    view,
};

/// What a step reads.
#[derive(Clone, Copy, Debug)]
pub enum Source<'m> {
    /// A part of the arena.
    Arena(Span),
    /// A constant of the model.
    Data(&'m [u8]),
}

/// The operands of a step, by their position.
pub(crate) trait Sources<'m> {
    /// `None` behind the last one.
    fn get(&self, index: usize) -> Option<Source<'m>>;
}

impl<'m> Sources<'m> for &[Source<'m>] {
    #[inline(always)]
    fn get(&self, index: usize) -> Option<Source<'m>> {
        <[Source<'m>]>::get(self, index).copied()
    }
}

/// Where a step writes in the arena.
pub(crate) struct Places {
    /// Bytes of all states, at the start.
    pub state_len: usize,
    pub output: Span,
    pub scratch: Span,
}

/// Runs one step. `None`, and nothing done, where its operands, its output and its scratch do not lie as they must.
#[inline(always)]
pub(crate) fn execute<'m>(
    call: &Call<'_>,
    sources: &impl Sources<'m>,
    places: &Places,
    arena: &mut [u8],
) -> Option<()> {
    let a = sources.get(0)?;
    let over = match a {
        Source::Arena(input) if call.streams() && places.output.overlaps(input) => Some(input),
        Source::Arena(input)
            if cfg!(feature = "reshape") && matches!(call, Call::Reshape) && places.output.overlaps(input) =>
        {
            return reshape_over(arena, input, places.output);
        }
        _ => None,
    };
    let written = over.map_or(places.output, |input| places.output.joined(input));
    let held = if call.has_states() { places.state_len } else { 0 };
    let Carved { state, output: y, scratch, rest } = Carved::new(arena, held, written, places.scratch)?;
    let memory = Memory { rest, output: places.output };
    match call {
        Call::Concat { outer } if cfg!(feature = "concat") => concatenate(*outer, sources, &memory, y),
        Call::Accumulate(p) if cfg!(feature = "accumulate") => {
            let sums: &mut [i32] = bytemuck::try_cast_slice_mut(y).ok()?;
            match sources.get(1) {
                Some(before) if memory.is_output(before) => {}
                Some(before) => memory.read(before)?.iter().zip(&mut *sums).for_each(|(&from, to)| *to = from),
                None => sums.fill(0),
            }
            accumulate::accumulate(p, memory.read(a)?, sums);
            Some(())
        }
        call if call.has_states() => stateful(call, sources, memory.read(a)?, state, y, scratch),
        call if call.streams() => stream(call, memory.stream(a, over, y)?, scratch),
        call => run(call, &memory, [a, sources.get(1).unwrap_or(a)], y, scratch),
    }
}

/// The output starts with the input, which is nothing to do, or behind it.
fn reshape_over(arena: &mut [u8], input: Span, output: Span) -> Option<()> {
    let by = output.start.checked_sub(input.start)?;
    if by > 0 {
        move_up::move_up(arena.get_mut(input.start..output.end()?)?, by);
    }
    Some(())
}

/// What a step may read.
struct Memory<'a> {
    rest: Rest<'a>,
    output: Span,
}

impl<'a> Memory<'a> {
    /// The elements of an input that the output does not lie over.
    #[inline(always)]
    fn read<'b, T: bytemuck::Pod>(&self, source: Source<'b>) -> Option<&'b [T]>
    where
        'a: 'b,
    {
        let bytes = match source {
            Source::Arena(span) => self.rest.get(span)?,
            Source::Data(bytes) => bytes,
        };
        bytemuck::try_cast_slice(bytes).ok()
    }

    /// The input and the output; where they lie over one another, `y` holds both.
    #[inline(always)]
    fn stream<'b>(&self, input: Source<'b>, over: Option<Span>, y: &'b mut [u8]) -> Option<Stream<'b>>
    where
        'a: 'b,
    {
        let Some(over) = over else { return Some(Stream::apart(self.read(input)?, i8s(y))) };
        let ahead = over.start.checked_sub(self.output.start)?;
        Some(Stream::over(i8s(y), ahead, self.output.len))
    }

    /// Whether the output and this input share memory: as a part of one another where there is nothing to do.
    #[inline(always)]
    fn is_part(&self, source: Source<'_>) -> bool {
        matches!(source, Source::Arena(span) if span.overlaps(self.output))
    }

    /// Whether the output lies over this input.
    #[inline(always)]
    fn is_output(&self, source: Source<'_>) -> bool {
        matches!(source, Source::Arena(span) if span == self.output)
    }
}

/// Hands a bound step to its kernel, which may write over what it has read.
#[inline(always)]
fn stream(call: &Call<'_>, io: Stream<'_>, scratch: &mut [u8]) -> Option<()> {
    match call {
        Call::Conv2d(p) if cfg!(feature = "conv2d") => conv2d::conv2d(p, io, i8s(scratch)),
        Call::Depthwise(p) if cfg!(feature = "depthwise_conv2d") => depthwise::depthwise(p, io, i8s(scratch)),
        Call::MaxPool(p) if cfg!(feature = "max_pool2d") => pool::max_pool2d(p, io),
        Call::AveragePool(p) if cfg!(feature = "average_pool2d") => pool::average_pool2d(p, io),
        _ => return None,
    }
    Some(())
}

/// Hands a bound step to its kernel, which changes the states that are its further inputs.
#[inline(always)]
fn stateful<'m>(
    call: &Call<'_>,
    sources: &impl Sources<'m>,
    x: &[i8],
    state: &mut [u8],
    y: &mut [u8],
    scratch: &mut [u8],
) -> Option<()> {
    let range = |input: usize| match sources.get(input)? {
        Source::Arena(span) => Some(span.start..span.end()?),
        Source::Data(_) => None,
    };
    match call {
        Call::Svdf(p) if cfg!(feature = "svdf") => {
            let state = bytemuck::try_cast_slice_mut(state.get_mut(range(1)?)?).ok()?;
            svdf::svdf(p, x, state, i8s(y));
        }
        Call::LstmFrom(p) if cfg!(feature = "lstm") => {
            let [hidden, cell] = state.get_disjoint_mut([range(1)?, range(2)?]).ok()?;
            lstm::lstm_from(p, x, i8s(hidden), bytemuck::try_cast_slice_mut(cell).ok()?, i8s(y));
        }
        Call::SpectrogramFrom(p) if cfg!(feature = "spectrogram") => {
            // What has no element is no state: the samples before, where frames do not overlap, and the memories.
            let has_past = p.window.len() > p.hop;
            let before = if has_past { range(1)? } else { 0..0 };
            let memories = if p.pcen.is_some() { range(1 + usize::from(has_past))? } else { 0..0 };
            let [before, memories] = state.get_disjoint_mut([before, memories]).ok()?;
            let before = bytemuck::try_cast_slice_mut(before).ok()?;
            let memories = bytemuck::try_cast_slice_mut(memories).ok()?;
            let x = bytemuck::try_cast_slice(x).ok()?;
            spectrogram::spectrogram_from(p, x, before, memories, i8s(y), i8s(scratch));
        }
        Call::MotionFrom(p) if cfg!(feature = "motion") => {
            let before = bytemuck::try_cast_slice_mut(state.get_mut(range(1)?)?).ok()?;
            motion::motion_from(p, bytemuck::try_cast_slice(x).ok()?, before, i8s(y), i8s(scratch));
        }
        Call::RecurrentFrom(p) if cfg!(feature = "recurrent") => {
            // A simple layer has no memory.
            let memory = range(2).unwrap_or(0..0);
            let [hidden, memory] = state.get_disjoint_mut([range(1)?, memory]).ok()?;
            let memory = bytemuck::try_cast_slice_mut(memory).ok()?;
            recurrent::recurrent_from(p, x, i8s(hidden), memory, i8s(y), i8s(scratch));
        }
        _ => return None,
    }
    Some(())
}

/// Hands a bound step to its kernel.
#[inline(always)]
fn run(call: &Call<'_>, memory: &Memory<'_>, [a, b]: [Source<'_>; 2], y: &mut [u8], scratch: &mut [u8]) -> Option<()> {
    let in_place = memory.is_output(a);
    match call {
        Call::Quantize { scale, zero_point } if cfg!(feature = "quantize") => {
            quantize::quantize(*scale, *zero_point, memory.read(a)?, i8s(y))
        }
        Call::Dequantize { scale, zero_point } if cfg!(feature = "dequantize") => {
            quantize::dequantize(*scale, *zero_point, memory.read(a)?, bytemuck::try_cast_slice_mut(y).ok()?);
        }
        Call::FullyConnected(p) if cfg!(feature = "fully_connected") => {
            fully_connected::fully_connected(p, memory.read(a)?, i8s(y), i8s(scratch))
        }
        Call::Requantize(p) if cfg!(feature = "requantize") => accumulate::requantize(p, memory.read(a)?, i8s(y)),
        Call::Binary(p, shapes) if cfg!(feature = "binary") => {
            eltwise::binary(p, shapes, memory.read(a)?, memory.read(b)?, i8s(y))
        }
        Call::View(_) if cfg!(feature = "view") && memory.is_part(a) => {}
        Call::View(p) if cfg!(feature = "view") => view::view(p, memory.read(a)?, i8s(y)),
        Call::Take { len, inner, indices } if cfg!(feature = "take") => {
            view::take(*len, *inner, indices, memory.read(a)?, i8s(y))
        }
        Call::Reduce(ReduceFunction::Sum, p) if cfg!(feature = "reduce") => reduce::sum(p, memory.read(a)?, i8s(y)),
        Call::Reduce(ReduceFunction::Max, p) if cfg!(feature = "reduce") => reduce::max(p, memory.read(a)?, i8s(y)),
        Call::Reduce(ReduceFunction::Min, p) if cfg!(feature = "reduce") => reduce::min(p, memory.read(a)?, i8s(y)),
        Call::Resize(p) if cfg!(feature = "resize_bilinear") => resize::bilinear(p, memory.read(a)?, i8s(y)),
        Call::MatMul(p) if cfg!(feature = "mat_mul") => mat_mul::mat_mul(p, memory.read(a)?, memory.read(b)?, i8s(y)),
        Call::TransposeConv(p) if cfg!(feature = "transpose_conv2d") => {
            transpose_conv::transpose_conv(p, memory.read(a)?, i8s(y))
        }
        Call::Gather { len, inner, .. } if cfg!(feature = "gather") => {
            view::take(*len, *inner, memory.read(b)?, memory.read(a)?, i8s(y))
        }
        Call::Spectrogram(p) if cfg!(feature = "spectrogram") => {
            spectrogram::spectrogram(p, memory.read(a)?, i8s(y), i8s(scratch))
        }
        Call::Motion(p) if cfg!(feature = "motion") => motion::motion(p, memory.read(a)?, i8s(y), i8s(scratch)),
        Call::Recurrent(p) if cfg!(feature = "recurrent") => {
            recurrent::recurrent(p, memory.read(a)?, i8s(y), i8s(scratch))
        }
        Call::RecurrentUpTo(p) if cfg!(feature = "recurrent") => {
            up_to::recurrent_up_to(p, memory.read(b)?, memory.read(a)?, i8s(y), i8s(scratch))
        }
        Call::MaxPoolUpTo(p) if cfg!(feature = "max_pool2d") => {
            up_to::max_pool_up_to(p, memory.read(b)?, memory.read(a)?, i8s(y))
        }
        Call::AveragePoolUpTo(p) if cfg!(feature = "average_pool2d") => {
            up_to::average_pool_up_to(p, memory.read(b)?, memory.read(a)?, i8s(y))
        }
        Call::Lstm(p) if cfg!(feature = "lstm") => lstm::lstm(p, memory.read(a)?, i8s(y), i8s(scratch)),
        Call::Add(p, shapes) if cfg!(feature = "add") && in_place => {
            eltwise::add_in_place(p, shapes, Operand::A, memory.read(b)?, i8s(y))
        }
        Call::Add(p, shapes) if cfg!(feature = "add") && memory.is_output(b) => {
            eltwise::add_in_place(p, shapes, Operand::B, memory.read(a)?, i8s(y))
        }
        Call::Add(p, shapes) if cfg!(feature = "add") => {
            eltwise::add(p, shapes, memory.read(a)?, memory.read(b)?, i8s(y))
        }
        Call::Mul(p, shapes) if cfg!(feature = "mul") && in_place => {
            eltwise::mul_in_place(p, shapes, Operand::A, memory.read(b)?, i8s(y))
        }
        Call::Mul(p, shapes) if cfg!(feature = "mul") && memory.is_output(b) => {
            eltwise::mul_in_place(p, shapes, Operand::B, memory.read(a)?, i8s(y))
        }
        Call::Mul(p, shapes) if cfg!(feature = "mul") => {
            eltwise::mul(p, shapes, memory.read(a)?, memory.read(b)?, i8s(y))
        }
        Call::Pad { input, before, output, value } if cfg!(feature = "pad") => {
            pad::pad(*input, *before, *output, *value, memory.read(a)?, i8s(y))
        }
        Call::Reshape if cfg!(feature = "reshape") => memory.read(a)?.iter().zip(y).for_each(|(from, to)| *to = *from),
        Call::Softmax(p) if cfg!(feature = "softmax") && in_place => softmax::softmax_in_place(p, i8s(y)),
        Call::Softmax(p) if cfg!(feature = "softmax") => softmax::softmax(p, memory.read(a)?, i8s(y)),
        Call::LogSoftmax(p) if cfg!(feature = "log_softmax") && in_place => {
            log_softmax::log_softmax_in_place(p, i8s(y))
        }
        Call::LogSoftmax(p) if cfg!(feature = "log_softmax") => log_softmax::log_softmax(p, memory.read(a)?, i8s(y)),
        Call::Lookup(table) if cfg!(feature = "lookup") && in_place => activation::lookup_in_place(table, i8s(y)),
        Call::Lookup(table) if cfg!(feature = "lookup") => activation::lookup(table, memory.read(a)?, i8s(y)),
        Call::ArgMax { row } if cfg!(feature = "arg_max") => {
            arg_max::arg_max(*row, memory.read(a)?, bytemuck::try_cast_slice_mut(y).ok()?)
        }
        // What other functions take, and what this build lacks.
        _ => return None,
    }
    Some(())
}

fn i8s(bytes: &mut [u8]) -> &mut [i8] {
    bytemuck::cast_slice_mut(bytes)
}

/// Copies each input that is not there yet to its place along the axis; `outer` is the product of the dimensions in front of it.
#[inline(always)]
fn concatenate<'m>(outer: usize, sources: &impl Sources<'m>, memory: &Memory<'_>, y: &mut [u8]) -> Option<()> {
    let row = y.len().checked_div(outer)?;
    let mut offset = 0;
    for index in 0..MAX_INPUTS {
        let Some(part) = sources.get(index) else { break };
        let (len, is_there) = match part {
            Source::Arena(span) => (span.len, memory.is_part(part)),
            Source::Data(bytes) => (bytes.len(), false),
        };
        let inner = len.checked_div(outer)?;
        if !is_there {
            concat::concat_part(row, offset, inner, memory.read(part)?, i8s(y));
        }
        offset += inner;
    }
    Some(())
}
