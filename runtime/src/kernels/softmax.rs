//! Softmax over rows, in fixed point, as the TensorFlow Lite specification's reference kernel for int8 has it.
//!
//! `p_i = e^(β·s·(q_i − max q)) / Σ_j e^(β·s·(q_j − max q))`, `y_i = 256·p_i − 128`. Differences in Q5.26, exponentials in
//! Q0.31, their sum in Q12.19 (so a row has at most 4,096 elements before it saturates), the quotient by three Newton
//! steps in Q0.31. An output is within one unit of the real value; see the tests.

use super::Softmax;
use crate::fixed::{doubling_high_mul, exp_of_negative, reciprocal_of_one_plus, rounding_shift_right};

/// Softmax of each row of `x`.
pub fn softmax(p: &Softmax, x: &[i8], y: &mut [i8]) {
    for (x, y) in x.chunks_exact(p.row.max(1)).zip(y.chunks_exact_mut(p.row.max(1))) {
        let row = Row::new(p, x);
        x.iter().zip(y).for_each(|(&x, y)| *y = row.probability(x));
    }
}

/// Softmax of each row where it lies.
pub fn softmax_in_place(p: &Softmax, y: &mut [i8]) {
    for y in y.chunks_exact_mut(p.row.max(1)) {
        let row = Row::new(p, y);
        y.iter_mut().for_each(|y| *y = row.probability(*y));
    }
}

/// What all elements of a row share.
struct Row<'p> {
    p: &'p Softmax,
    max: i8,
    /// `1 / Σ` as a mantissa in Q0.31 ...
    reciprocal: i32,
    /// ... and the number of bits that the sum has above 1.
    bits: i32,
}

impl<'p> Row<'p> {
    fn new(p: &'p Softmax, x: &[i8]) -> Self {
        let max = x.iter().copied().max().unwrap_or(i8::MIN);
        let mut row = Self { p, max, reciprocal: 0, bits: 0 };
        let exps = x.iter().filter_map(|&x| row.exp(x));
        let sum = exps.fold(0i32, |sum, exp| sum.saturating_add(rounding_shift_right(exp, 12)));
        let headroom = sum.leading_zeros();
        row.bits = 12 - headroom as i32;
        // The sum as 1.f in Q0.31 without its leading one.
        let fraction = sum.cast_unsigned().wrapping_shl(headroom).wrapping_sub(1 << 31).cast_signed();
        row.reciprocal = reciprocal_of_one_plus(fraction);
        row
    }

    /// `e^(β·s·(q − max))` in Q0.31; `None` where it is too small to count.
    #[inline(always)]
    fn exp(&self, q: i8) -> Option<i32> {
        let difference = i32::from(q) - i32::from(self.max);
        let scale = self.p.scale;
        (difference >= self.p.diff_min)
            .then(|| exp_of_negative(doubling_high_mul(difference.wrapping_shl(scale.shift as u32), scale.multiplier)))
    }

    fn probability(&self, q: i8) -> i8 {
        let Some(exp) = self.exp(q) else { return i8::MIN };
        let shift = (self.bits + 31 - 8).clamp(0, 31) as u32;
        let value = rounding_shift_right(doubling_high_mul(self.reciprocal, exp), shift);
        (value - 128).clamp(-128, 127) as i8
    }
}
