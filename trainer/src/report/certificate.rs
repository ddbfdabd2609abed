//! The proof that a model file carries, tried out here, and the one that no accumulator can overflow.

use anyhow::Result;
use serde::Serialize;
use thumbnet::{Session, self_test};

use super::Part;
use super::run::Run;
use crate::quantize::{Headroom, headroom};

/// What a model file proves.
#[derive(Clone, Debug, Serialize)]
pub struct Certificate {
    /// Golden inputs that it carries.
    pub cases: usize,
    /// Digests of the first case, step by step, in hexadecimal.
    pub digests: Vec<Digest>,
    /// The first difference that the self-test found here; `None` where this machine computes the same bits.
    pub mismatch: Option<String>,
    /// How near accumulators can come to overflow.
    pub bounds: Part<Vec<Headroom>>,
}

/// What a step's output must hash to.
#[derive(Clone, Debug, Serialize)]
pub struct Digest {
    /// Name of the output.
    pub output: String,
    /// XXH32 of its bytes.
    pub digest: String,
}

pub(super) fn collect(run: &Run) -> Result<Certificate> {
    run.with_file(|model| {
        let mut arena = vec![0u128; model.arena_len().div_ceil(16)];
        let mut session = Session::new(model, bytemuck::cast_slice_mut(&mut arena))?;
        let first = model.golden_cases().next();
        let digests = first.iter().flat_map(|case| case.digests).enumerate().map(|(step, digest)| Digest {
            output: model.info().tensors.get(model.first_result() as usize + step).unwrap_or("?").to_owned(),
            digest: format!("{digest:08x}"),
        });
        Ok(Certificate {
            cases: model.golden_cases().count(),
            digests: digests.collect(),
            mismatch: self_test(&mut session).err().map(|mismatch| mismatch.to_string()),
            bounds: run.quantized().map(|quantized| headroom(&quantized.program)).into(),
        })
    })
}
