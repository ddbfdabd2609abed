//! The numbers that people ask for first.

use anyhow::Result;
use serde::Serialize;

use super::run::Run;
use super::{Answers, Cost, Training};

/// One line of numbers; what is not known is `None`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Share of right answers in float.
    pub float_accuracy: Option<f64>,
    /// The same of the model file.
    pub integer_accuracy: Option<f64>,
    /// Mean square error in float, where the network does not classify.
    pub float_error: Option<f64>,
    /// The same of the model file.
    pub integer_error: Option<f64>,
    /// Number of weights.
    pub parameters: Option<usize>,
    /// Bytes of the model file.
    pub model_bytes: Option<usize>,
    /// Bytes of arena: activations, scratch and states.
    pub ram_bytes: Option<usize>,
    /// Multiply-accumulates of an inference.
    pub macs: Option<u64>,
    /// Instructions of an inference, by core.
    pub instructions: Vec<(String, u64)>,
}

pub(super) fn collect(
    run: &Run,
    training: &Result<Training>,
    answers: &Result<Answers>,
    cost: &Result<Cost>,
) -> Summary {
    let float = answers.as_ref().ok().map(|answers| &answers.float);
    let integer = answers.as_ref().ok().and_then(|answers| answers.integer.found());
    let is_regression = float.is_some_and(|float| float.accuracy.is_none());
    let error = |error: Option<f64>| error.filter(|_| is_regression);
    let cost = cost.as_ref().ok();
    let of_core = |cost: &Cost| {
        let counted = cost.cores.iter().filter_map(|one| Some((one.core.clone(), *one.instructions.found()?)));
        counted.collect()
    };
    Summary {
        float_accuracy: float.and_then(|float| float.accuracy),
        integer_accuracy: integer.and_then(|integer| integer.accuracy),
        float_error: error(float.map(|float| float.mean_squared_error)),
        integer_error: error(integer.map(|integer| integer.mean_squared_error)),
        parameters: training.as_ref().ok().and_then(|training| training.parameters),
        model_bytes: cost.map(|cost| cost.model_bytes),
        ram_bytes: run.with_file(|model| Ok(model.arena_len())).ok(),
        macs: cost.map(|cost| cost.macs),
        instructions: cost.map_or_else(Vec::new, of_core),
    }
}
