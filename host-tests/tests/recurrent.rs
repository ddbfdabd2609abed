//! Recurrent layers in integers against the same equations in f64, over random sequences: how far off, and whether it grows
//! with the length of a sequence.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use thumbnet::kernels::Cell;
use thumbnet::{Model, Session};
use thumbnet_host_tests::tolerance;
use thumbnet_trainer::compile::{aligned, compile};
use thumbnet_trainer::data::{Dataset, Preprocess, Targets};
use thumbnet_trainer::graph::{Graph, Input, Node, Op};
use thumbnet_trainer::model::{Meta, Model as Trained};
use thumbnet_trainer::nn::{Initializer, initialize};
use thumbnet_trainer::quantize::{Ranges, quantize};
use thumbnet_trainer::recipe::Quantize;
use thumbnet_trainer::run::{Target, run};
use thumbnet_trainer::verify::random_inputs;

const INPUTS: usize = 8;
const UNITS: usize = 16;

fn ops(return_sequences: bool, go_backwards: bool) -> [Op; 4] {
    let gru = |reset_after| Op::Gru { units: UNITS, return_sequences, go_backwards, reset_after };
    [
        Op::SimpleRnn { units: UNITS, return_sequences, go_backwards },
        Op::Lstm { units: UNITS, return_sequences, go_backwards },
        gru(true),
        gru(false),
    ]
}

/// Noise that moves slowly, as sensors give it, in −1..1.
fn sequence(rng: &mut StdRng, time: usize) -> Vec<f32> {
    let mut x = [0f32; INPUTS];
    let step = |_| {
        x = x.map(|x| (0.8 * x + rng.random_range(-0.4..0.4)).clamp(-1.0, 1.0));
        x
    };
    (0..time).flat_map(step).collect()
}

/// A layer with first weights, three times as large for the input so that gates move, on sequences of this length.
fn layer(op: Op, time: usize, seed: u64) -> (Trained, Dataset) {
    let node = Node { name: "layer".into(), inputs: vec!["input".into()], op };
    let inputs = vec![Input { name: "input".into(), shape: vec![time, INPUTS] }];
    let graph = Graph { name: "recurrent".into(), inputs, nodes: vec![node], outputs: vec!["layer".into()] };
    let mut weights = initialize(&graph, &graph.shapes().unwrap(), Initializer::GlorotUniform, seed);
    weights.get_mut("layer/kernel").unwrap().data.iter_mut().for_each(|w| *w *= 3.0);
    let mut rng = StdRng::seed_from_u64(seed);
    weights.get_mut("layer/bias").unwrap().data.iter_mut().for_each(|b| *b += rng.random_range(-0.5..0.5));
    let count = 64;
    let data = Dataset {
        shape: vec![time, INPUTS],
        inputs: (0..count).flat_map(|_| sequence(&mut rng, time)).collect(),
        targets: Targets::Values { width: 1, data: vec![0.0; count] },
        classes: vec![],
        range: Some([-1.0, 1.0]),
        lengths: vec![],
    };
    let preprocess = Preprocess { gain: vec![1.0], offset: vec![0.0], range: data.range };
    (
        Trained {
            graph,
            weights,
            meta: Meta { preprocess, classes: vec![], front_end: None, masked: false, ranges: Ranges::new() },
        },
        data,
    )
}

fn compiled(model: &Trained, data: &Dataset) -> Vec<u8> {
    let program = quantize(model, data, Quantize::default()).unwrap();
    compile(&program, &random_inputs(&program, 2)).unwrap().bytes
}

/// The layer's equations, word by word: the state after every step.
fn real(model: &Trained, cell: Cell, x: &[f64]) -> Vec<[f64; UNITS]> {
    let weights: BTreeMap<_, Vec<f64>> =
        model.weights.iter().map(|(name, w)| (name.as_str(), w.data.iter().map(|&w| f64::from(w)).collect())).collect();
    let rows = |kernel: &str, bias: &str, x: &[f64]| -> Vec<f64> {
        let bias = weights.get(bias);
        let row = |(row, w): (usize, &[f64])| {
            w.iter().zip(x).map(|(w, x)| w * x).sum::<f64>() + bias.map_or(0.0, |bias| bias[row])
        };
        weights[kernel].chunks(x.len()).enumerate().map(row).collect()
    };
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let (mut h, mut c) = ([0f64; UNITS], [0f64; UNITS]);
    let step = |x: &[f64]| {
        let a = rows("layer/kernel", "layer/bias", x);
        let own = |h: &[f64]| rows("layer/recurrent", "layer/recurrent_bias", h);
        let r = own(&h);
        let gate = |k: usize, j: usize| a[k * UNITS + j] + r[k * UNITS + j];
        let before = h;
        let reset: [f64; UNITS] = std::array::from_fn(|j| if a.len() == UNITS { 0.0 } else { sigmoid(gate(0, j)) });
        let behind = own(&std::array::from_fn::<f64, UNITS, _>(|j| reset[j] * before[j]));
        for j in 0..UNITS {
            h[j] = match cell {
                Cell::Elman => gate(0, j).tanh(),
                Cell::Lstm => {
                    c[j] = sigmoid(gate(1, j)) * c[j] + sigmoid(gate(0, j)) * gate(2, j).tanh();
                    sigmoid(gate(3, j)) * c[j].tanh()
                }
                Cell::Gru | Cell::GruResetBefore => {
                    let last = 2 * UNITS + j;
                    let own = if cell == Cell::Gru { reset[j] * r[last] } else { behind[last] };
                    let new = (a[last] + own).tanh();
                    let z = sigmoid(gate(1, j));
                    z * before[j] + (1.0 - z) * new
                }
            };
        }
        h
    };
    x.chunks(INPUTS).map(step).collect()
}

/// Mean and worst distance between integers and f64, in units of the output (1/128), over all steps of the sequences, and
/// the mean over the first and over the last tenth of the steps.
struct Errors {
    mean: f64,
    worst: f64,
    ends: [f64; 2],
}

fn errors(op: &Op, time: usize, sequences: usize) -> Errors {
    let cell = op.recurrence().unwrap().cell;
    let (model, data) = layer(op.clone(), time, 5);
    let copy = aligned(&compiled(&model, &data));
    let runtime = Model::new(bytemuck::cast_slice(&copy)).unwrap();
    let mut arena = vec![0u128; runtime.arena_len().div_ceil(16)];
    let mut session = Session::new(&runtime, bytemuck::cast_slice_mut(&mut arena)).unwrap();
    let thumbnet::format::Tensor { scale, zero_point, .. } = runtime.input(0).unwrap();
    let mut rng = StdRng::seed_from_u64(9);
    let mut distances = vec![0f64; time];
    let mut worst = 0f64;
    for _ in 0..sequences {
        // What the layer sees are bytes; the reference gets what they stand for.
        let x = sequence(&mut rng, time);
        let bytes: Vec<i8> =
            x.iter().map(|x| ((x / scale).round() as i32 + zero_point).clamp(-128, 127) as i8).collect();
        session.input_bytes_mut(0).unwrap().copy_from_slice(bytemuck::cast_slice(&bytes));
        session.run();
        let found: &[i8] = bytemuck::cast_slice(session.output_bytes(0).unwrap());
        let x: Vec<f64> = bytes.iter().map(|&q| f64::from(i32::from(q) - zero_point) * f64::from(scale)).collect();
        for (step, (found, expected)) in found.chunks(UNITS).zip(real(&model, cell, &x)).enumerate() {
            for (&found, expected) in found.iter().zip(expected) {
                let distance = (f64::from(found) - 128.0 * expected).abs();
                distances[step] += distance / (sequences * UNITS) as f64;
                worst = worst.max(distance);
            }
        }
    }
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    Errors {
        mean: mean(&distances),
        worst,
        ends: [mean(&distances[..time / 10]), mean(&distances[time - time / 10..])],
    }
}

#[test]
fn integers_stay_near_f64_and_do_not_drift() {
    let count = if std::env::var_os("THUMBNET_FULL").is_some() { [10_000, 1_000] } else { [300, 30] };
    for op in ops(true, false) {
        for (time, sequences) in [(100, count[0]), (1_000, count[1])] {
            let Errors { mean, worst, ends: [first, last] } = errors(&op, time, sequences);
            println!(
                "{}: {sequences} sequences of {time} steps: mean {mean:.3}, worst {worst:.2} units of 1/128; first tenth \
                 {first:.3}, last tenth {last:.3}",
                op.recurrence().map(|layer| format!("{:?}", layer.cell)).unwrap_or_default()
            );
            assert!(mean < tolerance::RECURRENT_MEAN && worst < tolerance::RECURRENT_WORST, "{op:?}");
            assert!(last < tolerance::RECURRENT_DRIFT * first.max(mean), "{op:?} drifts: {first} to {last}");
        }
    }
}

#[test]
fn the_last_state_is_that_of_the_sequence() {
    for (all, last) in ops(true, false).into_iter().zip(ops(false, false)) {
        let (model, data) = layer(all, 7, 3);
        let (short, _) = layer(last, 7, 3);
        let inputs: Vec<u8> = (0..7 * INPUTS).map(|i| (i * 37) as u8).collect();
        let (all, _) = run(&compiled(&model, &data), &inputs, Target::Host).unwrap();
        let (last, _) = run(&compiled(&short, &data), &inputs, Target::Host).unwrap();
        assert_eq!(all[6 * UNITS..], last);
    }
}

#[test]
fn every_layer_is_the_same_on_cores() {
    for (number, op) in ops(true, true).into_iter().chain(ops(false, false)).enumerate() {
        let (model, data) = layer(op.clone(), 9, number as u64);
        let bytes = compiled(&model, &data);
        let inputs: Vec<u8> = (0..4 * 9 * INPUTS).map(|i| (i * i * 31 + i) as u8).collect();
        let (expected, _) = run(&bytes, &inputs, Target::Host).unwrap();
        for core in [Target::M0, Target::M3, Target::M4, Target::M55] {
            let (found, _) = run(&bytes, &inputs, core).unwrap();
            assert_eq!(found, expected, "{op:?} on {core}");
        }
    }
}
