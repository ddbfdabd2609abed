//! Small networks for sequences, with random weights.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use thumbnet_trainer::compile::Program;
use thumbnet_trainer::data::{Dataset, Preprocess, Targets};
use thumbnet_trainer::front_end::{Features, FrontEnd, Motion, Spectrum, Statistic};
use thumbnet_trainer::model::{Meta, Model};
use thumbnet_trainer::nn::{Initializer, initialize};
use thumbnet_trainer::quantize::{Ranges, quantize};
use thumbnet_trainer::recipe::{Quantize, Recipe};

/// A layer as in a recipe, from `op` and `key = value` pairs.
fn layers(text: &str) -> String {
    let layer = |line: &str| {
        let (op, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        format!("[[layer]]\nop = \"{op}\"\n{}\n", rest.replace("; ", "\n"))
    };
    text.lines().filter(|line| !line.trim().is_empty()).map(layer).collect()
}

/// The quantized program of these layers, one to a line, with random weights, for sequences of this shape.
///
/// # Panics
/// The layers do not parse, or do not fit the shape.
#[must_use]
pub fn program(text: &str, shape: &[usize], front_end: Option<FrontEnd>) -> Program {
    quantized(text, shape, front_end, false)
}

/// The same for sequences that may end early: the second input says where.
///
/// # Panics
/// As [`program`].
#[must_use]
pub fn masked(text: &str, shape: &[usize], front_end: Option<FrontEnd>) -> Program {
    quantized(text, shape, front_end, true)
}

fn quantized(text: &str, shape: &[usize], front_end: Option<FrontEnd>, masked: bool) -> Program {
    let head = "name = \"t\"\n[data]\nkind = \"digits\"\n[train]\nepochs = 1\nloss = \"mean_squared_error\"\noptimizer = { name = \"adam\" }\n";
    let recipe = Recipe::parse(&format!("{head}{}", layers(text))).unwrap();
    network(&recipe, shape, front_end, masked)
}

/// The quantized program of a recipe's network with random weights, for random samples of this shape, which may end early.
///
/// # Panics
/// The layers do not fit the shape.
#[must_use]
pub fn network(recipe: &Recipe, shape: &[usize], front_end: Option<FrontEnd>, masked: bool) -> Program {
    let mut rng = StdRng::seed_from_u64(2);
    let (width, count) = (shape.iter().product::<usize>(), 16);
    let unit = if front_end.is_some() { 9_000.0 } else { 1.0 };
    let data = Dataset {
        shape: shape.to_vec(),
        inputs: (0..width * count).map(|_| unit * rng.random_range(-1.0f32..1.0)).collect(),
        targets: Targets::Values { width: 1, data: vec![0.0; count] },
        classes: vec![],
        range: None,
        lengths: vec![],
    };
    let preprocess = Preprocess { gain: vec![1.0 / unit.sqrt()], offset: vec![0.0], range: None };
    let meta = Meta { preprocess, classes: vec![], front_end, masked, ranges: Ranges::new() };
    let graph = recipe.graph(&meta.input_shape(shape).unwrap()).unwrap();
    let mut weights = initialize(&graph, &graph.shapes().unwrap(), Initializer::GlorotUniform, 4);
    let biases = weights.iter_mut().filter(|(name, _)| name.ends_with("bias"));
    biases.for_each(|(_, bias)| bias.data.iter_mut().for_each(|b| *b += rng.random_range(-0.3..0.3)));
    quantize(&Model { graph, weights, meta }, &data, Quantize::default()).unwrap()
}

/// Short frames at 8 kHz.
#[must_use]
pub fn front_end() -> FrontEnd {
    spectrum(Features::LogMel, 100)
}

/// The same with energies that are normalized, in frames that overlap, or not.
#[must_use]
pub fn normalized(overlaps: bool) -> FrontEnd {
    spectrum(Features::Pcen, if overlaps { 100 } else { 40 })
}

fn spectrum(features: Features, frame: usize) -> FrontEnd {
    FrontEnd::Spectrum(Spectrum {
        features,
        rate: 8_000,
        frame,
        hop: 40,
        fft: Some(128),
        bands: 12,
        low_hz: 100.0,
        high_hz: None,
        floor_db: -90.0,
        coefficients: None,
        pcen: None,
    })
}

/// Windows of three axes, with all features.
#[must_use]
pub fn motion() -> FrontEnd {
    let features =
        vec![Statistic::Mean, Statistic::Deviation, Statistic::Variance, Statistic::Rms, Statistic::ZeroCrossings];
    FrontEnd::Motion(Motion {
        axes: 3,
        rate: 32.0,
        window: 20,
        hop: 8,
        features,
        bands: 3,
        fft: None,
        low_hz: 0.0,
        high_hz: None,
        floor: 0.1,
    })
}
