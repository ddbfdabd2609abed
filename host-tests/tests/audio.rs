//! The front end against floats, and a network from samples to answer on every core.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use realfft::RealFftPlanner;
use thumbnet::kernels::{Channel, spectrogram};
use thumbnet_host_tests::tolerance;
use thumbnet_trainer::compile::compile;
use thumbnet_trainer::data::{Dataset, Preprocess, Targets};
use thumbnet_trainer::front_end::{DECIBELS, Features, FrontEnd, Pcen, Spectrum};
use thumbnet_trainer::graph::{Graph, Input, Node, Op};
use thumbnet_trainer::model::{Meta, Model};
use thumbnet_trainer::nn::{Initializer, initialize};
use thumbnet_trainer::quantize::{Ranges, quantize};
use thumbnet_trainer::recipe::Quantize;
use thumbnet_trainer::run::{Target, run};
use thumbnet_trainer::verify::quantized_inputs;

fn front_end(features: Features, frame: usize, hop: usize, bands: usize) -> Spectrum {
    let (low_hz, high_hz, floor_db) = (60.0, None, -110.0);
    Spectrum {
        features,
        rate: 16_000,
        frame,
        hop,
        fft: None,
        bands,
        low_hz,
        high_hz,
        floor_db,
        coefficients: None,
        pcen: None,
    }
}

/// A tone that slides from low to high over noise, at this many decibels below full scale.
fn sweep(len: usize, decibels: f64, seed: u64) -> Vec<f32> {
    let mut rng = StdRng::seed_from_u64(seed);
    let peak = 32_767.0 * 10f64.powf(-decibels / 20.0);
    let mut phase = 0.0;
    let sample = |n: usize| {
        phase += 0.01 + 3.0 * n as f64 / len as f64;
        (peak * (0.9 * f64::sin(phase) + rng.random_range(-0.1..0.1))).round() as f32
    };
    (0..len).map(sample).collect()
}

/// The definition in f64, on the same 16-bit samples.
fn real(front_end: &Spectrum, samples: &[f32]) -> Vec<f64> {
    let (frame, hop) = (front_end.frame, front_end.hop);
    let len = frame.next_power_of_two();
    let tau = std::f64::consts::TAU;
    let transform = RealFftPlanner::<f64>::new().plan_fft_forward(len);
    let past = frame - hop;
    let floor = 54.0 + 2.0 * (frame as f64 / len as f64).log2() + front_end.floor_db / DECIBELS;
    let pcen = front_end.pcen.unwrap_or_default();
    let full_scale = 54.0 + 2.0 * (frame as f64 / len as f64).log2();
    let mut means = vec![0.0; front_end.bands];
    let mut all = Vec::new();
    for number in 0..samples.len() / hop {
        let mut input = transform.make_input_vec();
        for (n, slot) in input[..frame].iter_mut().enumerate() {
            let at = (number * hop + n).checked_sub(past);
            let x = at.map_or(0.0, |at| f64::from(samples[at]));
            *slot = x * (0.5 - 0.5 * (tau * n as f64 / frame as f64).cos());
        }
        let mut output = transform.make_output_vec();
        transform.process(&mut input, &mut output).unwrap();
        // The chip's spectrum is larger by 2^(14 − log2 N), and its energies are without the 12 lowest bits, times 2^12.
        let unit = 2f64.powi(14 - len.trailing_zeros() as i32);
        let power: Vec<f64> = output.iter().map(|bin| bin.norm_sqr() * unit * unit).collect();
        let tables = front_end.tables().unwrap();
        let mut weights = tables.weights.iter();
        let energies: Vec<f64> = tables
            .bands
            .iter()
            .map(|&[start, count]| {
                let bins = &power[usize::from(start)..][..usize::from(count)];
                bins.iter().zip(weights.by_ref()).map(|(p, &w)| p * f64::from(w) / 4096.0).sum()
            })
            .collect();
        if front_end.features == Features::Pcen {
            for (energy, mean) in energies.iter().zip(&mut means) {
                let energy = energy / full_scale.exp2();
                *mean += pcen.smoothing * (energy - *mean);
                let quotient = energy / (pcen.eps + *mean).powf(pcen.gain);
                all.push((quotient + pcen.bias).powf(pcen.power) - pcen.bias.powf(pcen.power));
            }
            continue;
        }
        let bands: Vec<f64> = energies.iter().map(|energy| energy.log2().max(floor)).collect();
        if front_end.features == Features::Mfcc {
            let count = bands.len() as f64;
            for c in 0..front_end.width() {
                let norm = (if c == 0 { 1.0 } else { 2.0 } / count).sqrt();
                let angle = |b: usize| std::f64::consts::PI * c as f64 * (b as f64 + 0.5) / count;
                all.push(norm * bands.iter().enumerate().map(|(b, x)| x * angle(b).cos()).sum::<f64>());
            }
        } else {
            all.extend(bands);
        }
    }
    all
}

#[test]
fn bands_are_those_of_the_definition_within_their_decibels() {
    for (features, frame, hop, bands) in [
        (Features::LogMel, 512, 256, 40),
        (Features::LogMel, 400, 160, 32),
        (Features::LogMel, 1024, 512, 64),
        (Features::LogBands, 64, 64, 16),
        (Features::Mfcc, 512, 320, 26),
    ] {
        let front_end = front_end(features, frame, hop, bands);
        let tables = front_end.tables().unwrap();
        for decibels in [0.0, 20.0, 40.0] {
            let samples = sweep(16_000, decibels, 3);
            let (found, expected) = (front_end.apply(&tables, &samples), real(&front_end, &samples));
            assert_eq!(found.len(), expected.len());
            let errors: Vec<f64> =
                found.iter().zip(&expected).map(|(a, b)| DECIBELS * (f64::from(*a) - b).abs()).collect();
            let worst = errors.iter().copied().fold(0.0, f64::max);
            let mean = errors.iter().sum::<f64>() / errors.len() as f64;
            println!(
                "{features:?} {frame}/{hop}, {bands} bands, -{decibels} dB: mean {mean:.4} dB, worst {worst:.4} dB"
            );
            assert!(worst < tolerance::BAND_DECIBELS, "{features:?} {frame} at -{decibels} dB: {worst}");
        }
    }
}

/// The same of normalized energies: in decibels of `(V + δ^r)^(1/r)`, which is what the root is taken of.
#[test]
fn normalized_energies_are_those_of_the_definition_within_their_decibels() {
    let other = Pcen { smoothing: 0.3, gain: 0.8, bias: 10.0, power: 0.25, eps: 1e-5 };
    for (constants, frame, hop, bands) in [(Pcen::default(), 512, 256, 40), (other, 400, 160, 32), (other, 64, 64, 8)] {
        let front_end = Spectrum { pcen: Some(constants), ..front_end(Features::Pcen, frame, hop, bands) };
        let tables = front_end.tables().unwrap();
        let start = constants.bias.powf(constants.power);
        let gain = |v: f64| 10.0 / constants.power * (v + start).log10();
        for decibels in [0.0, 20.0, 40.0] {
            let samples = sweep(16_000, decibels, 3);
            let (found, expected) = (front_end.apply(&tables, &samples), real(&front_end, &samples));
            assert_eq!(found.len(), expected.len());
            let pairs = || found.iter().map(|&v| f64::from(v)).zip(expected.iter().copied());
            let errors: Vec<f64> = pairs().map(|(a, b)| (gain(a) - gain(b)).abs()).collect();
            let worst = errors.iter().copied().fold(0.0, f64::max);
            let mean = errors.iter().sum::<f64>() / errors.len() as f64;
            let off = pairs().map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            let most = expected.iter().copied().fold(0.0, f64::max);
            println!(
                "pcen {frame}/{hop}, -{decibels} dB: mean {mean:.4} dB, worst {worst:.4} dB; worst {off:.5} of values up to {most:.2}"
            );
            assert!(worst < tolerance::NORMALIZED_DECIBELS, "{frame} at -{decibels} dB: {worst}");
        }
    }
}

fn network(features: Features) -> (Model, Dataset) {
    let front_end = Spectrum { fft: None, ..front_end(features, 240, 160, 20) };
    let nodes = vec![
        Node {
            name: "gru".into(),
            inputs: vec!["input".into()],
            op: Op::Gru { units: 12, return_sequences: true, go_backwards: false, reset_after: true },
        },
        Node { name: "pool".into(), inputs: vec!["gru".into()], op: Op::GlobalAveragePool2d },
    ];
    let count = 8;
    let inputs: Vec<f32> = (0..count).flat_map(|seed| sweep(1_700, 6.0 * seed as f64, seed)).collect();
    let targets = Targets::Values { width: 12, data: vec![0.0; 12 * count as usize] };
    let data = Dataset { shape: vec![1_700], inputs, targets, classes: vec![], range: None, lengths: vec![] };
    let shape = front_end.shape(&data.shape).unwrap();
    let graph = Graph {
        name: "audio".into(),
        inputs: vec![Input { name: "input".into(), shape }],
        nodes,
        outputs: vec!["pool".into()],
    };
    let weights = initialize(&graph, &graph.shapes().unwrap(), Initializer::GlorotUniform, 1);
    let map = if features == Features::Pcen { [1.0, 0.0] } else { [0.1, -3.0] };
    let preprocess = Preprocess { gain: vec![map[0]], offset: vec![map[1]], range: None };
    (
        Model {
            graph,
            weights,
            meta: Meta {
                preprocess,
                classes: vec![],
                front_end: Some(FrontEnd::Spectrum(front_end)),
                masked: false,
                ranges: Ranges::new(),
            },
        },
        data,
    )
}

#[test]
fn samples_become_the_same_answer_on_all_cores() {
    for features in [Features::LogMel, Features::Mfcc, Features::Pcen] {
        let (model, data) = network(features);
        let program = quantize(&model, &data, Quantize::default()).unwrap();
        let inputs = |samples: &[usize], bytes: &[u8]| quantized_inputs(bytes, &data, samples).unwrap();
        let golden = thumbnet_trainer::verify::golden_inputs(&program, &data, 2).unwrap();
        let bytes = compile(&program, &golden).unwrap().bytes;
        let inputs = inputs(&[0, 3, 7], &bytes);
        let (expected, host) = run(&bytes, &inputs, Target::Host).unwrap();
        for core in [Target::M0, Target::M3, Target::M4, Target::M55] {
            let (found, report) = run(&bytes, &inputs, core).unwrap();
            assert_eq!(found, expected, "{core}");
            assert_eq!(report.steps[0].digest, host.steps[0].digest, "{core}");
        }
    }
}

/// The features that the network is trained on and those that it sees on the chip differ by their rounding alone.
#[test]
fn training_and_chip_see_the_same_features() {
    let (model, _) = network(Features::LogMel);
    let Some(FrontEnd::Spectrum(front_end)) = model.meta.front_end else { panic!() };
    let tables = front_end.tables().unwrap();
    let samples = sweep(3_200, 12.0, 5);
    let channel = Channel { bias: -20 * 1024, multiplier: 1 << 30, shift: -6 };
    let channels = vec![channel; front_end.width()];
    let kernel = tables.kernel(front_end.hop, samples.len(), &channels);
    let x: Vec<i16> = samples.iter().map(|&x| x as i16).collect();
    let mut y = vec![0i8; kernel.frames * front_end.width()];
    let mut scratch = vec![0i32; spectrogram::scratch_len(&kernel, false).div_ceil(4)];
    spectrogram::spectrogram(&kernel, &x, &mut y, bytemuck::cast_slice_mut(&mut scratch));
    for (q, feature) in y.iter().zip(front_end.apply(&tables, &samples)) {
        let exact = (f64::from(feature) - 20.0) * 1024.0 / 128.0;
        assert!((f64::from(*q) - exact.clamp(-128.0, 127.0)).abs() <= 0.51, "{q} {exact}");
    }

    // Frame by frame, with what came before, it gives the same bits.
    let mut before = vec![0i16; front_end.frame - front_end.hop];
    let one = thumbnet::kernels::Spectrogram { samples: front_end.hop, frames: 1, ..kernel };
    let mut streamed = Vec::new();
    for x in x.chunks(front_end.hop) {
        let mut y = vec![0i8; front_end.width()];
        spectrogram::spectrogram_from(&one, x, &mut before, &mut [], &mut y, bytemuck::cast_slice_mut(&mut scratch));
        streamed.extend(y);
    }
    assert_eq!(streamed, y);
}

#[test]
fn fields_out_of_their_range_are_named() {
    let valid = front_end(Features::LogMel, 256, 128, 20);
    assert!(valid.tables().is_ok());
    let error = |change: fn(&mut Spectrum)| {
        let mut changed = valid.clone();
        change(&mut changed);
        changed.tables().unwrap_err().to_string()
    };
    for (found, part) in [
        (error(|f| f.fft = Some(300)), "fft 300"),
        (error(|f| f.frame = 2000), "fft 2048"),
        (error(|f| f.hop = 257), "hop 257"),
        (error(|f| f.high_hz = Some(9000.0)), "9000 Hz"),
        (error(|f| f.bands = 100), "holds no bin"),
        (error(|f| f.coefficients = Some(13)), "for mfcc alone"),
        (error(|f| f.floor_db = 3.0), "floor_db 3"),
        (error(|f| f.pcen = Some(Pcen::default())), "features = \"pcen\" alone"),
        (error(|f| (f.features, f.pcen) = (Features::Pcen, Some(Pcen { gain: 1.1, ..Pcen::default() }))), "gain 1.1"),
        (error(|f| (f.features, f.pcen) = (Features::Pcen, Some(Pcen { eps: 0.0, ..Pcen::default() }))), "eps 0"),
    ] {
        assert!(found.contains(part), "{found}");
    }
    let error = valid.shape(&[100]).unwrap_err().to_string();
    assert!(error.contains("100 samples") && error.contains("128"), "{error}");
}
