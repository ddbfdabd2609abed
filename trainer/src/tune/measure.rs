//! What a trial is worth, measured on its exported model.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::compile::{Family, aligned, compile, pack};
use crate::data::{Dataset, Loaded};
use crate::model::Model;
use crate::quantize::quantize;
use crate::recipe::Recipe;
use crate::run::{Target, code_len, features, run};
use crate::train::evaluate;
use crate::verify::{golden_inputs, integer_evaluation};

/// What can be made small or large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// Share of right answers of the integer model on the samples kept aside.
    Accuracy,
    /// Mean square error of the integer model on the samples kept aside.
    MeanSquaredError,
    /// Bytes of the model file.
    ModelBytes,
    /// Bytes of the model file and of the runtime with its operators, on the core.
    FlashBytes,
    /// Bytes of arena: activations, scratch and states.
    RamBytes,
    /// Multiply-accumulates of an inference.
    Macs,
    /// Instructions of an inference on the core.
    Instructions,
}

/// All that was measured of one trial at one time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// Share of right answers of the integer model on the samples kept aside; `None` for regression.
    pub accuracy: Option<f64>,
    /// The same of the float model.
    pub float_accuracy: Option<f64>,
    /// Share of right answers of the integer model on the test set. Nothing is chosen by it.
    pub test_accuracy: Option<f64>,
    /// Mean square error of the integer model on the samples kept aside.
    pub mean_squared_error: f64,
    /// Number of weights.
    pub parameters: u64,
    /// Bytes of the model file.
    pub model_bytes: u64,
    /// The same with the runtime that it needs; `None` if nobody asked.
    pub flash_bytes: Option<u64>,
    /// Bytes of arena.
    pub ram_bytes: u64,
    /// Multiply-accumulates.
    pub macs: u64,
    /// Instructions on the core; `None` without one.
    pub instructions: Option<u64>,
}

impl Objective {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Accuracy,
        Self::MeanSquaredError,
        Self::ModelBytes,
        Self::FlashBytes,
        Self::RamBytes,
        Self::Macs,
        Self::Instructions,
    ];

    /// Its name in recipes and results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::MeanSquaredError => "mean_squared_error",
            Self::ModelBytes => "model_bytes",
            Self::FlashBytes => "flash_bytes",
            Self::RamBytes => "ram_bytes",
            Self::Macs => "macs",
            Self::Instructions => "instructions",
        }
    }

    /// Its name in words, with the unit.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::MeanSquaredError => "mean square error",
            Self::ModelBytes => "bytes of the model file",
            Self::FlashBytes => "bytes of flash",
            Self::RamBytes => "bytes of RAM",
            Self::Macs => "multiply-accumulates",
            Self::Instructions => "instructions",
        }
    }

    /// Whether it needs a core.
    #[must_use]
    pub const fn needs_core(self) -> bool {
        matches!(self, Self::FlashBytes | Self::Instructions)
    }

    /// The measure, such that less is better. What was not measured is worst.
    #[must_use]
    pub fn cost(self, measures: &Measures) -> f64 {
        let count = |value: Option<u64>| value.map_or(f64::INFINITY, |value| value as f64);
        match self {
            Self::Accuracy => measures.accuracy.map_or(f64::INFINITY, |accuracy| 1.0 - accuracy),
            Self::MeanSquaredError => measures.mean_squared_error,
            Self::ModelBytes => measures.model_bytes as f64,
            Self::FlashBytes => count(measures.flash_bytes),
            Self::RamBytes => measures.ram_bytes as f64,
            Self::Macs => measures.macs as f64,
            Self::Instructions => count(measures.instructions),
        }
    }
}

/// What a measurement needs besides the model.
pub(super) struct Bench<'a> {
    pub recipe: &'a Recipe,
    pub data: &'a Loaded,
    /// Where instructions are counted.
    pub core: Option<Target>,
    /// Whether the size of the runtime is asked for.
    pub with_flash: bool,
}

impl Bench<'_> {
    /// The samples that the weights were trained on, and those that trials are judged by.
    fn split(&self) -> (Dataset, Dataset) {
        let split = self.data.train.split(self.recipe.train.validation, self.recipe.seed);
        (split.train, split.test)
    }

    /// Exports a trained model and measures it; gives the model file too, and what could not be measured.
    pub fn measure(&self, model: &Model) -> Result<(Measures, Vec<u8>, Option<String>)> {
        let (train, judge) = self.split();
        let mut program = quantize(model, &train, self.recipe.quantize).context("quantization")?;
        pack(&mut program, self.core.map_or_else(Family::default, Family::of));
        let golden = golden_inputs(&program, &judge, 1)?;
        let bytes = compile(&program, &golden)?.bytes;
        let integer = integer_evaluation(&bytes, &judge)?;
        let copy = aligned(&bytes);
        let checked = thumbnet::Model::new(&bytemuck::cast_slice(&copy)[..bytes.len()])?;
        let on_core = self.core.map(|core| self.on_core(core, &checked, &bytes, &golden.concat())).transpose();
        let (on_core, message) = match on_core {
            Ok(counts) => (counts, None),
            Err(error) => (None, Some(format!("no instructions counted: {error:#}"))),
        };
        let measures = Measures {
            accuracy: integer.accuracy(),
            float_accuracy: evaluate(model, &judge)?.accuracy(),
            test_accuracy: integer_evaluation(&bytes, &self.data.test)?.accuracy(),
            mean_squared_error: integer.mean_squared_error,
            parameters: model.weights.values().map(|tensor| tensor.data.len() as u64).sum(),
            model_bytes: bytes.len() as u64,
            flash_bytes: on_core.and_then(|(_, flash)| flash),
            ram_bytes: checked.arena_len() as u64,
            macs: checked.info().macs,
            instructions: on_core.and_then(|(instructions, _)| instructions),
        };
        Ok((measures, bytes, message))
    }

    /// Instructions, and bytes of flash if they are asked for.
    fn on_core(
        &self,
        core: Target,
        model: &thumbnet::Model<'_>,
        bytes: &[u8],
        input: &[u8],
    ) -> Result<(Option<u64>, Option<u64>)> {
        let (_, report) = run(bytes, input, core)?;
        let code = if self.with_flash { code_len(core, &features(model))? } else { None };
        Ok((report.instructions.map(|count| count.max), code.map(|code| code + bytes.len() as u64)))
    }
}
