//! Tuning as processes: killed and resumed, and its trials run by another engine, one command line and one result file each.
#![cfg(unix)]

mod process;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use process::{signal, succeed, thumbnet, wait_until};
use serde_json::Value;

const TRIALS: usize = 8;

/// Trials of a few hundred milliseconds, measured without any core.
const SPACE: &str = r#"
name = "tuned"
seed = 1
data = { kind = "digits", train = 600, test = 50 }
[train]
epochs = 2
batch = 4
loss = "cross_entropy"
optimizer = { name = "adam" }
[[layer]]
op = "flatten"
[[layer]]
op = "dense"
name = "hidden"
units = 8
activation = "relu"
[[layer]]
op = "dense"
units = 10
activation = "softmax"
[tune]
method = { name = "random" }
trials = 8
objectives = ["accuracy", "model_bytes"]
[tune.fields]
"train.learning_rate" = { min = 1e-3, max = 3e-2, log = true }
"layer.hidden.units" = { min = 4, max = 32 }
"#;

fn tune(folder: &Path, out: &str, words: &[&str]) -> Command {
    let mut command = thumbnet(&["tune"]);
    command.arg(folder.join("space.toml")).arg("--out").arg(folder.join(out)).args(words);
    command
}

/// The result files of all trials that have one, as text, by trial.
fn results(folder: &Path, out: &str) -> BTreeMap<usize, String> {
    let trials = fs::read_dir(folder.join(out).join("trials")).into_iter().flatten().map(|entry| entry.unwrap().path());
    trials
        .filter_map(|trial| {
            let text = fs::read_to_string(trial.join("result.json")).ok()?;
            Some((trial.file_name()?.to_str()?.parse().ok()?, text))
        })
        .collect()
}

/// What a result says of its trial, without the time that it took.
fn measured(result: &str) -> Value {
    let mut value: Value = serde_json::from_str(result).unwrap();
    value.as_object_mut().unwrap().remove("seconds");
    value
}

/// Reads `results.csv` as a table: names of columns, rows.
fn table(folder: &Path, out: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let mut reader = csv::Reader::from_path(folder.join(out).join("results.csv")).unwrap();
    let names = reader.headers().unwrap().iter().map(str::to_owned).collect();
    (names, reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect())
}

#[test]
fn a_killed_tuning_goes_on_and_measures_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("space.toml"), SPACE).unwrap();
    let mut child = tune(folder, "run", &["--jobs", "2"]).spawn().unwrap();
    wait_until(&mut child, "three trials are done", || results(folder, "run").len() >= 3);
    // Only the tuner: its trials are processes of their own and may go on, as on a machine where it was killed by the system.
    signal(&child, "KILL");
    assert_eq!(child.wait().unwrap().code(), None);
    let before = results(folder, "run");
    let started = fs::read_dir(folder.join("run/trials")).unwrap().count();
    assert!(before.len() < TRIALS && started <= before.len() + 2, "{started} started, {} done", before.len());

    let refused = tune(folder, "run", &[]).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains("--resume"), "{said}");

    succeed(&mut tune(folder, "run", &["--jobs", "2", "--resume"]));
    let after = results(folder, "run");
    assert_eq!(after.keys().copied().collect::<Vec<_>>(), (0..TRIALS).collect::<Vec<_>>());
    // With the time that each has taken: had it been measured again, that would differ.
    before.iter().for_each(|(trial, result)| assert_eq!(after[trial], *result, "trial {trial} was measured again"));

    let (columns, rows) = table(folder, "run");
    for name in ["trial", "status", "pareto", "layer.hidden.units", "train.learning_rate", "accuracy", "model_bytes"] {
        assert!(columns.iter().any(|column| column == name), "no {name} in {columns:?}");
    }
    assert_eq!(rows.len(), TRIALS);
    let lines = fs::read_to_string(folder.join("run/results.jsonl")).unwrap();
    assert!(lines.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()) && lines.lines().count() == TRIALS);

    another_engine_gives_the_same(folder, &after);
}

/// Runs every trial as GNU parallel, Slurm or Ray do, several at a time, and gathers what they gave.
fn another_engine_gives_the_same(folder: &Path, expected: &BTreeMap<usize, String>) {
    let trial = |number: usize| {
        let mut command = thumbnet(&["trial"]);
        let out = folder.join("engine/trials").join(number.to_string());
        command.arg(folder.join("space.toml")).args(["--number", &number.to_string(), "--out"]).arg(out);
        command
    };
    let mut running: Vec<_> = (0..4).map(|number| trial(number).spawn().unwrap()).collect();
    assert!(running.iter_mut().all(|child| child.wait().unwrap().success()));
    let said = succeed(&mut tune(folder, "engine", &["--collect"]));
    assert!(said.contains("4 trials"), "{said}");
    let found = results(folder, "engine");
    assert_eq!(found.len(), 4);
    for (trial, result) in &found {
        assert_eq!(measured(result), measured(&expected[trial]), "trial {trial} differs between engines");
    }
    assert_eq!(table(folder, "engine").1.len(), 4);
    // A trial with values of the engine's own choice.
    let mut command = thumbnet(&["trial"]);
    command.arg(folder.join("space.toml")).arg("--out").arg(folder.join("engine/trials/mine"));
    succeed(command.args(["--set", "layer.hidden.units=5", "--set", "train.learning_rate=0.004"]));
    let result = fs::read_to_string(folder.join("engine/trials/mine/result.json")).unwrap();
    let parameters = &measured(&result)["parameters"];
    assert_eq!(parameters["layer.hidden.units"], 5);
    assert_eq!(parameters["train.learning_rate"], 0.004);
}
