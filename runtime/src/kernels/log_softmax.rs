//! Logarithm of softmax over rows, in fixed point, as TensorFlow Lite's reference kernel for int8 has it.
//!
//! `y_i = 16·ln(e^(s·(q_i − max q)) / Σ_j e^(s·(q_j − max q))) + 127`: real numbers from −16 to 0 in steps of 1/16. Differences
//! in Q5.26, exponentials in Q0.31, their sum in Q12.19 (so a row has at most 4,096 elements before it saturates), its
//! logarithm in Q5.26. Source: LiteRT, `reference_integer_ops::LogSoftmax`.

use super::Softmax;
use super::softmax::{largest, sum, sum_of_table};
use crate::fixed::{
    doubling_high_mul, exp_of_negative, reciprocal_of_one_plus, rounding_shift_right, saturating_shift_left,
};

/// Logarithm of the softmax of each row of `x`.
pub fn log_softmax(p: &Softmax<'_>, x: &[i8], y: &mut [i8]) {
    for (x, y) in x.chunks_exact(p.row.max(1)).zip(y.chunks_exact_mut(p.row.max(1))) {
        let row = Row::new(p, x);
        x.iter().zip(y).for_each(|(&x, y)| *y = row.logarithm(x));
    }
}

/// The same of each row where it lies.
pub fn log_softmax_in_place(p: &Softmax<'_>, y: &mut [i8]) {
    for y in y.chunks_exact_mut(p.row.max(1)) {
        let row = Row::new(p, y);
        y.iter_mut().for_each(|y| *y = row.logarithm(*y));
    }
}

/// What all elements of a row share.
struct Row<'p> {
    p: &'p Softmax<'p>,
    max: i8,
    /// `ln Σ` in Q5.26.
    log_sum: i32,
}

impl<'p> Row<'p> {
    fn new(p: &'p Softmax<'p>, x: &[i8]) -> Self {
        let max = largest(x);
        let mut row = Self { p, max, log_sum: 0 };
        let sum = if p.exponentials.is_empty() {
            sum(x.iter().filter_map(|&x| row.difference(x)).map(exp_of_negative))
        } else {
            sum_of_table(p.exponentials, max, x)
        };
        row.log_sum = log_of_sum(sum);
        row
    }

    /// `s·(q − max)` in Q5.26; `None` where it leaves that range.
    fn difference(&self, q: i8) -> Option<i32> {
        let difference = i32::from(q) - i32::from(self.max);
        let scale = self.p.scale;
        (difference >= self.p.diff_min)
            .then(|| doubling_high_mul(difference.wrapping_shl(scale.shift as u32), scale.multiplier))
    }

    /// What leaves the range is below −16 by far, which is the end of the output's.
    fn logarithm(&self, q: i8) -> i8 {
        let Some(difference) = self.difference(q) else { return i8::MIN };
        let value = rounding_shift_right(difference.saturating_sub(self.log_sum), 22);
        value.saturating_add(127).clamp(-128, 127) as i8
    }
}

/// `ln(a)` for `a ≥ 1` in Q12.19, as Q5.26: `a = 2^n·r` with `r` near 2^(−1/4), and a rational function for `ln r`.
///
/// Source: LiteRT, `log_x_for_x_greater_than_or_equal_to_1_impl`.
fn log_of_sum(a: i32) -> i32 {
    const LOG_2: i32 = 1_488_522_236;
    const ROOT_OF_HALF: i32 = 1_518_500_250;
    const FOURTH_ROOT_OF_HALF: i32 = 1_805_811_301;
    /// 1/4 in Q6.25.
    const QUARTER: i32 = 1 << 23;
    // Polynomials in q, each by the fourth root of 2: 11/240 and 1/20 · q², 1/4 · q, and 2/√2 − 1.
    const NUMERATOR: i32 = 117_049_297;
    const SQUARE: i32 = 127_690_142;
    const LINEAR: i32 = 638_450_708;
    const CONSTANT: i32 = 1_057_819_769;
    let mul = doubling_high_mul;
    let power = |n: i32| saturating_shift_left(n, 25);

    // Twice the mantissa with its leading one at either side of a root of 1/2: whichever gives the smaller one is taken.
    let zeros = a.leading_zeros();
    let low = saturating_shift_left(mul(saturating_shift_left(a, zeros.saturating_sub(1)), ROOT_OF_HALF), 1);
    let low_power = power(12 - zeros as i32).saturating_add(QUARTER);
    let headroom = mul(a, ROOT_OF_HALF).leading_zeros().saturating_sub(1);
    let high = saturating_shift_left(a, headroom);
    let high_power = power(12 - headroom as i32).saturating_sub(QUARTER);
    let (r, power) = (low.min(high), low_power.max(high_power));

    let sum = i64::from(r) + i64::from(FOURTH_ROOT_OF_HALF);
    // Both are positive: half of the sum, rounded up.
    let p = ((sum + 1) / 2) as i32;
    let q = r.wrapping_sub(FOURTH_ROOT_OF_HALF).wrapping_mul(2);
    let square = mul(q, q);
    let numerator = mul(q, r).wrapping_add(mul(mul(q, square), NUMERATOR));
    let denominator = CONSTANT.wrapping_add(q).wrapping_add(mul(SQUARE, square));
    let denominator = mul(p, denominator).wrapping_add(mul(LINEAR, q));
    let fraction = mul(rounding_shift_right(numerator, 6), reciprocal_of_one_plus(denominator));
    saturating_shift_left(mul(power, LOG_2).wrapping_add(fraction), 1)
}
