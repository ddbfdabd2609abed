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

/// Multiply-accumulates of a step whose first input is `input`: 0 for what only moves, compares or looks up.
#[must_use]
pub fn macs(op: &Op, input: &Tensor, output: &Tensor) -> u64 {
    let elements = |tensor: &Tensor| u64::from(tensor.elements().unwrap_or(0));
    let last = |tensor: &Tensor| tensor.shape().last().map_or(1, |&dim| u64::from(dim));
    let taps = |size: [u32; 2]| u64::from(size[0]).saturating_mul(size[1].into());
    match op {
        Op::Conv2d(p) => elements(output).saturating_mul(taps(p.size)).saturating_mul(last(input)),
        // Most taps of a transposed convolution reach no input pixel; each input reaches every tap.
        Op::TransposeConv2d(p) => elements(input).saturating_mul(taps(p.size)).saturating_mul(last(output)),
        Op::MatMul(_) => elements(output).saturating_mul(last(input)),
        Op::DepthwiseConv2d(p) => elements(output).saturating_mul(taps(p.size)),
        Op::FullyConnected(_) => elements(input).saturating_mul(last(output)),
        // Four gates, each of the input and of the hidden state.
        Op::Lstm(_) => elements(output).saturating_mul(4).saturating_mul(last(input).saturating_add(last(output))),
        _ => 0,
    }
}
