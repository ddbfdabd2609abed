//! Training: the loop, its checkpoints and its judgement.
//!
//! Chance enters by the recipe's seed and the numbers of epoch and step only, so a run that was interrupted anywhere and resumed
//! gives the same bytes as one that was not.

mod batch;
mod checkpoint;
mod class_weights;
mod dashboard;
mod epoch;
mod evaluate;
mod memory;
mod mixup;
mod objective;
mod origin;
mod progress;
mod rate_finder;
mod session;
mod soft_targets;
mod step;
mod stop;
mod trainer;

pub use checkpoint::epochs_so_far;
pub use class_weights::{ClassWeights, Rule};
pub use epoch::Epoch;
pub(crate) use evaluate::argmax;
pub use evaluate::{Evaluation, evaluate, predict};
pub(crate) use objective::scores;
pub use rate_finder::{Point, RangeTest, find_learning_rate};
pub use session::{Options, Report, train};
pub use stop::Interrupted;

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
