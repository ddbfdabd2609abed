//! `c' = σ(f)·c + σ(i)·tanh(g)`, `h' = σ(o)·tanh(c')` with `i, f, g, o = x + U·h`: Hochreiter and Schmidhuber 1997, Gers et
//! al. 2000. `tanh(c')` is kept.

use super::super::super::matrix::{Matrix, add_product};
use super::super::weights::Weights;
use super::{Reverse, Step, parts, parts_mut, sigmoid, tanh};

pub(super) fn forward(weights: &Weights, step: Step) {
    let (units, width) = (weights.layer.units, weights.layer.rows());
    add_product(Matrix::new(step.hidden, units), weights.recurrent(), step.gates, width, 0..width);
    for row in step.gates.chunks_exact_mut(width) {
        sigmoid(&mut row[..2 * units]);
        tanh(&mut row[2 * units..3 * units]);
        sigmoid(&mut row[3 * units..]);
    }
    let rows = step.gates.chunks_exact(width).zip(step.memory.chunks_exact(units));
    for ((row, c), next) in rows.zip(step.next_memory.chunks_exact_mut(units)) {
        let [i, f, g, _] = parts(row, units);
        for k in 0..units {
            next[k] = f[k] * c[k] + i[k] * g[k];
        }
    }
    step.kept.copy_from_slice(step.next_memory);
    tanh(step.kept);
    let rows = step.gates.chunks_exact(width).zip(step.kept.chunks_exact(units));
    for ((row, squashed), next) in rows.zip(step.next_hidden.chunks_exact_mut(units)) {
        let o = &row[3 * units..];
        for k in 0..units {
            next[k] = o[k] * squashed[k];
        }
    }
}

/// `dc' += dh'·o·(1 − tanh²(c'))`; the gates' derivatives are `dc'·g`, `dc'·c`, `dc'·i` and `dh'·tanh(c')` times those of
/// their activations; `dc = dc'·f`, `dh = Uᵀ·dx`.
pub(super) fn backward(weights: &Weights, step: Reverse) {
    let (units, width) = (weights.layer.units, weights.layer.rows());
    let rows = step.gates.chunks_exact(width).zip(step.d_gates.chunks_exact_mut(width));
    let states = step.memory.chunks_exact(units).zip(step.kept.chunks_exact(units));
    let derivatives = step.d_hidden.chunks_exact(units).zip(step.d_memory.chunks_exact_mut(units));
    for (((row, d_row), (c, squashed)), (dh, dc)) in rows.zip(states).zip(derivatives) {
        let ([i, f, g, o], [di, df, dg, d_o]) = (parts(row, units), parts_mut(d_row, units));
        for k in 0..units {
            let of_memory = dc[k] + dh[k] * o[k] * (1.0 - squashed[k] * squashed[k]);
            di[k] = of_memory * g[k] * i[k] * (1.0 - i[k]);
            df[k] = of_memory * c[k] * f[k] * (1.0 - f[k]);
            dg[k] = of_memory * i[k] * (1.0 - g[k] * g[k]);
            d_o[k] = dh[k] * squashed[k] * o[k] * (1.0 - o[k]);
            dc[k] = of_memory * f[k];
        }
    }
    step.d_hidden.fill(0.0);
    add_product(Matrix::new(step.d_gates, width), weights.recurrent().transposed(), step.d_hidden, units, 0..units);
}
