//! Biases, multipliers and shifts of a layer's output channels.

use anyhow::{Context, Result, bail, ensure};
use thumbnet::fixed::{Rounding, requantize};
use thumbnet::kernels::{Channel, Clamp};

use crate::import::conversion::Conversion;
use crate::import::schema::{Operator, Type};
use crate::quantize::{Quant, multiplier};

/// What all layers with weights have in common.
pub(super) struct Layer {
    pub input: Quant,
    pub output: Quant,
    /// The first of the file's channels that it computes, and how many.
    pub first: usize,
    pub outputs: usize,
    pub clamp: Clamp,
    pub rounding: Rounding,
    /// Whether weight `i` belongs to channel `i % outputs`; otherwise the weights of a channel follow one another.
    pub channel_last: bool,
    /// Whether weights that belong to channel `i % outputs` are stored so that those of a channel follow one another.
    pub turned: bool,
}

/// Reads weights (input 1) and biases and puts them into the data; gives the offsets of weights and channels.
pub(super) fn weights(
    c: &mut Conversion<'_>,
    operator: &Operator<'_>,
    layer: &Layer,
    bias: Option<usize>,
) -> Result<(u32, u32)> {
    let filter = c.tensor(operator.input(1)?);
    let data = filter.constant().context("weights")?;
    ensure!(filter.dtype == Type::I8, "weights \"{}\" are {:?}, expected int8", filter.name, filter.dtype);
    ensure!(filter.zero_points.iter().all(|&zero| zero == 0), "weights \"{}\" have a zero point", filter.name);
    let axis = if layer.channel_last { filter.shape.len() as i32 - 1 } else { 0 };
    let is_per_output = filter.scales.len() == 1 || filter.axis == axis;
    ensure!(is_per_output, "\"{}\" has scales along axis {}, expected {axis}", filter.name, filter.axis);
    let all = filter.shape.get(axis as usize).map_or(0, |&dim| dim as usize);
    ensure!(layer.first + layer.outputs <= all, "\"{}\" has {all} filters, {} are wanted", filter.name, layer.outputs);
    let own = layer.first..layer.first + layer.outputs;
    let of_a_filter = data.len() / all;
    let bytes = if layer.channel_last { data } else { &data[own.start * of_a_filter..own.end * of_a_filter] };
    let mut weights: Vec<i8> = bytemuck::cast_slice(bytes).to_vec();
    let biases = biases(c, bias, all)?[own].to_vec();
    let scale = |channel: usize| match filter.scales.as_slice() {
        [scale] => Ok(*scale),
        scales if scales.len() == all => Ok(scales[layer.first + channel]),
        scales => bail!("{} scales of \"{}\", expected 1 or {all}", scales.len(), filter.name),
    };
    let per_channel = weights.len() / layer.outputs;
    let index = |channel: usize, k: usize| {
        if layer.channel_last { k * layer.outputs + channel } else { channel * per_channel + k }
    };
    let mut channels = Vec::new();
    for (channel, &bias) in biases.iter().enumerate() {
        let factor = f64::from(layer.input.scale) * f64::from(scale(channel)?) / f64::from(layer.output.scale);
        let factor = multiplier(factor).with_context(|| format!("output channel {channel}"))?;
        let own = (0..per_channel).map(|k| weights[index(channel, k)]);
        let bound = Bound::new(own, bias, layer.input.zero_point);
        let made = Channel { bias, multiplier: factor.multiplier, shift: factor.shift };
        channels.push(match bound.constant(&made, layer) {
            Some(value) => {
                (0..per_channel).for_each(|k| weights[index(channel, k)] = 0);
                c.summary.constant_channels += 1;
                // A factor of 2^-6, exact here, so that the bias is the output: a shift to the right, as the fast kernels
                // want it.
                Channel { bias: (i32::from(value) - layer.output.zero_point) << 6, multiplier: 1 << 30, shift: -5 }
            }
            None => {
                bound.check(factor.shift).with_context(|| format!("output channel {channel}"))?;
                made
            }
        });
    }
    if layer.turned {
        weights = (0..weights.len()).map(|i| weights[index(i / per_channel, i % per_channel)]).collect();
    }
    Ok((c.push_data(&weights), c.push_data(&channels)))
}

fn biases(c: &Conversion<'_>, bias: Option<usize>, outputs: usize) -> Result<Vec<i32>> {
    let Some(bias) = bias else { return Ok(vec![0; outputs]) };
    let bias = c.tensor(bias);
    let biases = bias.integers()?.into_iter().map(i32::try_from).collect::<Result<Vec<_>, _>>();
    let biases = biases.with_context(|| format!("biases \"{}\" do not fit 32 bits", bias.name))?;
    ensure!(biases.len() == outputs, "{} biases \"{}\", expected {outputs}", biases.len(), bias.name);
    Ok(biases)
}

/// The smallest and the largest accumulator that any input can give.
struct Bound {
    low: i64,
    high: i64,
}

impl Bound {
    fn new(weights: impl Iterator<Item = i8>, bias: i32, zero_point: i32) -> Self {
        let ends = [-128 - i64::from(zero_point), 127 - i64::from(zero_point)];
        let mut bound = Self { low: bias.into(), high: bias.into() };
        for weight in weights {
            let products = ends.map(|x| x * i64::from(weight));
            bound.low += products[0].min(products[1]);
            bound.high += products[0].max(products[1]);
        }
        bound
    }

    /// The output, where every input gives the same one: no weights, or a bias so large that the clamp takes all.
    fn constant(&self, channel: &Channel, layer: &Layer) -> Option<i8> {
        let fits = |sum: i64| i32::try_from(sum << channel.shift.max(0)).is_ok();
        if !fits(self.low) || !fits(self.high) {
            return None;
        }
        let ends = [self.low, self.high].map(|sum| {
            let scaled = requantize(sum as i32, channel.multiplier, channel.shift, layer.rounding);
            layer.clamp.apply(scaled.wrapping_add(layer.output.zero_point))
        });
        (ends[0] == ends[1]).then_some(ends[0])
    }

    /// Every kernel may rely on accumulators below 2^30, also behind a shift to the left.
    fn check(&self, shift: i32) -> Result<()> {
        let most = self.low.abs().max(self.high.abs()) << shift.max(0);
        let limit = (1 << 30) - 1;
        ensure!(most <= limit, "its accumulator could reach {most}, at most {limit} is possible");
        Ok(())
    }
}
