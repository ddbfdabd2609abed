//! A run that is interrupted in the middle of an epoch goes on to the very same bytes: by Ctrl-C from the step that it was at, by
//! SIGKILL from its last epoch.
#![cfg(unix)]

mod process;

use std::fs;
use std::io::Read;
use std::path::Path;

use process::{signal, succeed, thumbnet, wait_until};
use serde_json::Value;

/// Everything that has a state or is left to chance: batch normalization, dropout, changed and mixed samples, Adam, a schedule.
const RECIPE: &str = r#"
name = "interrupted"
seed = 3
data = { kind = "digits", train = 1000, test = 100 }
augment = { shift = 2.0 }
[train]
epochs = 3
batch = 2
loss = "cross_entropy"
optimizer = { name = "adam" }
schedule = { name = "cosine" }
validation = 0.1
mixup = 0.2
label_smoothing = 0.1
class_weights = "balanced"
clip_norm = 1.0
[[layer]]
op = "conv2d"
filters = 4
kernel = 3
stride = 2
[[layer]]
op = "flatten"
[[layer]]
op = "dense"
units = 16
[[layer]]
op = "batch_norm"
[[layer]]
op = "dropout"
rate = 0.2
[[layer]]
op = "dense"
units = 10
activation = "softmax"
"#;

fn train(folder: &Path, out: &str, resume: bool) -> std::process::Command {
    let mut command = thumbnet(&["train"]);
    command.arg(folder.join("recipe.toml")).arg("--out").arg(folder.join(out));
    command.args(resume.then_some("--resume"));
    command
}

/// The checkpoint of a run, once there is one.
fn checkpoint(folder: &Path, out: &str) -> Option<toml::Table> {
    fs::read_to_string(folder.join(out).join("checkpoint.toml")).ok()?.parse().ok()
}

fn epochs(checkpoint: &toml::Table) -> usize {
    checkpoint["epochs"].as_array().unwrap().len()
}

/// What is to be the same: what every epoch gave, and the model.
fn assert_same(folder: &Path, [one, other]: [&str; 2]) {
    let read = |out: &str, name: &str| fs::read(folder.join(out).join(name)).unwrap();
    let epochs = |out| serde_json::from_slice::<Value>(&read(out, "metrics.json")).unwrap()["epochs"].clone();
    assert_eq!(epochs(one), epochs(other));
    assert!(
        read(one, "model.safetensors") == read(other, "model.safetensors"),
        "the models of {one} and {other} differ"
    );
}

#[test]
fn interrupted_runs_go_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("recipe.toml"), RECIPE).unwrap();
    succeed(&mut train(folder, "whole", false));

    let mut child = train(folder, "asked", false).spawn().unwrap();
    wait_until(&mut child, "an epoch is complete", || checkpoint(folder, "asked").is_some());
    // Well into the next one, of which the file is the beginning.
    std::thread::sleep(std::time::Duration::from_millis(50));
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("--resume goes on from there"), "{said}");
    let saved = checkpoint(folder, "asked").unwrap();
    assert!(
        epochs(&saved) < 3 && saved["partial"]["step"].as_integer().unwrap() > 0,
        "not in the middle of an epoch: {saved}"
    );
    assert!(!folder.join("asked/model.safetensors").exists());
    succeed(&mut train(folder, "asked", true));
    assert_same(folder, ["asked", "whole"]);

    let mut child = train(folder, "killed", false).spawn().unwrap();
    wait_until(&mut child, "an epoch is complete", || checkpoint(folder, "killed").is_some());
    signal(&child, "KILL");
    assert_eq!(child.wait().unwrap().code(), None);
    assert!(epochs(&checkpoint(folder, "killed").unwrap()) < 3);
    succeed(&mut train(folder, "killed", true));
    assert_same(folder, ["killed", "whole"]);
    // Of the checkpoints, the best and the last are left.
    let count = fs::read_dir(folder.join("killed"))
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("epoch-"));
    assert!(count.count() <= 3);
}

#[test]
fn a_second_ctrl_c_quits_without_waiting_for_the_step() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // One step of about 10^11 operations: it takes far longer than two signals.
    let slow = RECIPE.replace("train = 1000", "train = 4000").replace("batch = 2\n", "batch = 4000\n");
    fs::write(folder.join("recipe.toml"), slow.replace("units = 16", "units = 4096")).unwrap();
    let mut child = train(folder, "run", false).spawn().unwrap();
    // The folder is made when the data is there, and after the first Ctrl-C would be listened to.
    wait_until(&mut child, "training begins", || folder.join("run").exists());
    signal(&child, "INT");
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert_eq!(child.try_wait().unwrap(), None, "the first Ctrl-C waits for the step");
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(checkpoint(folder, "run").is_none(), "the step was waited for");
}
