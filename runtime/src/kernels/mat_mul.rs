//! Product of two matrices that are both computed, for each of a batch.
//!
//! `y[b,r,c] = clamp(zp_y + requantize(Σ_k (a[b,r,k] − zp_a) · (t[b,c,k] − zp_t)))`; the second operand is stored
//! transposed, so that both are read in order. Rounded twice, as TensorFlow Lite's reference kernel does.

use super::MatMul;
use crate::fixed::requantize;

/// Multiplies every pair of matrices; a batch of one is used for all of the other's.
pub fn mat_mul(p: &MatMul, a: &[i8], b: &[i8], y: &mut [i8]) {
    let [rows, columns, depth] = p.size;
    let (a_len, b_len) = (rows.saturating_mul(depth).max(1), columns.saturating_mul(depth).max(1));
    let pairs = a.chunks_exact(a_len).cycle().zip(b.chunks_exact(b_len).cycle());
    for (y, (a, b)) in y.chunks_exact_mut(rows.saturating_mul(columns).max(1)).zip(pairs) {
        for (y, a) in y.chunks_exact_mut(columns.max(1)).zip(a.chunks_exact(depth.max(1))) {
            for (y, b) in y.iter_mut().zip(b.chunks_exact(depth.max(1))) {
                *y = dot(p, a, b);
            }
        }
    }
}

#[inline(always)]
fn dot(p: &MatMul, a: &[i8], b: &[i8]) -> i8 {
    let [zero_a, zero_b] = p.input_zero_points;
    let product =
        |(&a, &b): (&i8, &i8)| i32::from(a).wrapping_sub(zero_a).wrapping_mul(i32::from(b).wrapping_sub(zero_b));
    let sum = a.iter().zip(b).map(product).fold(0, i32::wrapping_add);
    let scaled = requantize(sum, p.scale.multiplier, p.scale.shift, p.rounding);
    p.clamp.apply(scaled.wrapping_add(p.output_zero_point))
}
