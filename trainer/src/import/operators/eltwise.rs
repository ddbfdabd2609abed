//! Functions of two tensors: every requantization rounds twice.

use anyhow::Result;
use thumbnet::fixed::Rounding;
use thumbnet::format::{AddParams, BinaryFunction, BinaryParams, MulParams, Op};
use thumbnet::kernels::{Clamp, Scale};

use super::clamp;
use crate::import::conversion::Conversion;
use crate::import::schema::Operator;
use crate::quantize::{add_params, multiplier, sum_params};

pub(super) fn add(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let (a, b, y) = (operator.input(0)?, operator.input(1)?, operator.output()?);
    let output = c.quant(y)?;
    let clamp = clamp(operator.byte(0)?, output)?;
    let params = sum_params([c.quant(a)?, c.quant(b)?], output, clamp)?;
    let inputs = [c.value(a)?, c.value(b)?];
    c.push(y, Op::Add(params), &inputs)
}

pub(super) fn mul(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let (a, b, y) = (operator.input(0)?, operator.input(1)?, operator.output()?);
    let output = c.quant(y)?;
    let clamp = clamp(operator.byte(0)?, output)?;
    // LiteRT multiplies and divides the scales in f32.
    let scale = multiplier((c.quant(a)?.scale * c.quant(b)?.scale / output.scale).into())?;
    let inputs = [c.value(a)?, c.value(b)?];
    c.push(y, Op::Mul(MulParams { scale, rounding: Rounding::Double, clamp }), &inputs)
}

pub(super) fn sub(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let y = operator.output()?;
    let output = c.quant(y)?;
    let clamp = clamp(operator.byte(0)?, output)?;
    let args = add_params([c.quant(operator.input(0)?)?, c.quant(operator.input(1)?)?], output, clamp)?;
    binary(c, operator, BinaryFunction::Sub, args)
}

/// 7 bits of headroom, since the square doubles them.
pub(super) fn squared_difference(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let [a, b, y] = [operator.input(0)?, operator.input(1)?, operator.output()?];
    let [a, b, y] = [c.quant(a)?, c.quant(b)?, c.quant(y)?].map(|quant| f64::from(quant.scale));
    let twice = 2.0 * a.max(b);
    let args = AddParams {
        left_shift: 7,
        inputs: [multiplier(a / twice)?, multiplier(b / twice)?],
        output: multiplier(twice * twice / (f64::from(1 << 14) * y))?,
        clamp: Clamp::NONE,
    };
    binary(c, operator, BinaryFunction::SquaredDifference, args)
}

pub(super) fn minimum(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    binary(c, operator, BinaryFunction::Minimum, UNSCALED)
}

pub(super) fn maximum(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    binary(c, operator, BinaryFunction::Maximum, UNSCALED)
}

/// Factors in f32: `s_x / s_y` for positive values, `s_x·s_alpha / s_y` for negative ones.
pub(super) fn prelu(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let [x, alpha, y] = [operator.input(0)?, operator.input(1)?, operator.output()?];
    let [x, alpha, y] = [c.quant(x)?, c.quant(alpha)?, c.quant(y)?].map(|quant| quant.scale);
    let inputs = [multiplier((x / y).into())?, Scale::default()];
    let args = AddParams { left_shift: 0, inputs, output: multiplier((x * alpha / y).into())?, clamp: Clamp::NONE };
    binary(c, operator, BinaryFunction::Prelu, args)
}

/// Factors of what only compares.
const UNSCALED: AddParams = AddParams {
    left_shift: 0,
    inputs: [Scale { multiplier: 0, shift: 0 }; 2],
    output: Scale { multiplier: 0, shift: 0 },
    clamp: Clamp::NONE,
};

fn binary(c: &mut Conversion<'_>, operator: &Operator<'_>, function: BinaryFunction, args: AddParams) -> Result<()> {
    let inputs = [c.value(operator.input(0)?)?, c.value(operator.input(1)?)?];
    c.push(operator.output()?, Op::Binary(BinaryParams { function, args }), &inputs)
}
