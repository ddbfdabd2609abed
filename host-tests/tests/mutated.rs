//! Damaged `.tflite` files: an error or a model that checks, never a panic, and never more memory or time than a good one
//! could take.

use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use thumbnet_host_tests::oracle::cases;
use thumbnet_host_tests::shared;
use thumbnet_trainer::compile::compile;
use thumbnet_trainer::import::{Options, import};

/// Good files to start from: the first of every operator's vectors, and the shared models where they are.
fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle/vectors");
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    paths.sort();
    let first = |path: &std::path::PathBuf| {
        let mut blob = Vec::new();
        GzDecoder::new(fs::File::open(path).unwrap()).read_to_end(&mut blob).unwrap();
        let len = u32::from_le_bytes(blob[..4].try_into().unwrap()) as usize;
        blob[12..12 + len].to_vec()
    };
    let mut seeds: Vec<Vec<u8>> = paths.iter().map(first).collect();
    for name in ["sine", "mnist_lstm", "speech"] {
        let path = shared().map(|folder| folder.join(format!("models/{name}_int8.tflite")));
        seeds.extend(path.and_then(|path| fs::read(path).ok()));
    }
    seeds
}

/// One to four changes: a byte, a word that is small, huge or negative, a cut, or a piece copied over another.
fn mutate(bytes: &mut Vec<u8>, rng: &mut StdRng) {
    for _ in 0..rng.random_range(1..=4) {
        let at = rng.random_range(0..bytes.len());
        match rng.random_range(0..5) {
            0 => bytes[at] = rng.random(),
            1 => bytes[at] ^= 1 << rng.random_range(0..8),
            2 => {
                let words = [0u32, 1, 2, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, u32::MAX, rng.random()];
                let word = words[rng.random_range(0..words.len())].to_le_bytes();
                let at = at & !3;
                bytes.iter_mut().skip(at).zip(word).for_each(|(to, from)| *to = from);
            }
            3 if rng.random_range(0..8) == 0 => bytes.truncate(at.max(1)),
            _ => {
                let from = rng.random_range(0..bytes.len());
                let len = rng.random_range(1..=16).min(bytes.len() - at.max(from));
                bytes.copy_within(from..from + len, at);
            }
        }
    }
}

#[test]
fn damaged_files_are_refused_or_run() {
    let count = if std::env::var_os("THUMBNET_FULL").is_some() { 1_000_000 } else { 10_000 };
    let seeds = seeds();
    let mut rng = StdRng::seed_from_u64(1);
    let (mut refused, mut uncompiled, mut accepted) = (0, 0, 0);
    for number in 0..count {
        let mut bytes = seeds[number % seeds.len()].clone();
        mutate(&mut bytes, &mut rng);
        match import(&bytes, Options::default()) {
            Err(error) => {
                assert!(!error.to_string().is_empty());
                refused += 1;
            }
            // Compiling runs the golden input and the self-test, so what is accepted also runs.
            Ok((program, _)) => match compile(&program, &thumbnet_trainer::verify::random_inputs(&program, 1)) {
                Ok(_) => accepted += 1,
                Err(_) => uncompiled += 1,
            },
        }
    }
    println!("{count} damaged files: {refused} refused by the importer, {uncompiled} by the compiler, {accepted} run");
    assert!(refused > 0 && accepted > 0);
}

/// The fuzz target `importer` starts from the smallest file of every operator, in `fuzz/tflite`; `THUMBNET_BLESS=1` writes them.
#[test]
fn fuzzing_starts_from_every_imported_operator() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let vectors = fs::read_dir(root.join("oracle/vectors")).unwrap().map(|entry| entry.unwrap().path());
    for path in vectors.filter(|path| path.is_file()) {
        let model = cases(&path).into_iter().map(|case| case.model).min_by_key(Vec::len).unwrap();
        let name = path.file_stem().unwrap();
        let file = root.join("../fuzz/tflite").join(name).with_extension("tflite");
        if std::env::var_os("THUMBNET_BLESS").is_some() {
            fs::write(&file, &model).unwrap();
        }
        let is_current = fs::read(&file).is_ok_and(|found| found == model);
        assert!(is_current, "{} is not that of {name:?}: THUMBNET_BLESS=1 writes it anew", file.display());
    }
}
