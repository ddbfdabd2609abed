//! Models as Rust: what `thumbnet compile model.tnet --rust DIR` writes calls this.
//!
//! A module of generated code names every step's kernel, its arguments and its places in the arena as constants, and takes
//! weights out of the model file at compile time. Steps run by the same code as those of a file; because all they ask is
//! constant, only the kernels that a model uses are linked, nothing is decoded or checked on the chip, and nothing of the
//! file but its weights lies in flash. The bits are the same, and so is the self-test.

use core::ops::DerefMut;

use bytemuck::AnyBitPattern;

pub use crate::arena::Span;
pub use crate::bind::Call;
use crate::certificate::{Compare, Mismatch};
use crate::error::InputError;
pub use crate::execute::Source;
use crate::execute::{Places, execute};
use crate::session::Observer;

/// A step whose arguments are constants.
#[derive(Debug)]
pub struct Step {
    /// The kernel and its arguments.
    pub call: Call<'static>,
    /// What it reads.
    pub inputs: &'static [Source<'static>],
    /// Where it writes.
    pub output: Span,
    /// Where its scratch lies.
    pub scratch: Span,
}

/// An input, output or state: where it lies, and whether its elements are int8.
#[derive(Clone, Copy, Debug)]
pub struct Port {
    /// Its bytes in the arena.
    pub span: Span,
    /// Whether they are int8.
    pub is_i8: bool,
}

/// A model as a type; the exporter writes the only implementations.
pub trait Network {
    /// The arena.
    type Memory: DerefMut<Target = [u8]>;
    /// Bytes of all states, at the start of the arena.
    const STATE_LEN: usize;
    /// Every state, and the byte that it starts with.
    const STATES: &'static [(Span, i8)];
    /// Every input.
    const INPUTS: &'static [Port];
    /// Every output.
    const OUTPUTS: &'static [Port];
    /// Number of steps.
    const STEPS: usize;

    /// The golden cases of the certificate, as in the file; linked only where they are used.
    fn golden() -> &'static [u32];

    /// The bytes that all states start with, where one starts with something else than zero.
    fn initial_state() -> &'static [u8] {
        &[]
    }

    /// Takes every step.
    fn run(walk: &mut Walk<'_, Self, impl Observer>);
}

/// The steps of one run.
#[derive(Debug)]
pub struct Walk<'a, N: Network + ?Sized, O> {
    memory: &'a mut N::Memory,
    observer: &'a mut O,
    number: usize,
}

impl<N: Network + ?Sized, O: Observer> Walk<'_, N, O> {
    /// Takes the next step.
    #[inline(always)]
    pub fn step(&mut self, step: &Step) {
        self.observer.before(self.number);
        let places = Places { state_len: N::STATE_LEN, output: step.output, scratch: step.scratch };
        let arena: &mut [u8] = &mut *self.memory;
        let done = execute(&step.call, &step.inputs, &places, arena).and_then(|()| step.output.of(arena));
        debug_assert!(done.is_some(), "step {} does not run: {step:?}", self.number);
        self.observer.after(self.number, done.unwrap_or(&[]));
        self.number = self.number.wrapping_add(1);
    }
}

/// A compiled model and its memory; the counterpart of [`crate::Session`].
#[derive(Debug)]
pub struct Session<'s, N: Network> {
    memory: &'s mut N::Memory,
}

impl<'s, N: Network> Session<'s, N> {
    /// A session with its states reset.
    pub fn new(memory: &'s mut N::Memory) -> Self {
        let mut session = Self { memory };
        session.reset();
        session
    }

    /// Sets every state to what the model starts with: zero, as real numbers go, where it says nothing else.
    pub fn reset(&mut self) {
        if N::STATE_LEN == 0 || self.restore(N::initial_state()).is_ok() {
            return;
        }
        for &(span, zero) in N::STATES {
            self.bytes_mut(span).unwrap_or(&mut []).fill(zero.cast_unsigned());
        }
    }

    /// The bytes of all states, to be kept and given to [`Session::restore`].
    #[must_use]
    pub fn snapshot(&self) -> &[u8] {
        self.memory.get(..N::STATE_LEN).unwrap_or(&[])
    }

    /// Goes back to the states of a [`Session::snapshot`].
    ///
    /// # Errors
    /// The snapshot has another length; nothing is changed.
    pub fn restore(&mut self, snapshot: &[u8]) -> Result<(), InputError> {
        let state = self.memory.get_mut(..N::STATE_LEN).unwrap_or(&mut []);
        if state.len() != snapshot.len() {
            return Err(InputError::Length { found: snapshot.len(), expected: state.len() });
        }
        state.copy_from_slice(snapshot);
        Ok(())
    }

    /// Copies `values` into the first input, runs, and gives the first output.
    ///
    /// # Errors
    /// The number of values is not the input's, or an end of the model is not int8.
    #[inline]
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
    #[inline]
    pub fn input_mut(&mut self, index: usize) -> Result<&mut [i8], InputError> {
        port(N::INPUTS, index).and_then(is_i8)?;
        self.input_bytes_mut(index).map(bytemuck::cast_slice_mut)
    }

    /// The elements of an int8 output of the last run.
    ///
    /// # Errors
    /// There is no such output, or it has another type.
    #[inline]
    pub fn output(&self, index: usize) -> Result<&[i8], InputError> {
        port(N::OUTPUTS, index).and_then(is_i8)?;
        self.output_bytes(index).map(bytemuck::cast_slice)
    }

    /// The bytes of an input of any type, little-endian, to be written.
    ///
    /// # Errors
    /// There is no such input.
    #[inline]
    pub fn input_bytes_mut(&mut self, index: usize) -> Result<&mut [u8], InputError> {
        let port = port(N::INPUTS, index)?;
        self.bytes_mut(port.span).ok_or(InputError::Type)
    }

    /// The bytes of an output of any type, little-endian.
    ///
    /// # Errors
    /// There is no such output.
    #[inline]
    pub fn output_bytes(&self, index: usize) -> Result<&[u8], InputError> {
        port(N::OUTPUTS, index)?.span.of(&*self.memory).ok_or(InputError::Type)
    }

    /// Runs every step once. It cannot fail.
    pub fn run(&mut self) {
        self.run_observed(&mut ());
    }

    /// Runs every step once and tells `observer` of each.
    pub fn run_observed(&mut self, observer: &mut impl Observer) {
        N::run(&mut Walk { memory: &mut *self.memory, observer, number: 0 });
    }

    /// Runs every golden case, each with its states reset, and compares the output of every step; resets them in the end.
    ///
    /// # Errors
    /// [`Mismatch`] names the first step that differs.
    pub fn self_test(&mut self) -> Result<(), Mismatch> {
        let inputs: usize = N::INPUTS.iter().map(|port| port.span.len.div_ceil(4)).sum();
        for (number, case) in N::golden().chunks_exact(inputs.wrapping_add(N::STEPS).max(1)).enumerate() {
            let Some((mut words, digests)) = case.split_at_checked(inputs) else { break };
            self.reset();
            for port in N::INPUTS {
                let Some((taken, rest)) = words.split_at_checked(port.span.len.div_ceil(4)) else { break };
                let input = self.bytes_mut(port.span).unwrap_or(&mut []);
                input.iter_mut().zip(bytemuck::cast_slice(taken)).for_each(|(to, from)| *to = *from);
                words = rest;
            }
            let mut compare = Compare::new(number, digests);
            self.run_observed(&mut compare);
            compare.result()?;
        }
        self.reset();
        Ok(())
    }

    fn bytes_mut(&mut self, span: Span) -> Option<&mut [u8]> {
        self.memory.get_mut(span.start..span.end()?)
    }
}

fn port(ports: &[Port], index: usize) -> Result<Port, InputError> {
    ports.get(index).copied().ok_or(InputError::Index { found: index, count: ports.len() })
}

fn is_i8(port: Port) -> Result<(), InputError> {
    if port.is_i8 { Ok(()) } else { Err(InputError::Type) }
}

/// Aligned to 4, as everything in the data section of a file is.
#[derive(Debug)]
#[repr(C, align(4))]
pub struct Aligned<T>(pub T);

/// `N` values out of the model file, for a static: evaluated by the compiler, so that the file itself is not linked.
///
/// # Panics
/// At compile time, where the file ends before that, or `BYTES` is not the size of the values.
#[allow(unsafe_code)]
#[must_use]
pub const fn table<const BYTES: usize, T: AnyBitPattern, const N: usize>(file: &[u8], at: usize) -> Aligned<[T; N]> {
    assert!(BYTES == size_of::<[T; N]>(), "the size of a table and its number of values differ");
    match file.split_at(at).1.first_chunk::<BYTES>() {
        // SAFETY: both have the same size, and every pattern of bits is a value of `T`.
        Some(bytes) => Aligned(unsafe { core::mem::transmute_copy::<[u8; BYTES], [T; N]>(bytes) }),
        None => panic!("the model file is shorter than when this module was generated"),
    }
}

/// Whether the file has this checksum: evaluated by the compiler, so that module and file cannot be of different models.
#[must_use]
pub const fn is_file(file: &[u8], checksum: u32) -> bool {
    match file.split_at(12).1.first_chunk() {
        Some(bytes) => u32::from_le_bytes(*bytes) == checksum,
        None => false,
    }
}
