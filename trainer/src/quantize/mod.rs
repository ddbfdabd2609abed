//! Post-training quantization: a float model and some training samples in, a program of int8 steps out.
//!
//! Activations per tensor and asymmetric, weights per output channel and symmetric in −127..127, biases in 32 bits at
//! `s_input · s_weights`, as TensorFlow Lite specifies. Ranges come from training samples.

mod bias_correction;
mod calibrate;
pub mod doctor;
mod entropy;
mod equalize;
mod fold;
mod front_end;
mod headroom;
mod lower;
mod overflow;
mod recurrent;
mod scale;

use anyhow::Result;

pub use calibrate::activations as float_values;
pub use fold::fold;
pub use headroom::{Headroom, headroom};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

pub use scale::{PROBABILITY, Quant, add_params, multiplier, softmax_params};

use crate::compile::Program;
use crate::data::Dataset;
use crate::model::Model;
use crate::recipe::Quantize;

/// A program, and the float network that it stands for.
#[derive(Clone, Debug)]
pub struct Quantized {
    /// The trained network, folded and equalized: every channel has the scale of the program's.
    pub reference: Model,
    /// In integers.
    pub program: Program,
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
    if options.equalize {
        equalize::equalize(&mut reference)?;
    }
    let mut samples: Vec<usize> = (0..data.len()).collect();
    samples.shuffle(&mut StdRng::seed_from_u64(0));
    samples.truncate(options.samples.max(1));
    let seen = calibrate::activations(&reference, data, &samples)?;
    let corrected =
        if options.bias_correction { bias_correction::correct(&reference, &seen)? } else { reference.clone() };
    let program = lower::lower(&corrected, &seen, options.calibration)?;
    Ok(Quantized { reference, program })
}
