//! Softmax over rows, in fixed point, as the TensorFlow Lite specification's reference kernel for int8 has it.
//!
//! `p_i = e^(β·s·(q_i − max q)) / Σ_j e^(β·s·(q_j − max q))`, `y_i = 256·p_i − 128`. Differences in Q5.26, exponentials in
//! Q0.31, their sum in Q12.19 (so a row has at most 4,096 elements before it saturates), the quotient by three Newton
//! steps in Q0.31. An output is within one unit of the real value; see the tests.

use super::dot::copy;
use super::{Scale, Softmax};
use crate::fixed::{doubling_high_mul_by, exp_of_negative, reciprocal_of_one_plus};

/// Softmax of each row of `x`.
pub fn softmax(p: &Softmax<'_>, x: &[i8], y: &mut [i8]) {
    for (x, y) in x.chunks_exact(p.row.max(1)).zip(y.chunks_exact_mut(p.row.max(1))) {
        copy(x, y);
        row(p, y);
    }
}

/// Softmax of each row where it lies.
pub fn softmax_in_place(p: &Softmax<'_>, y: &mut [i8]) {
    y.chunks_exact_mut(p.row.max(1)).for_each(|y| row(p, y));
}

/// Exponentials below this count neither in a sum, nor as a probability.
const LEAST: i32 = 1 << 11;

/// What [`Softmax::exponentials`] are.
pub fn exponentials(scale: Scale, diff_min: i32) -> impl Iterator<Item = i32> {
    let differences = (0..=u8::MAX).map(|d| -i32::from(d)).take_while(move |&difference| difference >= diff_min);
    differences.map(move |difference| exp_of(scale, difference)).take_while(|&exp| exp >= LEAST)
}

#[inline(always)]
fn row(p: &Softmax<'_>, y: &mut [i8]) {
    if p.exponentials.is_empty() { computed(p, y) } else { looked_up(p.exponentials, y) }
}

/// The row's softmax by a table of exponentials.
#[inline(never)]
fn looked_up(exponentials: &[i32], y: &mut [i8]) {
    let max = largest(y);
    let quotient = Quotient::new(sum_of_table(exponentials, max, y));
    y.iter_mut().for_each(|y| *y = quotient.of(entry(exponentials, max, *y)));
}

/// Sum of exponentials in Q12.19, by their table.
#[inline(always)]
pub(super) fn sum_of_table(exponentials: &[i32], max: i8, row: &[i8]) -> i32 {
    sum(row.iter().map(|&q| entry(exponentials, max, q)))
}

#[inline(always)]
fn entry(exponentials: &[i32], max: i8, q: i8) -> i32 {
    exponentials.get((i32::from(max) - i32::from(q)) as usize).copied().unwrap_or(0)
}

/// The largest element of a row.
#[inline(always)]
pub(super) fn largest(row: &[i8]) -> i8 {
    row.iter().copied().max().unwrap_or(i8::MIN)
}

/// Exponentials of a row that are kept between the sum and the quotients; those of longer rows are computed twice.
const KEPT: usize = 16;

/// The same without a table.
#[inline(never)]
fn computed(p: &Softmax<'_>, y: &mut [i8]) {
    let max = largest(y);
    let exp_of = |max: i8, q: i8| {
        let difference = i32::from(q) - i32::from(max);
        if difference < p.diff_min { 0 } else { exp_of(p.scale, difference) }
    };
    let mut kept = [0; KEPT];
    let sum = if let Some(kept) = kept.get_mut(..y.len()) {
        kept.iter_mut().zip(&*y).for_each(|(exp, &q)| *exp = exp_of(max, q));
        sum(kept.iter().copied())
    } else {
        sum(y.iter().map(|&q| exp_of(max, q)))
    };
    let quotient = Quotient::new(sum);
    if y.len() <= KEPT {
        y.iter_mut().zip(kept).for_each(|(y, exp)| *y = quotient.of(exp));
    } else {
        y.iter_mut().for_each(|y| *y = quotient.of(exp_of(max, *y)));
    }
}

/// `e^(scale·difference)` in Q0.31.
#[inline(never)]
fn exp_of(scale: Scale, difference: i32) -> i32 {
    exp_of_negative(doubling_high_mul_by(difference.wrapping_shl(scale.shift as u32), scale.multiplier))
}

/// Sum of exponentials in Q12.19.
#[inline(always)]
pub(super) fn sum(exps: impl Iterator<Item = i32>) -> i32 {
    exps.fold(0i32, |sum, exp| sum.saturating_add(((exp as u32).wrapping_add(1 << 11) >> 12) as i32))
}

/// Division by the sum.
#[derive(Clone, Copy)]
struct Quotient {
    /// `1 / Σ` as a mantissa in Q0.31.
    reciprocal: i32,
    /// Bits that the product has too many, and half of their unit.
    shift: u32,
    half: u32,
}

impl Quotient {
    fn new(sum: i32) -> Self {
        let headroom = sum.leading_zeros();
        // The sum as 1.f in Q0.31 without its leading one.
        let fraction = sum.cast_unsigned().wrapping_shl(headroom).wrapping_sub(1 << 31).cast_signed();
        // It has 12 − headroom bits above 1.
        let shift = (12 - headroom as i32 + 31 - 8).clamp(0, 31) as u32;
        Self { reciprocal: reciprocal_of_one_plus(fraction), shift, half: 1 << shift >> 1 }
    }

    #[inline(always)]
    fn of(self, exp: i32) -> i8 {
        // Neither is negative, so that half up is half away from zero.
        let product = doubling_high_mul_by(exp, self.reciprocal) as u32;
        let value = product.wrapping_add(self.half) >> (self.shift & 31);
        (value as i32 - 128).min(127) as i8
    }
}
