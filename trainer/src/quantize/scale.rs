//! From real factors and ranges to the integers that the runtime computes with.

use anyhow::{Result, ensure};
use thumbnet::format::{AddParams, SoftmaxParams, SumParams};
use thumbnet::kernels::{Clamp, Scale};

use super::affine::affine;

/// Softmax and sigmoid: 0 to 255/256, as TensorFlow Lite fixes it.
pub const PROBABILITY: Quant = Quant { scale: 1.0 / 256.0, zero_point: -128 };

/// Scale and zero point of a tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quant {
    /// `real = scale · (q − zero_point)`.
    pub scale: f32,
    /// −128..127.
    pub zero_point: i32,
}

impl Quant {
    /// For real values from `low` to `high`; 0 is always among them, and is represented exactly.
    #[must_use]
    pub fn of_range([low, high]: [f32; 2]) -> Self {
        let (low, high) = (f64::from(low.min(0.0)), f64::from(high.max(0.0)));
        let width = if high > low { high - low } else { 1.0 };
        let scale = width / 255.0;
        Self { scale: scale as f32, zero_point: (-128.0 - low / scale).round().clamp(-128.0, 127.0) as i32 }
    }

    /// The nearest of the 256 values, half away from zero.
    #[must_use]
    pub fn quantize(self, real: f64) -> i8 {
        let steps = (real / f64::from(self.scale)).round() + f64::from(self.zero_point);
        steps.clamp(-128.0, 127.0) as i8
    }

    /// The real value.
    #[must_use]
    pub fn real(self, q: i8) -> f64 {
        f64::from(self.scale) * f64::from(i32::from(q) - self.zero_point)
    }

    /// The 256 outputs of a function of one element, for a lookup table.
    #[must_use]
    pub fn table(self, output: Self, function: impl Fn(f64) -> f64) -> [i8; 256] {
        std::array::from_fn(|entry| output.quantize(function(self.real((entry as i32 - 128) as i8))))
    }
}

/// `factor ≈ multiplier · 2^(shift − 31)` with the multiplier in [2^30, 2^31), as TensorFlow Lite's `QuantizeMultiplier`.
///
/// # Errors
/// The factor is not positive and finite, or too large for 31 bits of shift.
pub fn multiplier(factor: f64) -> Result<Scale> {
    ensure!(factor.is_finite() && factor >= 0.0, "a scale of {factor} cannot be represented");
    if factor == 0.0 {
        return Ok(Scale { multiplier: 0, shift: 0 });
    }
    // Dividing by a power of two is exact, so that this is the fraction in [1/2, 1) and its exponent. The logarithm may
    // be rounded up to the next power.
    let mut shift = factor.log2().floor() as i32 + 1;
    let mut fraction = factor / 2f64.powi(shift);
    if fraction < 0.5 {
        fraction *= 2.0;
        shift -= 1;
    }
    let mut mantissa = (fraction * 2f64.powi(31)).round() as i64;
    if mantissa == 1 << 31 {
        mantissa /= 2;
        shift += 1;
    }
    if shift < -31 {
        return Ok(Scale { multiplier: 0, shift: 0 });
    }
    ensure!(shift <= 30, "a scale of {factor} is too large: the output's range is too narrow for its inputs");
    Ok(Scale { multiplier: mantissa as i32, shift })
}

/// Parameters of a sum, with the shorter way to its bytes where there is one.
///
/// # Errors
/// The output's scale is too fine for the inputs'.
pub fn sum_params(inputs: [Quant; 2], output: Quant, clamp: Clamp) -> Result<SumParams> {
    let args = add_params(inputs, output, clamp)?;
    let ratios = inputs.map(|input| f64::from(input.scale) / f64::from(output.scale));
    let affine = affine(&args.bound(inputs.map(|input| input.zero_point), output.zero_point), ratios);
    Ok(SumParams { args, affine })
}

/// Parameters of a sum or a difference: both operands on twice the larger scale with 20 bits of headroom.
///
/// # Errors
/// The output's scale is too fine for the inputs'.
pub fn add_params([a, b]: [Quant; 2], output: Quant, clamp: Clamp) -> Result<AddParams> {
    let [a, b, output] = [a, b, output].map(|quant| f64::from(quant.scale));
    let twice = 2.0 * a.max(b);
    Ok(AddParams {
        left_shift: 20,
        inputs: [multiplier(a / twice)?, multiplier(b / twice)?],
        output: multiplier(twice / (2f64.powi(20) * output))?,
        clamp,
    })
}

/// Parameters of softmax for the real value of one step of its input: differences in Q5.26, as the reference kernel takes
/// them.
///
/// # Errors
/// The step is too small.
pub fn softmax_params(step: f64) -> Result<SoftmaxParams> {
    let scale = multiplier((step * 2f64.powi(26)).min(2f64.powi(31) - 1.0))?;
    ensure!(scale.shift >= 0, "its input's scale {step} is too small");
    let diff_min = -(31.0 * 2f64.powi(26) / 2f64.powi(scale.shift)).floor() as i32;
    Ok(SoftmaxParams { scale, diff_min, exponentials: 0, count: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multipliers_are_within_half_a_unit_of_their_factor() {
        for factor in [1.0 - f64::EPSILON / 2.0, 1e-9, 0.000_123, 0.25, 0.3, 0.5, 0.999_999_999_9, 1.0, 1.5, 1e6] {
            let Scale { multiplier, shift } = multiplier(factor).unwrap();
            assert!(multiplier >= 1 << 30, "{factor}");
            let real = f64::from(multiplier) * 2f64.powi(shift - 31);
            assert!((real / factor - 1.0).abs() <= 2f64.powi(-31), "{factor}: {real}");
        }
        assert!(multiplier(f64::NAN).is_err() && multiplier(-1.0).is_err() && multiplier(1e12).is_err());
    }

    #[test]
    fn zero_is_exact_and_the_ends_are_in() {
        for range in [[0.0, 1.0], [-1.0, 1.0], [0.5, 2.0], [-3.0, -1.0], [0.0, 0.0]] {
            let q = Quant::of_range(range);
            assert_eq!(q.real(q.quantize(0.0)), 0.0, "{range:?}");
            let unit = f64::from(q.scale);
            range.iter().for_each(|&end| assert!((q.real(q.quantize(end.into())) - f64::from(end)).abs() <= unit));
        }
        assert_eq!(Quant::of_range([0.0, 1.0]), Quant { scale: 1.0 / 255.0, zero_point: -128 });
    }
}
