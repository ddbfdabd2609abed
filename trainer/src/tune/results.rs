//! All trials of a folder in one table: CSV, and JSON lines, one line per trial.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::measure::Objective;
use super::pareto::front;
use super::trial::{Outcome, Status};
use crate::files::replace;

/// A trial that has a result.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Name of its folder: its number, unless another engine named it.
    pub name: String,
    /// Its result.
    pub outcome: Outcome,
    /// Whether no other trial is better in everything.
    pub is_best: bool,
}

/// Reads the result files of all trials below `folder`, by number.
///
/// # Errors
/// A result file cannot be read.
pub fn collect(folder: &Path, objectives: &[Objective]) -> Result<Vec<Finished>> {
    let mut all = Vec::new();
    let trials = folder.join("trials");
    if trials.is_dir() {
        for entry in fs::read_dir(&trials).with_context(|| format!("cannot read {}", trials.display()))? {
            let entry = entry?;
            if let Some(outcome) = Outcome::load(&entry.path())? {
                let name = entry.file_name().to_string_lossy().into_owned();
                all.push(Finished { name, outcome, is_best: false });
            }
        }
    }
    all.sort_by_key(|one| (one.name.parse().unwrap_or(usize::MAX), one.name.clone()));
    let objectives = measured(objectives, &all);
    let ok: Vec<usize> = (0..all.len()).filter(|&at| all[at].outcome.last().is_some()).collect();
    let cost =
        |&at: &usize| all[at].outcome.last().map(|rung| objectives.iter().map(|o| o.cost(&rung.measures)).collect());
    let costs: Vec<Vec<f64>> = ok.iter().filter_map(cost).collect();
    front(&costs).into_iter().for_each(|at| all[ok[at]].is_best = true);
    Ok(all)
}

/// The objectives, with multiply-accumulates in place of instructions where nobody could count those.
#[must_use]
pub fn measured(objectives: &[Objective], all: &[Finished]) -> Vec<Objective> {
    let is_counted = all.iter().filter_map(|one| one.outcome.last()).any(|rung| rung.measures.instructions.is_some());
    let replace = |&objective: &Objective| match objective {
        Objective::Instructions if !is_counted => Objective::Macs,
        other => other,
    };
    objectives.iter().map(replace).collect()
}

/// Writes `results.csv` and `results.jsonl`.
///
/// # Errors
/// A file cannot be written.
pub fn write(folder: &Path, all: &[Finished]) -> Result<()> {
    let rows: Vec<Vec<(String, Value)>> = all.iter().map(row).collect::<Result<_>>()?;
    // Trials of other engines may have other fields.
    let mut columns: Vec<&str> = Vec::new();
    for (name, _) in rows.iter().flatten() {
        if !columns.contains(&name.as_str()) {
            columns.push(name);
        }
    }
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(&columns)?;
    let mut lines = String::new();
    for row in &rows {
        let object: Map<String, Value> = row.iter().cloned().collect();
        lines += &serde_json::to_string(&object)?;
        lines.push('\n');
        csv.write_record(columns.iter().map(|&column| match object.get(column) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }))?;
    }
    replace(&folder.join("results.jsonl"), lines.as_bytes())?;
    replace(&folder.join("results.csv"), &csv.into_inner().context("cannot write the table")?)
}

fn row(trial: &Finished) -> Result<Vec<(String, Value)>> {
    let Finished { name, outcome, is_best } = trial;
    let last = outcome.last();
    let status = if outcome.status == Status::Ok { "ok" } else { "failed" };
    let mut row = vec![
        ("trial".to_owned(), name.parse::<u64>().map_or_else(|_| json!(name), |number| json!(number))),
        ("status".to_owned(), json!(status)),
        ("epochs".to_owned(), json!(last.map(|rung| rung.epochs))),
        ("seconds".to_owned(), json!(outcome.seconds)),
        ("pareto".to_owned(), json!(is_best)),
    ];
    row.extend(outcome.parameters.clone());
    if let Some(Value::Object(measures)) = last.map(|rung| serde_json::to_value(&rung.measures)).transpose()? {
        row.extend(measures);
    }
    row.push(("message".to_owned(), json!(outcome.message)));
    Ok(row)
}
