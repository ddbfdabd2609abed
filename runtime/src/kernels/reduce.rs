//! Sum, mean and extremes along one axis, of `[outer, count, inner]`.

use super::Reduce;
use crate::fixed::requantize;

/// `y = clamp(zp_y + scale · Σ (x − zp_x))`, for a mean the scale holds `1 / count`.
///
/// TensorFlow Lite's kernels round a mean twice (`QuantizedMeanOrSum`) and a sum once; [`Reduce::rounding`] says.
pub fn sum(p: &Reduce, x: &[i8], y: &mut [i8]) {
    let bias = p.input_zero_point.wrapping_mul(p.count as i32);
    fold(
        p,
        x,
        y,
        0i32,
        |sum, x| sum.wrapping_add(i32::from(x)),
        |sum| {
            let scaled = requantize(sum.wrapping_sub(bias), p.scale.multiplier, p.scale.shift, p.rounding);
            scaled.saturating_add(p.output_zero_point).clamp(-128, 127) as i8
        },
    );
}

/// `y = max x`; both have the same quantization.
pub fn max(p: &Reduce, x: &[i8], y: &mut [i8]) {
    fold(p, x, y, i8::MIN, Ord::max, |max| max);
}

/// `y = min x`; both have the same quantization.
pub fn min(p: &Reduce, x: &[i8], y: &mut [i8]) {
    fold(p, x, y, i8::MAX, Ord::min, |min| min);
}

#[inline(always)]
fn fold<T: Copy>(p: &Reduce, x: &[i8], y: &mut [i8], zero: T, add: impl Fn(T, i8) -> T, finish: impl Fn(T) -> i8) {
    let inner = p.inner.max(1);
    for (x, y) in x.chunks_exact(p.count.saturating_mul(inner).max(1)).zip(y.chunks_exact_mut(inner)) {
        for (offset, y) in y.iter_mut().enumerate() {
            let column = x.iter().skip(offset).step_by(inner);
            *y = finish(column.fold(zero, |sum, &x| add(sum, x)));
        }
    }
}
