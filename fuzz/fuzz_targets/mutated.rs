//! Valid models, mutated field by field as the input says: the first byte chooses one of the files in `seeds`, each further
//! choice takes four. What the check accepts runs twice between guard bytes.

#![no_main]

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::{Corpus, fuzz_target};
use thumbnet_mutation::{Limits, Outcome, mutate, run};

static SEEDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
});

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some((&which, choices)) = input.split_first() else { return Corpus::Reject };
    let mut file = SEEDS[usize::from(which) % SEEDS.len()].clone();
    let mut choices = choices.chunks(4);
    mutate(&mut file, |below| {
        let bytes = choices.next().unwrap_or(&[]);
        let number = bytes.iter().fold(0u32, |number, &byte| number << 8 | u32::from(byte));
        number.checked_rem(below).unwrap_or(number)
    });
    match run(&file, which, Limits { arena: 1 << 16, work: 1 << 20 }) {
        Outcome::TooLarge => Corpus::Reject,
        Outcome::Refused(_) | Outcome::Ran => Corpus::Keep,
    }
});
