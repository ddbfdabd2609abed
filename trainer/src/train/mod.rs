//! Training: the loop, its checkpoints and its judgement.
//!
//! Chance enters by the recipe's seed and the number of the epoch only, so a run that was interrupted and resumed gives the
//! same bytes as one that was not.

mod batch;
mod checkpoint;
mod epoch;
mod evaluate;
mod objective;
mod progress;
mod session;
mod step;
mod trainer;

pub use checkpoint::epochs_so_far;
pub use epoch::Epoch;
pub(crate) use evaluate::argmax;
pub use evaluate::{Evaluation, evaluate, predict};
pub(crate) use objective::scores;
pub use session::{Options, Report, train};

/// Where a run's files are.
#[derive(Clone, Debug)]
pub struct RunDir(pub std::path::PathBuf);

impl RunDir {
    /// The trained model.
    #[must_use]
    pub fn model(&self) -> std::path::PathBuf {
        self.0.join("model.safetensors")
    }

    /// The recipe as it was run.
    #[must_use]
    pub fn recipe(&self) -> std::path::PathBuf {
        self.0.join("recipe.toml")
    }

    /// What came out, epoch by epoch, as JSON.
    #[must_use]
    pub fn metrics(&self) -> std::path::PathBuf {
        self.0.join("metrics.json")
    }
}
