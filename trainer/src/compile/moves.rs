//! Moves of tensors that keep a chain of layers from wandering through the arena.
//!
//! Each convolution or pool that runs into its input needs the output to start in front of it, by a row or two. In a chain of
//! them every tensor starts a little in front of the one before, and the arena holds the whole way. Copying a tensor back up
//! ([`Op::Reshape`] to the same shape, which the planner may place behind its input) costs an instruction for each byte or
//! two and ends that.

use anyhow::Result;
use thumbnet::format::Op;
use thumbnet::plan::lead;

use super::plan::{Plan, plan};
use super::program::{Program, StepDesc, TensorDesc};
use super::write::record;

/// Bytes are moved where they are at most one for so many multiply-accumulates.
const MACS_PER_BYTE: u64 = 64;

/// The program with those moves that make its memory smaller, and its plan.
///
/// # Errors
/// As [`plan`].
pub(super) fn settle(program: &Program) -> Result<(Program, Plan)> {
    let mut best = (program.clone(), plan(program)?);
    if best.1.arena_len == best.1.lower_bound {
        return Ok(best);
    }
    let mut chosen = candidates(program);
    let bytes: u64 = chosen.iter().map(|&step| u64::from(moved_bytes(program, step))).sum();
    if chosen.is_empty() || bytes * MACS_PER_BYTE > program.macs() {
        return Ok(best);
    }
    let with = |chosen: &[usize]| -> Result<(Program, Plan)> {
        let moved = with_moves(program, chosen);
        let plan = plan(&moved)?;
        Ok((moved, plan))
    };
    let all = with(&chosen)?;
    if all.1.arena_len >= best.1.arena_len {
        return Ok(best);
    }
    best = all;
    // Those that the smallest arena does not need go again.
    for step in chosen.clone() {
        let fewer: Vec<usize> = chosen.iter().copied().filter(|&other| other != step).collect();
        let less = with(&fewer)?;
        if less.1.arena_len <= best.1.arena_len {
            (best, chosen) = (less, fewer);
        }
    }
    Ok(best)
}

/// Steps that need their output in front of an input that dies there, and that is not an input of the model.
fn candidates(program: &Program) -> Vec<usize> {
    let (first, last) = (program.first_result(), program.last_uses());
    let wanders = |&step: &usize| {
        let &[input] = program.steps[step].inputs.as_slice() else { return false };
        let [x, y] = [input, first + step].map(|tensor| record(program, tensor, 0));
        input >= first && last[input] == step && lead(&program.steps[step].op, &x, &y).is_some_and(|bytes| bytes > 0)
    };
    (0..program.steps.len()).filter(wanders).collect()
}

fn moved_bytes(program: &Program, step: usize) -> u32 {
    record(program, program.steps[step].inputs[0], 0).bytes().unwrap_or(0)
}

/// The program with the input of each of these steps moved in front of it.
fn with_moves(program: &Program, chosen: &[usize]) -> Program {
    let first = program.first_result();
    let mut moved = Program { steps: Vec::new(), ..program.clone() };
    moved.tensors.truncate(first);
    // Where each tensor is now.
    let mut now: Vec<usize> = (0..first).collect();
    for (number, step) in program.steps.iter().enumerate() {
        if chosen.contains(&number) {
            let input = step.inputs[0];
            let desc = &program.tensors[input];
            moved.tensors.push(TensorDesc { name: format!("{} (moved)", desc.name), ..desc.clone() });
            moved.steps.push(StepDesc { op: Op::Reshape, inputs: vec![now[input]] });
            now[input] = moved.tensors.len() - 1;
        }
        let inputs = step.inputs.iter().map(|&input| now[input]).collect();
        moved.steps.push(StepDesc { op: step.op, inputs });
        moved.tensors.push(program.tensors[first + number].clone());
        now.push(moved.tensors.len() - 1);
    }
    moved.outputs = program.outputs.iter().map(|&output| now[output]).collect();
    moved.updates = program.updates.iter().map(|&(result, state)| (now[result], state)).collect();
    moved
}
