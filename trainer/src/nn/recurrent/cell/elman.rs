//! `h' = tanh(x + U·h)`: Elman, "Finding Structure in Time", 1990.

use super::super::super::matrix::{Matrix, add_product};
use super::super::weights::Weights;
use super::{Reverse, Step, tanh};

pub(super) fn forward(weights: &Weights, step: Step) {
    let units = weights.layer.units;
    add_product(Matrix::new(step.hidden, units), weights.recurrent(), step.gates, units, 0..units);
    tanh(step.gates);
    step.next_hidden.copy_from_slice(step.gates);
}

/// `dx = dh' · (1 − h'²)`, `dh = Uᵀ·dx`.
pub(super) fn backward(weights: &Weights, step: Reverse) {
    let units = weights.layer.units;
    for ((dx, h), dh) in step.d_gates.iter_mut().zip(step.gates).zip(&*step.d_hidden) {
        *dx = dh * (1.0 - h * h);
    }
    step.d_hidden.fill(0.0);
    add_product(Matrix::new(step.d_gates, units), weights.recurrent().transposed(), step.d_hidden, units, 0..units);
}
