//! Damaged model files with a right checksum: an error or a clean run, never a panic, never a byte outside of the arena.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use thumbnet::{Model, Session};
use thumbnet_host_tests::sequences::{front_end, motion, program};
use thumbnet_trainer::compile::{Program, aligned, compile, stream};
use thumbnet_trainer::verify::random_inputs;

/// Small models that have every operator of the trainer, whole and cut in time.
fn seeds() -> Vec<Vec<u8>> {
    let sequence = |text: &str| program(text, &[24, 6], None);
    let image = |text: &str| program(text, &[8, 8, 3], None);
    let programs = [
        sequence(
            "conv1d filters = 4; kernel = 3; padding = \"causal\"; activation = \"relu\"\ngru units = 5\ndense units = 3\nsoftmax",
        ),
        sequence("lstm units = 5; bidirectional = true; return_sequences = true\nglobal_max_pool1d\ndense units = 3"),
        sequence("simple_rnn units = 4; return_sequences = true\ngru units = 4; reset_after = false"),
        program("conv1d filters = 4; kernel = 3; padding = \"causal\"\nlstm units = 4", &[24 * 40], Some(front_end())),
        program("dense units = 4", &[24 * 8, 3], Some(motion())),
        image(
            "conv2d name = \"a\"; filters = 4; kernel = 3; padding = \"same\"; activation = \"relu\"
             depthwise_conv2d name = \"b\"; kernel = 3; padding = \"same\"
             add inputs = [\"a\", \"b\"]
             max_pool2d
             hard_swish
             zero_pad2d pad = [1, 0, 0, 1]
             concat inputs = [\"a\", \"b\"]
             average_pool2d
             flatten
             dense units = 3",
        ),
    ];
    let file = |program: &Program| compile(program, &random_inputs(program, 1)).unwrap().bytes;
    let mut seeds: Vec<Vec<u8>> = programs.iter().map(file).collect();
    seeds.extend(programs[..1].iter().chain(&programs[3..4]).map(|program| file(&stream(program, 2).unwrap().0)));
    seeds
}

/// One to three words become another, near or far; the checksum is made right.
fn mutate(bytes: &mut [u8], rng: &mut StdRng) {
    for _ in 0..rng.random_range(1..=3) {
        // The head, tables and program lie in front of the weights: most changes go there.
        let end = if rng.random_bool(0.8) { bytes.len().min(2_048) } else { bytes.len() };
        let at = rng.random_range(4..end / 4) * 4;
        let word = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let word = match rng.random_range(0..6) {
            0 => word ^ 1 << rng.random_range(0..32),
            1 => word.wrapping_add(rng.random_range(1..5)),
            2 => word.wrapping_sub(rng.random_range(1..5)),
            3 => [0, 1, 0xff, 0x7fff_ffff, 0x8000_0000, u32::MAX][rng.random_range(0..6)],
            4 => word.wrapping_mul(2),
            _ => rng.random(),
        };
        bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
    }
    let checksum = thumbnet::digest(0, &bytes[16..]);
    bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
}

/// Bytes on both sides of the arena that nothing may change.
const GUARD: usize = 256;

#[test]
fn damaged_models_are_errors_or_run_within_their_arena() {
    let seeds = seeds();
    let count = if std::env::var_os("THUMBNET_FULL").is_some() { 5_000_000 } else { 100_000 };
    let mut rng = StdRng::seed_from_u64(11);
    let (mut refused, mut ran, mut too_large) = (0, 0, 0);
    let mut slowest = Duration::ZERO;
    for number in 0..count {
        let mut bytes = seeds[number % seeds.len()].clone();
        mutate(&mut bytes, &mut rng);
        let copy = aligned(&bytes);
        let Ok(model) = Model::new(bytemuck::cast_slice(&copy)) else {
            refused += 1;
            continue;
        };
        if model.arena_len() > 1 << 16 {
            too_large += 1;
            continue;
        }
        let len = model.arena_len().next_multiple_of(16);
        let mut memory = vec![0xa7a7_a7a7_a7a7_a7a7_a7a7_a7a7_a7a7_a7a7u128; (len + 2 * GUARD) / 16];
        let (_, rest) = memory.split_at_mut(GUARD / 16);
        let (arena, _) = rest.split_at_mut(len / 16);
        let start = Instant::now();
        let mut session = Session::new(&model, bytemuck::cast_slice_mut(arena)).unwrap();
        session.run();
        session.run();
        slowest = slowest.max(start.elapsed());
        let bytes: &[u8] = bytemuck::cast_slice(&memory);
        let guards = bytes[..GUARD].iter().chain(&bytes[GUARD + len..]);
        assert!(guards.into_iter().all(|&byte| byte == 0xa7), "case {number} wrote outside of its arena");
        ran += 1;
    }
    println!(
        "{count} damaged models: {refused} refused, {ran} ran, {too_large} with large arenas; slowest {slowest:?}"
    );
    assert!(refused > count / 4 && ran > count / 20, "{refused} refused, {ran} ran");
    // Work is bounded by the sizes of tensors, which lie in the arena: a run that takes seconds would be a loop without end.
    assert!(slowest < Duration::from_secs(20), "{slowest:?}");
}
