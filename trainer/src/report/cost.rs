//! What each layer takes: flash, multiply-accumulates, and instructions where somebody asks for them.

use anyhow::{Result, ensure};
use serde::Serialize;

use super::Part;
use super::run::Run;
use crate::describe::{self, StepRow};
use crate::run::{Target, pattern};

/// What a model file takes.
#[derive(Clone, Debug, Serialize)]
pub struct Cost {
    /// Bytes of the model file.
    pub model_bytes: usize,
    /// Multiply-accumulates of an inference.
    pub macs: u64,
    /// Layer by layer.
    pub layers: Vec<LayerCost>,
    /// Bytes of the certificate: golden inputs and digests.
    pub certificate: u64,
    /// Bytes of the file that are neither a layer's nor the certificate's: the description, the tables of steps and tensors.
    pub rest: u64,
    /// Core by core, as they were asked for.
    pub cores: Vec<Counted>,
}

/// What a step takes.
#[derive(Clone, Debug, Serialize)]
pub struct LayerCost {
    /// Operator, name, shape, flash, multiply-accumulates.
    #[serde(flatten)]
    pub step: StepRow,
    /// Instructions on each core of [`Cost::cores`] that could count.
    pub instructions: Vec<u64>,
}

/// A core on which instructions were counted.
#[derive(Clone, Debug, Serialize)]
pub struct Counted {
    /// Its name.
    pub core: String,
    /// Instructions of an inference, or why there is no count.
    pub instructions: Part<u64>,
}

/// The cost of a model file; its `cores` are as many as `on`.
pub(super) fn collect(run: &Run, on: &[Target]) -> Result<Cost> {
    let bytes = run.file()?;
    run.with_file(|model| {
        let input = pattern(model);
        let (mut cores, mut of_steps) = (Vec::new(), Vec::new());
        for &target in on {
            let counted = count(bytes, &input, target);
            let total = counted.as_ref().map(|(total, _)| *total).map_err(|why| anyhow::anyhow!("{why:#}"));
            cores.push(Counted { core: target.to_string(), instructions: total.into() });
            of_steps.extend(counted.ok().map(|(_, steps)| steps));
        }
        let layer = |(number, step): (usize, StepRow)| LayerCost {
            step,
            instructions: of_steps.iter().filter_map(|steps| steps.get(number).copied()).collect(),
        };
        let layers: Vec<LayerCost> = describe::steps(model).into_iter().enumerate().map(layer).collect();
        let certificate = 4 * u64::from(model.head().golden.count);
        let flash: u64 = layers.iter().map(|layer| layer.step.flash).sum();
        Ok(Cost {
            model_bytes: bytes.len(),
            macs: model.info().macs,
            // Equal tables are stored once, so layers together may take more than the file.
            rest: (bytes.len() as u64).saturating_sub(flash + certificate),
            certificate,
            layers,
            cores,
        })
    })
}

/// Instructions of an inference and of each of its steps.
fn count(bytes: &[u8], input: &[u8], target: Target) -> Result<(u64, Vec<u64>)> {
    ensure!(target != Target::Host, "instructions are counted on emulated cores: --on m4, not host");
    let (_, report) = crate::run::run(bytes, input, target)?;
    let steps = report.steps.iter().map(|step| step.instructions.unwrap_or(0)).collect();
    Ok((report.instructions.map_or(0, |count| count.max), steps))
}
