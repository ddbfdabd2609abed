//! Sigmoid and tanh in 16 bits, for the gates of recurrent layers.
//!
//! Both come from `e^x` for negative `x`: a polynomial for the remainder to a multiple of 1/4, which has 1,024 values and is a table
//! here, then a product with `e^−(2^k)` for every further bit; and from `1 / (1 + e)` by three Newton–Raphson steps. All in
//! 16-bit fixed point, bit for bit as gemmlowp's `FixedPoint<int16_t, n>` in TensorFlow Lite's reference kernel of the integer LSTM.
//!
//! Numbers are carried in registers of 32 bits. gemmlowp saturates after every operation; here nothing does, because no
//! intermediate leaves 16 bits for any input (a test goes through all of them and compares with the saturating form).

use crate::fixed::rounded_high;

/// `round(a · b / 2^15)`, half up, of two numbers of 16 bits that are not both −2^15.
#[inline(always)]
const fn high_mul(a: i32, b: i32) -> i32 {
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
    // The smallest magnitude there is gives 1/2 as well.
    let (x, sign) = (i32::from(x), i32::from(x) >> 31);
    let positive = logistic(((x + (-x >> 31)) ^ sign) as u32);
    // Q2.13 to Q0.15 would be two bits; half of `2 / (1 + e)` is one.
    let positive = (positive << 1).min(i16::MAX as i32);
    (positive ^ (sign & i16::MAX as i32)) as i16
}

/// `tanh x` in Q0.15; `x` has `integer_bits` bits before the point, 0 to 6, the sign not counted. Error below 2^−10.
#[must_use]
pub fn tanh(x: i16, integer_bits: u32) -> i16 {
    let sign = i32::from(x) >> 31;
    let magnitude = u32::from(x.unsigned_abs());
    // The same bits with one more before the point are 2x: (1 − e^−2|x|) / (1 + e^−2|x|) = 2 / (1 + e^−2|x|) − 1.
    let double = match integer_bits.checked_sub(2) {
        // From 16 on `e^−m` is 0, as it is in front of it.
        Some(shift) => logistic((magnitude << (shift & 7)).saturating_sub(1).min(0xffff)),
        None => fine(magnitude, integer_bits + 1),
    };
    let magnitude = ((double - (1 << 13)) << 2).min(i16::MAX as i32);
    ((magnitude ^ sign) - sign) as i16
}

/// `round(2^15 · e^−(2^k))` for k = −2..3.
pub(crate) const POWERS: [i32; 6] = [25520, 19875, 12055, 4435, 600, 11];

/// `2 / (1 + e^−m)` in Q2.13 for `m = (index + 1) / 2^12` up to 16.
#[inline(never)]
fn logistic(index: u32) -> i32 {
    let small = SMALL.entries.get(index as usize & (SMALL_LEN - 1)).copied().unwrap_or(0);
    reciprocal(damped(small.into(), (index & !(SMALL_LEN as u32 - 1)) >> 10))
}

/// The same for magnitudes with more bits behind the point than the table has, `integer_bits` being 1 or 2.
#[cold]
fn fine(magnitude: u32, integer_bits: u32) -> i32 {
    let Some(index) = magnitude.checked_sub(1) else { return 1 << 13 };
    let quarter_bits = 13u32.saturating_sub(integer_bits);
    let remainder = !(index & ((1 << quarter_bits) - 1)).cast_signed();
    reciprocal(damped(exp_of_small(remainder << integer_bits), index >> quarter_bits))
}

/// `a · e^−(quarters / 4)` in Q0.15, for less than 64 quarters.
#[inline(always)]
fn damped(a: i32, quarters: u32) -> i32 {
    let [quarter, half, one, two, four, eight] = POWERS;
    // Each by itself: the compiler leaves a loop over the bits rolled, with the powers on the stack.
    let times = |x, bit: u32, power| if quarters >> bit & 1 == 1 { high_mul_by(x, power) } else { x };
    let small = times(times(a, 0, quarter), 1, half);
    // Most numbers are.
    if quarters < 4 {
        return small;
    }
    times(times(times(times(small, 2, one), 3, two), 4, four), 5, eight)
}

/// Whether the high half of a product of 32 bits costs no more than a product of 16 bits.
const HAS_HIGH_HALF: bool = cfg!(any(thumbnet_dsp, not(target_arch = "arm")));

/// [`high_mul`] by a constant of 15 bits.
#[inline(always)]
fn high_mul_by(a: i32, constant: i32) -> i32 {
    if !HAS_HIGH_HALF {
        return high_mul(a, constant);
    }
    // With 17 bits more a large one wraps to a negative one, which takes `a` away.
    let high = rounded_high(a, constant << 17);
    if constant < 1 << 14 { high } else { high + a }
}

/// Entries of the table: up to 1 for the assembly, to 1/4 elsewhere.
const SMALL_LEN: usize = if cfg!(thumbnet_dsp) { 1 << 12 } else { 1 << 10 };

/// `e^−((i + 1) / 2^12)` in Q0.15, behind the powers that the assembly multiplies it with.
pub(crate) static SMALL: Small = small();

#[repr(C)]
pub(crate) struct Small {
    /// Those of e^−1 to e^−8, with 17 bits more.
    powers: [i32; 4],
    pub entries: [u16; SMALL_LEN],
}

/// [`exp_of_small`] on every remainder in Q3.12, and what further bits make of it.
const fn small() -> Small {
    let [first, second, one, two, four, eight] = POWERS;
    let mut entries = [0; SMALL_LEN];
    let mut i = 0;
    while i < SMALL_LEN {
        let mut exp = exp_of_small(!(i as i32 & 0x3ff) << 3);
        if i >> 10 & 1 == 1 {
            exp = high_mul(exp, first);
        }
        if i >> 11 & 1 == 1 {
            exp = high_mul(exp, second);
        }
        entries[i] = exp as u16;
        i += 1;
    }
    Small { powers: [one << 17, two << 17, four << 17, eight << 17], entries }
}

/// `e^a` for `a` in [−1/4, 0), both in Q0.15: the Taylor polynomial of degree 4 around −1/8.
const fn exp_of_small(a: i32) -> i32 {
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

/// 48/17 in Q2.13.
pub(crate) const START: i32 = 23130;
/// −32/17 in Q2.13.
pub(crate) const SLOPE: i32 = -15420;

/// `2 / (1 + a)` in Q2.13 for `a` in Q0.15, 0 to 1.
#[inline(always)]
fn reciprocal(a: i32) -> i32 {
    // (1 + a) / 2, rounded half up.
    let half = (a + i16::MAX as i32 + 1) >> 1;
    if HAS_HIGH_HALF {
        // With 17 bits more; at 2, the largest there is, it wraps, and so do its products, to the same end.
        let mut x = (START + high_mul(half, SLOPE)) << 17;
        for _ in 0..3 {
            let error = (1 << 13) - rounded_high(half, x);
            x = x.wrapping_add(rounded_high(x, error) << 19);
        }
        return (x.cast_unsigned() >> 17).cast_signed();
    }
    let newton = |x| {
        let error = (1 << 13) - high_mul(half, x);
        x + (high_mul(x, error) << 2)
    };
    // Not a loop, which the compiler would leave rolled.
    newton(newton(newton(START + high_mul(half, SLOPE))))
}
