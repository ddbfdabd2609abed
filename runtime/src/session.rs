//! Running a model.

use crate::arena::Span;
use crate::bind::Call;
use crate::error::{InputError, SessionError};
use crate::execute::{Places, Source, Sources, execute};
use crate::format::{DType, Op, PerOp, Place, Record, Tensor};
use crate::model::Model;

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

    /// Sets every state to what the model starts with: where the file says nothing else to zero, as real numbers go, for
    /// int8 states their zero points.
    pub fn reset(&mut self) {
        if self.model.state_len() == 0 || self.restore(self.model.initial_state()).is_ok() {
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
        for (number, record) in self.model.records().enumerate() {
            observer.before(number);
            let done = match self.model.tensors().record(first.saturating_add(number as u32)) {
                Some(output) => self.step(&record, output).and_then(|()| span(output).of(self.arena)),
                None => None,
            };
            debug_assert!(done.is_some(), "Model::new accepted step {number}, which does not run: {record:?}");
            observer.after(number, done.unwrap_or(&[]));
        }
    }

    /// Runs one step. `None` is what [`Model::new`] has excluded.
    #[inline(always)]
    fn step(&mut self, record: &Record<'s>, output: &Tensor) -> Option<()> {
        Op::with_code(record.code, Running { model: self.model, record, output, arena: self.arena })
    }
}

/// A step that is about to run.
struct Running<'a, 's> {
    model: &'s Model<'s>,
    record: &'a Record<'s>,
    output: &'a Tensor,
    arena: &'a mut [u8],
}

/// A function for each operator: it binds and runs no other's steps.
impl PerOp for Running<'_, '_> {
    type Output = Option<()>;

    #[inline(never)]
    fn run<const CODE: u32>(self) -> Option<()> {
        let Self { model, record, output, arena } = self;
        let tensors = model.tensors();
        let a = tensors.record(*record.inputs.first()?)?;
        let b = match record.inputs.get(1) {
            Some(&second) => tensors.record(second)?,
            None => a,
        };
        // Not moved out of its result: that would copy it.
        let Ok(call) = &Call::read::<CODE>(model.data(), record, a, b, output) else { return None };
        let operands = Operands { model, inputs: record.inputs, first: a, second: b };
        let scratch = Span { start: record.scratch as usize, len: call.scratch_len() };
        let places = Places { state_len: model.state_len(), output: span(output), scratch };
        execute(call, &operands, &places, arena)
    }

    fn none(self) -> Option<()> {
        None
    }
}

/// The operands of a step of the file.
struct Operands<'s> {
    model: &'s Model<'s>,
    inputs: &'s [u32],
    first: &'s Tensor,
    second: &'s Tensor,
}

impl<'s> Sources<'s> for Operands<'s> {
    #[inline(always)]
    fn get(&self, index: usize) -> Option<Source<'s>> {
        match index {
            0 => source(self.model, self.first),
            1 if self.inputs.len() > 1 => source(self.model, self.second),
            _ => source(self.model, self.model.tensors().record(*self.inputs.get(index)?)?),
        }
    }
}

/// Where a tensor lies.
#[inline(always)]
fn source<'s>(model: &'s Model<'s>, tensor: &Tensor) -> Option<Source<'s>> {
    match tensor.place {
        Place::Arena => Some(Source::Arena(span(tensor))),
        Place::Data => span(tensor).of(model.data()).map(Source::Data),
    }
}

fn span(tensor: &Tensor) -> Span {
    Span::new(tensor.offset, tensor.checked_bytes())
}

fn is_i8(tensor: Tensor) -> Result<(), InputError> {
    if tensor.dtype == DType::I8 { Ok(()) } else { Err(InputError::Type) }
}
