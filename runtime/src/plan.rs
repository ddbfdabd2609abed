//! What the memory planner on the desktop must know of the operators: asked there, and checked here with the same words.

use crate::bind::Call;
use crate::error::StepProblem;
use crate::format::{Op, Step, Tensor};

/// Bytes of scratch that a step needs, the same on every core, so that one plan fits all of them.
///
/// `inputs` are the tensors it reads; `data` is the data section.
///
/// # Errors
/// The step does not fit its tensors or its data.
pub fn scratch_len(data: &[u8], step: &Step<'_>, inputs: &[Tensor], output: &Tensor) -> Result<usize, StepProblem> {
    let first = inputs.first().ok_or(StepProblem::Arity)?;
    let second = inputs.get(1).unwrap_or(first);
    Ok(Call::new(data, step, first, second, output)?.scratch_len())
}

/// Whether an operator may write its output over an input of the same size that nobody reads later: it reads element by
/// element, before it writes the same one. An operand that is repeated, or given twice, is excluded by the caller.
#[must_use]
pub fn may_overwrite(op: &Op, input: &Tensor, output: &Tensor) -> bool {
    let same_shape = input.dims == output.dims && input.rank == output.rank;
    match op {
        Op::Reshape => input.bytes() == output.bytes(),
        Op::Lookup(_) | Op::Softmax(_) | Op::Add(_) | Op::Mul(_) => same_shape,
        _ => false,
    }
}
