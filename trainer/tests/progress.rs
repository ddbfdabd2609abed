//! What `thumbnet train` shows: one line per epoch where nobody looks, a live view on a terminal, a curve of learning rates.
#![cfg(unix)]

mod process;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use process::{succeed, thumbnet};

const RECIPE: &str = r#"
name = "shown"
seed = 1
data = { kind = "digits", train = 400, test = 50 }
[train]
epochs = 3
batch = 8
loss = "cross_entropy"
optimizer = { name = "adam" }
validation = 0.1
[[layer]]
op = "flatten"
[[layer]]
op = "dense"
units = 10
activation = "softmax"
"#;

fn write_recipe(folder: &Path) -> String {
    let path = folder.join("recipe.toml");
    fs::write(&path, RECIPE).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn without_a_terminal_there_is_one_line_per_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let (recipe, out) = (write_recipe(folder.path()), folder.path().join("run"));
    let output = thumbnet(&["train", &recipe, "--out"]).arg(&out).stderr(Stdio::piped()).output().unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 3, "{said}");
    for (line, number) in lines.iter().zip(1..) {
        assert!(line.starts_with(&format!("epoch {number}/3  loss ")) && line.contains("validation loss"), "{line}");
        assert!(!line.contains(char::is_control), "{line:?}");
    }
}

/// Runs the training on a terminal of util-linux's `script`; `None` where there is no such.
fn on_terminal(folder: &Path, variables: &[(&str, &str)]) -> Option<String> {
    let recipe = write_recipe(folder);
    let words = format!("{} train {recipe} --out {}", env!("CARGO_BIN_EXE_thumbnet"), folder.join("run").display());
    let mut script = Command::new("script");
    script.args(["-q", "-e", "-c", &words, "/dev/null"]).stdin(Stdio::null());
    script.env("TERM", "xterm").env_remove("CI").envs(variables.iter().copied());
    match script.output() {
        Ok(output) if output.status.success() => Some(String::from_utf8(output.stdout).unwrap()),
        other => {
            let says_usage = other.as_ref().is_ok_and(|output| !output.status.success());
            assert!(!says_usage || cfg!(not(target_os = "linux")), "{other:?}");
            println!("skipped: there is no command `script` that gives a terminal");
            None
        }
    }
}

#[test]
fn a_terminal_has_a_live_view_unless_ci_is_set() {
    let folder = tempfile::tempdir().unwrap();
    if let Some(live) = on_terminal(folder.path(), &[]) {
        for part in
            ["epoch 1/3", "/45 ", "left in all", "samples/s", "learning rate 1.00e-3", "best epoch", "▁", "\u{1b}["]
        {
            assert!(live.contains(part), "no {part:?} in {live}");
        }
        // The lines of the epochs stay above it.
        (1..=3).for_each(|number| assert!(live.contains(&format!("epoch {number}/3  loss ")), "{live}"));
    }
    if let Some(plain) = on_terminal(folder.path(), &[("CI", "true")]) {
        assert!(
            plain.contains("epoch 3/3  loss ") && !plain.contains("samples/s") && !plain.contains('\u{1b}'),
            "{plain}"
        );
    }
}

#[test]
fn the_learning_rate_test_suggests_a_rate_and_leaves_the_run_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (recipe, out) = (write_recipe(folder.path()), folder.path().join("run"));
    succeed(thumbnet(&["train", &recipe, "--stop-after", "1", "--quiet", "--out"]).arg(&out));
    let names = || {
        let files = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap());
        let mut all: Vec<_> = files.map(|file| (file.file_name(), fs::read(file.path()).unwrap())).collect();
        all.sort();
        all
    };
    let before = names();
    let said = succeed(thumbnet(&["train", &recipe, "--find-learning-rate", "--out"]).arg(&out));
    let mut after = names();
    after.retain(|(name, _)| name != "learning_rate.json");
    assert!(after == before, "files of the run have changed");

    let found: serde_json::Value = serde_json::from_slice(&fs::read(out.join("learning_rate.json")).unwrap()).unwrap();
    let points = found["points"].as_array().unwrap();
    let rates: Vec<f64> = points.iter().map(|point| point["rate"].as_f64().unwrap()).collect();
    assert!(points.len() > 100 && rates.is_sorted() && (rates[0] - 1e-6).abs() < 1e-12, "{rates:?}");
    let lowest =
        points.iter().min_by(|a, b| a["smoothed"].as_f64().partial_cmp(&b["smoothed"].as_f64()).unwrap()).unwrap();
    let suggestion = found["suggestion"].as_f64().unwrap();
    assert!((suggestion / lowest["rate"].as_f64().unwrap() - 0.1).abs() < 1e-9, "{found}");
    // Adam learns digits with rates around 1e-3.
    assert!((1e-4..0.1).contains(&suggestion), "{suggestion}");
    assert!(said.contains(&format!("learning_rate = {suggestion:.1e}")) && said.contains("1e-6"), "{said}");
}
