//! A fully connected layer of an input that comes in parts, so that it never has to exist whole: one step for each part adds
//! its products to sums of 32 bits, and a last one makes outputs of them.
//!
//! `s'[c] = s[c] + Σ_k (x[k] − zp_x) · w[c,k]`, then `y[c] = clamp(zp_y + requantize(bias[c] + s[c]))`. All sums are taken modulo
//! 2^32 and in any order, so that the bits are those of the layer in one piece.

use core::num::NonZeroUsize;

use super::dot::{dot_1, dot_4};
use super::{Accumulate, Requantize, output_i8};

/// Rows that are computed at the same time.
const FOUR: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3);

/// Adds the products of one part to `sums`, one for each output.
pub fn accumulate(p: &Accumulate<'_>, x: &[i8], sums: &mut [i32]) {
    // The compiler must see that it is not zero, or a panic stays in `chunks_exact`.
    let Some(len) = NonZeroUsize::new(x.len()) else { return };
    let fours = p.weights.chunks_exact(len.saturating_mul(FOUR).get());
    let rest = fours.remainder();
    let mut sums = sums.iter_mut();
    let mut add = |products: i32| {
        if let Some(sum) = sums.next() {
            *sum = sum.wrapping_add(products);
        }
    };
    fours.for_each(|weights| dot_4(weights, x, p.input_zero_point).into_iter().for_each(&mut add));
    rest.chunks_exact(len.get()).for_each(|weights| add(dot_1(weights, x, p.input_zero_point)));
}

/// From sums to outputs, row by row.
pub fn requantize(p: &Requantize<'_>, sums: &[i32], y: &mut [i8]) {
    let row = p.channels.len().max(1);
    for (y, sums) in y.chunks_exact_mut(row).zip(sums.chunks_exact(row)) {
        for ((y, &sum), channel) in y.iter_mut().zip(sums).zip(p.channels) {
            *y = output_i8(channel.bias.wrapping_add(sum), channel, p.rounding, p.output_zero_point, p.clamp);
        }
    }
}
