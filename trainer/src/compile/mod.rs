//! From a quantized program to the bytes of a model: memory, file, certificate.

mod bands;
mod certificate;
mod data;
mod dead_channels;
mod layout;
mod moves;
mod plan;
mod program;
mod stream;
mod winograd;
mod write;

use anyhow::{Context, Result};
use thumbnet::Model;

pub use bands::{Banded, split};
pub use data::offsets;
pub use dead_channels::{Dead, remove_dead_channels};
pub use layout::{Family, pack, pack_where};
pub use plan::{Plan, plan};
pub use program::{Program, StepDesc, TensorDesc};
pub use stream::stream;
pub use winograd::{Optimize, TRANSFORMED, Transformed, transform, transform_by};
pub use write::write;

/// A model file, and the plan that is in it.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The bytes of the file.
    pub bytes: Vec<u8>,
    /// Its memory, that of steps which only move a tensor included.
    pub plan: Plan,
}

/// Plans, writes, certifies and reads back: what comes out has passed [`Model::new`] and its own self-test.
///
/// `golden` are the inputs of the certificate, each all inputs of the model back to back.
///
/// # Errors
/// A step does not fit, or a golden input has the wrong length.
pub fn compile(program: &Program, golden: &[Vec<u8>]) -> Result<Compiled> {
    let (program, plan) = moves::settle(program)?;
    let bare = aligned(&write(&program, &plan, &[])?);
    let model = Model::new(bytemuck::cast_slice(&bare)).context("the exporter wrote a model that does not check")?;
    let words = certificate::words(&model, golden)?;
    let bytes = write(&program, &plan, &words)?;
    let copy = aligned(&bytes);
    let model = Model::new(bytemuck::cast_slice(&copy)).context("the exporter wrote a model that does not check")?;
    certificate::verify(&model)?;
    Ok(Compiled { bytes, plan })
}

/// A copy of a file at an address that [`Model::new`] takes. Files are multiples of 16 long.
#[must_use]
pub fn aligned(bytes: &[u8]) -> Vec<u128> {
    let mut copy = vec![0u128; bytes.len().div_ceil(16)];
    bytemuck::cast_slice_mut(&mut copy)[..bytes.len()].copy_from_slice(bytes);
    copy
}
