//! `SOFTMAX` and `LOG_SOFTMAX`, over the last axis.

use anyhow::{Result, ensure};
use thumbnet::format::Op;

use super::unary;
use crate::import::conversion::Conversion;
use crate::import::schema::Operator;
use crate::quantize::{PROBABILITY, Quant, softmax_params};

pub(super) fn softmax(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let (input, output) = (c.quant(operator.input(0)?)?, c.quant(operator.output()?)?);
    ensure!(output == PROBABILITY, "its output has {output:?}, expected scale 1/256 and zero point -128");
    let beta = operator.float(0, 0.0)?;
    let params = c.with_exponentials(softmax_params(f64::from(beta) * f64::from(input.scale))?);
    unary(c, operator, Op::Softmax(params))
}

/// What LiteRT fixes for logarithms of probabilities: −16 to 0.
const LOG_PROBABILITY: Quant = Quant { scale: 1.0 / 16.0, zero_point: 127 };

pub(super) fn log_softmax(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let (input, output) = (c.quant(operator.input(0)?)?, c.quant(operator.output()?)?);
    ensure!(output == LOG_PROBABILITY, "its output has {output:?}, expected scale 1/16 and zero point 127");
    let params = c.with_exponentials(softmax_params(input.scale.into())?);
    unary(c, operator, Op::LogSoftmax(params))
}
