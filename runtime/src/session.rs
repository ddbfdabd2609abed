//! Running a model.

use crate::arena::{Carved, Rest, Span};
use crate::bind::{Call, sizes};
use crate::error::{InputError, SessionError};
use crate::format::{DType, Place, ReduceFunction, Step, Tensor};
use crate::kernels::Stream;
use crate::kernels::eltwise::Operand;
use crate::kernels::{
    activation, arg_max, concat, conv2d, depthwise, eltwise, fully_connected, lstm, mat_mul, motion, pad, pool,
    quantize, recurrent, reduce, resize, softmax, spectrogram, svdf, transpose_conv, view,
};
use crate::model::Model;
use crate::ops;

/// Is told before and after each step: for digests, timing and watching.
pub trait Observer {
    /// The step with this number begins.
    #[inline(always)]
    fn before(&mut self, step: usize) {
        let _ = step;
    }

    /// The step has written `output`.
    #[inline(always)]
    fn after(&mut self, step: usize, output: &[u8]) {
        let _ = (step, output);
    }
}

/// Watches nothing and costs nothing.
impl Observer for () {}

/// A model and the memory it runs in.
///
/// Inputs share the arena with everything else: fill all of them before every [`Session::run`].
///
/// A model with states (variables, streaming layers) keeps them at the start of the arena from one run to the next:
/// [`Session::reset`] starts anew, [`Session::snapshot`] and [`Session::restore`] go back to where it was.
#[derive(Debug)]
pub struct Session<'s> {
    model: &'s Model<'s>,
    arena: &'s mut [u8],
}

impl<'s> Session<'s> {
    /// A session in the first [`Model::arena_len`] bytes of `arena`, its states reset.
    ///
    /// # Errors
    /// The arena is too small, or not aligned to 4.
    pub fn new(model: &'s Model<'s>, arena: &'s mut [u8]) -> Result<Self, SessionError> {
        let found = arena.len();
        let expected = model.arena_len();
        if bytemuck::try_cast_slice_mut::<u8, u32>(arena.get_mut(..found & !3).unwrap_or(&mut [])).is_err() {
            return Err(SessionError::ArenaMisaligned);
        }
        let arena = arena.get_mut(..expected).ok_or(SessionError::ArenaTooSmall { found, expected })?;
        let mut session = Self { model, arena };
        session.reset();
        Ok(session)
    }

    /// Sets every state to zero, as real numbers go: int8 states to their zero points.
    pub fn reset(&mut self) {
        if self.model.state_len() == 0 {
            return;
        }
        for (_, state) in self.model.states() {
            let span = span(&state);
            let bytes = span.end().and_then(|end| self.arena.get_mut(span.start..end));
            // Zero in every type but int8, whose byte it is.
            bytes.unwrap_or(&mut []).fill(state.zero_point as u8);
        }
    }

    /// The bytes of all states, to be kept and given to [`Session::restore`]: [`Model::state_len`] of them.
    #[must_use]
    pub fn snapshot(&self) -> &[u8] {
        self.arena.get(..self.model.state_len()).unwrap_or(&[])
    }

    /// Goes back to the states of a [`Session::snapshot`] of the same model.
    ///
    /// # Errors
    /// The snapshot has not [`Model::state_len`] bytes; nothing is changed.
    pub fn restore(&mut self, snapshot: &[u8]) -> Result<(), InputError> {
        let state = self.arena.get_mut(..self.model.state_len()).unwrap_or(&mut []);
        if state.len() != snapshot.len() {
            return Err(InputError::Length { found: snapshot.len(), expected: state.len() });
        }
        state.copy_from_slice(snapshot);
        Ok(())
    }

    /// The model that runs here.
    #[must_use]
    pub const fn model(&self) -> &'s Model<'s> {
        self.model
    }

    /// Copies `values` into the first input, runs, and gives the first output: all that most models need.
    ///
    /// # Errors
    /// The number of values is not the input's, or an end of the model is not int8.
    pub fn infer(&mut self, values: &[i8]) -> Result<&[i8], InputError> {
        let input = self.input_mut(0)?;
        if input.len() != values.len() {
            return Err(InputError::Length { found: values.len(), expected: input.len() });
        }
        input.copy_from_slice(values);
        self.run();
        self.output(0)
    }

    /// The elements of an int8 input, to be written.
    ///
    /// # Errors
    /// There is no such input, or it has another type.
    pub fn input_mut(&mut self, index: usize) -> Result<&mut [i8], InputError> {
        self.input_tensor(index).and_then(is_i8)?;
        self.input_bytes_mut(index).map(bytemuck::cast_slice_mut)
    }

    /// The elements of an int8 output of the last run.
    ///
    /// # Errors
    /// There is no such output, or it has another type.
    pub fn output(&self, index: usize) -> Result<&[i8], InputError> {
        self.output_tensor(index).and_then(is_i8)?;
        self.output_bytes(index).map(bytemuck::cast_slice)
    }

    /// The bytes of an input of any type, little-endian, to be written.
    ///
    /// # Errors
    /// There is no such input.
    pub fn input_bytes_mut(&mut self, index: usize) -> Result<&mut [u8], InputError> {
        let tensor = self.input_tensor(index)?;
        let span = span(&tensor);
        let end = span.end().unwrap_or(0);
        self.arena.get_mut(span.start..end).ok_or(InputError::Type)
    }

    /// The bytes of an output of any type, little-endian.
    ///
    /// # Errors
    /// There is no such output.
    pub fn output_bytes(&self, index: usize) -> Result<&[u8], InputError> {
        let tensor = self.output_tensor(index)?;
        span(&tensor).of(self.arena).ok_or(InputError::Type)
    }

    fn input_tensor(&self, index: usize) -> Result<Tensor, InputError> {
        let count = self.model.input_count();
        self.model.input(index).ok_or(InputError::Index { found: index, count })
    }

    fn output_tensor(&self, index: usize) -> Result<Tensor, InputError> {
        let count = self.model.output_count();
        self.model.output(index).ok_or(InputError::Index { found: index, count })
    }

    /// Runs every step once. It cannot fail: see [`Model`] for why.
    pub fn run(&mut self) {
        self.run_observed(&mut ());
    }

    /// Runs every step once and tells `observer` of each.
    pub fn run_observed(&mut self, observer: &mut impl Observer) {
        let first = self.model.first_result();
        for (number, step) in self.model.steps().enumerate() {
            observer.before(number);
            let done = self.model.tensors().get(first.saturating_add(number as u32)).and_then(|output| {
                self.step(&step, &output)?;
                span(&output).of(self.arena)
            });
            debug_assert!(done.is_some(), "Model::new accepted step {number}, which does not run: {step:?}");
            observer.after(number, done.unwrap_or(&[]));
        }
    }

    /// Runs one step. `None` is what [`Model::new`] has excluded.
    #[inline(never)]
    fn step(&mut self, step: &Step<'s>, output: &Tensor) -> Option<()> {
        let model = self.model;
        let a = model.tensors().get(*step.inputs.first()?)?;
        let b = match step.inputs.get(1) {
            Some(&second) => model.tensors().get(second)?,
            None => a,
        };
        let call = Call::new(model.data(), step, &a, &b, output).ok()?;
        let scratch = Span { start: step.scratch as usize, len: call.scratch_len() };
        let is_over = call.streams() && a.place == Place::Arena && span(output).overlaps(span(&a));
        let written = if is_over { span(output).joined(span(&a)) } else { span(output) };
        let held = if call.has_states() { model.state_len() } else { 0 };
        let Carved { state, output: y, scratch, rest } = Carved::new(self.arena, held, written, scratch)?;
        let memory = Memory { data: model.data(), rest, output: span(output) };
        match &call {
            Call::Concat { axis } => concatenate(model, step, *axis, output, &memory, y),
            call if held > 0 => stateful(call, model, step, memory.read(&a)?, state, y, scratch),
            call if call.streams() => stream(call, memory.stream(&a, is_over, y)?, scratch),
            call => run(call, &memory, [&a, &b], y, scratch),
        }
    }
}

fn span(tensor: &Tensor) -> Span {
    Span::new(tensor.offset, tensor.bytes().unwrap_or(u32::MAX))
}

fn is_i8(tensor: Tensor) -> Result<(), InputError> {
    if tensor.dtype == DType::I8 { Ok(()) } else { Err(InputError::Type) }
}

/// What a step reads from.
struct Memory<'a> {
    data: &'a [u8],
    rest: Rest<'a>,
    output: Span,
}

impl<'a> Memory<'a> {
    /// The elements of an input that the output does not lie over.
    #[inline(always)]
    fn read<T: bytemuck::Pod>(&self, tensor: &Tensor) -> Option<&'a [T]> {
        let bytes = match tensor.place {
            Place::Arena => self.rest.get(span(tensor)),
            Place::Data => span(tensor).of(self.data),
        };
        bytemuck::try_cast_slice(bytes?).ok()
    }

    /// The input and the output; where they lie over one another, `y` holds both.
    #[inline(always)]
    fn stream<'b>(&self, input: &Tensor, is_over: bool, y: &'b mut [u8]) -> Option<Stream<'b>>
    where
        'a: 'b,
    {
        if !is_over {
            return Some(Stream::apart(self.read(input)?, i8s(y)));
        }
        let ahead = span(input).start.checked_sub(self.output.start)?;
        Some(Stream::over(i8s(y), ahead, self.output.len))
    }

    /// Whether the output lies over this input.
    #[inline(always)]
    fn is_output(&self, tensor: &Tensor) -> bool {
        tensor.place == Place::Arena && span(tensor) == self.output
    }
}

/// Hands a bound step to its kernel, which may write over what it has read.
#[inline(always)]
fn stream(call: &Call<'_>, io: Stream<'_>, scratch: &mut [u8]) -> Option<()> {
    match call {
        Call::Conv2d(p) if ops::CONV => conv2d::conv2d(p, io, i8s(scratch)),
        Call::Depthwise(p) if ops::CONV => depthwise::depthwise(p, io, i8s(scratch)),
        Call::MaxPool(p) if ops::POOL => pool::max_pool2d(p, io),
        Call::AveragePool(p) if ops::POOL => pool::average_pool2d(p, io),
        _ => return None,
    }
    Some(())
}

/// Hands a bound step to its kernel, which changes the states that are its further inputs.
fn stateful(
    call: &Call<'_>,
    model: &Model<'_>,
    step: &Step<'_>,
    x: &[i8],
    state: &mut [u8],
    y: &mut [u8],
    scratch: &mut [u8],
) -> Option<()> {
    let range = |input: usize| {
        let span = span(&model.tensors().get(*step.inputs.get(input)?)?);
        Some(span.start..span.end()?)
    };
    match call {
        Call::Svdf(p) if ops::TFLITE_RECURRENT => {
            let state = bytemuck::try_cast_slice_mut(state.get_mut(range(1)?)?).ok()?;
            svdf::svdf(p, x, state, i8s(y));
        }
        Call::LstmFrom(p) if ops::TFLITE_RECURRENT => {
            let [hidden, cell] = state.get_disjoint_mut([range(1)?, range(2)?]).ok()?;
            lstm::lstm_from(p, x, i8s(hidden), bytemuck::try_cast_slice_mut(cell).ok()?, i8s(y));
        }
        Call::SpectrogramFrom(p) if ops::SPECTROGRAM => {
            let before = bytemuck::try_cast_slice_mut(state.get_mut(range(1)?)?).ok()?;
            spectrogram::spectrogram_from(p, bytemuck::try_cast_slice(x).ok()?, before, i8s(y), i8s(scratch));
        }
        Call::MotionFrom(p) if ops::MOTION => {
            let before = bytemuck::try_cast_slice_mut(state.get_mut(range(1)?)?).ok()?;
            motion::motion_from(p, bytemuck::try_cast_slice(x).ok()?, before, i8s(y), i8s(scratch));
        }
        Call::RecurrentFrom(p) if ops::RECURRENT => {
            // A simple layer has no memory.
            let memory = if step.inputs.len() == 2 { 0..0 } else { range(2)? };
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
fn run(call: &Call<'_>, memory: &Memory<'_>, [a, b]: [&Tensor; 2], y: &mut [u8], scratch: &mut [u8]) -> Option<()> {
    let in_place = memory.is_output(a);
    match call {
        Call::Quantize { scale, zero_point } => quantize::quantize(*scale, *zero_point, memory.read(a)?, i8s(y)),
        Call::Dequantize { scale, zero_point } => {
            quantize::dequantize(*scale, *zero_point, memory.read(a)?, bytemuck::try_cast_slice_mut(y).ok()?);
        }
        Call::FullyConnected(p) if ops::DENSE => {
            fully_connected::fully_connected(p, memory.read(a)?, i8s(y), i8s(scratch))
        }
        Call::Binary(p, shapes) if ops::ELEMENTWISE => {
            eltwise::binary(p, shapes, memory.read(a)?, memory.read(b)?, i8s(y))
        }
        Call::View(p) => view::view(p, memory.read(a)?, i8s(y)),
        Call::Take { len, inner, indices } if ops::SHAPE => view::take(*len, *inner, indices, memory.read(a)?, i8s(y)),
        Call::Reduce(ReduceFunction::Sum, p) if ops::SHAPE => reduce::sum(p, memory.read(a)?, i8s(y)),
        Call::Reduce(ReduceFunction::Max, p) if ops::SHAPE => reduce::max(p, memory.read(a)?, i8s(y)),
        Call::Reduce(ReduceFunction::Min, p) if ops::SHAPE => reduce::min(p, memory.read(a)?, i8s(y)),
        Call::Resize(p) if ops::SHAPE => resize::bilinear(p, memory.read(a)?, i8s(y)),
        Call::MatMul(p) if ops::DENSE => mat_mul::mat_mul(p, memory.read(a)?, memory.read(b)?, i8s(y)),
        Call::TransposeConv(p) if ops::CONV => transpose_conv::transpose_conv(p, memory.read(a)?, i8s(y)),
        Call::Gather { len, inner, .. } if ops::SHAPE => {
            view::take(*len, *inner, memory.read(b)?, memory.read(a)?, i8s(y))
        }
        Call::Spectrogram(p) if ops::SPECTROGRAM => spectrogram::spectrogram(p, memory.read(a)?, i8s(y), i8s(scratch)),
        Call::Motion(p) if ops::MOTION => motion::motion(p, memory.read(a)?, i8s(y), i8s(scratch)),
        Call::Recurrent(p) if ops::RECURRENT => recurrent::recurrent(p, memory.read(a)?, i8s(y), i8s(scratch)),
        Call::Lstm(p) if ops::TFLITE_RECURRENT => lstm::lstm(p, memory.read(a)?, i8s(y), i8s(scratch)),
        Call::Add(p, shapes) if ops::ELEMENTWISE && in_place => {
            eltwise::add_in_place(p, shapes, Operand::A, memory.read(b)?, i8s(y))
        }
        Call::Add(p, shapes) if ops::ELEMENTWISE && memory.is_output(b) => {
            eltwise::add_in_place(p, shapes, Operand::B, memory.read(a)?, i8s(y))
        }
        Call::Add(p, shapes) if ops::ELEMENTWISE => eltwise::add(p, shapes, memory.read(a)?, memory.read(b)?, i8s(y)),
        Call::Mul(p, shapes) if ops::ELEMENTWISE && in_place => {
            eltwise::mul_in_place(p, shapes, Operand::A, memory.read(b)?, i8s(y))
        }
        Call::Mul(p, shapes) if ops::ELEMENTWISE && memory.is_output(b) => {
            eltwise::mul_in_place(p, shapes, Operand::B, memory.read(a)?, i8s(y))
        }
        Call::Mul(p, shapes) if ops::ELEMENTWISE => eltwise::mul(p, shapes, memory.read(a)?, memory.read(b)?, i8s(y)),
        Call::Pad { input, before, output, value } if ops::SHAPE => {
            pad::pad(*input, *before, *output, *value, memory.read(a)?, i8s(y))
        }
        Call::Reshape if in_place => {}
        Call::Reshape => memory.read(a)?.iter().zip(y).for_each(|(from, to)| *to = *from),
        Call::Softmax(p) if ops::SOFTMAX && in_place => softmax::softmax_in_place(p, i8s(y)),
        Call::Softmax(p) if ops::SOFTMAX => softmax::softmax(p, memory.read(a)?, i8s(y)),
        Call::Lookup(table) if in_place => activation::lookup_in_place(table, i8s(y)),
        Call::Lookup(table) => activation::lookup(table, memory.read(a)?, i8s(y)),
        Call::ArgMax { row } => arg_max::arg_max(*row, memory.read(a)?, bytemuck::try_cast_slice_mut(y).ok()?),
        // What other functions take, and what this build lacks.
        _ => return None,
    }
    Some(())
}

fn i8s(bytes: &mut [u8]) -> &mut [i8] {
    bytemuck::cast_slice_mut(bytes)
}

/// Copies each input to its place along `axis`.
fn concatenate(
    model: &Model<'_>,
    step: &Step<'_>,
    axis: usize,
    output: &Tensor,
    memory: &Memory<'_>,
    y: &mut [u8],
) -> Option<()> {
    let inner = |tensor: &Tensor| sizes(&tensor.dims).iter().skip(axis).product::<usize>();
    let mut offset = 0;
    for &input in step.inputs {
        let part = model.tensors().get(input)?;
        concat::concat_part(inner(output), offset, inner(&part), memory.read(&part)?, i8s(y));
        offset += inner(&part);
    }
    Some(())
}
