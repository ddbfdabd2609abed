//! One step of a cell, and its derivatives: of all rows of a part of a batch at once.
//!
//! `x` is what the gates get from the input (`W·x_t + b`, and for lstm and the simple cell all there is of biases), `h` and `c`
//! the state and the memory before the step, `d·` the derivative of the loss by what follows it.

// Loops over several slices at once read best with an index.
#![allow(clippy::needless_range_loop)]

mod elman;
mod gru;
mod gru_reset_before;
mod lstm;

use rten_simd::SimdUnaryOp;
use rten_vecmath::{Sigmoid, Tanh};
use thumbnet::kernels::Cell;

use super::super::matrix::{Matrix, add_product};
use super::weights::Weights;

/// A step that is to be computed. Each slice is rows of units, the gates rows of gates of units.
pub(super) struct Step<'a> {
    /// `x`; then the gates behind their activations.
    pub gates: &'a mut [f32],
    pub hidden: &'a [f32],
    pub memory: &'a [f32],
    pub next_hidden: &'a mut [f32],
    pub next_memory: &'a mut [f32],
    /// What the derivatives need besides: each cell says what it keeps.
    pub kept: &'a mut [f32],
    /// Room for as much as the gates take.
    pub scratch: &'a mut [f32],
}

/// A step that was computed, and its derivatives.
pub(super) struct Reverse<'a> {
    pub gates: &'a [f32],
    pub hidden: &'a [f32],
    pub memory: &'a [f32],
    pub kept: &'a [f32],
    /// `dh'` behind the step; then `dh` before it.
    pub d_hidden: &'a mut [f32],
    /// `dc'`; then `dc`.
    pub d_memory: &'a mut [f32],
    /// Becomes the derivative by `x`.
    pub d_gates: &'a mut [f32],
    /// Becomes what the cell says.
    pub d_kept: &'a mut [f32],
}

/// Computes a step.
pub(super) fn forward(weights: &Weights, step: Step) {
    match weights.layer.cell {
        Cell::Elman => elman::forward(weights, step),
        Cell::Lstm => lstm::forward(weights, step),
        Cell::Gru => gru::forward(weights, step),
        Cell::GruResetBefore => gru_reset_before::forward(weights, step),
    }
}

/// Goes back over a step.
pub(super) fn backward(weights: &Weights, step: Reverse) {
    match weights.layer.cell {
        Cell::Elman => elman::backward(weights, step),
        Cell::Lstm => lstm::backward(weights, step),
        Cell::Gru => gru::backward(weights, step),
        Cell::GruResetBefore => gru_reset_before::backward(weights, step),
    }
}

/// What the derivatives by a layer's weights are sums over: every step of the rows of a part.
pub(super) struct Sums<'a> {
    /// States before each step.
    pub hidden: &'a [f32],
    pub kept: &'a [f32],
    pub d_gates: &'a [f32],
    pub d_kept: &'a [f32],
}

/// Adds the derivatives by the recurrent kernel.
pub(super) fn kernel(weights: &Weights, sums: &Sums, d_kernel: &mut [f32]) {
    match weights.layer.cell {
        Cell::Elman | Cell::Lstm => {
            let width = weights.layer.rows();
            add_product(
                Matrix::new(sums.hidden, weights.layer.units).transposed(),
                Matrix::new(sums.d_gates, width),
                d_kernel,
                width,
                0..width,
            );
        }
        Cell::Gru => gru::kernel(weights, sums, d_kernel),
        Cell::GruResetBefore => gru_reset_before::kernel(weights, sums, d_kernel),
    }
}

/// Adds the derivatives by the bias of the recurrent product, of cells that have one.
pub(super) fn bias(weights: &Weights, sums: &Sums, d_bias: &mut [f32]) {
    gru::bias(weights, sums, d_bias);
}

fn sigmoid(x: &mut [f32]) {
    Sigmoid {}.map_mut(x);
}

fn tanh(x: &mut [f32]) {
    Tanh {}.map_mut(x);
}

/// A row's parts of `units` elements each.
fn parts<const N: usize>(row: &[f32], units: usize) -> [&[f32]; N] {
    std::array::from_fn(|part| &row[part * units..][..units])
}

fn parts_mut<const N: usize>(row: &mut [f32], units: usize) -> [&mut [f32]; N] {
    let mut parts = row.chunks_exact_mut(units);
    std::array::from_fn(|_| parts.next().expect("a row has all its parts"))
}
