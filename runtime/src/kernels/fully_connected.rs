//! Fully connected layer: a matrix times a vector, for each row.
//!
//! `y[r,c] = clamp(zp_y + requantize(bias[c] + Σ_k (x[r,k] − zp_x) · w[c,k]))`. Rounded once in models of ours, as the
//! TensorFlow Lite specification's reference kernel does; [`FullyConnected::rounding`] says.

use super::dot::dot_4;
use super::{Channel, FullyConnected, output_i8};

/// Bytes of scratch: none.
#[must_use]
pub const fn scratch_len(_: &FullyConnected<'_>) -> usize {
    0
}

/// Multiplies each row of `x` into a row of `y`, four outputs at a time so that each input is loaded once for four.
pub fn fully_connected(p: &FullyConnected<'_>, x: &[i8], y: &mut [i8], _scratch: &mut [i8]) {
    let len = p.inputs.max(1);
    for (x, y) in x.chunks_exact(len).zip(y.chunks_exact_mut(p.outputs.max(1))) {
        let fours = p.weights.chunks_exact(len.saturating_mul(4));
        let rest = fours.remainder();
        let mut outputs = y.iter_mut().zip(p.channels);
        for weights in fours {
            for sum in dot_4(weights, x, p.input_zero_point) {
                put(p, outputs.next(), sum);
            }
        }
        for weights in rest.chunks_exact(len) {
            put(p, outputs.next(), dot(weights, x, p.input_zero_point));
        }
    }
}

#[inline(always)]
fn put(p: &FullyConnected<'_>, output: Option<(&mut i8, &Channel)>, products: i32) {
    if let Some((y, channel)) = output {
        let sum = channel.bias.wrapping_add(products);
        *y = output_i8(sum, channel, p.rounding, p.output_zero_point, p.clamp);
    }
}

#[inline(always)]
fn dot(w: &[i8], x: &[i8], zero_point: i32) -> i32 {
    let product = |(&w, &x): (&i8, &i8)| i32::from(w).wrapping_mul(i32::from(x).wrapping_sub(zero_point));
    w.iter().zip(x).map(product).fold(0, i32::wrapping_add)
}
