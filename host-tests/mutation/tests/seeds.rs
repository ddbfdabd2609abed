//! The files that fuzzing starts from, as they are and mutated, between guard bytes. Every operator is among them, and nothing
//! else is needed, so that it also runs under Miri, which sees each access: `cargo +nightly miri test -p thumbnet-mutation`.

use std::fs;
use std::path::Path;

use thumbnet_mutation::{Limits, Outcome, mutate, run};

/// Miri takes hundreds of times as long.
const MUTATED: usize = if cfg!(miri) { 3 } else { 300 };

#[test]
fn files_run_as_they_are_and_mutated() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    let limits = Limits { arena: 1 << 16, work: if cfg!(miri) { 1 << 17 } else { 1 << 20 } };
    let (mut state, mut ran) = (1u64, 0);
    // Knuth's generator; the high bits are the better ones.
    let mut choose = |below: u32| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 32) as u32).checked_rem(below).unwrap_or((state >> 32) as u32)
    };
    for path in &paths {
        let file = fs::read(path).unwrap();
        let outcome = run(&file, 1, limits);
        assert!(matches!(outcome, Outcome::Ran | Outcome::TooLarge), "{}: {outcome:?}", path.display());
        ran += usize::from(outcome == Outcome::Ran);
        for _ in 0..MUTATED {
            let mut bytes = file.clone();
            mutate(&mut bytes, &mut choose);
            run(&bytes, 2, limits);
        }
    }
    assert!(ran > paths.len() / 2, "only {ran} of {} files were run", paths.len());
}
