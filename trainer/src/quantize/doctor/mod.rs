//! What integers cost a network, layer by layer, and why.
//!
//! [`examine`] compares a program with the float network that it stands for; [`cure`] tries remedies in the order of their
//! cost and keeps those that help.

mod cure;
mod findings;

use anyhow::Result;
use serde::Serialize;

pub use cure::{Trial, cure};
pub use findings::{ENOUGH, Finding, Remedy, needs_training};

use super::{Quantized, float_values};
use crate::compile::compile;
use crate::data::Dataset;
use crate::train::{argmax, evaluate, predict};
use crate::verify::{Computed, decibels, integer_evaluation, integer_outputs, integer_values};

/// What the doctor saw.
#[derive(Clone, Debug, Serialize)]
pub struct Diagnosis {
    /// Samples on which layers were compared. Accuracies are over the whole set.
    pub samples: usize,
    /// Share of right predictions of the float network; none for regression.
    pub float_accuracy: Option<f64>,
    /// The same in integers.
    pub integer_accuracy: Option<f64>,
    /// Mean square error of the float outputs.
    pub float_error: f64,
    /// The same in integers.
    pub integer_error: f64,
    /// Layer by layer, in the order of the program.
    pub layers: Vec<Layer>,
    /// Class by class; empty for regression.
    pub classes: Vec<Class>,
    /// Samples for which float and integers answer another class.
    pub flips: Vec<Flip>,
    /// How far integer outputs are from float ones.
    pub tail: Tail,
    /// Causes and remedies, what to do first in front.
    pub findings: Vec<Finding>,
}

/// One tensor of the program beside its float values.
#[derive(Clone, Debug, Serialize)]
pub struct Layer {
    /// Its name.
    pub name: String,
    /// `10 · log10(Σ x² / Σ (x − q)²)`.
    pub decibels: f64,
    /// Share of values at −128 or 127 whose float value lies outside of what those stand for.
    pub saturated: f64,
    /// Real value of one step.
    pub scale: f32,
    /// The byte that stands for zero.
    pub zero_point: i32,
    /// Largest range of a channel by the smallest that is not nothing.
    pub range_ratio: f64,
    /// Share of channels whose values take fewer than 16 steps: fewer than 4 bits.
    pub coarse: f64,
    /// The worst five, by signal to noise.
    pub worst: Vec<Channel>,
}

/// A channel of a layer.
#[derive(Clone, Debug, Serialize)]
pub struct Channel {
    /// Its number.
    pub channel: usize,
    /// Largest minus smallest float value.
    pub range: f64,
    /// Bits that its range takes of the tensor's eight.
    pub bits: f64,
    /// Signal to noise.
    pub decibels: f64,
}

/// A class in float and in integers.
#[derive(Clone, Debug, Serialize)]
pub struct Class {
    /// Its name.
    pub name: String,
    /// Its samples.
    pub samples: usize,
    /// Share of them that is found in float.
    pub float: f64,
    /// The same in integers.
    pub integer: f64,
}

/// A sample that changes its class.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Flip {
    /// Its number in the data set.
    pub sample: usize,
    /// Its true class.
    pub truth: Option<usize>,
    /// What the float network answers.
    pub float: usize,
    /// What the integers answer.
    pub integer: usize,
}

/// Absolute errors of outputs.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Tail {
    /// Half of them are at most so large.
    pub median: f64,
    /// 99 % of them.
    pub p99: f64,
    /// All of them.
    pub max: f64,
}

/// Compares a quantized network with its float one on a data set; layers on its first `samples`.
///
/// # Errors
/// The data does not fit the network.
pub fn examine(quantized: &Quantized, data: &Dataset, samples: usize) -> Result<Diagnosis> {
    let Quantized { reference, program, .. } = quantized;
    let bytes = compile(program, &[])?.bytes;
    let shown: Vec<usize> = (0..samples.clamp(1, data.len())).collect();
    let values = float_values(reference, data, &shown)?;
    let shapes = reference.graph.shapes()?;
    let computed = integer_values(&bytes, data, &shown)?;
    let compare = |computed: &Computed| {
        let channels = shapes.get(&computed.name)?.last().copied().unwrap_or(1);
        Some(layer(computed, values.get(&computed.name)?, channels))
    };
    let layers: Vec<Layer> = computed.iter().filter_map(compare).collect();
    let (float, integer) = (evaluate(reference, data)?, integer_evaluation(&bytes, data)?);
    let outputs = [predict(reference, data)?, integer_outputs(&bytes, data)?];
    let classes = match (&float.confusion, &integer.confusion) {
        (Some(float), Some(integer)) => {
            let class = |(index, name): (usize, &String)| {
                let (f, i) = (float.scores(index), integer.scores(index));
                Class { name: name.clone(), samples: f.support, float: f.recall, integer: i.recall }
            };
            data.classes.iter().enumerate().map(class).collect()
        }
        _ => Vec::new(),
    };
    Ok(Diagnosis {
        samples: shown.len(),
        float_accuracy: float.accuracy(),
        integer_accuracy: integer.accuracy(),
        float_error: float.mean_squared_error,
        integer_error: integer.mean_squared_error,
        findings: findings::findings(&layers),
        layers,
        classes,
        flips: flips(&outputs, data),
        tail: tail(&outputs),
    })
}

fn layer(computed: &Computed, real: &[f32], channels: usize) -> Layer {
    let quant = computed.quant;
    let [low, high] = [i8::MIN, i8::MAX].map(|end| quant.real(end));
    let half = f64::from(quant.scale) / 2.0;
    let outside = real.iter().filter(|&&x| f64::from(x) < low - half || f64::from(x) > high + half).count();
    let pairs: Vec<(f64, f64)> = real.iter().map(|&x| f64::from(x)).zip(computed.real()).collect();
    let mut all: Vec<Channel> = (0..channels)
        .map(|channel| {
            let own = || pairs.iter().skip(channel).step_by(channels).copied();
            let (low, high) = own().fold((f64::MAX, f64::MIN), |(low, high), (x, _)| (low.min(x), high.max(x)));
            let range = (high - low).max(0.0);
            Channel { channel, range, bits: (range / f64::from(quant.scale) + 1.0).log2(), decibels: decibels(own()) }
        })
        .collect();
    // A channel that never changes has no range to be kept.
    all.retain(|channel| channel.range > 0.0);
    let (smallest, largest) =
        all.iter().fold((f64::MAX, 0f64), |(low, high), channel| (low.min(channel.range), high.max(channel.range)));
    let coarse = all.iter().filter(|channel| channel.bits < 4.0).count() as f64 / all.len().max(1) as f64;
    all.sort_by(|a, b| a.decibels.total_cmp(&b.decibels));
    all.truncate(5);
    Layer {
        name: computed.name.clone(),
        decibels: decibels(pairs.into_iter()),
        saturated: outside as f64 / real.len().max(1) as f64,
        scale: quant.scale,
        zero_point: quant.zero_point,
        range_ratio: if largest > 0.0 { largest / smallest } else { 1.0 },
        coarse,
        worst: all,
    }
}

fn flips([float, integer]: &[Vec<f32>; 2], data: &Dataset) -> Vec<Flip> {
    if data.classes.is_empty() {
        return Vec::new();
    }
    let width = data.target_width().max(1);
    let rows = float.chunks_exact(width).zip(integer.chunks_exact(width)).enumerate();
    rows.map(|(sample, (float, integer))| Flip {
        sample,
        truth: data.label(sample),
        float: argmax(float),
        integer: argmax(integer),
    })
    .filter(|flip| flip.float != flip.integer)
    .collect()
}

fn tail([float, integer]: &[Vec<f32>; 2]) -> Tail {
    let mut errors: Vec<f64> = float.iter().zip(integer).map(|(x, y)| f64::from(x - y).abs()).collect();
    errors.sort_by(f64::total_cmp);
    let at = |share: f64| errors.get(((errors.len().max(1) - 1) as f64 * share) as usize).copied().unwrap_or(0.0);
    Tail { median: at(0.5), p99: at(0.99), max: at(1.0) }
}
