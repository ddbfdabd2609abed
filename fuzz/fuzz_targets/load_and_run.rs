//! Any bytes in, with a right head in front and a right checksum: what the check accepts runs twice between guard bytes.
//! The first byte of the input makes the model's inputs.

#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use thumbnet_mutation::{Limits, Outcome, dress, run};

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let mut file = bytes.to_vec();
    dress(&mut file);
    // What is too large would teach the fuzzer nothing.
    match run(&file, bytes.first().copied().unwrap_or(0), Limits { arena: 1 << 16, work: 1 << 20 }) {
        Outcome::TooLarge => Corpus::Reject,
        Outcome::Refused(_) | Outcome::Ran => Corpus::Keep,
    }
});
