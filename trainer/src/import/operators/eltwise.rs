//! `ADD` and `MUL`: every requantization rounds twice.

use anyhow::Result;
use thumbnet::fixed::Rounding;
use thumbnet::format::{MulParams, Op};

use super::clamp;
use crate::import::conversion::Conversion;
use crate::import::schema::Operator;
use crate::quantize::{add_params, multiplier};

pub(super) fn add(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let (a, b, y) = (operator.input(0)?, operator.input(1)?, operator.output()?);
    let output = c.quant(y)?;
    let clamp = clamp(operator.byte(0)?, output)?;
    let params = add_params([c.quant(a)?, c.quant(b)?], output, clamp)?;
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
