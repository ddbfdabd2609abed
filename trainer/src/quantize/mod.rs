//! Post-training quantization: a float model and some training samples in, a program of int8 steps out.
//!
//! Activations per tensor and asymmetric, weights per output channel and symmetric in −127..127, biases in 32 bits at
//! `s_input · s_weights`, as TensorFlow Lite specifies. Ranges come from training samples.

mod calibrate;
mod fold;
mod front_end;
mod lower;
mod overflow;
mod recurrent;
mod scale;

use anyhow::Result;

pub use fold::fold;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

pub use scale::{PROBABILITY, Quant, add_params, multiplier, softmax_params};

use crate::compile::Program;
use crate::data::Dataset;
use crate::model::Model;
use crate::recipe::Quantize;

/// Quantizes a trained model with samples of its training set.
///
/// # Errors
/// The model and the data do not fit each other, a layer cannot be made integer, or an accumulator could overflow; the
/// message names the layer.
pub fn quantize(model: &Model, data: &Dataset, options: Quantize) -> Result<Program> {
    let folded = fold::fold(model)?;
    let mut samples: Vec<usize> = (0..data.len()).collect();
    samples.shuffle(&mut StdRng::seed_from_u64(0));
    samples.truncate(options.samples.max(1));
    let seen = calibrate::activations(&folded, data, &samples)?;
    lower::lower(&folded, &seen, options.calibration)
}
