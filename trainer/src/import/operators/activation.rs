//! Functions of one int8 element: the file's arithmetic is done here, once for each of the 256 inputs, and stored as a table.

use anyhow::{Result, bail};
use thumbnet::fixed::{doubling_high_mul, requantize_double, rounding_shift_right};
use thumbnet::format::{Function, LookupParams, Op};

use super::unary;
use crate::import::conversion::Conversion;
use crate::import::schema::{Operator, Type};
use crate::quantize::{Quant, multiplier};

/// A step that looks up `f` of every element.
fn lookup(c: &mut Conversion<'_>, operator: &Operator<'_>, function: Function, f: impl Fn(i32) -> i32) -> Result<()> {
    let table: [i8; 256] = std::array::from_fn(|entry| f(entry as i32 - 128).clamp(-128, 127) as i8);
    let table = c.push_data(&table);
    unary(c, operator, Op::Lookup(LookupParams { function, table }))
}

fn ends(c: &Conversion<'_>, operator: &Operator<'_>) -> Result<[Quant; 2]> {
    Ok([c.quant(operator.input(0)?)?, c.quant(operator.output()?)?])
}

/// The table of a function of real numbers, in f32 as LiteRT's `LUTPopulate` fills it.
fn real(c: &mut Conversion<'_>, operator: &Operator<'_>, function: Function, f: impl Fn(f32) -> f32) -> Result<()> {
    let [input, output] = ends(c, operator)?;
    let inverse = 1.0 / output.scale;
    lookup(c, operator, function, |q| {
        let y = f(input.scale * (q - input.zero_point) as f32);
        ((y * inverse).round() as i32).saturating_add(output.zero_point)
    })
}

pub(super) fn logistic(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    real(c, operator, Function::Sigmoid, |x| 1.0 / (1.0 + (-x).exp()))
}

pub(super) fn tanh(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    real(c, operator, Function::Tanh, f32::tanh)
}

/// `RELU`, `RELU6` and `RELU_N1_TO_1`: requantized, rounded twice, then clamped.
pub(super) fn relu(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let [input, output] = ends(c, operator)?;
    let factor = multiplier((input.scale / output.scale).into())?;
    let (activation, function) = match operator.code {
        19 => (1, Function::Relu),
        20 => (2, Function::Other),
        _ => (3, Function::Relu6),
    };
    let clamp = super::clamp(activation, output)?;
    lookup(c, operator, function, |q| {
        let scaled = requantize_double(q - input.zero_point, factor.multiplier, factor.shift);
        clamp.apply(scaled.saturating_add(output.zero_point)).into()
    })
}

/// Positive values by one factor, negative ones by another, both rounded twice.
pub(super) fn leaky_relu(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let [input, output] = ends(c, operator)?;
    let slope = operator.float(0, 0.0)?;
    if slope < 0.0 {
        bail!("a slope of {slope}, expected at least 0");
    }
    let identity = multiplier((input.scale / output.scale).into())?;
    let alpha = multiplier((input.scale * slope / output.scale).into())?;
    lookup(c, operator, Function::LeakyRelu, |q| {
        let x = q - input.zero_point;
        let factor = if x >= 0 { identity } else { alpha };
        requantize_double(x, factor.multiplier, factor.shift).saturating_add(output.zero_point)
    })
}

/// `QUANTIZE`: from f32 a step of its own, otherwise a change of scale, or between uint8 and int8, that rounds twice.
pub(super) fn quantize(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let (x, y) = (operator.input(0)?, operator.output()?);
    let quant = |c: &Conversion<'_>, index| match c.tensor(index).dtype {
        Type::U8 => c.unsigned_quant(index),
        _ => c.quant(index),
    };
    let (from, to) = (c.tensor(x).dtype, c.tensor(y).dtype);
    match from {
        Type::F32 if to == Type::I8 => unary(c, operator, Op::Quantize),
        Type::I8 | Type::U8 => {
            let (input, output) = (quant(c, x)?, quant(c, y)?);
            let factor = multiplier(f64::from(input.scale) / f64::from(output.scale))?;
            let table: [u8; 256] = std::array::from_fn(|entry| {
                // Entry 0 is for the byte 0x80.
                let byte = entry as u8 ^ 0x80;
                let q = if from == Type::U8 { i32::from(byte) } else { byte.cast_signed().into() };
                let scaled = requantize_double(q - input.zero_point, factor.multiplier, factor.shift);
                let scaled = scaled.saturating_add(output.zero_point);
                if to == Type::U8 { scaled.clamp(0, 255) as u8 } else { scaled.clamp(-128, 127) as u8 }
            });
            let table = c.push_data(&table);
            unary(c, operator, Op::Lookup(LookupParams { function: Function::Requantize, table }))
        }
        other => bail!("quantizes {other:?} to {to:?}; f32 to int8, int8 and uint8 are supported"),
    }
}

pub(super) fn exp(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    real(c, operator, Function::Other, f32::exp)
}

pub(super) fn log(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    real(c, operator, Function::Other, f32::ln)
}

pub(super) fn gelu_table(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    real(c, operator, Function::Other, if operator.byte(0)? != 0 { gelu_by_tanh } else { gelu })
}

/// `x/2 · erfc(−x/√2)`
pub(super) fn gelu(x: f32) -> f32 {
    0.5 * x * libm::erfcf(x * -std::f32::consts::FRAC_1_SQRT_2)
}

/// `x/2 · (1 + tanh(√(2/π) · (x + 0.044715·x³)))`
pub(super) fn gelu_by_tanh(x: f32) -> f32 {
    let factor = (std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2) as f32;
    0.5 * x * (1.0 + (factor * (x + 0.044_715 * x * x * x)).tanh())
}

pub(super) fn elu(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    real(c, operator, Function::Other, |x| if x < 0.0 { x.exp_m1() } else { x })
}

/// `|x|`, requantized and rounded twice.
pub(super) fn abs(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let [input, output] = ends(c, operator)?;
    let factor = multiplier((input.scale / output.scale).into())?;
    lookup(c, operator, Function::Other, |q| {
        let scaled = requantize_double((q - input.zero_point).abs(), factor.multiplier, factor.shift);
        scaled.saturating_add(output.zero_point)
    })
}

/// LiteRT negates the byte as it is, whatever scales and zero points say; −128 stays.
pub(super) fn neg(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    lookup(c, operator, Function::Other, |q| (q as i8).wrapping_neg().into())
}

/// LiteRT cuts the quotient off instead of rounding it.
pub(super) fn sqrt(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let [input, output] = ends(c, operator)?;
    lookup(c, operator, Function::Other, |q| {
        let x = input.scale * (q - input.zero_point) as f32;
        ((x.max(0.0).sqrt() / output.scale) as i32).saturating_add(output.zero_point)
    })
}

/// `1/√x` in fixed point, rounded twice; 0 gives the largest output, and so does what is below, which LiteRT refuses to run.
pub(super) fn rsqrt(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    /// Bits that the root of a whole number has behind its point.
    const FRACTION: i32 = 20;
    let [input, output] = ends(c, operator)?;
    let factor = multiplier(1.0 / f64::from(input.scale.sqrt() * output.scale))?;
    lookup(c, operator, Function::Other, |q| {
        let x = q - input.zero_point;
        if x <= 0 {
            return i8::MAX.into();
        }
        let (mantissa, shift) = inverse_root(x);
        let root = requantize_double(1, mantissa, shift + FRACTION);
        requantize_double(root, factor.multiplier, factor.shift - FRACTION).saturating_add(output.zero_point)
    })
}

/// `1/√x` of a small positive number as `mantissa · 2^(shift − 31)`: five Newton steps in Q3.28 from 1.
///
/// Source: LiteRT, `GetInvSqrtQuantizedMultiplierExp`.
fn inverse_root(x: i32) -> (i32, i32) {
    /// `√½` in Q0.31.
    const ROOT_OF_HALF: i32 = 1_518_500_250;
    const THREE_HALVES: i32 = (1 << 28) + (1 << 27);
    let mul = doubling_high_mul;
    if x <= 1 {
        return (i32::MAX, 0);
    }
    // x · 4^pairs in [2^27, 2^29).
    let pairs = (x.leading_zeros() as i32 - 1) / 2 - 1;
    let x = x << (2 * pairs) >> 1;
    let half = rounding_shift_right(x, 1);
    let left = |x: i32, bits: u32| (i64::from(x) << bits).clamp(i32::MIN.into(), i32::MAX.into()) as i32;
    let mut root = 1 << 28;
    for _ in 0..5 {
        let cube = left(mul(mul(root, root), root), 6);
        root = left(mul(THREE_HALVES, root) - mul(half, cube), 3);
    }
    (mul(root, ROOT_OF_HALF) << (pairs - 11).max(0), (pairs - 11).min(0))
}

/// `x · relu6(x + 3) / 6` in 16-bit fixed point, as LiteRT's reference kernel `HardSwish` does it.
pub(super) fn hard_swish(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let [input, output] = ends(c, operator)?;
    let fine = input.scale * (1.0 / 128.0);
    let relu_scale = 3.0f32 / 32768.0;
    let (to_output, to_relu) = (multiplier((fine / output.scale).into())?, multiplier((fine / relu_scale).into())?);
    if to_output.shift > 0 {
        bail!("its output's scale {} is too fine for its input's {}", output.scale, input.scale);
    }
    let high = |multiplier: i32| {
        if multiplier >= i32::MAX - (1 << 15) { i16::MAX } else { ((multiplier + (1 << 15)) >> 16) as i16 }
    };
    lookup(c, operator, Function::HardSwish, |q| {
        let x = ((q - input.zero_point) * 128) as i16;
        let scaled = high_mul(x, high(to_output.multiplier));
        let mut gate = i32::from(x);
        if to_relu.shift > 0 {
            gate = saturate(gate << (to_relu.shift - 1).min(16));
        }
        gate = high_mul(gate as i16, high(to_relu.multiplier)).into();
        if to_relu.shift > 0 {
            gate = saturate(gate << 1);
        } else {
            gate = rounding_shift_right(gate, (-to_relu.shift) as u32);
        }
        let gate = (gate + (1 << 15)) >> 1;
        // This product alone is cut off, not rounded.
        let product = saturate(gate * i32::from(scaled) / (1 << 15));
        rounding_shift_right(product, (-to_output.shift) as u32) + output.zero_point
    })
}

fn saturate(x: i32) -> i32 {
    x.clamp(i16::MIN.into(), i16::MAX.into())
}

/// The 16-bit doubling high multiply, rounded half away from zero.
fn high_mul(a: i16, b: i16) -> i16 {
    // The same as the 32-bit one with both in the high half.
    let product = doubling_high_mul(i32::from(a) << 16, i32::from(b));
    saturate(product) as i16
}
