//! Runs of steps that can go in bands.

use std::collections::HashSet;

use thumbnet::format::Op;
use thumbnet::kernels::Layout;

use super::super::program::Program;

/// Steps one behind the other, each of which reads nothing but the one before it, and what that computes is read by no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Steps that slide over rows.
    pub steps: Vec<usize>,
    /// Steps that give what the last one of them computes to a fully connected layer, and that layer as the last.
    pub dense: Vec<usize>,
}

impl Chain {
    /// The first step.
    pub fn first(&self) -> usize {
        self.steps[0]
    }

    /// The last step.
    pub fn last(&self) -> usize {
        *self.dense.last().unwrap_or(&self.steps[self.steps.len() - 1])
    }
}

/// All of them, but for those that compute a tensor of these names.
pub fn chains(program: &Program, taken: &HashSet<String>) -> Vec<Chain> {
    let first = program.first_result();
    let slides = |step: usize| slides(program, step) && !taken.contains(&program.tensors[first + step].name);
    let mut all = Vec::new();
    for start in (0..program.steps.len()).filter(|&step| slides(step)) {
        let mut steps = vec![start];
        loop {
            all.push(Chain { steps: steps.clone(), dense: Vec::new() });
            let last = steps[steps.len() - 1];
            if let Some(dense) = dense_behind(program, last) {
                all.push(Chain { steps: steps.clone(), dense });
            }
            match only_reader(program, last) {
                Some(next) if slides(next) => steps.push(next),
                _ => break,
            }
        }
    }
    all
}

/// The step that reads what this one computes, where there is just one and nobody else needs it.
fn only_reader(program: &Program, step: usize) -> Option<usize> {
    let tensor = program.first_result() + step;
    let is_kept = program.outputs.contains(&tensor) || program.updates.iter().any(|&(result, _)| result == tensor);
    let mut readers = (0..program.steps.len()).filter(|&other| program.steps[other].inputs.contains(&tensor));
    let reader = readers.next()?;
    (!is_kept && readers.next().is_none() && program.steps[reader].inputs.len() == 1).then_some(reader)
}

/// Whether rows of a step's output are made of some rows of its only input, images or sequences one at a time.
fn slides(program: &Program, step: usize) -> bool {
    let desc = &program.steps[step];
    let is_operator = matches!(
        desc.op,
        Op::Conv2d(_) | Op::DepthwiseConv2d(_) | Op::MaxPool2d(_) | Op::AveragePool2d(_) | Op::Lookup(_)
    );
    let is_image = |tensor: usize| matches!(*program.tensors[tensor].shape, [1, rows, _] | [1, rows, _, _] if rows > 0);
    is_operator
        && desc.inputs.len() == 1
        && is_image(program.first_result() + step)
        && program.tensors[desc.inputs[0]].constant.is_none()
        && is_image(desc.inputs[0])
}

/// A fully connected layer behind a step, and the reshapes on the way there.
fn dense_behind(program: &Program, step: usize) -> Option<Vec<usize>> {
    let mut steps = Vec::new();
    let mut last = step;
    loop {
        last = only_reader(program, last)?;
        steps.push(last);
        match &program.steps[last].op {
            Op::Reshape => {}
            Op::FullyConnected(p) if p.layout == Layout::Plain => {
                let shape = &program.tensors[program.first_result() + last].shape;
                return (shape.iter().product::<u32>() == *shape.last()?).then_some(steps);
            }
            _ => return None,
        }
    }
}
