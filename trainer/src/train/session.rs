//! A run: from a recipe to a model on the disk.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::RunDir;
use super::epoch::Epoch;
use super::evaluate::{Evaluation, evaluate};
use super::memory::keep_freed_pages;
use super::trainer::Trainer;
use crate::data::Loaded;
use crate::files::replace;
use crate::model::Model;
use crate::recipe::Recipe;

/// How a run is started.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Folder for everything that the run writes.
    pub out: PathBuf,
    /// Goes on after the last checkpoint in that folder.
    pub resume: bool,
    /// Begins with the weights of this model instead of those of chance.
    pub from: Option<PathBuf>,
    /// Replaces the recipe's number of epochs.
    pub epochs: Option<usize>,
    /// Stops after this epoch as an interruption would; resuming goes on.
    pub stop_after: Option<usize>,
    /// Says nothing.
    pub quiet: bool,
    /// Once it is true, the run saves after its current step and ends with [`super::Interrupted`].
    pub stop: Arc<AtomicBool>,
}

/// What a run gave.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Epoch by epoch.
    pub epochs: Vec<Epoch>,
    /// On the test set, which training has never seen.
    pub test: Evaluation,
    /// Number of weights.
    pub parameters: usize,
    /// Time that training took, in this run.
    pub seconds: f64,
}

/// Trains what the recipe describes, and writes model, recipe and metrics into the run's folder.
///
/// # Errors
/// The recipe does not fit the data, a file cannot be written, a checkpoint belongs to another recipe, or the run was stopped
/// ([`super::Interrupted`]).
pub fn train(recipe: &Recipe, data: &Loaded, options: &Options) -> Result<(Model, Report)> {
    let mut recipe = recipe.clone();
    recipe.train.epochs = options.epochs.unwrap_or(recipe.train.epochs);
    fs::create_dir_all(&options.out).with_context(|| format!("cannot create {}", options.out.display()))?;
    let run = RunDir(options.out.clone());
    let started = Instant::now();
    keep_freed_pages();
    let mut trainer = Trainer::new(recipe.clone(), data, options)?;
    trainer.start()?;
    trainer.run()?;
    let (model, epochs) = trainer.finish()?;
    let parameters = model.weights.values().map(|tensor| tensor.data.len()).sum();
    let test = evaluate(&model, &data.test)?;
    let report = Report { epochs, test, parameters, seconds: started.elapsed().as_secs_f64() };
    model.save(&run.model())?;
    replace(&run.recipe(), toml::to_string(&recipe)?.as_bytes())?;
    replace(&run.metrics(), serde_json::to_string_pretty(&report)?.as_bytes())?;
    Ok((model, report))
}
