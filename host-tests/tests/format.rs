//! Any bytes in: a model or a clear error, never a panic.

use proptest::prelude::*;
use thumbnet::format::{AddParams, Encode, Function, LookupParams, Op, SoftmaxParams, Step, SumParams, Words};
use thumbnet::kernels::{Affine, Clamp, Scale};
use thumbnet::{FormatError, Model, Session};
use thumbnet_host_tests::{recipe, suite};
use thumbnet_trainer::compile::{Program, StepDesc, TensorDesc, aligned, compile};
use thumbnet_trainer::quantize::{PROBABILITY, Quant, softmax_params};

/// A model of one lookup: small enough to try every cut and every flip.
fn smallest() -> Vec<u8> {
    let tensor = |name: &str| TensorDesc {
        name: name.into(),
        dtype: thumbnet::format::DType::I8,
        shape: vec![1, 5],
        scale: 0.5,
        zero_point: 3,
        constant: None,
    };
    let table: [i8; 256] = std::array::from_fn(|entry| entry as u8 as i8);
    let mut program = Program {
        name: "smallest".into(),
        tensors: vec![tensor("x"), tensor("y")],
        inputs: 1,
        outputs: vec![1],
        gain: vec![1.0],
        offset: vec![0.0],
        ..Program::default()
    };
    let table = program.push_data(&table);
    let op = Op::Lookup(LookupParams { function: Function::Other, table });
    program.steps.push(StepDesc { op, inputs: vec![0] });
    compile(&program, &[vec![1, 2, 3, 4, 5]]).unwrap().bytes
}

/// The exporter still writes version 1 as it did: a change of these bytes is a change of the format, and belongs into
/// FORMAT.md and the changelog. `THUMBNET_BLESS=1` writes them anew.
#[test]
fn the_smallest_model_has_its_golden_bytes() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/tests/golden/smallest_v1.tnet");
    if std::env::var_os("THUMBNET_BLESS").is_some() {
        std::fs::write(&path, smallest()).unwrap();
    }
    assert_eq!(smallest(), std::fs::read(&path).unwrap());
}

/// Files from before there were tables of exponentials stay what they are, and so does what the exporter writes without one.
#[test]
fn a_softmax_without_exponentials_has_the_record_that_it_had() {
    let scale = Scale { multiplier: 1 << 30, shift: 25 };
    let words = |exponentials, count| {
        let op = Op::Softmax(SoftmaxParams { scale, diff_min: -62, exponentials, count });
        let mut words = Vec::new();
        Step { op, inputs: &[0], scratch: 0 }.write(&mut |word| words.push(word));
        words
    };
    let rest = [0, 0, 1 << 30, 25, (-62i32).cast_unsigned()];
    let record = |head: u32, tail: &[u32]| [&[head][..], &rest, tail].concat();
    assert_eq!(words(0, 0), record(12 | 1 << 8 | 6 << 16, &[]));
    assert_eq!(words(64, 63), record(12 | 1 << 8 | 8 << 16, &[64, 63]));
}

/// A sum without a shorter way, likewise; one that has it has all of it.
#[test]
fn a_sum_without_a_shorter_way_has_the_record_that_it_had() {
    let [a, b, output] = [-1, -2, -18].map(|shift| Scale { multiplier: 1 << 30, shift });
    let args = AddParams { left_shift: 20, inputs: [a, b], output, clamp: Clamp::NONE };
    let words = |affine| {
        let mut words = Vec::new();
        SumParams { args, affine }.write(&mut |word| words.push(word));
        words
    };
    let [below_1, below_2, below_18] = [-1i32, -2, -18].map(i32::cast_unsigned);
    let old = [20, 1 << 30, below_1, 1 << 30, below_2, 1 << 30, below_18, 0x7f80];
    assert_eq!(words(None), old);
    let affine = Some(Affine { factors: [3, -1], constant: 5 });
    let new = [&old[..], &[3, u32::MAX, 5]].concat();
    assert_eq!(words(affine), new);
    let read = |words: &[u32]| SumParams::read(&mut Words::new(words));
    assert_eq!(read(&old), Some(SumParams { args, affine: None }));
    assert_eq!(read(&new), Some(SumParams { args, affine }));
    for len in [9, 10] {
        assert_eq!(read(&new[..len]), None, "{len} words");
    }
}

#[test]
fn exponentials_that_do_not_start_with_that_of_zero_are_refused() {
    let tensor = |name: &str, quant: Quant| TensorDesc {
        name: name.into(),
        dtype: thumbnet::format::DType::I8,
        shape: vec![1, 5],
        scale: quant.scale,
        zero_point: quant.zero_point,
        constant: None,
    };
    let mut program = Program {
        name: "softmax".into(),
        tensors: vec![tensor("x", Quant { scale: 0.1, zero_point: 3 }), tensor("y", PROBABILITY)],
        inputs: 1,
        outputs: vec![1],
        gain: vec![1.0],
        offset: vec![0.0],
        ..Program::default()
    };
    let params = program.with_exponentials(softmax_params(0.1).unwrap());
    program.steps.push(StepDesc { op: Op::Softmax(params), inputs: vec![0] });
    check(&compile(&program, &[vec![1, 2, 3, 4, 5]]).unwrap().bytes).unwrap();
    program.data[params.exponentials as usize] = 0;
    let error = compile(&program, &[]).unwrap_err();
    assert!(format!("{error:#}").contains("step 0"), "{error:#}");
}

fn check(bytes: &[u8]) -> Result<(), FormatError> {
    Model::new(&bytemuck::cast_slice(&aligned(bytes))[..bytes.len()]).map(drop)
}

/// The checksum made right again, so that what lies behind it is checked.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = thumbnet::digest(0, &bytes[16..]);
    bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

#[test]
fn a_cut_at_any_length_is_an_error() {
    let bytes = smallest();
    check(&bytes).unwrap();
    for len in 0..bytes.len() {
        let error = check(&bytes[..len]).unwrap_err();
        assert!(matches!(error, FormatError::TooShort { .. } | FormatError::Length { .. }), "{len}: {error}");
        assert!(error.to_string().len() > 20);
    }
}

#[test]
fn every_flipped_bit_is_an_error() {
    let bytes = smallest();
    for bit in 0..8 * bytes.len() {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(check(&flipped).is_err(), "bit {bit}");
    }
}

#[test]
fn another_version_and_another_file_say_so() {
    let mut bytes = smallest();
    bytes[4] = 9;
    assert_eq!(check(&bytes), Err(FormatError::Version { found: 9 }));
    assert!(check(&bytes).unwrap_err().to_string().contains("version 9"));
    assert!(matches!(check(&[b'x'; 96]), Err(FormatError::Magic { .. })));
    let copy = aligned(&smallest());
    let bytes: &[u8] = bytemuck::cast_slice(&copy);
    assert!(matches!(Model::new(&bytes[1..]), Err(FormatError::Misaligned)));
}

#[test]
fn every_flipped_bit_behind_a_right_checksum_is_an_error_or_runs() {
    let bytes = smallest();
    for bit in 0..8 * bytes.len() {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        run_if_valid(&sealed(flipped));
    }
}

/// Runs what the check accepts, in an arena of just the size it states: a slice out of range would fail an assertion.
fn run_if_valid(bytes: &[u8]) {
    let copy = aligned(bytes);
    let Ok(model) = Model::new(&bytemuck::cast_slice(&copy)[..bytes.len()]) else { return };
    if model.arena_len() > 1 << 20 {
        return;
    }
    let mut arena = vec![0u128; model.arena_len().div_ceil(16)];
    let arena = &mut bytemuck::cast_slice_mut(&mut arena)[..model.arena_len()];
    if let Ok(mut session) = Session::new(&model, arena) {
        session.run();
    }
}

#[test]
fn mutations_of_a_real_model_are_errors_or_run() {
    let mut recipe = recipe("digits_resnet.toml").unwrap();
    recipe.train.epochs = 1;
    let recipe = with_samples(recipe, 200);
    let bytes = suite(&recipe).unwrap().compiled.bytes;
    check(&bytes).unwrap();
    let places = 16..bytes.len();
    let config = ProptestConfig::with_cases(3000);
    let changes = prop::collection::vec((places, any::<u8>()), 1..4);
    proptest!(config, |(changes in changes)| {
        let mut mutated = bytes.clone();
        changes.iter().for_each(|&(at, value)| mutated[at] = value);
        run_if_valid(&sealed(mutated));
    });
    // The tables in front are where a change is most likely to be dangerous.
    let config = ProptestConfig::with_cases(3000);
    proptest!(config, |(at in 16..2500usize, value in any::<u8>())| {
        let mut mutated = bytes.clone();
        mutated[at] = value;
        run_if_valid(&sealed(mutated));
    });
}

fn with_samples(mut recipe: thumbnet_trainer::recipe::Recipe, count: usize) -> thumbnet_trainer::recipe::Recipe {
    recipe.data = thumbnet_trainer::data::Source::Digits { train: count, test: count };
    recipe
}
