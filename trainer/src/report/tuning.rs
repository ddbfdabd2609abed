//! The trials of a tuning, and those that no other beats.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::tune::{Finished, Measures, Objective, Space, collect as results, measured};

/// A tuning.
#[derive(Clone, Debug, Serialize)]
pub struct Tuning {
    /// What was to become small or large.
    pub axes: Vec<Axis>,
    /// Fields of the recipe that were changed, by their paths.
    pub fields: Vec<String>,
    /// All trials that have a result.
    pub trials: Vec<Tried>,
    /// How many of them failed.
    pub failed: usize,
    /// What is not as it should be, in a sentence.
    pub note: Option<String>,
}

/// An objective.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Axis {
    /// Its name in recipes.
    #[serde(rename = "name")]
    pub objective: Objective,
    /// The same in words.
    pub words: &'static str,
    /// Whether more is better.
    pub is_more_better: bool,
}

/// A trial.
#[derive(Clone, Debug, Serialize)]
pub struct Tried {
    /// Name of its folder.
    pub name: String,
    /// What it has for each of [`Tuning::fields`].
    pub settings: Vec<Option<serde_json::Value>>,
    /// Epochs of its last round.
    pub epochs: Option<usize>,
    /// What it is worth; `None` if it failed.
    pub measures: Option<Measures>,
    /// The objectives, in the order of [`Tuning::axes`].
    pub values: Vec<Option<f64>>,
    /// Whether no other trial is better in everything.
    pub is_best: bool,
    /// Whether the report is on this trial's run.
    pub is_this: bool,
}

/// What a space without `[tune] objectives` asks for.
const OBJECTIVES: [Objective; 4] = [Objective::Accuracy, Objective::ModelBytes, Objective::RamBytes, Objective::Macs];

/// An objective's value; `None` where it was not measured.
fn value(objective: Objective, measures: &Measures) -> Option<f64> {
    let cost = objective.cost(measures);
    cost.is_finite().then_some(if objective == Objective::Accuracy { 1.0 - cost } else { cost })
}

fn axis(objective: Objective) -> Axis {
    Axis { objective, words: objective.words(), is_more_better: objective == Objective::Accuracy }
}

pub(super) fn collect(folder: &Path) -> Result<Tuning> {
    let tuning = find(folder).context(
        "No tuning: the folder neither is nor holds one, and is no trial of one. `thumbnet tune` searches a recipe with a table [tune].",
    )?;
    let space = Space::load(&tuning.join("space.toml"));
    let objectives = space.as_ref().map_or_else(|_| OBJECTIVES.to_vec(), |space| space.objectives.clone());
    let all = results(&tuning, &objectives)?;
    let objectives = measured(&objectives, &all);
    // Trials of other engines may have other fields.
    let fields: BTreeSet<&String> = all.iter().flat_map(|one| one.outcome.parameters.keys()).collect();
    let fields: Vec<String> = fields.into_iter().cloned().collect();
    let this = folder.canonicalize().ok();
    let tried = |one: &Finished| {
        let rung = one.outcome.last();
        let values = |measures: &Measures| objectives.iter().map(|&objective| value(objective, measures)).collect();
        Tried {
            is_this: this.is_some() && tuning.join("trials").join(&one.name).canonicalize().ok() == this,
            name: one.name.clone(),
            settings: fields.iter().map(|field| one.outcome.parameters.get(field).cloned()).collect(),
            epochs: rung.map(|rung| rung.epochs),
            values: rung.map_or_else(|| vec![None; objectives.len()], |rung| values(&rung.measures)),
            measures: rung.map(|rung| rung.measures.clone()),
            is_best: one.is_best,
        }
    };
    let trials: Vec<Tried> = all.iter().map(tried).collect();
    Ok(Tuning {
        fields,
        failed: trials.iter().filter(|trial| trial.measures.is_none()).count(),
        trials,
        axes: objectives.iter().copied().map(axis).collect(),
        // Without its path: the page may be shown to others.
        note: space.err().map(|_| {
            "Objectives are the usual ones: there is no space.toml that says which this tuning's are.".to_owned()
        }),
    })
}

/// The tuning that a folder is, is a trial of, or holds: the first by name.
fn find(folder: &Path) -> Option<PathBuf> {
    let is_tuning = |folder: &Path| folder.join("trials").is_dir();
    if is_tuning(folder) {
        return Some(folder.to_owned());
    }
    let parent = folder.canonicalize().ok()?.parent()?.to_owned();
    if parent.file_name().is_some_and(|name| name == "trials") {
        return parent.parent().map(Path::to_owned);
    }
    let entries = fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    entries.filter(|entry| is_tuning(entry)).min()
}
