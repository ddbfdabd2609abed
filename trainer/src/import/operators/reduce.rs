//! Reductions: `MEAN` rounds twice behind a 32-bit sum, `SUM` once, extremes keep their quantization.

use anyhow::{Result, ensure};
use thumbnet::fixed::Rounding;
use thumbnet::format::{Op, ReduceFunction, ReduceParams};
use thumbnet::kernels::Scale;

use super::shape::axis;
use super::view::move_to_end;
use crate::import::conversion::Conversion;
use crate::import::schema::Operator;
use crate::quantize::multiplier;

pub(super) fn mean(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    reduce(c, operator, ReduceFunction::Sum, true)
}

pub(super) fn sum(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    reduce(c, operator, ReduceFunction::Sum, false)
}

pub(super) fn max(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    reduce(c, operator, ReduceFunction::Max, false)
}

pub(super) fn min(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    reduce(c, operator, ReduceFunction::Min, false)
}

fn reduce(c: &mut Conversion<'_>, operator: &Operator<'_>, function: ReduceFunction, mean: bool) -> Result<()> {
    let (x, y) = (operator.input(0)?, operator.output()?);
    let shape = c.tensor(x).shape.clone();
    let axes = c.tensor(operator.input(1)?).integers()?;
    let mut axes = axes.iter().map(|&along| axis(along, shape.len())).collect::<Result<Vec<_>>>()?;
    axes.sort_unstable();
    axes.dedup();
    ensure!(!axes.is_empty(), "no axis is reduced");
    let (first, last) = (axes[0], axes[axes.len() - 1]);
    let is_block = last - first + 1 == axes.len();
    // Axes side by side are one axis with what is behind them as its stride; others are moved behind everything.
    let (value, count, inner) = if is_block {
        let product = |dims: &[u32]| dims.iter().product::<u32>();
        (c.value(x)?, product(&shape[first..=last]), product(&shape[last + 1..]))
    } else {
        let (value, count) = move_to_end(c, x, &axes)?;
        (value, count, 1)
    };
    let scale = if function == ReduceFunction::Sum { factor(c, x, y, count, mean)? } else { Scale::default() };
    let rounding = if mean { Rounding::Double } else { Rounding::Single };
    c.push(y, Op::Reduce(ReduceParams { function, count, inner, scale, rounding }), &[value])
}

/// `s_x / s_y`, for a mean over the count, whose division LiteRT does in integers.
fn factor(c: &Conversion<'_>, x: usize, y: usize, count: u32, mean: bool) -> Result<Scale> {
    let scale = multiplier(f64::from(c.quant(x)?.scale) / f64::from(c.quant(y)?.scale))?;
    if !mean {
        return Ok(scale);
    }
    let bits = (31 - count.leading_zeros() as i32).min(31 + scale.shift);
    let divided = (i64::from(scale.multiplier) << bits) / i64::from(count);
    Ok(Scale { multiplier: divided as i32, shift: scale.shift - bits })
}
