//! `BATCH_MATMUL` of two computed tensors, and `RESIZE_BILINEAR`.

use anyhow::{Result, ensure};
use thumbnet::fixed::Rounding;
use thumbnet::format::{MatMulParams, Op, ResizeParams};
use thumbnet::kernels::Clamp;

use super::unary;
use super::view::{Strided, push_step};
use crate::compile::TensorDesc;
use crate::import::conversion::{Conversion, Value};
use crate::import::schema::Operator;
use crate::quantize::multiplier;

/// The runtime's product takes its second operand transposed; what the file has otherwise is turned first.
pub(super) fn batch_matmul(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let (a, b, y) = (operator.input(0)?, operator.input(1)?, operator.output()?);
    let (turn_a, turned_b) = (operator.byte(0)? != 0, operator.byte(1)? != 0);
    let batches = [a, b].map(|x| c.tensor(x).shape.iter().rev().skip(2).product::<u32>());
    let of_output = c.tensor(y).shape.iter().rev().skip(2).product::<u32>();
    ensure!(
        batches.iter().all(|&batch| batch == of_output || batch == 1),
        "batches of {batches:?} for an output of {of_output}: partial broadcasting is not supported"
    );
    // As for fully connected layers, LiteRT divides the product of the scales in f64.
    let [scale_a, scale_b, scale_y] = [c.quant(a)?, c.quant(b)?, c.quant(y)?].map(|quant| f64::from(quant.scale));
    let scale = multiplier(scale_a * scale_b / scale_y)?;
    let a = operand(c, a, turn_a)?;
    let b = operand(c, b, !turned_b)?;
    c.push(y, Op::MatMul(MatMulParams { scale, rounding: Rounding::Double, clamp: Clamp::NONE }), &[a, b])
}

/// An operand, with its last two dimensions exchanged where asked.
fn operand(c: &mut Conversion<'_>, x: usize, turn: bool) -> Result<Value> {
    let value = c.value(x)?;
    if !turn {
        return Ok(value);
    }
    let shape = c.tensor(x).shape.clone();
    let rank = shape.len();
    ensure!(rank >= 2, "an operand of shape {shape:?}");
    let mut view = Strided::new(&shape);
    view.shape.swap(rank - 1, rank - 2);
    view.strides.swap(rank - 1, rank - 2);
    let desc = TensorDesc { shape: view.shape.clone(), ..c.describe(x)? };
    push_step(c, desc, value, c.tensor(x).elements(), &view)
}

pub(super) fn resize_bilinear(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let [align_corners, half_pixel_centers] = [operator.byte(2)?, operator.byte(3)?].map(|flag| u32::from(flag != 0));
    unary(c, operator, Op::ResizeBilinear(ResizeParams { align_corners, half_pixel_centers }))
}
