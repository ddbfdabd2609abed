//! Fixed-point arithmetic: how an accumulator becomes an output, and the few functions that need more than a multiply.
//!
//! A real factor is stored as `multiplier · 2^(shift − 31)` with the multiplier in [2^30, 2^31). There are exactly two ways
//! to apply it, and each operator states which one it takes. Both are those of the TensorFlow Lite specification's
//! reference kernels ("Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
//! Jacob et al. 2017, appendix B).

/// How a product of accumulator and multiplier loses its low bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Rounding {
    /// `(x · m + 2^(n−1)) >> n` in 64 bits with `n = 31 − shift`: once, half up.
    Single,
    /// Doubling high multiply rounded half up, then a shift rounded half away from zero: twice.
    Double,
}

/// `x · multiplier · 2^(shift − 31)`, rounded as asked. Total: whatever does not fit wraps, which the exporter excludes.
#[inline(always)]
#[must_use]
pub fn requantize(x: i32, multiplier: i32, shift: i32, rounding: Rounding) -> i32 {
    match rounding {
        Rounding::Single => requantize_single(x, multiplier, shift),
        Rounding::Double => requantize_double(x, multiplier, shift),
    }
}

/// One rounding: `(x · m + 2^(n−1)) >> n`, `n = 31 − shift` in [1, 62].
#[inline(always)]
#[must_use]
pub fn requantize_single(x: i32, multiplier: i32, shift: i32) -> i32 {
    let n = (31 - shift).clamp(1, 62) as u32;
    if n > 32 {
        // Half lies in the upper word, which is below 2^30, and the lower one is cut off whatever it is.
        return high(x, multiplier).wrapping_add(1 << (n - 33)) >> (n - 32);
    }
    let product = i64::from(x).wrapping_mul(i64::from(multiplier));
    (product.wrapping_add(1i64 << (n - 1)) >> n) as i32
}

/// Two roundings: `RoundingDivideByPOT(SaturatingRoundingDoublingHighMul(x · 2^left, m), right)`.
#[inline(always)]
#[must_use]
pub fn requantize_double(x: i32, multiplier: i32, shift: i32) -> i32 {
    let left = shift.max(0) as u32;
    let right = (-shift).max(0) as u32;
    // The same as `doubling_high_mul`: for a positive multiplier nothing saturates, and its division rounds half up.
    let product = i64::from(x.wrapping_shl(left)).wrapping_mul(i64::from(multiplier));
    let high = (product.wrapping_add(1 << 30) >> 31) as i32;
    rounded_right(high, right)
}

/// [`requantize_double`] of an accumulator that stays below 2^30 also behind the shift to the left, as the exporter proves of
/// every layer: one multiplication whose high half is rounded, which cores with the DSP extension do in one instruction.
#[inline(always)]
#[must_use]
pub fn requantize_accumulator(x: i32, multiplier: i32, shift: i32) -> i32 {
    let left = shift.max(0) as u32;
    let doubled = x.wrapping_shl(left.wrapping_add(1));
    rounded_right(rounded_high(doubled, multiplier), (-shift).max(0) as u32)
}

/// `round(a · b / 2^32)`, half up.
#[inline(always)]
pub(crate) fn rounded_high(a: i32, b: i32) -> i32 {
    // Where the compiler sees what it is of, it asks for the sign of all 64 bits.
    #[cfg(thumbnet_asm)]
    return crate::kernels::rounded_high(a, b);
    #[cfg(thumbnet_v6m)]
    return high_of_halves(a, b, 1 << 15);
    #[cfg(not(any(thumbnet_asm, thumbnet_v6m)))]
    ((i64::from(a).wrapping_mul(i64::from(b)).wrapping_add(1 << 31) >> 32) as i32)
}

/// `⌊a · b / 2^32⌋`.
#[inline(always)]
fn high(a: i32, b: i32) -> i32 {
    #[cfg(thumbnet_v6m)]
    return high_of_halves(a, b, 0);
    #[cfg(not(thumbnet_v6m))]
    ((i64::from(a).wrapping_mul(i64::from(b)) >> 32) as i32)
}

/// `⌊(a · b + add · 2^16) / 2^32⌋` by products of 16 bits, for cores that multiply to no more than 32: there a product of 64 bits is a
/// call. `add` is not negative and below 2^17.
#[cfg(any(thumbnet_v6m, test))]
#[inline(always)]
fn high_of_halves(a: i32, b: i32, add: i32) -> i32 {
    let (high_a, low_a, high_b, low_b) = (a >> 16, a & 0xffff, b >> 16, b & 0xffff);
    let (high_low, low_high) = (high_a.wrapping_mul(low_b), low_a.wrapping_mul(high_b));
    let low = (low_a.wrapping_mul(low_b).cast_unsigned() >> 16).cast_signed();
    // Three numbers below 2^16.
    let carried = (low + (high_low & 0xffff) + (low_high & 0xffff) + add) >> 16;
    high_a.wrapping_mul(high_b).wrapping_add(high_low >> 16).wrapping_add(low_high >> 16).wrapping_add(carried)
}

/// [`doubling_high_mul`] by a number that is not negative. Twice a large one wraps to what takes `a` away.
#[inline(always)]
pub(crate) fn doubling_high_mul_by(a: i32, b: i32) -> i32 {
    let high = rounded_high(a, b.wrapping_shl(1));
    if b < 1 << 30 { high } else { high.wrapping_add(a) }
}

/// `round(x / 2^right)`, half away from zero, for a `right` of 0 to 31.
#[inline(always)]
pub(crate) fn rounded_right(x: i32, right: u32) -> i32 {
    if right == 0 {
        return x;
    }
    // Half up of what negative values are moved down by. The mask only tells the compiler what holds.
    let moved = x.wrapping_add(x >> 31);
    (moved >> (right.wrapping_sub(1) & 31)).wrapping_add(1) >> 1
}

/// `round(a · b / 2^31)`, half up, saturated: only `a = b = −2^31` saturates.
///
/// The specification nudges negative products by 1 − 2^30 and truncates toward zero, which is the same as half up.
#[inline(always)]
#[must_use]
pub fn doubling_high_mul(a: i32, b: i32) -> i32 {
    if a == i32::MIN && b == i32::MIN {
        return i32::MAX;
    }
    (i64::from(a).wrapping_mul(i64::from(b)).wrapping_add(1 << 30) >> 31) as i32
}

/// `round(x / 2^exponent)`, half away from zero; `exponent` in [0, 31].
#[inline(always)]
#[must_use]
pub fn rounding_shift_right(x: i32, exponent: u32) -> i32 {
    let exponent = exponent & 31;
    let mask = ((1u32 << exponent) - 1) as i32;
    let remainder = x & mask;
    let threshold = (mask >> 1) + i32::from(x < 0);
    (x >> exponent) + i32::from(remainder > threshold)
}

/// `round(x · 2^exponent)`, saturated.
pub(crate) fn saturating_shift_left(x: i32, exponent: u32) -> i32 {
    let bound = i32::MAX >> exponent;
    if x > bound {
        i32::MAX
    } else if x < -bound - 1 {
        i32::MIN
    } else {
        x << exponent
    }
}

/// `e^a` for `a ≤ 0` in Q5.26, as Q0.31. Error below 2^−22, nearly all of it the
/// polynomial's remainder (tested against f64); `a = 0` gives the
/// largest Q0.31, since 1 does not fit.
///
/// The remainder to a multiple of 1/4 goes through a polynomial, every further bit of `a` through a product with
/// `e^−(2^k)` for k = −2..4. Source: gemmlowp, `exp_on_negative_values`.
#[must_use]
pub fn exp_of_negative(a: i32) -> i32 {
    const QUARTER: i32 = 1 << 24;
    /// `round(2^31 · e^−(2^k))` for k = −2..4.
    const POWERS: [i32; 7] = [1_672_461_947, 1_302_514_674, 790_015_084, 290_630_308, 39_332_535, 720_401, 242];
    if a >= 0 {
        return i32::MAX;
    }
    let remainder = (a & (QUARTER - 1)) - QUARTER;
    let mut result = exp_of_small(remainder << 5);
    let quarters = remainder.wrapping_sub(a) >> 24;
    for (bit, power) in POWERS.into_iter().enumerate() {
        if quarters >> bit & 1 == 1 {
            result = doubling_high_mul_by(result, power);
        }
    }
    result
}

/// `e^a` for `a` in [−1/4, 0), both in Q0.31: the Taylor polynomial of degree 4 around −1/8.
fn exp_of_small(a: i32) -> i32 {
    /// `round(2^31 · e^(−1/8))`.
    const CENTER: i32 = 1_895_147_668;
    const THIRD: i32 = 715_827_883;
    let x = a + (1 << 28);
    let x2 = rounded_high(x << 1, x);
    let x3 = rounded_high(x2 << 1, x);
    // Not negative, so that half up is half away from zero.
    let x4_over_4 = (rounded_high(x2 << 1, x2) + 2) >> 2;
    let sum = rounded_right(rounded_high((x4_over_4 + x3) << 1, THIRD) + x2, 1);
    CENTER + rounded_high(CENTER, (x + sum) << 1)
}

/// `1 / (1 + a)` for `a` in [0, 1), both in Q0.31, by three Newton–Raphson steps from `48/17 − 32/17·d`.
///
/// Error below 2^−28 (tested against f64). Source: gemmlowp, `one_over_one_plus_x_for_x_in_0_1`.
#[must_use]
pub fn reciprocal_of_one_plus(a: i32) -> i32 {
    /// 48/17 in Q2.29.
    const START: i32 = 1_515_870_810;
    /// −32/17 in Q2.29.
    const SLOPE: i32 = -1_010_580_540;
    // (1 + a) / 2, which is at least 1/2, rounded half up.
    let half = ((i64::from(a) + i64::from(i32::MAX) + 1) >> 1) as i32;
    let mut x = START + doubling_high_mul(half, SLOPE);
    for _ in 0..3 {
        let error = (1 << 29) - doubling_high_mul(half, x);
        x += saturating_shift_left(doubling_high_mul(x, error), 2);
    }
    saturating_shift_left(x, 1)
}

#[cfg(test)]
mod tests {
    use super::high_of_halves;

    #[cfg_attr(miri, ignore = "two million products take Miri minutes, and touch no memory")]
    #[test]
    fn products_of_halves_are_the_product() {
        let edges = [i32::MIN, -65537, -65536, -65535, -32768, -1, 0, 1, 32767, 65535, 65536, 65537, i32::MAX];
        // A linear congruential generator, whose upper half is what counts.
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 32) as i32
        };
        let random: [i32; 1000] = core::array::from_fn(|_| next());
        for &a in edges.iter().chain(&random) {
            for &b in edges.iter().chain(&random) {
                for add in [0, 1 << 15] {
                    let expected = (i64::from(a) * i64::from(b) + (i64::from(add) << 16)) >> 32;
                    assert_eq!(i64::from(high_of_halves(a, b, add)), expected, "{a} {b} {add}");
                }
            }
        }
    }
}
