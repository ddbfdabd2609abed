//! Comparison with LiteRT itself, tensor by tensor, where Python has it.

use std::collections::HashMap;
use std::io::Write;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use thumbnet::{Model, Observer};

use crate::compile::aligned;
use crate::run;

/// What a step computed, against the tensor of the same name in LiteRT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Number of the step.
    pub step: usize,
    /// Name of its output.
    pub name: String,
    /// Bytes compared.
    pub bytes: usize,
    /// Bytes that differ.
    pub differing: usize,
}

#[derive(Deserialize)]
struct Described {
    name: String,
    bytes: usize,
}

/// Runs `inputs` through a model file here and through its `.tflite` in LiteRT, and compares every step whose output the
/// original has too.
///
/// # Errors
/// Python or its package `ai-edge-litert` is missing, or a model does not run.
pub fn compare(python: &str, tflite: &[u8], model: &[u8], inputs: &[u8]) -> Result<Vec<Compared>> {
    let copy = aligned(model);
    let model = Model::new(&bytemuck::cast_slice(&copy)[..model.len()])?;
    let mut ours = Collect(vec![Vec::new(); model.steps().count()]);
    run::observe(&model, inputs, &mut ours)?;
    let theirs = tensors(python, tflite, inputs, model.state_len() > 0)?;
    let name = |step: usize| model.info().tensors.get(model.first_result() as usize + step).unwrap_or("?").to_owned();
    let steps = ours.0.iter().enumerate().filter_map(|(step, found)| {
        let name = name(step);
        // A tensor that was given two names, or another shape on the way, has nothing to be compared with.
        let expected = theirs.get(&name).filter(|expected| expected.len() == found.len())?;
        let differing = found.iter().zip(expected).filter(|(a, b)| a != b).count();
        Some(Compared { step, name, bytes: found.len(), differing })
    });
    Ok(steps.collect())
}

/// The bytes of every tensor that has a name of its own, all inferences back to back.
fn tensors(python: &str, tflite: &[u8], inputs: &[u8], keeps_states: bool) -> Result<HashMap<String, Vec<u8>>> {
    let file = |bytes: &[u8]| -> Result<tempfile::NamedTempFile> {
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(bytes)?;
        Ok(file)
    };
    let (tflite, inputs) = (file(tflite)?, file(inputs)?);
    let output = Command::new(python)
        .args(["-c", include_str!("litert.py")])
        .args([tflite.path(), inputs.path()])
        .args(keeps_states.then_some("keep"))
        .output()
        .with_context(|| format!("cannot start {python}; name another one with --python"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    let lacking = errors.lines().find_map(|line| line.split_once("Didn't find op for builtin opcode "));
    if let Some((_, operator)) = lacking {
        bail!("LiteRT has no reference kernel for {operator}; its other kernels round convolutions otherwise");
    }
    ensure!(
        output.status.success(),
        "LiteRT did not run: {}; install it with `{python} -m pip install ai-edge-litert numpy`",
        errors.trim().lines().last().unwrap_or("no message")
    );
    let end = output.stdout.iter().position(|&byte| byte == b'\n').context("LiteRT gave no tensors")?;
    let described: Vec<Described> = serde_json::from_slice(&output.stdout[..end])?;
    let size: usize = described.iter().map(|tensor| tensor.bytes).sum();
    let mut found: HashMap<String, Vec<u8>> = HashMap::new();
    for mut rest in output.stdout[end + 1..].chunks_exact(size.max(1)) {
        for tensor in &described {
            let (own, behind) = rest.split_at(tensor.bytes);
            found.entry(tensor.name.clone()).or_default().extend_from_slice(own);
            rest = behind;
        }
    }
    Ok(found)
}

/// The outputs of every step, all inferences back to back.
struct Collect(Vec<Vec<u8>>);

impl Observer for Collect {
    fn after(&mut self, step: usize, output: &[u8]) {
        self.0[step].extend_from_slice(output);
    }
}
