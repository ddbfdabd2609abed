//! Quantization: a float model and some training samples in, a program of int8 steps out.
//!
//! Activations per tensor and asymmetric, weights per output channel and symmetric in −127..127, biases in 32 bits at
//! `s_input · s_weights`, as TensorFlow Lite specifies. Ranges come from training samples, or from training itself (`aware`).

mod adaround;
mod affine;
pub mod aware;
mod bias_correction;
mod calibrate;
mod choose;
pub mod doctor;
mod entropy;
mod equalize;
mod fold;
mod front_end;
mod grid;
mod headroom;
mod judge;
mod lower;
mod overflow;
mod recurrent;
mod scale;
mod spread;
mod weights;

use std::collections::BTreeSet;

use anyhow::Result;

pub use calibrate::activations as float_values;
pub use choose::Choices;
pub use fold::fold;
pub use grid::Ranges;
pub use headroom::{Headroom, headroom};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

pub use scale::{PROBABILITY, Quant, add_params, multiplier, softmax_params, sum_params};

use crate::compile::Program;
use crate::data::Dataset;
use crate::graph::{Graph, Op};
use crate::model::Model;
use crate::recipe::{Method, Quantize};

/// A program, and the float network that it stands for.
#[derive(Clone, Debug)]
pub struct Quantized {
    /// The trained network, folded and equalized: every channel has the scale of the program's.
    pub reference: Model,
    /// In integers.
    pub program: Program,
    /// What `method = "auto"` has chosen.
    pub choices: Option<Choices>,
}

/// Quantizes a trained model with samples of its training set.
///
/// # Errors
/// The model and the data do not fit each other, a layer cannot be made integer, or an accumulator could overflow; the
/// message names the layer.
pub fn quantize(model: &Model, data: &Dataset, options: Quantize) -> Result<Program> {
    Ok(quantize_with_reference(model, data, options)?.program)
}

/// As [`quantize`], and keeps what the program can be compared with, layer by layer.
///
/// # Errors
/// As [`quantize`].
pub fn quantize_with_reference(model: &Model, data: &Dataset, options: Quantize) -> Result<Quantized> {
    let mut reference = fold::fold(model)?;
    let (samples, held_out) = calibration_samples(data, options.samples);
    if !model.meta.ranges.is_empty() {
        let program = lower::lower(&reference, &trained_ranges(&reference, data, &samples)?)?;
        return Ok(Quantized { reference, program, choices: None });
    }
    if options.method == Method::Auto {
        let (reference, changed, ranges, choices) = choose::choose(&reference, data, &samples, &held_out)?;
        let program = lower::lower(&changed, &ranges)?;
        return Ok(Quantized { reference, program, choices: Some(choices) });
    }
    if options.equalize {
        equalize::equalize(&mut reference)?;
    }
    let seen = calibrate::activations(&reference, data, &samples)?;
    let ranges = calibrate::ranges(&reference, &seen, |_| options.calibration);
    let all: BTreeSet<String> = reference.graph.nodes.iter().map(|node| node.name.clone()).collect();
    let mut changed = reference.clone();
    if options.adaround {
        changed = adaround::round(&reference, &seen, &ranges, &all)?;
    }
    if options.bias_correction {
        changed = bias_correction::correct(&reference, &changed, &seen, &all)?;
    }
    let program = lower::lower(&changed, &ranges)?;
    Ok(Quantized { reference, program, choices: None })
}

/// The ranges that training with fake quantization has found. It does not round the memories of recurrent layers, so that theirs
/// are measured now.
fn trained_ranges(model: &Model, data: &Dataset, samples: &[usize]) -> Result<Ranges> {
    let mut ranges = model.meta.ranges.clone();
    if model.graph.nodes.iter().any(|node| matches!(node.op, Op::Lstm { .. })) {
        ranges.extend(calibrate::memories(model, &calibrate::activations(model, data, samples)?));
    }
    Ok(ranges)
}

/// A graph without normalizations and dropout.
///
/// # Errors
/// The graph is not consistent.
pub fn folded(graph: &Graph) -> Result<Graph> {
    Ok(fold::fold_graph(graph)?.0)
}

/// A folded model with channels of like ranges: the same function, and what quantization-aware training best goes on from.
///
/// # Errors
/// A weight is missing, or the graph is not consistent.
pub fn equalized(model: &Model) -> Result<Model> {
    let mut model = fold::fold(model)?;
    equalize::equalize(&mut model)?;
    Ok(model)
}

/// Samples that judge a choice.
const HELD_OUT: usize = 128;

/// The training samples that ranges are measured on, and some of the others, or of these where there are none.
fn calibration_samples(data: &Dataset, count: usize) -> (Vec<usize>, Vec<usize>) {
    let mut samples: Vec<usize> = (0..data.len()).collect();
    samples.shuffle(&mut StdRng::seed_from_u64(0));
    let mut held_out = samples.split_off(count.clamp(1, samples.len()));
    held_out.truncate(HELD_OUT);
    if held_out.is_empty() {
        held_out = samples.iter().copied().take(HELD_OUT).collect();
    }
    (samples, held_out)
}
