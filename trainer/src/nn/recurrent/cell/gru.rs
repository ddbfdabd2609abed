//! `n = tanh(x_n + σ(r)·s)` with `s = U_n·h + b_n`, `h' = n + σ(z)·(h − n)` with `r, z = x + U·h + b`: Cho et al. 2014, the
//! reset gate behind the product, as Keras and PyTorch have it. `s` is kept.

use super::super::super::matrix::{Matrix, add_product};
use super::super::weights::Weights;
use super::{Reverse, Step, Sums, parts, parts_mut, sigmoid, tanh};

pub(super) fn forward(weights: &Weights, step: Step) {
    let (units, width) = (weights.layer.units, weights.layer.rows());
    let own = step.scratch;
    weights.spread_recurrent_bias(own);
    add_product(Matrix::new(step.hidden, units), weights.recurrent(), own, width, 0..width);
    let rows = step.gates.chunks_exact_mut(width).zip(own.chunks_exact(width));
    let states = step.hidden.chunks_exact(units).zip(step.next_hidden.chunks_exact_mut(units));
    for (((row, own), (h, next)), s) in rows.zip(states).zip(step.kept.chunks_exact_mut(units)) {
        for k in 0..2 * units {
            row[k] += own[k];
        }
        s.copy_from_slice(&own[2 * units..]);
        sigmoid(&mut row[..2 * units]);
        let [r, z, n] = parts_mut(row, units);
        for k in 0..units {
            n[k] += r[k] * s[k];
        }
        tanh(n);
        for k in 0..units {
            next[k] = n[k] + z[k] * (h[k] - n[k]);
        }
    }
}

/// With `dn = dh'·(1 − z)·(1 − n²)`: `dx_n = dn`, `ds = dn·r`, `dr = dn·s·r·(1 − r)`, `dz = dh'·(h − n)·z·(1 − z)`, and
/// `dh = dh'·z + Uᵀ·(dr, dz, ds)`. `ds` is kept.
pub(super) fn backward(weights: &Weights, step: Reverse) {
    let (units, width) = (weights.layer.units, weights.layer.rows());
    let rows = step.gates.chunks_exact(width).zip(step.d_gates.chunks_exact_mut(width));
    let states = step.hidden.chunks_exact(units).zip(step.d_hidden.chunks_exact_mut(units));
    let kept = step.kept.chunks_exact(units).zip(step.d_kept.chunks_exact_mut(units));
    for (((row, d_row), (h, dh)), (s, ds)) in rows.zip(states).zip(kept) {
        let ([r, z, n], [dr, dz, dn]) = (parts(row, units), parts_mut(d_row, units));
        for k in 0..units {
            dn[k] = dh[k] * (1.0 - z[k]) * (1.0 - n[k] * n[k]);
            ds[k] = dn[k] * r[k];
            dr[k] = dn[k] * s[k] * r[k] * (1.0 - r[k]);
            dz[k] = dh[k] * (h[k] - n[k]) * z[k] * (1.0 - z[k]);
            dh[k] *= z[k];
        }
    }
    let (gates, new) = (0..2 * units, 2 * units..width);
    let by_gates = Matrix::new(step.d_gates, width).columns(gates.clone());
    add_product(by_gates, weights.recurrent().columns(gates).transposed(), step.d_hidden, units, 0..units);
    let by_sum = Matrix::new(step.d_kept, units);
    add_product(by_sum, weights.recurrent().columns(new).transposed(), step.d_hidden, units, 0..units);
}

pub(super) fn kernel(weights: &Weights, sums: &Sums, d_kernel: &mut [f32]) {
    let (units, width) = (weights.layer.units, weights.layer.rows());
    let hidden = Matrix::new(sums.hidden, units).transposed();
    let by_gates = Matrix::new(sums.d_gates, width).columns(0..2 * units);
    add_product(hidden, by_gates, d_kernel, width, 0..2 * units);
    add_product(hidden, Matrix::new(sums.d_kept, units), d_kernel, width, 2 * units..width);
}

pub(super) fn bias(weights: &Weights, sums: &Sums, d_bias: &mut [f32]) {
    let (units, width) = (weights.layer.units, weights.layer.rows());
    for (row, own) in sums.d_gates.chunks_exact(width).zip(sums.d_kept.chunks_exact(units)) {
        let derivatives = row[..2 * units].iter().chain(own);
        d_bias.iter_mut().zip(derivatives).for_each(|(sum, d)| *sum += d);
    }
}
