//! Sigmoid and tanh in 16 bits against the form that gemmlowp gives them, which saturates after every operation, on every input.

use thumbnet::fixed::rounding_shift_right as rounding_shift_right_32;
use thumbnet::fixed16;

/// `round(a · b / 2^15)`, half up; only −2^15 · −2^15 saturates.
#[inline(always)]
fn high_mul(a: i16, b: i16) -> i16 {
    let product = i32::from(a) * i32::from(b);
    ((product + (1 << 14)) >> 15).min(i16::MAX as i32) as i16
}

/// The nearest number of 16 bits.
#[inline(always)]
fn saturate(x: i32) -> i16 {
    x.clamp(i16::MIN as i32, i16::MAX as i32) as i16
}

/// `round(x / 2^exponent)`, half away from zero.
#[inline(always)]
fn rounding_shift_right(x: i16, exponent: u32) -> i16 {
    rounding_shift_right_32(i32::from(x), exponent) as i16
}

#[inline(always)]
fn saturating_shift_left(x: i16, exponent: u32) -> i16 {
    saturate(i32::from(x) << (exponent & 15))
}

/// `1 / (1 + e^−x)` in Q0.15, `x` in Q3.12.
fn sigmoid(x: i16) -> i16 {
    if x == 0 {
        return 1 << 14;
    }
    let positive = reciprocal(exp_of_negative(x.wrapping_abs().wrapping_neg(), 3));
    let positive = saturating_shift_left(positive, 1);
    if x > 0 { positive } else { i16::MAX - positive }
}

/// `tanh x` in Q0.15; `x` has `integer_bits` bits before the point, 0 to 6, the sign not counted.
fn tanh(x: i16, integer_bits: u32) -> i16 {
    if x == 0 {
        return 0;
    }
    // The same bits with one more before the point are 2x: (1 − e^−2|x|) / (1 + e^−2|x|) = 2 / (1 + e^−2|x|) − 1.
    let negative = x.wrapping_abs().wrapping_neg();
    let double = reciprocal(exp_of_negative(negative, integer_bits + 1));
    let magnitude = saturating_shift_left(double.wrapping_sub(1 << 13), 2);
    if x > 0 { magnitude } else { -magnitude }
}

/// `e^a` in Q0.15 for `a ≤ 0` with `integer_bits` bits before the point.
fn exp_of_negative(a: i16, integer_bits: u32) -> i16 {
    /// `round(2^15 · e^−(2^k))` for k = −2..4.
    const POWERS: [i16; 7] = [25520, 19875, 12055, 4435, 600, 11, 0];
    if a == 0 {
        return i16::MAX;
    }
    let fraction_bits = 15u32.saturating_sub(integer_bits);
    let quarter = 1i16 << (fraction_bits - 2);
    let remainder = (a & (quarter - 1)) - quarter;
    let mut result = exp_of_small(saturating_shift_left(remainder, integer_bits));
    let quarters = i32::from(remainder.wrapping_sub(a)) >> (fraction_bits - 2);
    for (bit, power) in POWERS.into_iter().enumerate().take(integer_bits as usize + 2) {
        if quarters >> bit & 1 == 1 {
            result = high_mul(result, power);
        }
    }
    let is_tiny = integer_bits > 5 && i32::from(a) < -(1 << (fraction_bits + 5));
    if is_tiny { 0 } else { result }
}

/// `e^a` for `a` in [−1/4, 0), both in Q0.15: the Taylor polynomial of degree 4 around −1/8.
fn exp_of_small(a: i16) -> i16 {
    /// `round(2^15 · e^(−1/8))`.
    const CENTER: i16 = 28918;
    const THIRD: i16 = 10923;
    let x = a + (1 << 12);
    let x2 = high_mul(x, x);
    let x3 = high_mul(x2, x);
    let x4_over_4 = rounding_shift_right(high_mul(x2, x2), 2);
    let sum = rounding_shift_right(high_mul(x4_over_4 + x3, THIRD) + x2, 1);
    CENTER.saturating_add(high_mul(CENTER, x + sum))
}

/// `2 / (1 + a)` in Q2.13 for `a` in Q0.15, 0 to 1.
fn reciprocal(a: i16) -> i16 {
    /// 48/17 in Q2.13.
    const START: i16 = 23130;
    /// −32/17 in Q2.13.
    const SLOPE: i16 = -15420;
    // (1 + a) / 2, rounded half up.
    let half = ((i32::from(a) + i32::from(i16::MAX) + 1) >> 1) as i16;
    let mut x = START.wrapping_add(high_mul(half, SLOPE));
    for _ in 0..3 {
        let error = (1 << 13) - high_mul(half, x);
        x = x.wrapping_add(saturating_shift_left(high_mul(x, error), 2));
    }
    x
}

#[test]
fn nothing_saturates_in_sigmoid() {
    for x in i16::MIN..=i16::MAX {
        assert_eq!(fixed16::sigmoid(x), sigmoid(x), "{x}");
    }
}

#[test]
fn nothing_saturates_in_tanh() {
    for integer_bits in 0..=6 {
        for x in i16::MIN..=i16::MAX {
            assert_eq!(fixed16::tanh(x, integer_bits), tanh(x, integer_bits), "{x} with {integer_bits} bits");
        }
    }
}
