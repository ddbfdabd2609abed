//! Float against int8, layer by layer: what the doctor sees.

use anyhow::Result;
use serde::Serialize;

use super::run::Run;
use crate::quantize::doctor::{Diagnosis, ENOUGH, examine};

/// What integers cost, by the recipe's `[quantize]`.
#[derive(Clone, Debug, Serialize)]
pub struct Layers {
    /// The same that `thumbnet doctor` prints.
    pub diagnosis: Diagnosis,
    /// The causes in sentences.
    pub findings: Vec<String>,
    /// Signal to noise in decibels below which a layer needs an explanation.
    pub enough: f64,
}

pub(super) fn collect(run: &Run, samples: usize) -> Result<Layers> {
    let diagnosis = examine(run.quantized()?, &run.data()?.test, samples)?;
    let findings = diagnosis.findings.iter().map(ToString::to_string).collect();
    Ok(Layers { diagnosis, findings, enough: ENOUGH })
}
