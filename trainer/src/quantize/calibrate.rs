//! Ranges of activations, seen on training samples.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use super::entropy;
use super::grid::{Grid, Ranges, grid};
use super::scale::Quant;
use super::spread::stride;
use crate::data::Dataset;
use crate::model::{Meta, Model};
use crate::nn::{Net, Params, Value, device, memory_name};
use crate::recipe::Calibration;

/// Values of every node for some samples, in the order of the samples.
pub type Activations = BTreeMap<String, Vec<f32>>;

/// Computes every node of the float network for the samples with these numbers.
///
/// # Errors
/// There is no sample, or the model does not take such.
pub fn activations(model: &Model, data: &Dataset, samples: &[usize]) -> Result<Activations> {
    ensure!(!samples.is_empty(), "calibration needs at least one sample");
    let net = Net::new(&model.graph)?;
    let params = Params::from_weights(&model.graph, &model.weights, &device())?;
    let mut all = Activations::new();
    for batch in samples.chunks(64) {
        let numbers = model.meta.inputs(data, batch)?;
        let input = Value::new(numbers, batch.len(), &model.graph.inputs[0].shape, &device());
        let mask = model.meta.mask(data, batch, &device());
        for (name, value) in net.forward_masked(&params, input, mask.as_ref()) {
            all.entry(name).or_default().extend(value.numbers().data);
        }
    }
    Ok(all)
}

/// The range of every tensor of a folded model that has one of its own, by the method for its name; and of the memories of
/// its recurrent layers.
pub(super) fn ranges(model: &Model, seen: &Activations, method: impl Fn(&str) -> Calibration) -> Ranges {
    let graph = &model.graph;
    let input = &graph.inputs[0].name;
    let mut ranges = Ranges::from([(input.clone(), input_range(&model.meta, &seen[input]))]);
    let measured = graph.nodes.iter().filter(|node| grid(graph, node) == Grid::Measured);
    ranges.extend(measured.map(|node| (node.name.clone(), range(&seen[&node.name], method(&node.name)))));
    ranges.extend(memories(model, seen));
    ranges
}

/// The ranges of the memories of recurrent layers.
pub(super) fn memories(model: &Model, seen: &Activations) -> Ranges {
    let names = model.graph.nodes.iter().map(|node| memory_name(&node.name));
    let range = |name: String| seen.get(&name).map(|values| (name, range(values, Calibration::MinMax)));
    names.filter_map(range).collect()
}

/// All that an input can be where that is known, otherwise all that was seen: what is clipped here is lost for good.
fn input_range(meta: &Meta, seen: &[f32]) -> [f32; 2] {
    let map = &meta.preprocess;
    match map.range {
        Some(range) if map.gain.len() == 1 => range.map(|raw| raw * map.gain[0] + map.offset[0]),
        _ => range(seen, Calibration::MinMax),
    }
}

/// The range that a tensor with these values is given.
pub(super) fn range(values: &[f32], method: Calibration) -> [f32; 2] {
    let ends = values.iter().fold([0.0f32, 0.0f32], |[low, high], &value| [low.min(value), high.max(value)]);
    match method {
        Calibration::MinMax => ends,
        Calibration::Percentile => percentile(values, 0.9999),
        Calibration::Mse => least_squares(values, ends),
        Calibration::Entropy => entropy::range(values, ends),
    }
}

fn percentile(values: &[f32], share: f64) -> [f32; 2] {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    let cut = ((1.0 - share) / 2.0 * sorted.len() as f64) as usize;
    [sorted[cut].min(0.0), sorted[sorted.len() - 1 - cut].max(0.0)]
}

/// Shrinks the range in steps of 2 % and keeps the one with the least mean square error, clipping included, over some 20,000
/// values of all channels.
fn least_squares(values: &[f32], [low, high]: [f32; 2]) -> [f32; 2] {
    let stride = stride(values.len(), 20_000);
    let error = |range: [f32; 2]| {
        let q = Quant::of_range(range);
        let square = |&value: &f32| (q.real(q.quantize(value.into())) - f64::from(value)).powi(2);
        values.iter().step_by(stride).map(square).sum::<f64>()
    };
    let candidates = (0..35).map(|step| 1.0 - 0.02 * step as f32).map(|share| [low * share, high * share]);
    candidates.min_by(|&a, &b| error(a).total_cmp(&error(b))).unwrap_or([low, high])
}

#[cfg(test)]
mod tests {
    use super::range;
    use crate::recipe::Calibration;

    /// 16 divides the number of values by 20,000: a step of 16 would meet channel 0 alone, which is small.
    #[test]
    fn least_squares_looks_at_every_channel() {
        let channels = [0.001, 0.001, 0.001, 1.0];
        let values: Vec<f32> =
            (0..80_000).flat_map(|at| channels.map(|most| most * (at % 100) as f32 / 99.0)).collect();
        let [low, high] = range(&values, Calibration::Mse);
        assert!(low == 0.0 && high > 0.9, "{low} to {high}");
    }
}
