//! Operators that select elements along an axis: `GATHER`, `EMBEDDING_LOOKUP`, `MIRROR_PAD`, `RESIZE_NEAREST_NEIGHBOR`.

use anyhow::{Result, bail, ensure};
use thumbnet::format::{GatherParams, Op, TakeParams};

use super::shape::axis;
use crate::compile::TensorDesc;
use crate::import::conversion::{Conversion, Value};
use crate::import::schema::{MAX_ELEMENTS, Operator, Type};

/// Appends a selection along `axis` of a tensor that has the quantization of tensor `like` of the file.
fn push_step(
    c: &mut Conversion<'_>,
    like: usize,
    shape: &mut [u32],
    input: Value,
    axis: usize,
    indices: &[i32],
) -> Result<Value> {
    let len = shape[axis];
    ensure!(indices.iter().all(|&index| (0..len as i32).contains(&index)), "indices {indices:?} of {len} elements");
    let offset = c.push_data(indices);
    shape[axis] = indices.len() as u32;
    let desc = TensorDesc { shape: shape.to_vec(), ..c.describe(like)? };
    c.push_step(desc, Op::Take(TakeParams { axis: axis as u32, indices: offset }), &[input])
}

/// Selects along several axes in turn, and lets the result stand for the output.
fn select(c: &mut Conversion<'_>, operator: &Operator<'_>, axes: &[(usize, Vec<i32>)]) -> Result<()> {
    let (x, y) = (operator.input(0)?, operator.output()?);
    let mut shape = c.tensor(x).shape.clone();
    let mut value = c.value(x)?;
    for (axis, indices) in axes {
        let is_all = indices.len() == shape[*axis] as usize && indices.iter().zip(0..).all(|(&index, at)| index == at);
        if !is_all {
            value = push_step(c, y, &mut shape, value, *axis, indices)?;
        }
    }
    let output = c.tensor(y).shape.clone();
    if output != shape || value == c.value(x)? {
        ensure!(
            output.iter().product::<u32>() == shape.iter().product::<u32>(),
            "shape {output:?}, expected {shape:?}"
        );
        let desc = c.describe(y)?;
        value = c.push_step(desc, Op::Reshape, &[value])?;
    }
    c.bind(y, value)
}

pub(super) fn gather(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    ensure!(operator.int(1, 0)? == 0, "batch dimensions are not supported");
    if !c.tensor(operator.input(1)?).is_known() {
        let axis = axis(operator.int(0, 0)?.into(), c.tensor(operator.input(0)?).shape.len())?;
        return select_computed(c, operator, [0, 1], axis);
    }
    let indices = c.tensor(operator.input(1)?).integers()?;
    let indices = indices.into_iter().map(i32::try_from).collect::<Result<Vec<_>, _>>()?;
    let axis = axis(operator.int(0, 0)?.into(), c.tensor(operator.input(0)?).shape.len())?;
    select(c, operator, &[(axis, indices)])
}

/// Rows of a table by numbers that are known only when the model runs.
pub(super) fn embedding_lookup(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    select_computed(c, operator, [1, 0], 0)
}

/// LiteRT refuses to run with a number that is out of range; here it is taken as the nearest one inside.
fn select_computed(
    c: &mut Conversion<'_>,
    operator: &Operator<'_>,
    [values, numbers]: [usize; 2],
    axis: usize,
) -> Result<()> {
    let (values, numbers) = (operator.input(values)?, operator.input(numbers)?);
    ensure!(
        c.tensor(numbers).dtype == Type::I32,
        "\"{}\" is {:?}, expected I32",
        c.tensor(numbers).name,
        c.tensor(numbers).dtype
    );
    let (values, numbers) = (c.value(values)?, c.value(numbers)?);
    c.push(operator.output()?, Op::Gather(GatherParams { axis: axis as u32 }), &[values, numbers])
}

/// Mode 0 leaves the edge out of the mirror image, mode 1 repeats it.
pub(super) fn mirror_pad(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let shape = c.tensor(operator.input(0)?).shape.clone();
    let paddings = c.tensor(operator.input(1)?).integers()?;
    ensure!(paddings.len() == 2 * shape.len(), "{} paddings for {} dimensions", paddings.len(), shape.len());
    let edge = match operator.byte(0)? {
        0 => 0,
        1 => 1,
        other => bail!("mode {other} is not known"),
    };
    let mut axes = Vec::new();
    for (axis, (pads, &len)) in paddings.chunks(2).zip(&shape).enumerate() {
        let len = i64::from(len);
        let is_valid = pads.iter().all(|&pad| (0..=len - 1 + edge).contains(&pad));
        ensure!(is_valid, "paddings {pads:?} around {len} elements");
        let reflect = |at: i64| match at {
            at if at < 0 => -at - edge,
            at if at >= len => 2 * len - 2 - at + edge,
            at => at,
        };
        axes.push((axis, (-pads[0]..len + pads[1]).map(|at| reflect(at) as i32).collect()));
    }
    select(c, operator, &axes)
}

/// Every axis as often as its number says.
pub(super) fn tile(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let shape = c.tensor(operator.input(0)?).shape.clone();
    let counts = c.tensor(operator.input(1)?).integers()?;
    ensure!(counts.len() == shape.len(), "{} counts for {} dimensions", counts.len(), shape.len());
    let mut axes = Vec::new();
    for (axis, (&len, &count)) in shape.iter().zip(&counts).enumerate() {
        let is_small = u64::try_from(count).is_ok_and(|n| n > 0 && n.saturating_mul(len.into()) <= MAX_ELEMENTS);
        ensure!(is_small, "{count} times the {len} elements of axis {axis}");
        axes.push((axis, (0..count).flat_map(|_| 0..len as i32).collect()));
    }
    select(c, operator, &axes)
}

/// Rows, then columns, each the input's nearest in f32 as LiteRT computes it.
pub(super) fn resize_nearest(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let (align_corners, half_pixel) = (operator.byte(0)? != 0, operator.byte(1)? != 0);
    let (input, output) = (c.tensor(operator.input(0)?).shape.clone(), c.tensor(operator.output()?).shape.clone());
    ensure!(input.len() == 4 && output.len() == 4, "input and output need four dimensions each");
    let indices = |axis: usize| -> Vec<i32> {
        let (len, count) = (input[axis], output[axis]);
        let scale =
            if align_corners && count > 1 { (len - 1) as f32 / (count - 1) as f32 } else { len as f32 / count as f32 };
        let offset = if half_pixel { 0.5 } else { 0.0 };
        let nearest = |at: u32| {
            let position = (at as f32 + offset) * scale;
            let position = if align_corners { position.round() } else { position.floor() };
            (position as i32).clamp(0, len as i32 - 1)
        };
        (0..count).map(nearest).collect()
    };
    select(c, operator, &[(1, indices(1)), (2, indices(2))])
}
