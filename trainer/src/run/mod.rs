//! Runs a model file, here or on an emulated Cortex-M, with the same report from either.

mod cycles;
mod fenced;
mod guarded;
mod host;
mod layouts;
mod listen;
mod qemu;
mod target;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use thumbnet::format::{DType, Op};
use thumbnet::kernels::Layout;
use thumbnet::{Model, Observer};

use crate::codegen::Module;

pub use fenced::{Fenced, fenced};
pub use guarded::{Outcomes, guarded};
pub use layouts::{Measured, choose_layouts};
pub use listen::{Cost, Heard, Listened, listen};
pub use target::{Clocks, Target};

/// Smallest and largest number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MinMax {
    /// Smallest.
    pub min: u64,
    /// Largest.
    pub max: u64,
}

/// What a step did over all inferences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepReport {
    /// Digest of its outputs, each inference's continuing from the one before.
    pub digest: u32,
    /// Instructions of its dearest run; `None` on the host.
    pub instructions: Option<u64>,
    /// Instructions of its cheapest run; `None` on the host.
    pub least: Option<u64>,
}

/// What a run did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Number of inferences.
    pub inferences: u64,
    /// Instructions per inference; `None` on the host.
    pub instructions: Option<MinMax>,
    /// Bytes of arena: activations and scratch.
    pub peak_ram: u64,
    /// Bytes of state.
    pub state: u64,
    /// Most bytes of stack while running; `None` on the host.
    pub stack: Option<u64>,
    /// Instructions of `Model::new` and `Session::new`; `None` on the host.
    pub load_instructions: Option<u64>,
    /// Step by step.
    pub steps: Vec<StepReport>,
}

/// Runs `inputs`, raw input tensors back to back, and gives the raw outputs back to back.
///
/// # Errors
/// The model does not check, the inputs are not a whole number of inferences, or the machine cannot be started.
pub fn run(model: &[u8], inputs: &[u8], target: Target) -> Result<(Vec<u8>, Report)> {
    let copy = crate::compile::aligned(model);
    let bytes = bytemuck::cast_slice::<u128, u8>(&copy).get(..model.len()).unwrap_or(&[]);
    let checked = Model::new(bytes)?;
    let size = input_bytes(&checked);
    ensure!(
        !inputs.is_empty() && inputs.len().is_multiple_of(size),
        "the input has {} bytes, expected one or more times {size} (all inputs of one inference): cut or fill it up; a model \
         that was exported with --stream takes a sequence of any length, part by part",
        inputs.len()
    );
    match target.board() {
        None => host::run(&checked, inputs),
        Some(board) => qemu::run(model, inputs, board),
    }
}

/// Estimated clock cycles of every step of the first inference on a Cortex-M4, by the core's reference manual and memory that
/// answers at once; needs a C compiler, `CC` or `cc`.
///
/// # Errors
/// As [`run`]; there is no C compiler, or QEMU takes no plugins.
pub fn cycles(model: &Model<'_>, inputs: &[u8]) -> Result<Vec<u64>> {
    let board = Target::M4.board().context("the Cortex-M4 has a board")?;
    cycles::cycles(model.bytes(), inputs, model.steps().count(), board)
}

/// Runs `inputs` here and tells `observer` of each step; gives the raw outputs.
///
/// # Errors
/// The model has no arena to run in.
pub fn observe(model: &Model<'_>, inputs: &[u8], observer: &mut impl Observer) -> Result<Vec<u8>> {
    host::observe(model, inputs, observer)
}

/// Bytes of code and constants that the runtime with these features takes in flash; `None` on the host.
///
/// # Errors
/// The firmware does not build.
pub fn code_len(target: Target, features: &[&str]) -> Result<Option<u64>> {
    target.board().map(|board| qemu::code_len(board.name, features)).transpose()
}

/// What one inference of a generated module takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// Instructions.
    pub instructions: u64,
    /// Bytes of its memory: the arena, states included.
    pub memory: u64,
    /// Most bytes of stack.
    pub stack: u64,
}

/// Lets a generated module test itself on an emulated board, and gives what one inference takes; `None` on the host.
///
/// # Errors
/// The firmware does not build, or a step's digest is not the certificate's.
pub fn run_compiled(module: &Module, target: Target) -> Result<Option<Compiled>> {
    target.board().map(|board| qemu::run_compiled(&module.path, board)).transpose()
}

/// Bytes of code and constants beside its tables that a generated module takes in flash; `None` on the host.
///
/// # Errors
/// The firmware does not build, which it does not where something in it can panic.
pub fn compiled_code_len(module: &Module, target: Target) -> Result<Option<u64>> {
    let len = |board: target::Board| qemu::compiled_code_len(&module.path, module.tables_len, board.name);
    target.board().map(len).transpose()
}

/// The features of the runtime that bring a model's operators and the layouts of their weights, sorted.
#[must_use]
pub fn features(model: &Model<'_>) -> Vec<&'static str> {
    let names = |op: &Op| [Some(op.name()), op.layout().map(Layout::name)];
    let mut all: Vec<_> = model.steps().flat_map(|step| names(&step.op)).flatten().collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// What one run of a model that streams takes of its sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Steps in time of the network: frames of a front end, or rows.
    pub frames: u32,
    /// Samples or rows of one of them.
    pub hop: u32,
}

/// What a run of a model takes that keeps states over time; none of one that does not.
#[must_use]
pub fn part(model: &Model<'_>) -> Option<Part> {
    let input = model.input(0).filter(|_| model.state_len() > 0)?;
    let time = match *input.shape() {
        [1, time] | [1, time, _] | [1, time, _, _] => time,
        _ => return None,
    };
    let hop = match model.steps().next()?.op {
        Op::Spectrogram(p) => p.hop,
        Op::Motion(p) => p.hop,
        _ => 1,
    };
    Some(Part { frames: time.checked_div(hop)?, hop })
}

/// Bytes of all inputs of one inference.
#[must_use]
pub fn input_bytes(model: &Model<'_>) -> usize {
    (0..model.input_count()).filter_map(|index| model.input(index)?.bytes()).sum::<u32>() as usize
}

/// A pattern of bytes for every input; numbers of 32 bits are as large as can be, so that a sequence is whole.
#[must_use]
pub fn pattern(model: &Model<'_>) -> Vec<u8> {
    let of_input = |index: usize| {
        let tensor = model.input(index);
        let len = tensor.as_ref().and_then(|tensor| tensor.bytes()).unwrap_or(0);
        let is_i32 = tensor.is_some_and(|tensor| tensor.dtype == DType::I32);
        let byte =
            move |i: u32| if is_i32 { i32::MAX.to_le_bytes()[i as usize % 4] } else { (37 * i + 11) as u8 ^ 0x80 };
        (0..len).map(byte)
    };
    (0..model.input_count()).flat_map(of_input).collect()
}
