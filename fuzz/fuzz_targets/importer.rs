//! Any bytes in, as a `.tflite` file: an error, or a program. What is not too large is compiled, which runs it and its
//! self-test, so that what the importer lets through runs too.

#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use thumbnet_trainer::compile::compile;
use thumbnet_trainer::import::{Options, import};
use thumbnet_trainer::verify::random_inputs;

/// Work, and bytes of all tensors, of a program that is worth compiling.
const LIMITS: (u64, u64) = (1 << 20, 1 << 20);

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let (program, _) = match import(bytes, Options::default()) {
        Ok(imported) => imported,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return Corpus::Keep;
        }
    };
    let elements = |shape: &[u32]| shape.iter().fold(1u64, |product, &dim| product.saturating_mul(dim.into()));
    let memory = program.tensors.iter().map(|tensor| elements(&tensor.shape)).fold(0, u64::saturating_add);
    if program.work() > LIMITS.0 || memory > LIMITS.1 {
        return Corpus::Reject;
    }
    if let Err(error) = compile(&program, &random_inputs(&program, 1)) {
        assert!(!error.to_string().is_empty());
    }
    Corpus::Keep
});
