//! Pools: input and output share their quantization; the average rounds half away from zero.

use anyhow::{Result, bail};
use thumbnet::format::{Border, Op, PoolParams};

use super::{clamp, convolution::padding, unary};
use crate::import::conversion::Conversion;
use crate::import::schema::Operator;

pub(super) fn average(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let params = params(c, operator)?;
    unary(c, operator, Op::AveragePool2d(params))
}

pub(super) fn max(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let params = params(c, operator)?;
    unary(c, operator, Op::MaxPool2d(params))
}

fn params(c: &Conversion<'_>, operator: &Operator<'_>) -> Result<PoolParams> {
    let (x, y) = (operator.input(0)?, operator.output()?);
    let (&[_, in_h, in_w, _], &[_, out_h, out_w, _]) = (c.tensor(x).shape.as_slice(), c.tensor(y).shape.as_slice())
    else {
        bail!("input and output need four dimensions each");
    };
    let size = [operator.positive(4, 0, "filter height")?, operator.positive(3, 0, "filter width")?];
    let stride = [operator.positive(2, 0, "stride")?, operator.positive(1, 0, "stride")?];
    let along = |axis: usize, input, output| padding(operator.byte(0)?, input, output, stride[axis], size[axis].into());
    let ([top, bottom], [left, right]) = (along(0, in_h, out_h)?, along(1, in_w, out_w)?);
    let clamp = clamp(operator.byte(5)?, c.quant(y)?)?;
    Ok(PoolParams { size, stride, pad: Border { top, bottom, left, right }, clamp })
}
