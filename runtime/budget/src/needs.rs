//! What a model takes.

use std::collections::HashSet;

use thumbnet::Model;
use thumbnet::compiled::Call;
use thumbnet::format::{Place, Step, Tensor};

use crate::{Core, Part};

/// Most bytes of stack that loading, testing and running any model takes: the deepest path through the static frames of a
/// firmware that does nothing else, which `cargo xtask stack` computes and holds to this. The tables of a sum are the most.
#[must_use]
pub const fn stack_len(core: Core) -> u64 {
    match core {
        Core::M0 => 3584,
        Core::M3 | Core::M4 | Core::M7 | Core::M33 | Core::M55 => 4096,
    }
}

/// Bytes of weights and tables that a step reads in flash; none where it does not bind, which a checked model's does.
#[must_use]
pub fn data_len(model: &Model<'_>, number: usize, step: &Step<'_>) -> u64 {
    slices(model, number, step).iter().map(|&(_, len)| len as u64).sum()
}

/// Weights and tables of every step, each slice of the file with the first step that reads it, and the rest of the file.
pub fn flash(model: &Model<'_>) -> Vec<Part> {
    let mut taken = HashSet::new();
    let mut parts = Vec::new();
    for (number, step) in model.steps().enumerate() {
        let own = slices(model, number, &step).into_iter().filter(|slice| taken.insert(*slice));
        let bytes = own.map(|(_, len)| len as u64).sum();
        parts.push(Part { name: format!("weights of {}", label(model, number)), bytes });
    }
    let weights: u64 = parts.iter().map(|part| part.bytes).sum();
    let rest = (model.bytes().len() as u64).saturating_sub(weights);
    parts.push(Part { name: "rest of the model file".to_owned(), bytes: rest });
    parts
}

/// The step in which the arena is fullest, and what lies in it then.
pub fn fullest(model: &Model<'_>) -> (String, Vec<Part>) {
    let first = model.first_result();
    let mut fullest = (0, String::new(), Vec::new());
    for (number, step) in (0..).zip(model.steps()) {
        let is_alive = |&(index, t): &(u32, Tensor)| {
            let born = index.saturating_sub(first);
            t.place == Place::Arena && born <= number && t.last_use >= number
        };
        let alive: Vec<(u32, Tensor)> = (0..).zip(model.tensors().iter()).filter(is_alive).collect();
        let end = alive.iter().map(|(_, t)| t.offset + t.bytes().unwrap_or(0)).max().unwrap_or(0);
        let scratch = bind(model, number as usize, &step).map_or(0, |call| call.scratch_len()) as u64;
        let end = if scratch > 0 { u64::from(end).max(u64::from(step.scratch) + scratch) } else { end.into() };
        if end > fullest.0 {
            let tensor = |(index, t): (u32, Tensor)| Part {
                name: name(model, index as usize).to_owned(),
                bytes: t.bytes().unwrap_or(0).into(),
            };
            let mut parts: Vec<Part> = alive.into_iter().map(tensor).collect();
            parts.extend((scratch > 0).then(|| Part { name: "scratch".to_owned(), bytes: scratch }));
            fullest = (end, label(model, number as usize), parts);
        }
    }
    (fullest.1, fullest.2)
}

/// A step by its number, its operator and the name of what it writes.
fn label(model: &Model<'_>, number: usize) -> String {
    let operator = model.steps().nth(number).map_or("?", |step| step.op.name());
    format!("step {number}, {operator} {}", name(model, model.first_result() as usize + number))
}

/// The name of a tensor. Those of TensorFlow are paths, several of them where layers were fused: then the last part.
fn name<'m>(model: &Model<'m>, index: usize) -> &'m str {
    let whole = model.info().tensors.get(index).unwrap_or("?");
    whole.rsplit(['/', ';']).find(|part| !part.is_empty()).unwrap_or(whole)
}

fn bind<'m>(model: &Model<'m>, number: usize, step: &Step<'m>) -> Option<Call<'m>> {
    let tensor = |index: u32| model.tensors().get(index);
    let output = tensor(model.first_result() + number as u32)?;
    let mut inputs = step.inputs.iter();
    let a = tensor(*inputs.next()?)?;
    let b = inputs.next().map_or(Some(a), |&index| tensor(index))?;
    Call::new(model.data(), step, &a, &b, &output).ok()
}

/// Addresses and lengths of all that a step reads in the file.
fn slices(model: &Model<'_>, number: usize, step: &Step<'_>) -> Vec<(usize, usize)> {
    let constants = step.inputs.iter().filter_map(|&index| {
        let t = model.tensors().get(index).filter(|t| t.place == Place::Data)?;
        Some((model.data().as_ptr() as usize + t.offset as usize, t.bytes()? as usize))
    });
    let call = bind(model, number, step);
    constants.chain(call.iter().flat_map(arguments)).filter(|&(_, len)| len > 0).collect()
}

fn arguments(call: &Call<'_>) -> Vec<(usize, usize)> {
    macro_rules! slices {
        ($($slice:expr),*) => { vec![$(($slice.as_ptr() as usize, size_of_val($slice))),*] };
    }
    match call {
        Call::Conv2d(p) | Call::Depthwise(p) | Call::TransposeConv(p) => slices!(p.weights, p.channels),
        Call::FullyConnected(p) => slices!(p.weights, p.channels),
        Call::Accumulate(p) => slices!(p.weights),
        Call::Requantize(p) => slices!(p.channels),
        Call::Lstm(p) | Call::LstmFrom(p) => slices!(p.input_weights, p.recurrent_weights, p.biases),
        Call::Recurrent(p) | Call::RecurrentFrom(p) | Call::RecurrentUpTo(p) => {
            slices!(p.input_weights, p.recurrent_weights, p.input_channels, p.recurrent_channels)
        }
        Call::Spectrogram(p) | Call::SpectrogramFrom(p) => {
            slices!(p.window, p.twiddles, p.bands, p.weights, p.coefficients, p.channels)
        }
        Call::Motion(p) | Call::MotionFrom(p) => slices!(p.factors, p.twiddles, p.bands, p.weights, p.channels),
        Call::Svdf(p) => slices!(p.feature_weights, p.time_weights, p.biases),
        Call::Softmax(p) | Call::LogSoftmax(p) => slices!(p.exponentials),
        Call::Lookup(table) => slices!(*table),
        Call::Take { indices, .. } => slices!(*indices),
        Call::Quantize { .. }
        | Call::Dequantize { .. }
        | Call::MaxPool(_)
        | Call::MaxPoolUpTo(_)
        | Call::AveragePoolUpTo(_)
        | Call::AveragePool(_)
        | Call::Add(..)
        | Call::Mul(..)
        | Call::Concat { .. }
        | Call::Pad { .. }
        | Call::Reshape
        | Call::ArgMax { .. }
        | Call::Binary(..)
        | Call::View(_)
        | Call::Reduce(..)
        | Call::Resize(_)
        | Call::MatMul(_)
        | Call::Gather { .. } => Vec::new(),
    }
}
