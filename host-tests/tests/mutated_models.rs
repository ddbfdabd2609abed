//! Mutated model files with a right checksum: an error or a clean run, never a panic, never a byte outside of the arena.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use thumbnet_host_tests::seeds::{operators, seeds, trained};
use thumbnet_mutation::{Limits, Outcome, mutate, run};
use thumbnet_trainer::run::{Target, guarded};

/// A random choice for [`mutate`].
fn chance(rng: &mut StdRng) -> impl FnMut(u32) -> u32 {
    |below| if below == 0 { rng.random() } else { rng.random_range(0..below) }
}

#[test]
fn mutated_models_are_errors_or_run_within_their_arena() {
    let seeds = seeds();
    let count = if std::env::var_os("THUMBNET_FULL").is_some() { 5_000_000 } else { 100_000 };
    let mut rng = StdRng::seed_from_u64(11);
    let (mut refused, mut ran, mut too_large) = (0, 0, 0);
    let mut slowest = Duration::ZERO;
    for number in 0..count {
        let (name, seed) = &seeds[number % seeds.len()];
        let mut bytes = seed.clone();
        mutate(&mut bytes, chance(&mut rng));
        let start = Instant::now();
        let outcome = std::panic::catch_unwind(|| run(&bytes, number as u8, Limits { arena: 1 << 16, work: 1 << 24 }));
        match outcome {
            Ok(Outcome::Refused(_)) => refused += 1,
            Ok(Outcome::TooLarge) => too_large += 1,
            Ok(Outcome::Ran) => ran += 1,
            Err(_) => panic!("case {number}, of \"{name}\""),
        }
        slowest = slowest.max(start.elapsed());
    }
    println!("{count} mutated models: {refused} refused, {ran} ran, {too_large} too large; slowest {slowest:?}");
    assert!(refused > count / 4 && ran > count / 20, "{refused} refused, {ran} ran");
    // Work is bounded by what the file states: a run that takes seconds would be a loop without end.
    assert!(slowest < Duration::from_secs(20), "{slowest:?}");
}

/// The same on a Cortex-M3, where kernels in assembly run: one emulated board takes all of them, one after the other.
#[test]
fn mutated_models_are_errors_or_run_on_a_core() {
    let seeds = seeds();
    let count = if std::env::var_os("THUMBNET_FULL").is_some() { 5_000 } else { 1_000 };
    let mut rng = StdRng::seed_from_u64(12);
    let mutated = |number: usize| {
        let mut bytes = seeds[number % seeds.len()].1.clone();
        mutate(&mut bytes, chance(&mut rng));
        bytes
    };
    let models: Vec<Vec<u8>> = (0..count).map(mutated).collect();
    let outcomes = guarded(&models, Target::M3).unwrap();
    println!("{count} mutated models on the M3: {outcomes:?}");
    assert_eq!(outcomes.refused + outcomes.too_large + outcomes.ran, count as u64);
    assert!(outcomes.ran > count as u64 / 20, "{outcomes:?}");
}

/// The fuzz targets start from files in `fuzz/seeds`; `THUMBNET_BLESS=1` writes them anew.
#[test]
fn fuzzing_starts_from_every_operator() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds");
    let current = seeds();
    if std::env::var_os("THUMBNET_BLESS").is_some() {
        for entry in fs::read_dir(&folder).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        // One file for every operator, the smallest, and the networks.
        let mut written = BTreeSet::new();
        let mut files = trained();
        let mut rest = current.clone();
        rest.sort_by_key(|(_, bytes)| bytes.len());
        files.extend(rest);
        for (name, bytes) in files {
            let own = operators([bytes.as_slice()]);
            if trained().iter().any(|(trained, _)| *trained == name) || !own.is_subset(&written) {
                fs::write(folder.join(format!("{name}.tnet")), &bytes).unwrap();
                written.extend(own);
            }
        }
    }
    let paths = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let committed: Vec<Vec<u8>> = paths.map(|path| fs::read(path).unwrap()).collect();
    let missing: Vec<_> = operators(current.iter().map(|(_, bytes)| bytes.as_slice()))
        .difference(&operators(committed.iter().map(Vec::as_slice)))
        .copied()
        .collect();
    assert!(missing.is_empty(), "fuzz/seeds has no model with {missing:?}: THUMBNET_BLESS=1 writes them anew");
}
