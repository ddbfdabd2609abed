//! The vectors that `oracle/generate.py` has written.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

/// A model, its inputs and what LiteRT makes of them.
pub struct Case {
    /// The `.tflite` file.
    pub model: Vec<u8>,
    /// All inferences back to back.
    pub inputs: Vec<u8>,
    /// All inferences back to back.
    pub outputs: Vec<u8>,
}

/// The cases of one file of `oracle/vectors`: lengths, then bytes.
///
/// # Panics
/// The file is not there or is not one.
#[must_use]
pub fn cases(path: &Path) -> Vec<Case> {
    let mut blob = Vec::new();
    GzDecoder::new(fs::File::open(path).unwrap()).read_to_end(&mut blob).unwrap();
    let mut rest = blob.as_slice();
    let mut cases = Vec::new();
    while let Some((lengths, bytes)) = rest.split_at_checked(12) {
        let mut at = 0;
        let mut part = |index: usize| {
            let len = u32::from_le_bytes(lengths[4 * index..4 * index + 4].try_into().unwrap()) as usize;
            at += len;
            bytes[at - len..at].to_vec()
        };
        cases.push(Case { model: part(0), inputs: part(1), outputs: part(2) });
        rest = &bytes[at..];
    }
    assert!(!cases.is_empty(), "{} holds no case", path.display());
    cases
}

/// The file of an operator.
#[must_use]
pub fn vectors(operator: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle/vectors").join(operator).with_extension("gz")
}
