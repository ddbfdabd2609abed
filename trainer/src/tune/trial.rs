//! One trial: trained, exported, measured, and its one result file written.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use toml::Value;

use super::measure::{Bench, Measures, Objective};
use super::space::Space;
use crate::files::replace;
use crate::recipe::Recipe;
use crate::train::{self, train};

/// Whether a trial could be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It was.
    Ok,
    /// Its values do not fit each other, or training diverged: it will not be tried again.
    Failed,
}

/// What a trial gave after some epochs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rung {
    /// Epochs that were asked for.
    pub epochs: usize,
    /// What it was worth then.
    pub measures: Measures,
}

/// A trial's result file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Values of the fields.
    pub parameters: BTreeMap<String, serde_json::Value>,
    /// Whether it could be measured.
    pub status: Status,
    /// What went wrong, or could not be measured.
    pub message: Option<String>,
    /// Time it took, over all its runs.
    pub seconds: f64,
    /// What it gave, after more and more epochs.
    pub rungs: Vec<Rung>,
}

impl Outcome {
    /// What it gave at last.
    #[must_use]
    pub fn last(&self) -> Option<&Rung> {
        self.rungs.last().filter(|_| self.status == Status::Ok)
    }

    /// What it gave after so many epochs.
    #[must_use]
    pub fn after(&self, epochs: usize) -> Option<&Rung> {
        self.rungs.iter().find(|rung| rung.epochs >= epochs)
    }

    /// Reads a trial's result file; `None` if there is none yet.
    ///
    /// # Errors
    /// The file cannot be read or was not written by a trial.
    pub fn load(folder: &Path) -> Result<Option<Self>> {
        let path = result_file(folder);
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let outcome = serde_json::from_str(&text);
        outcome.map(Some).with_context(|| format!("{} is no result of a trial: delete it to try again", path.display()))
    }
}

/// Where a trial's result is.
#[must_use]
pub fn result_file(folder: &Path) -> PathBuf {
    folder.join("result.json")
}

/// A trial that is to be run.
#[derive(Clone, Debug)]
pub struct Trial<'a> {
    /// Where the fields come from.
    pub space: &'a Space,
    /// Values of fields.
    pub parameters: BTreeMap<String, Value>,
    /// Folder for everything that it writes.
    pub out: PathBuf,
    /// Stops after so many epochs; a later run goes on from there.
    pub stop_after: Option<usize>,
    /// Path of the data, instead of the recipe's.
    pub data: Option<PathBuf>,
}

impl Trial<'_> {
    /// Trains, exports and measures, and writes `result.json`. What is there already is not done again.
    ///
    /// A trial that cannot be trained is a result too, with the status [`Status::Failed`].
    ///
    /// # Errors
    /// The folder belongs to a trial with other values, or cannot be written.
    pub fn run(&self) -> Result<Outcome> {
        fs::create_dir_all(&self.out).with_context(|| format!("cannot create {}", self.out.display()))?;
        // A trial whose tuner was killed may still run: who comes second waits, and finds the result.
        let lock = File::create(self.out.join("lock"))?;
        lock.lock().with_context(|| format!("cannot lock {}", self.out.display()))?;
        let parameters = self.parameters.iter().map(|(path, value)| Ok((path.clone(), serde_json::to_value(value)?)));
        let parameters = parameters.collect::<Result<BTreeMap<_, _>>>()?;
        let known = Outcome::load(&self.out)?;
        if let Some(known) = &known {
            ensure!(known.parameters == parameters, "{} holds a trial with other values", self.out.display());
        }
        let mut outcome = known.unwrap_or_else(|| Outcome {
            parameters,
            status: Status::Ok,
            message: None,
            seconds: 0.0,
            rungs: Vec::new(),
        });
        let is_done = |epochs| outcome.status == Status::Failed || outcome.after(epochs).is_some();
        let recipe = self.space.recipe(&self.parameters);
        let epochs = recipe.as_ref().map_or(0, |recipe| self.stop_after.unwrap_or(recipe.train.epochs));
        if is_done(epochs) {
            return Ok(outcome);
        }
        let started = Instant::now();
        match recipe.and_then(|recipe| self.measured(&recipe)) {
            Ok((measures, message)) => {
                outcome.message = message;
                outcome.rungs.push(Rung { epochs, measures });
            }
            Err(error) => {
                outcome.status = Status::Failed;
                outcome.message = Some(format!("{error:#}"));
            }
        }
        outcome.seconds += started.elapsed().as_secs_f64();
        replace(&result_file(&self.out), serde_json::to_string_pretty(&outcome)?.as_bytes())?;
        Ok(outcome)
    }

    fn measured(&self, recipe: &Recipe) -> Result<(Measures, Option<String>)> {
        let source = self.data.as_ref().map_or_else(|| recipe.data.clone(), |path| recipe.data.clone().at(path));
        let data = source.load(recipe.seed)?;
        let options = train::Options {
            out: self.out.clone(),
            resume: true,
            stop_after: self.stop_after,
            quiet: true,
            ..train::Options::default()
        };
        let (model, _) = train(recipe, &data, &options)?;
        let with_flash = self.space.objectives.contains(&Objective::FlashBytes);
        let bench = Bench { recipe, data: &data, core: self.space.core, with_flash };
        let (measures, bytes, message) = bench.measure(&model)?;
        replace(&self.out.join("model.tnet"), &bytes)?;
        Ok((measures, message))
    }
}
