//! Fixed-point arithmetic: how an accumulator becomes an output, and the few functions that need more than a multiply.
//!
//! A real factor is stored as `multiplier · 2^(shift − 31)` with the multiplier in [2^30, 2^31). There are exactly two ways
//! to apply it, and each operator states which one it takes. Both are those of the TensorFlow Lite specification's
//! reference kernels ("Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
//! Jacob et al. 2017, appendix B).

/// How a product of accumulator and multiplier loses its low bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    let product = i64::from(x).wrapping_mul(i64::from(multiplier));
    (product.wrapping_add(1i64 << (n - 1)) >> n) as i32
}

/// Two roundings: `RoundingDivideByPOT(SaturatingRoundingDoublingHighMul(x · 2^left, m), right)`.
#[inline(always)]
#[must_use]
pub fn requantize_double(x: i32, multiplier: i32, shift: i32) -> i32 {
    let left = shift.max(0) as u32;
    let right = (-shift).max(0) as u32;
    rounding_shift_right(doubling_high_mul(x.wrapping_shl(left), multiplier), right)
}

/// `round(a · b / 2^31)`, half away from zero for negative products as the specification has it, saturated:
/// only `a = b = −2^31` saturates.
#[inline(always)]
#[must_use]
pub fn doubling_high_mul(a: i32, b: i32) -> i32 {
    if a == i32::MIN && b == i32::MIN {
        return i32::MAX;
    }
    let product = i64::from(a) * i64::from(b);
    let nudge = if product >= 0 { 1i64 << 30 } else { 1 - (1i64 << 30) };
    // Division by 2^31 truncates toward zero; a shift would not.
    ((product + nudge) / (1i64 << 31)) as i32
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
