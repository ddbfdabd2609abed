//! What is kept after every epoch, so that a run can go on.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use burn::optim::ModuleOptimizer;
use serde::{Deserialize, Serialize};

use super::epoch::Epoch;
use crate::files::replace;
use crate::model::Model;

/// How far a run has come. Weights and the optimizer's state lie beside it, in files that carry the numbers of epoch and step:
/// the one file that names them is replaced last and at once, so a crash leaves this checkpoint or the one before. It is TOML, which gives
/// every number back to the last bit.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    /// What every epoch gave so far.
    pub epochs: Vec<Epoch>,
    /// Number of the epoch with the best validation loss.
    pub best: usize,
    /// What of the next epoch is done.
    #[serde(default)]
    pub partial: Partial,
    /// The recipe, to notice that it was changed.
    pub recipe: String,
}

/// An epoch so far: sums over its first steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Partial {
    /// Steps that are done.
    pub step: usize,
    /// Samples of them.
    pub samples: usize,
    /// Sum of the samples' losses.
    pub loss: f64,
    /// Right answers.
    pub hits: usize,
    /// All answers.
    pub answers: usize,
}

impl Checkpoint {
    fn file(folder: &Path) -> PathBuf {
        folder.join("checkpoint.toml")
    }

    /// Weights after an epoch.
    pub fn weights(folder: &Path, epoch: usize) -> PathBuf {
        folder.join(format!("epoch-{epoch}.safetensors"))
    }

    /// Weights and state of the optimizer as they are now.
    pub fn files(&self, folder: &Path) -> (PathBuf, PathBuf) {
        let epochs = self.epochs.len();
        let name = match self.partial.step {
            0 => format!("epoch-{epochs}"),
            step => format!("epoch-{}-step-{step}", epochs + 1),
        };
        (folder.join(format!("{name}.safetensors")), folder.join(format!("{name}.optimizer")))
    }

    /// The last checkpoint of a run, if it has one.
    pub fn load(folder: &Path) -> Result<Option<Self>> {
        let path = Self::file(folder);
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text)
            .map(Some)
            .with_context(|| format!("{} is damaged; train without --resume", path.display()))
    }

    /// Writes weights and state of the optimizer, then the checkpoint, then deletes what nobody needs any more.
    pub fn save(&self, folder: &Path, model: &Model, optimizer: &ModuleOptimizer) -> Result<()> {
        let (weights, state) = self.files(folder);
        model.save(&weights)?;
        optimizer.save(&state).with_context(|| format!("cannot write {}", state.display()))?;
        replace(&Self::file(folder), toml::to_string(self)?.as_bytes())?;
        let kept = [weights, state, Self::weights(folder, self.best)];
        let is_old = |name: &str, path: &Path| name.starts_with("epoch-") && kept.iter().all(|kept| kept != path);
        // What cannot be deleted now is in nobody's way, and goes with the next checkpoint.
        files(folder, is_old)?.iter().for_each(|path| drop(fs::remove_file(path)));
        Ok(())
    }

    /// The model that it was saved with, and the optimizer in its state of that time.
    pub fn restore(&self, folder: &Path, optimizer: ModuleOptimizer) -> Result<(Model, ModuleOptimizer)> {
        let (weights, state) = self.files(folder);
        let model = Model::load(&weights)?;
        Ok((model, optimizer.load(&state).with_context(|| format!("cannot read {}", state.display()))?))
    }

    /// Deletes all checkpoints of a folder.
    pub fn clear(folder: &Path) -> Result<()> {
        for path in files(folder, |name, _| name.starts_with("epoch-") || name.starts_with("checkpoint."))? {
            fs::remove_file(&path).with_context(|| format!("cannot delete {}", path.display()))?;
        }
        Ok(())
    }
}

/// The files of a folder that are wanted; none where there is no such folder.
fn files(folder: &Path, is_wanted: impl Fn(&str, &Path) -> bool) -> Result<Vec<PathBuf>> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read {}", folder.display()))?.path();
        if is_wanted(&path.file_name().unwrap_or_default().to_string_lossy(), &path) {
            found.push(path);
        }
    }
    Ok(found)
}

/// The epochs of a run so far, finished or not, and the number of the best; `None` where it has no checkpoint.
///
/// # Errors
/// The checkpoint is damaged.
pub fn epochs_so_far(folder: &Path) -> Result<Option<(Vec<Epoch>, usize)>> {
    Ok(Checkpoint::load(folder)?.map(|checkpoint| (checkpoint.epochs, checkpoint.best)))
}
