//! Sigmoid and tanh in 16 bits, for the gates of recurrent layers.
//!
//! Both come from `e^x` for negative `x`: a polynomial for the remainder to a multiple of 1/4, then a product with
//! `e^−(2^k)` for every further bit; and from `1 / (1 + e)` by three Newton–Raphson steps. All in 16-bit fixed point, bit for
//! bit as gemmlowp's `FixedPoint<int16_t, n>` in TensorFlow Lite's reference kernel of the integer LSTM.
//!
//! Numbers are carried in registers of 32 bits. gemmlowp saturates after every operation; here nothing does, because no
//! intermediate leaves 16 bits for any input (a test goes through all of them and compares with the saturating form).

/// `round(a · b / 2^15)`, half up, of two numbers of 16 bits that are not both −2^15.
#[inline(always)]
fn high_mul(a: i32, b: i32) -> i32 {
    a.wrapping_mul(b).wrapping_add(1 << 14) >> 15
}

/// The nearest number of 16 bits.
#[inline(always)]
pub(crate) fn saturate(x: i32) -> i16 {
    x.min(i16::MAX as i32).max(i16::MIN as i32) as i16
}

/// `1 / (1 + e^−x)` in Q0.15, `x` in Q3.12. Error below 2^−10 (tested against f64 on every input).
#[must_use]
pub fn sigmoid(x: i16) -> i16 {
    if x == 0 {
        return 1 << 14;
    }
    let positive = reciprocal(exp_of_negative(negative(x), 3));
    // Q2.13 to Q0.15 would be two bits; half of `2 / (1 + e)` is one.
    let positive = (positive << 1).min(i16::MAX as i32);
    (if x > 0 { positive } else { i16::MAX as i32 - positive }) as i16
}

/// `tanh x` in Q0.15; `x` has `integer_bits` bits before the point, 0 to 6, the sign not counted. Error below 2^−10.
#[must_use]
pub fn tanh(x: i16, integer_bits: u32) -> i16 {
    if x == 0 {
        return 0;
    }
    // The same bits with one more before the point are 2x: (1 − e^−2|x|) / (1 + e^−2|x|) = 2 / (1 + e^−2|x|) − 1.
    let double = reciprocal(exp_of_negative(negative(x), integer_bits + 1));
    let magnitude = ((double - (1 << 13)) << 2).min(i16::MAX as i32);
    (if x > 0 { magnitude } else { -magnitude }) as i16
}

/// `−|x|`.
#[inline(always)]
fn negative(x: i16) -> i32 {
    let x = i32::from(x);
    if x > 0 { -x } else { x }
}

/// `e^a` in Q0.15 for `−2^15 ≤ a < 0` with `integer_bits` bits before the point.
#[inline(always)]
fn exp_of_negative(a: i32, integer_bits: u32) -> i32 {
    /// `round(2^15 · e^−(2^k))` for k = −2..4.
    const POWERS: [i32; 7] = [25520, 19875, 12055, 4435, 600, 11, 0];
    let fraction_bits = 15u32.saturating_sub(integer_bits);
    let quarter = 1 << (fraction_bits - 2);
    let remainder = (a & (quarter - 1)) - quarter;
    let mut result = exp_of_small(remainder << integer_bits);
    let quarters = (remainder - a) >> (fraction_bits - 2);
    // Seven bits at most, one each for as many powers; those beyond `integer_bits + 2` are not set.
    for (bit, power) in POWERS.into_iter().enumerate() {
        if quarters >> bit & 1 == 1 {
            result = high_mul(result, power);
        }
    }
    let is_tiny = integer_bits > 5 && a < -(1 << (fraction_bits + 5));
    if is_tiny { 0 } else { result }
}

/// `e^a` for `a` in [−1/4, 0), both in Q0.15: the Taylor polynomial of degree 4 around −1/8.
#[inline(always)]
fn exp_of_small(a: i32) -> i32 {
    /// `round(2^15 · e^(−1/8))`.
    const CENTER: i32 = 28918;
    const THIRD: i32 = 10923;
    let x = a + (1 << 12);
    let x2 = high_mul(x, x);
    let x3 = high_mul(x2, x);
    // Not negative, so that half up is half away from zero.
    let x4_over_4 = (high_mul(x2, x2) + 2) >> 2;
    let sum = high_mul(x4_over_4 + x3, THIRD) + x2;
    CENTER + high_mul(CENTER, x + ((sum + 1) >> 1))
}

/// `2 / (1 + a)` in Q2.13 for `a` in Q0.15, 0 to 1.
#[inline(always)]
fn reciprocal(a: i32) -> i32 {
    /// 48/17 in Q2.13.
    const START: i32 = 23130;
    /// −32/17 in Q2.13.
    const SLOPE: i32 = -15420;
    // (1 + a) / 2, rounded half up.
    let half = (a + i16::MAX as i32 + 1) >> 1;
    let mut x = START + high_mul(half, SLOPE);
    for _ in 0..3 {
        let error = (1 << 13) - high_mul(half, x);
        x += high_mul(x, error) << 2;
    }
    x
}
