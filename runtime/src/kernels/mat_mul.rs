//! Product of two matrices that are both computed, for each of a batch.
//!
//! `y[b,r,c] = clamp(zp_y + requantize(Σ_k (a[b,r,k] − zp_a) · (t[b,c,k] − zp_t)))`; the second operand is stored
//! transposed, so that both are read in order. Rounded twice, as TensorFlow Lite's reference kernel does.

use super::rows::{Rows, Vector};
#[cfg(thumbnet_helium)]
use super::{Channel, Scale};
use super::{Layout, MatMul};
use crate::fixed::requantize;

/// Columns of the product that are computed at a time.
const BLOCK: usize = 16;

/// Multiplies every pair of matrices; a batch of one is used for all of the other's.
pub fn mat_mul(p: &MatMul, a: &[i8], b: &[i8], y: &mut [i8]) {
    let [rows, columns, depth] = p.size;
    let (a_len, b_len) = (rows.saturating_mul(depth).max(1), columns.saturating_mul(depth).max(1));
    let pairs = a.chunks_exact(a_len).cycle().zip(b.chunks_exact(b_len).cycle());
    for (y, (a, b)) in y.chunks_exact_mut(rows.saturating_mul(columns).max(1)).zip(pairs) {
        for (y, a) in y.chunks_exact_mut(columns.max(1)).zip(a.chunks_exact(depth.max(1))) {
            row(p, a, b, y);
        }
    }
}

/// A row of the product: the columns are rows of weights, `Σ (a − zp_a)·(t − zp_t) = Σ (a − zp_a)·t − zp_t·Σ (a − zp_a)`.
fn row(p: &MatMul, a: &[i8], columns: &[i8], y: &mut [i8]) {
    let [zero_a, zero_t] = p.input_zero_points;
    let all = a.iter().fold(0i32, |sum, &a| sum.wrapping_add(i32::from(a).wrapping_sub(zero_a)));
    let offset = zero_t.wrapping_mul(all).wrapping_neg();
    let mut columns = Rows { weights: columns, inputs: a.len(), layout: Layout::Plain };
    let a = Vector::new(a, zero_a);
    let mut sums = [0; BLOCK];
    for y in y.chunks_mut(BLOCK) {
        columns.sums(y.len(), &a, &mut sums);
        finish(p, offset, &sums, y);
        columns = columns.from(BLOCK);
    }
}

/// Makes outputs of sums that lack an offset.
#[inline(always)]
fn finish(p: &MatMul, offset: i32, sums: &[i32], y: &mut [i8]) {
    #[cfg(thumbnet_helium)]
    if p.rounding == crate::fixed::Rounding::Double {
        let Scale { multiplier, shift } = p.scale;
        let same = [Channel { bias: offset, multiplier, shift }; BLOCK];
        return super::helium_rows::finish_double((p.output_zero_point, p.clamp), sums, &same, y);
    }
    for (y, sum) in y.iter_mut().zip(sums) {
        let scaled = requantize(sum.wrapping_add(offset), p.scale.multiplier, p.scale.shift, p.rounding);
        *y = p.clamp.apply(scaled.wrapping_add(p.output_zero_point));
    }
}
