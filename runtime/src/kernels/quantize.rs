//! Between f32 and int8, at the edges of a network.
//!
//! IEEE division, multiplication and addition are exact to the last bit everywhere, and rounding is done on integers here,
//! so these have the same bits with and without a floating-point unit.

/// `q = clamp(round(x / scale) + zero_point)`, half away from zero. Infinities saturate, NaN becomes the zero point.
pub fn quantize(scale: f32, zero_point: i32, x: &[f32], y: &mut [i8]) {
    for (&x, y) in x.iter().zip(y) {
        *y = (round(x / scale).saturating_add(zero_point)).clamp(-128, 127) as i8;
    }
}

/// `x = scale · (q − zero_point)`.
pub fn dequantize(scale: f32, zero_point: i32, x: &[i8], y: &mut [f32]) {
    for (&x, y) in x.iter().zip(y) {
        *y = scale * (i32::from(x).wrapping_sub(zero_point)) as f32;
    }
}

/// `clamp(round(x), −128, 127)`, half away from zero; NaN becomes 0.
#[must_use]
pub fn round_to_i8(x: f32) -> i8 {
    round(x).clamp(-128, 127) as i8
}

/// Half away from zero, saturated; NaN becomes 0.
fn round(x: f32) -> i32 {
    // The cast truncates and saturates. The difference is exact: below 2^23 by Sterbenz, above there is no fraction.
    let whole = x as i32;
    let fraction = x - whole as f32;
    if fraction >= 0.5 {
        whole.saturating_add(1)
    } else if fraction <= -0.5 {
        whole.saturating_sub(1)
    } else {
        whole
    }
}
