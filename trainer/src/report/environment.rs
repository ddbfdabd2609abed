//! With what a report was made.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::run::Run;
use crate::run::Target;

/// With what a report was made. It holds no date: the same folder gives the same report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Environment {
    /// Version of thumbnet.
    pub thumbnet: &'static str,
    /// Operating system and architecture.
    pub machine: String,
    /// Processors that it may use.
    pub processors: usize,
    /// What wrote the model file.
    pub producer: Option<String>,
    /// SHA-256 of the model file.
    pub model_sha256: Option<String>,
    /// Cores that QEMU emulated.
    pub emulated: Vec<String>,
}

pub(super) fn collect(run: &Run, on: &[Target]) -> Environment {
    let hex = |bytes: &[u8]| Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Environment {
        thumbnet: env!("CARGO_PKG_VERSION"),
        machine: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        producer: run.with_file(|model| Ok(model.info().producer.to_owned())).ok(),
        model_sha256: run.file().ok().map(hex),
        emulated: on.iter().filter_map(|target| Some(format!("{target} ({})", target.board()?.machine))).collect(),
    }
}
