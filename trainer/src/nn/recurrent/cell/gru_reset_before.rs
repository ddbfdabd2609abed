//! `n = tanh(x_n + U_n·(σ(r)·h))`, `h' = n + σ(z)·(h − n)` with `r, z = x + U·h`: Cho et al. 2014 as it was published, the
//! reset gate before the product. `σ(r)·h` is kept.

use super::super::super::matrix::{Matrix, add_product};
use super::super::weights::Weights;
use super::{Reverse, Step, Sums, parts, parts_mut, sigmoid, tanh};

pub(super) fn forward(weights: &Weights, step: Step) {
    let (units, width) = (weights.layer.units, weights.layer.rows());
    let (gates, new) = (0..2 * units, 2 * units..width);
    let recurrent = weights.recurrent();
    add_product(Matrix::new(step.hidden, units), recurrent.columns(gates.clone()), step.gates, width, gates);
    let states = step.hidden.chunks_exact(units).zip(step.kept.chunks_exact_mut(units));
    for (row, (h, reset)) in step.gates.chunks_exact_mut(width).zip(states) {
        sigmoid(&mut row[..2 * units]);
        for k in 0..units {
            reset[k] = row[k] * h[k];
        }
    }
    add_product(Matrix::new(step.kept, units), recurrent.columns(new.clone()), step.gates, width, new);
    let states = step.hidden.chunks_exact(units).zip(step.next_hidden.chunks_exact_mut(units));
    for (row, (h, next)) in step.gates.chunks_exact_mut(width).zip(states) {
        let [_, z, n] = parts_mut(row, units);
        tanh(n);
        for k in 0..units {
            next[k] = n[k] + z[k] * (h[k] - n[k]);
        }
    }
}

/// With `dx_n = dh'·(1 − z)·(1 − n²)` and `dp = U_nᵀ·dx_n`, by the reset state: `dr = dp·h·r·(1 − r)`,
/// `dz = dh'·(h − n)·z·(1 − z)`, and `dh = dh'·z + dp·r + Uᵀ·(dr, dz)`. `dp` is kept.
pub(super) fn backward(weights: &Weights, step: Reverse) {
    let (units, width) = (weights.layer.units, weights.layer.rows());
    let (gates, new) = (0..2 * units, 2 * units..width);
    let recurrent = weights.recurrent();
    let rows = step.gates.chunks_exact(width).zip(step.d_gates.chunks_exact_mut(width));
    for ((row, d_row), dh) in rows.zip(step.d_hidden.chunks_exact(units)) {
        let ([_, z, n], [_, _, dn]) = (parts::<3>(row, units), parts_mut::<3>(d_row, units));
        for k in 0..units {
            dn[k] = dh[k] * (1.0 - z[k]) * (1.0 - n[k] * n[k]);
        }
    }
    step.d_kept.fill(0.0);
    let by_new = Matrix::new(step.d_gates, width).columns(new.clone());
    add_product(by_new, recurrent.columns(new).transposed(), step.d_kept, units, 0..units);
    let rows = step.gates.chunks_exact(width).zip(step.d_gates.chunks_exact_mut(width));
    let states = step.hidden.chunks_exact(units).zip(step.d_hidden.chunks_exact_mut(units));
    for (((row, d_row), (h, dh)), dp) in rows.zip(states).zip(step.d_kept.chunks_exact(units)) {
        let ([r, z, n], [dr, dz, _]) = (parts(row, units), parts_mut::<3>(d_row, units));
        for k in 0..units {
            dr[k] = dp[k] * h[k] * r[k] * (1.0 - r[k]);
            dz[k] = dh[k] * (h[k] - n[k]) * z[k] * (1.0 - z[k]);
            dh[k] = dh[k] * z[k] + dp[k] * r[k];
        }
    }
    let by_gates = Matrix::new(step.d_gates, width).columns(gates.clone());
    add_product(by_gates, recurrent.columns(gates).transposed(), step.d_hidden, units, 0..units);
}

pub(super) fn kernel(weights: &Weights, sums: &Sums, d_kernel: &mut [f32]) {
    let (units, width) = (weights.layer.units, weights.layer.rows());
    let d_gates = Matrix::new(sums.d_gates, width);
    let hidden = Matrix::new(sums.hidden, units).transposed();
    add_product(hidden, d_gates.columns(0..2 * units), d_kernel, width, 0..2 * units);
    let reset = Matrix::new(sums.kept, units).transposed();
    add_product(reset, d_gates.columns(2 * units..width), d_kernel, width, 2 * units..width);
}
