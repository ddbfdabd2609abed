//! Over a sequence from its first step to its last.

use std::ops::Range;

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::super::matrix::{Matrix, add_product};
use super::cell::{self, Step};
use super::sequences::{Sequences, numbers, tensor};
use super::weights::Weights;
use crate::graph::Recurrence;

/// What running over some rows of a batch leaves, for the answer and for the derivatives.
#[derive(Clone, Debug)]
pub(super) struct Tape {
    pub rows: Range<usize>,
    /// Which steps are there: steps, rows.
    pub is_there: Option<Vec<bool>>,
    /// Steps, rows, channels.
    pub inputs: Vec<f32>,
    /// Behind their activations: steps, rows, gates · units.
    pub gates: Vec<f32>,
    /// Before each step and after the last: steps + 1, rows, units.
    pub hidden: Vec<f32>,
    /// The same of the memory. A cell without one has it too, and does not look at it.
    pub memory: Vec<f32>,
    /// What the cell keeps: steps, rows, units.
    pub kept: Vec<f32>,
}

/// Runs a layer over a batch.
pub(super) fn forward(weights: &Weights, sequences: &Sequences, x: &FlexTensor) -> Vec<Tape> {
    let x = x.to_contiguous();
    sequences.parts().into_par_iter().map(|rows| of_part(weights, sequences, numbers(&x), rows)).collect()
}

fn of_part(weights: &Weights, sequences: &Sequences, x: &[f32], rows: Range<usize>) -> Tape {
    let (units, width, channels) = (weights.layer.units, weights.layer.rows(), weights.channels());
    let (time, size) = (sequences.time, rows.len() * units);
    let mut tape = Tape {
        is_there: sequences.is_there(&rows),
        inputs: sequences.gather(x, channels, &rows),
        gates: vec![0.0; time * rows.len() * width],
        hidden: vec![0.0; (time + 1) * size],
        memory: vec![0.0; (time + 1) * size],
        kept: vec![0.0; time * size],
        rows,
    };
    weights.spread_bias(&mut tape.gates);
    add_product(Matrix::new(&tape.inputs, channels), weights.input(), &mut tape.gates, width, 0..width);
    let mut scratch = vec![0.0; tape.rows.len() * width];
    for step in 0..time {
        let (hidden, next_hidden) = before_and_after(&mut tape.hidden, step, size);
        let (memory, next_memory) = before_and_after(&mut tape.memory, step, size);
        let view = Step {
            gates: &mut tape.gates[step * scratch.len()..][..scratch.len()],
            hidden,
            memory,
            next_hidden,
            next_memory,
            kept: &mut tape.kept[step * size..][..size],
            scratch: &mut scratch,
        };
        cell::forward(weights, view);
        for row in tape.absent(step) {
            for states in [&mut tape.hidden, &mut tape.memory] {
                let (before, after) = before_and_after(states, step, size);
                after[row * units..][..units].copy_from_slice(&before[row * units..][..units]);
            }
        }
    }
    tape
}

impl Tape {
    /// Rows of which a step is not there.
    pub fn absent(&self, step: usize) -> Vec<usize> {
        let count = self.rows.len();
        self.is_there.as_ref().map_or_else(Vec::new, |is_there| {
            let of_step = &is_there[step * count..][..count];
            (0..count).filter(|&row| !of_step[row]).collect()
        })
    }
}

/// The states before a step and after it.
fn before_and_after(states: &mut [f32], step: usize, size: usize) -> (&[f32], &mut [f32]) {
    let (before, after) = states.split_at_mut((step + 1) * size);
    (&before[step * size..], &mut after[..size])
}

/// What the layer answers.
pub(super) fn answer(layer: Recurrence, sequences: &Sequences, tapes: &[Tape]) -> FlexTensor {
    if !layer.return_sequences {
        let last = tapes.iter().flat_map(|tape| &tape.hidden[tape.hidden.len() - tape.rows.len() * layer.units..]);
        return tensor(last.copied().collect(), &[sequences.batch, layer.units]);
    }
    let states: Vec<Vec<f32>> = tapes.iter().map(|tape| states(layer, sequences, tape)).collect();
    sequences.scatter(states.iter().map(Vec::as_slice), layer.units)
}

/// The states after each step, zero where there is none.
fn states(layer: Recurrence, sequences: &Sequences, tape: &Tape) -> Vec<f32> {
    let size = tape.rows.len() * layer.units;
    let mut states = tape.hidden[size..].to_vec();
    for step in 0..sequences.time {
        for row in tape.absent(step) {
            states[step * size + row * layer.units..][..layer.units].fill(0.0);
        }
    }
    states
}

/// The memory after every step.
pub(super) fn memories(layer: Recurrence, sequences: &Sequences, tapes: &[Tape]) -> FlexTensor {
    let after = tapes.iter().map(|tape| &tape.memory[tape.rows.len() * layer.units..]);
    sequences.scatter(after, layer.units)
}
