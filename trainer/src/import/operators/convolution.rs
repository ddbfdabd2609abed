//! Layers with weights: `CONV_2D` and `DEPTHWISE_CONV_2D` round twice, `FULLY_CONNECTED` once (twice in TFLM).

use anyhow::{Context, Result, bail, ensure};
use thumbnet::fixed::Rounding;
use thumbnet::format::{Border, ConcatParams, ConvParams, FullyConnectedParams, Op};
use thumbnet::kernels::Layout;

use super::channels::{Layer, weights};
use super::{clamp, view};
use crate::compile::TensorDesc;
use crate::import::conversion::Conversion;
use crate::import::schema::Operator;

pub(super) fn conv2d(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let clamp_field = 3;
    let dilation = [operator.positive(5, 1, "dilation")?, operator.positive(4, 1, "dilation")?];
    convolution(c, operator, clamp_field, dilation, false)
}

pub(super) fn depthwise(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let clamp_field = 4;
    let dilation = [operator.positive(6, 1, "dilation")?, operator.positive(5, 1, "dilation")?];
    convolution(c, operator, clamp_field, dilation, true)
}

fn convolution(
    c: &mut Conversion<'_>,
    operator: &Operator<'_>,
    clamp_field: usize,
    dilation: [u32; 2],
    depthwise: bool,
) -> Result<()> {
    let (x, y) = (operator.input(0)?, operator.output()?);
    let filter = c.tensor(operator.input(1)?);
    let (&[first, height, width, last], &[_, in_h, in_w, in_c], &[_, out_h, out_w, out_c]) =
        (filter.shape.as_slice(), c.tensor(x).shape.as_slice(), c.tensor(y).shape.as_slice())
    else {
        bail!("input, weights and output need four dimensions each");
    };
    let (outputs, inputs) = if depthwise { (last, in_c) } else { (first, last) };
    ensure!(outputs == out_c, "{outputs} filters for {out_c} output channels");
    let groups = in_c.checked_div(inputs).filter(|&groups| groups * inputs == in_c && outputs % groups == 0);
    let groups = groups.with_context(|| format!("{outputs} filters of {inputs} channels on an input of {in_c}"))?;
    let stride = [operator.positive(2, 1, "stride")?, operator.positive(1, 1, "stride")?];
    let along = |axis: usize, input: u32, output: u32, size: u32| {
        let reach = u64::from(size - 1) * u64::from(dilation[axis]) + 1;
        padding(operator.byte(0)?, input, output, stride[axis], reach)
    };
    let ([top, bottom], [left, right]) = (along(0, in_h, out_h, height)?, along(1, in_w, out_w, width)?);
    let (input, output) = (c.quant(x)?, c.quant(y)?);
    let clamp = clamp(operator.byte(clamp_field)?, output)?;
    let rounding = Rounding::Double;
    // Filters over a single channel are those of a convolution, which has the faster kernel.
    let turned = depthwise && in_c == 1;
    let outputs = (outputs / groups) as usize;
    let convolve = |c: &mut Conversion<'_>, group: usize| -> Result<Op> {
        let first = group * outputs;
        let layer = Layer { input, output, first, outputs, clamp, rounding, channel_last: depthwise, turned };
        let (weights, channels) = weights(c, operator, &layer, operator.optional(2))?;
        let pad = Border { top, bottom, left, right };
        let (size, layout) = ([height, width], Layout::Plain);
        let params = ConvParams { size, stride, dilation, pad, clamp, rounding, layout, weights, channels };
        Ok(if depthwise && !turned { Op::DepthwiseConv2d(params) } else { Op::Conv2d(params) })
    };
    if groups == 1 {
        let op = convolve(c, 0)?;
        let x = c.value(x)?;
        return c.push(y, op, &[x]);
    }
    // Every group is a convolution of its own channels.
    let mut parts = Vec::new();
    for group in 0..groups {
        let own = view::cut(c, x, 3, group * inputs, inputs)?;
        let op = convolve(c, group as usize)?;
        let desc = c.describe(y)?;
        let shape = [&desc.shape[..3], &[outputs as u32]].concat();
        parts.push(c.push_step(TensorDesc { shape, ..desc }, op, &[own])?);
    }
    c.push(y, Op::Concat(ConcatParams { axis: 3 }), &parts)
}

/// The padding is that of the convolution from the output back to the input; the bias is input 3.
pub(super) fn transpose_conv(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let (x, y) = (operator.input(2)?, operator.output()?);
    let filter = c.tensor(operator.input(1)?);
    let (&[outputs, height, width, inputs], &[_, in_h, in_w, in_c], &[_, out_h, out_w, out_c]) =
        (filter.shape.as_slice(), c.tensor(x).shape.as_slice(), c.tensor(y).shape.as_slice())
    else {
        bail!("input, weights and output need four dimensions each");
    };
    ensure!(inputs == in_c && outputs == out_c, "weights {:?} do not fit {in_c} and {out_c} channels", filter.shape);
    let stride = [operator.positive(2, 1, "stride")?, operator.positive(1, 1, "stride")?];
    let along =
        |axis: usize, input, output, size: u32| padding(operator.byte(0)?, output, input, stride[axis], size.into());
    let ([top, bottom], [left, right]) = (along(0, in_h, out_h, height)?, along(1, in_w, out_w, width)?);
    let (input, output) = (c.quant(x)?, c.quant(y)?);
    let clamp = clamp(operator.byte(3)?, output)?;
    let rounding = Rounding::Double;
    let outputs = outputs as usize;
    let layer = Layer { input, output, first: 0, outputs, clamp, rounding, channel_last: false, turned: false };
    let (weights, channels) = weights(c, operator, &layer, operator.optional(3))?;
    let params = ConvParams {
        size: [height, width],
        stride,
        dilation: [1, 1],
        pad: Border { top, bottom, left, right },
        clamp,
        rounding,
        layout: Layout::Plain,
        weights,
        channels,
    };
    let x = c.value(x)?;
    c.push(y, Op::TransposeConv2d(params), &[x])
}

/// Padding in front and behind: `SAME` puts the odd one behind, `VALID` has none.
pub(super) fn padding(kind: i8, input: u32, output: u32, stride: u32, reach: u64) -> Result<[u32; 2]> {
    let needed = u64::from(output - 1) * u64::from(stride) + reach;
    match kind {
        0 => {
            let total = needed.saturating_sub(input.into());
            ensure!(total <= u64::from(u32::MAX), "a padding of {total}");
            Ok([(total / 2) as u32, (total - total / 2) as u32])
        }
        1 => Ok([0, 0]),
        other => bail!("padding {other} is not known"),
    }
}

pub(super) fn fully_connected(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let (x, y) = (operator.input(0)?, operator.output()?);
    let filter = c.tensor(operator.input(1)?);
    let &[outputs, inputs] = filter.shape.as_slice() else {
        bail!("weights of shape {:?}, expected two dimensions", filter.shape);
    };
    let (elements, results) = (c.tensor(x).elements(), c.tensor(y).elements());
    ensure!(
        elements as u64 * u64::from(outputs) == results as u64 * u64::from(inputs),
        "{elements} inputs and {results} outputs do not fit weights of {outputs} by {inputs}"
    );
    ensure!(operator.byte(1)? == 0, "shuffled weights are not supported");
    let (input, output) = (c.quant(x)?, c.quant(y)?);
    let clamp = clamp(operator.byte(0)?, output)?;
    let rounding = c.choices.reference.fully_connected();
    let outputs = outputs as usize;
    let layer = Layer { input, output, first: 0, outputs, clamp, rounding, channel_last: false, turned: false };
    let (weights, channels) = weights(c, operator, &layer, operator.optional(2))?;
    let x = c.value(x)?;
    let op = Op::FullyConnected(FullyConnectedParams { clamp, rounding, layout: Layout::Plain, weights, channels });
    c.push(y, op, &[x])
}
