//! Over a sequence from its last step back to its first.

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::super::matrix::{Matrix, add_product};
use super::cell::{self, Reverse, Sums};
use super::forward::Tape;
use super::sequences::{Sequences, numbers, tensor};
use super::weights::Weights;

/// The derivatives of the loss.
pub(super) struct Derivatives {
    /// By the input, where it was asked for: batch, time, channels.
    pub x: Option<FlexTensor>,
    pub input: FlexTensor,
    pub recurrent: FlexTensor,
    pub bias: FlexTensor,
    pub recurrent_bias: FlexTensor,
}

/// Goes back over a batch; `d_answer` has the shape of the layer's answer.
pub(super) fn backward(
    weights: &Weights,
    sequences: &Sequences,
    tapes: &[Tape],
    d_answer: &FlexTensor,
    with_x: bool,
) -> Derivatives {
    let d_answer = d_answer.to_contiguous();
    let of = |tape| of_part(weights, sequences, tape, numbers(&d_answer), with_x);
    let parts: Vec<Part> = tapes.par_iter().map(of).collect();
    let (units, width, channels) = (weights.layer.units, weights.layer.rows(), weights.channels());
    let total = |of: fn(&Part) -> &[f32], shape: &[usize]| {
        let mut total = vec![0.0; shape.iter().product()];
        for part in &parts {
            total.iter_mut().zip(of(part)).for_each(|(sum, d)| *sum += d);
        }
        tensor(total, shape)
    };
    Derivatives {
        x: with_x.then(|| sequences.scatter(parts.iter().map(|part| &part.x[..]), channels)),
        input: total(|part| &part.input, &[channels, width]),
        recurrent: total(|part| &part.recurrent, &[units, width]),
        bias: total(|part| &part.bias, &[width]),
        recurrent_bias: total(|part| &part.recurrent_bias, &[width]),
    }
}

/// What some rows add to the derivatives.
struct Part {
    x: Vec<f32>,
    input: Vec<f32>,
    recurrent: Vec<f32>,
    bias: Vec<f32>,
    recurrent_bias: Vec<f32>,
}

fn of_part(weights: &Weights, sequences: &Sequences, tape: &Tape, d_answer: &[f32], with_x: bool) -> Part {
    let (units, width, channels) = (weights.layer.units, weights.layer.rows(), weights.channels());
    let (d_gates, d_kept) = through_time(weights, sequences, tape, d_answer);
    let steps = tape.kept.len();
    let sums = Sums { hidden: &tape.hidden[..steps], kept: &tape.kept, d_gates: &d_gates, d_kept: &d_kept };
    let by_gates = Matrix::new(&d_gates, width);
    let mut part = Part {
        x: vec![0.0; if with_x { tape.inputs.len() } else { 0 }],
        input: vec![0.0; channels * width],
        recurrent: vec![0.0; units * width],
        bias: vec![0.0; width],
        recurrent_bias: vec![0.0; width],
    };
    if with_x {
        add_product(by_gates, weights.input().transposed(), &mut part.x, channels, 0..channels);
    }
    add_product(Matrix::new(&tape.inputs, channels).transposed(), by_gates, &mut part.input, width, 0..width);
    cell::kernel(weights, &sums, &mut part.recurrent);
    for row in d_gates.chunks_exact(width) {
        part.bias.iter_mut().zip(row).for_each(|(sum, d)| *sum += d);
    }
    if weights.layer.has_recurrent_bias() {
        cell::bias(weights, &sums, &mut part.recurrent_bias);
    }
    part
}

/// The derivatives by the gates' inputs (steps, rows, gates · units), and what the cell keeps of them (steps, rows, units).
fn through_time(weights: &Weights, sequences: &Sequences, tape: &Tape, d_answer: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let (units, size) = (weights.layer.units, tape.rows.len() * weights.layer.units);
    let each = weights.layer.return_sequences.then(|| sequences.gather(d_answer, units, &tape.rows));
    let mut d_hidden = match each {
        Some(_) => vec![0.0; size],
        None => d_answer[tape.rows.start * units..][..size].to_vec(),
    };
    let mut d_memory = vec![0.0; size];
    let (mut d_gates, mut d_kept) = (vec![0.0; tape.gates.len()], vec![0.0; tape.kept.len()]);
    let of_gates = tape.rows.len() * weights.layer.rows();
    for step in (0..sequences.time).rev() {
        // What goes around a step that is not there is put aside: the step itself sees zeros, and gives zeros.
        let absent = tape.absent(step);
        let around = [take(&mut d_hidden, &absent, units), take(&mut d_memory, &absent, units)];
        if let Some(each) = &each {
            d_hidden.iter_mut().zip(&each[step * size..]).for_each(|(sum, d)| *sum += d);
            take(&mut d_hidden, &absent, units);
        }
        let view = Reverse {
            gates: &tape.gates[step * of_gates..][..of_gates],
            hidden: &tape.hidden[step * size..][..size],
            memory: &tape.memory[step * size..][..size],
            kept: &tape.kept[step * size..][..size],
            d_hidden: &mut d_hidden,
            d_memory: &mut d_memory,
            d_gates: &mut d_gates[step * of_gates..][..of_gates],
            d_kept: &mut d_kept[step * size..][..size],
        };
        cell::backward(weights, view);
        for (to, from) in [&mut d_hidden, &mut d_memory].into_iter().zip(around) {
            for (row, values) in from {
                to[row * units..][..units].copy_from_slice(&values);
            }
        }
    }
    (d_gates, d_kept)
}

/// Takes rows out, and leaves zeros.
fn take(values: &mut [f32], rows: &[usize], units: usize) -> Vec<(usize, Vec<f32>)> {
    let take = |&row: &usize| {
        let place = &mut values[row * units..][..units];
        let taken = place.to_vec();
        place.fill(0.0);
        (row, taken)
    };
    rows.iter().map(take).collect()
}
