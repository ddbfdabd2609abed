//! What is kept after every epoch, so that a run can go on.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use burn::optim::ModuleOptimizer;
use serde::{Deserialize, Serialize};

use super::epoch::Epoch;
use crate::files::replace;
use crate::model::Model;

/// How far a run has come. Weights and the optimizer's state lie beside it, in files that carry the epoch's number: the
/// one file that names them is replaced last and at once, so a crash leaves this checkpoint or the one before.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    /// What every epoch gave so far.
    pub epochs: Vec<Epoch>,
    /// Number of the epoch with the best validation loss.
    pub best: usize,
    /// The recipe, to notice that it was changed.
    pub recipe: String,
}

impl Checkpoint {
    fn file(folder: &Path) -> PathBuf {
        folder.join("checkpoint.json")
    }

    /// Weights after an epoch.
    pub fn weights(folder: &Path, epoch: usize) -> PathBuf {
        folder.join(format!("epoch-{epoch}.safetensors"))
    }

    fn optimizer(folder: &Path, epoch: usize) -> PathBuf {
        folder.join(format!("epoch-{epoch}.optimizer"))
    }

    /// The last checkpoint of a run, if it has one.
    pub fn load(folder: &Path) -> Result<Option<Self>> {
        let path = Self::file(folder);
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text)
            .map(Some)
            .with_context(|| format!("{} is damaged; train without --resume", path.display()))
    }

    /// Writes weights and state of the last epoch, then the checkpoint, then deletes what nobody needs any more.
    pub fn save(&self, folder: &Path, model: &Model, optimizer: &ModuleOptimizer) -> Result<()> {
        let epoch = self.epochs.len();
        model.save(&Self::weights(folder, epoch))?;
        let state = Self::optimizer(folder, epoch);
        optimizer.save(&state).with_context(|| format!("cannot write {}", state.display()))?;
        replace(&Self::file(folder), serde_json::to_string_pretty(self)?.as_bytes())?;
        for old in (1..epoch).filter(|&old| old != self.best) {
            let _ = fs::remove_file(Self::weights(folder, old));
        }
        (1..epoch).for_each(|old| drop(fs::remove_file(Self::optimizer(folder, old))));
        Ok(())
    }

    /// The state of the optimizer after the last epoch.
    pub fn restore(&self, folder: &Path, optimizer: ModuleOptimizer) -> Result<ModuleOptimizer> {
        let path = Self::optimizer(folder, self.epochs.len());
        optimizer.load(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// Deletes all checkpoints of a folder.
    pub fn clear(folder: &Path) -> Result<()> {
        let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("epoch-") || name.starts_with("checkpoint.") {
                fs::remove_file(&path).with_context(|| format!("cannot delete {}", path.display()))?;
            }
        }
        Ok(())
    }
}

/// The epochs of a run so far, finished or not, and the number of the best; `None` where it has no checkpoint.
///
/// # Errors
/// The checkpoint is damaged.
pub fn epochs_so_far(folder: &Path) -> Result<Option<(Vec<Epoch>, usize)>> {
    Ok(Checkpoint::load(folder)?.map(|checkpoint| (checkpoint.epochs, checkpoint.best)))
}
