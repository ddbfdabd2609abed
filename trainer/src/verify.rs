//! Integers against floats: accuracy of a model file, signal to noise of every layer, and the inputs for it.

use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rayon::prelude::*;
use thumbnet::format::{DType, Op};
use thumbnet::{Model, Observer, Session};

use crate::compile::{Program, TensorDesc, aligned};
use crate::data::Dataset;
use crate::front_end;
use crate::model;
use crate::quantize::{Quant, float_values, fold};
use crate::run::input_bytes;
use crate::train::Evaluation;

/// Raw inputs of a model for samples of a data set, back to back.
///
/// # Errors
/// The model does not check, or does not take samples of this size.
pub fn quantized_inputs(bytes: &[u8], data: &Dataset, samples: &[usize]) -> Result<Vec<u8>> {
    let copy = aligned(bytes);
    let model = Model::new(bytemuck::cast_slice(&copy))?;
    let input = model.input(0).context("the model has no input")?;
    let expected = input.elements().unwrap_or(0) as usize;
    check_width(data, input.dtype, expected)?;
    let map: Vec<(f32, f32)> = model.raw_map().take(expected).collect();
    let hop = model.steps().next().map_or(1, |step| hop(&step.op));
    let masked = model.input_count() == 2;
    let all = |&index: &usize| {
        let mut input = quantize(data.sample(index), input.dtype, &map);
        input.extend(masked.then(|| length(data, index, hop)).into_iter().flatten());
        input
    };
    Ok(samples.iter().flat_map(all).collect())
}

/// Raw steps of a step of the network.
fn hop(first: &Op) -> usize {
    match first {
        Op::Spectrogram(p) => p.hop as usize,
        Op::Motion(p) => p.hop as usize,
        _ => 1,
    }
}

/// What the second input of a masked model is given.
fn length(data: &Dataset, index: usize, hop: usize) -> [u8; 4] {
    let raw = data.lengths.get(index).copied().unwrap_or(data.shape[0]);
    ((raw / hop).max(1) as i32).to_le_bytes()
}

/// Samples of a front end may be longer than all its hops together: what is left over is not looked at.
fn check_width(data: &Dataset, dtype: DType, expected: usize) -> Result<()> {
    let fits = if dtype == DType::I16 { data.width() >= expected } else { data.width() == expected };
    ensure!(fits, "samples have {} values, the model takes {expected}", data.width());
    Ok(())
}

fn quantize(raw: &[f32], dtype: DType, map: &[(f32, f32)]) -> Vec<u8> {
    if dtype == DType::I16 {
        return raw.iter().zip(map).flat_map(|(&x, _)| front_end::quantize(x).to_le_bytes()).collect();
    }
    let value = |(&raw, &(gain, offset)): (&f32, &(f32, f32))| {
        thumbnet::kernels::quantize::round_to_i8(raw * gain + offset).cast_unsigned()
    };
    raw.iter().zip(map).map(value).collect()
}

/// Inputs for a certificate: the first samples of a data set.
///
/// # Errors
/// The program does not take samples of this size.
pub fn golden_inputs(program: &Program, data: &Dataset, count: usize) -> Result<Vec<Vec<u8>>> {
    let TensorDesc { dtype, shape, .. } = &program.tensors[0];
    let expected: usize = shape.iter().map(|&dim| dim as usize).product();
    check_width(data, *dtype, expected)?;
    let map = program.gain.iter().copied().zip(program.offset.iter().copied());
    let map: Vec<(f32, f32)> = map.cycle().take(expected).collect();
    let hop = program.steps.first().map_or(1, |step| hop(&step.op));
    let all = |index: usize| {
        let mut input = quantize(data.sample(index), *dtype, &map);
        input.extend((program.inputs == 2).then(|| length(data, index, hop)).into_iter().flatten());
        input
    };
    Ok((0..count.min(data.len())).map(all).collect())
}

/// Inputs for a certificate where there is no data: seeded noise over all of int8, or over −1..1.
#[must_use]
pub fn random_inputs(program: &Program, count: usize) -> Vec<Vec<u8>> {
    let mut rng = StdRng::seed_from_u64(0);
    let mut input = |(number, tensor): (usize, &TensorDesc)| -> Vec<u8> {
        let elements = tensor.shape.iter().product::<u32>();
        match tensor.dtype {
            DType::I8 | DType::U8 => (0..elements).map(|_| rng.random()).collect(),
            DType::I16 => (0..elements).flat_map(|_| rng.random::<i16>().to_le_bytes()).collect(),
            // All of a sequence.
            DType::I32 if program.is_length(number) => i32::MAX.to_le_bytes().to_vec(),
            DType::I32 => vec![0; 4 * elements as usize],
            DType::F32 => (0..elements).flat_map(|_| rng.random_range(-1.0f32..1.0).to_le_bytes()).collect(),
        }
    };
    (0..count).map(|_| program.tensors[..program.inputs].iter().enumerate().flat_map(&mut input).collect()).collect()
}

/// Judges a model file on a data set, by the runtime itself.
///
/// # Errors
/// The model does not check or does not fit the data.
pub fn integer_evaluation(bytes: &[u8], data: &Dataset) -> Result<Evaluation> {
    Ok(Evaluation::of(&integer_outputs(bytes, data)?, data))
}

/// The real values of a model file's outputs, one row per sample.
///
/// # Errors
/// As [`integer_evaluation`].
pub fn integer_outputs(bytes: &[u8], data: &Dataset) -> Result<Vec<f32>> {
    let samples: Vec<usize> = (0..data.len()).collect();
    let parts: Vec<Vec<f32>> = samples.par_chunks(64).map(|part| outputs(bytes, data, part)).collect::<Result<_>>()?;
    Ok(parts.concat())
}

fn outputs(bytes: &[u8], data: &Dataset, samples: &[usize]) -> Result<Vec<f32>> {
    let inputs = quantized_inputs(bytes, data, samples)?;
    let copy = aligned(bytes);
    let model = Model::new(bytemuck::cast_slice(&copy))?;
    let output = model.output(0).context("the model has no output")?;
    let found = output.elements().unwrap_or(0) as usize;
    ensure!(found == data.target_width(), "the model answers {found} numbers, the data has {}", data.target_width());
    let mut arena = vec![0u128; model.arena_len().div_ceil(16)];
    let mut session = Session::new(&model, bytemuck::cast_slice_mut(&mut arena))?;
    let mut all = Vec::new();
    for input in inputs.chunks_exact(input_bytes(&model)) {
        fill(&mut session, input)?;
        session.run();
        let answer: &[i8] = session.output(0)?;
        all.extend(answer.iter().map(|&q| output.scale * (i32::from(q) - output.zero_point) as f32));
    }
    Ok(all)
}

/// Fills all inputs from their bytes, back to back.
fn fill(session: &mut Session<'_>, mut bytes: &[u8]) -> Result<()> {
    for index in 0..session.model().input_count() {
        let input = session.input_bytes_mut(index)?;
        let (own, rest) = bytes.split_at(input.len());
        input.copy_from_slice(own);
        bytes = rest;
    }
    Ok(())
}

/// What a step of a model computed for some samples.
#[derive(Clone, Debug)]
pub struct Computed {
    /// Name of the tensor.
    pub name: String,
    /// Its quantization.
    pub quant: Quant,
    /// Its values, sample by sample.
    pub values: Vec<i8>,
}

impl Computed {
    /// The real values.
    pub fn real(&self) -> impl Iterator<Item = f64> + '_ {
        self.values.iter().map(|&q| self.quant.real(q))
    }
}

/// Runs a model file over these samples, and keeps what every step of int8 computes.
///
/// # Errors
/// The model does not check or does not fit the data.
pub fn integer_values(bytes: &[u8], data: &Dataset, samples: &[usize]) -> Result<Vec<Computed>> {
    let copy = aligned(bytes);
    let model = Model::new(bytemuck::cast_slice(&copy))?;
    let mut arena = vec![0u128; model.arena_len().div_ceil(16)];
    let mut session = Session::new(&model, bytemuck::cast_slice_mut(&mut arena))?;
    let mut taps = Taps(vec![Vec::new(); model.steps().count()]);
    for input in quantized_inputs(bytes, data, samples)?.chunks_exact(input_bytes(&model)) {
        fill(&mut session, input)?;
        session.run_observed(&mut taps);
    }
    let mut all = Vec::new();
    for (number, tap) in taps.0.into_iter().enumerate() {
        let index = model.first_result() as usize + number;
        let (Some(tensor), Some(name)) = (model.tensors().get(index as u32), model.info().tensors.get(index)) else {
            continue;
        };
        if tensor.dtype == DType::I8 {
            let quant = Quant { scale: tensor.scale, zero_point: tensor.zero_point };
            let values = tap.into_iter().map(u8::cast_signed).collect();
            all.push(Computed { name: name.to_owned(), quant, values });
        }
    }
    Ok(all)
}

/// `10 · log10(Σ float² / Σ (float − int8)²)` of every layer that both have, over the first samples.
///
/// # Errors
/// The model does not check or does not fit the data.
pub fn signal_to_noise(
    float: &model::Model,
    bytes: &[u8],
    data: &Dataset,
    samples: usize,
) -> Result<Vec<(String, f64)>> {
    let samples: Vec<usize> = (0..samples.min(data.len())).collect();
    // Layers are compared as they are on the chip, with normalizations folded in.
    let values = float_values(&fold(float)?, data, &samples)?;
    let ratio = |computed: Computed| {
        // A layer that lost channels has nothing to be compared with.
        let real = values.get(&computed.name).filter(|values| values.len() == computed.values.len())?;
        let real = real.iter().map(|&x| f64::from(x));
        Some((computed.name.clone(), decibels(real.zip(computed.real()))))
    };
    Ok(integer_values(bytes, data, &samples)?.into_iter().filter_map(ratio).collect())
}

/// `10 · log10(Σ x² / Σ (x − y)²)` of pairs of a true and a found value.
pub fn decibels(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (signal, noise) =
        pairs.fold((0.0, 0.0), |(signal, noise), (x, y)| (signal + x.powi(2), noise + (x - y).powi(2)));
    10.0 * (signal / noise.max(f64::MIN_POSITIVE)).max(f64::MIN_POSITIVE).log10()
}

/// Every step's output, one inference after the other.
struct Taps(Vec<Vec<u8>>);

impl Observer for Taps {
    fn after(&mut self, step: usize, output: &[u8]) {
        self.0[step].extend_from_slice(output);
    }
}
