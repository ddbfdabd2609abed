//! Operators that move elements and do not compute.

use anyhow::{Context, Result, bail, ensure};
use thumbnet::format::{ConcatParams, Function, LookupParams, MAX_RANK, Op, PadParams};

use super::unary;
use super::view::move_to_end;
use crate::import::conversion::{Conversion, Value};
use crate::import::schema::Operator;

/// `RESHAPE`, `SQUEEZE` and `EXPAND_DIMS`: the file states the new shape in the output.
pub(super) fn reshape(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    unary(c, operator, Op::Reshape)
}

pub(super) fn concatenation(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let y = operator.output()?;
    ensure!(operator.byte(1)? == 0, "a fused activation is not supported");
    let output = c.quant(y)?;
    let mut parts = Vec::new();
    for index in 0..operator.inputs.len() {
        let x = operator.input(index)?;
        let input = c.quant(x)?;
        ensure!(input == output, "input {index} has {input:?}, the output {output:?}; LiteRT wants them equal");
        parts.push(c.value(x)?);
    }
    let axis = axis(operator.int(0, 0)?.into(), c.tensor(y).shape.len())? as u32;
    c.push(y, Op::Concat(ConcatParams { axis }), &parts)
}

/// Counts a negative axis from the end.
pub(in crate::import) fn axis(axis: i64, rank: usize) -> Result<usize> {
    let found = if axis < 0 { axis + rank as i64 } else { axis };
    let found = usize::try_from(found).ok().filter(|&found| found < rank);
    found.with_context(|| format!("axis {axis} of a tensor with {rank} dimensions"))
}

/// `PAD` with the zero point, `PADV2` with a constant of the same quantization.
pub(super) fn pad(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let (x, y) = (operator.input(0)?, operator.output()?);
    let rank = c.tensor(x).shape.len();
    ensure!(rank <= MAX_RANK, "{rank} dimensions, at most {MAX_RANK} are possible");
    let paddings = c.tensor(operator.input(1)?).integers()?;
    ensure!(paddings.len() == 2 * rank, "{} paddings for {rank} dimensions", paddings.len());
    let mut before = [0; MAX_RANK];
    for (axis, pair) in paddings.chunks(2).enumerate() {
        let padded = i64::from(c.tensor(x).shape[axis]) + pair[0] + pair[1];
        let is_valid =
            pair[0] >= 0 && pair[1] >= 0 && c.tensor(y).shape.get(axis).copied().map(i64::from) == Some(padded);
        ensure!(is_valid, "paddings {pair:?} in dimension {axis} do not give the output's shape");
        before[axis] = pair[0] as u32;
    }
    let value = match operator.optional(2) {
        None => c.quant(y)?.zero_point,
        Some(constant) => {
            ensure!(c.quant(constant)? == c.quant(x)?, "the constant has another quantization than the input");
            let constant = c.tensor(constant);
            let &[value] = constant.data.as_deref().unwrap_or(&[]) else { bail!("the value has to be one constant") };
            i32::from(value.cast_signed())
        }
    };
    unary(c, operator, Op::Pad(PadParams { before, value }))
}

pub(super) fn arg_max(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let value = along_end(c, operator)?;
    c.push(operator.output()?, Op::ArgMax, &[value])
}

/// The largest of the mirrored values, by a table that turns them around: `!q = −1 − q`.
pub(super) fn arg_min(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let value = along_end(c, operator)?;
    let table: [i8; 256] = std::array::from_fn(|entry| !((entry as i32 - 128) as i8));
    let op = Op::Lookup(LookupParams { function: Function::Other, table: c.push_data(&table) });
    let desc = c.describe_value(value);
    let value = c.push_step(desc, op, &[value])?;
    c.push(operator.output()?, Op::ArgMax, &[value])
}

/// The input with the axis that is searched at its end.
fn along_end(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<Value> {
    let x = operator.input(0)?;
    let &[along] = c.tensor(operator.input(1)?).integers()?.as_slice() else { bail!("expected one axis") };
    let axis = axis(along, c.tensor(x).shape.len())?;
    Ok(move_to_end(c, x, &[axis])?.0)
}
