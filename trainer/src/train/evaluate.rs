//! Judging a float model.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::batch::batches;
use crate::data::Dataset;
use crate::metrics::Confusion;
use crate::model::Model;
use crate::nn::{Net, Params, Value, device};

/// What a model is worth on a data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Predictions by class, of samples or of their steps; `None` for regression.
    pub confusion: Option<Confusion>,
    /// Mean square error of the outputs against the targets.
    pub mean_squared_error: f64,
}

impl std::fmt::Display for Evaluation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.confusion {
            Some(confusion) => confusion.fmt(f),
            None => write!(f, "mean square error {:.6}", self.mean_squared_error),
        }
    }
}

impl Evaluation {
    /// Judges outputs, one row per sample of `data`.
    #[must_use]
    pub fn of(outputs: &[f32], data: &Dataset) -> Self {
        let width = outputs.len() / data.len().max(1);
        let mut confusion = (!data.classes.is_empty()).then(|| Confusion::new(&data.classes));
        let (mut squares, mut count) = (0.0, 0);
        for (index, output) in outputs.chunks_exact(width.max(1)).enumerate() {
            let mut target = data.target(index);
            let labels = data.labels(index);
            if let Some(confusion) = &mut confusion {
                // What is behind the end of a sample is no answer.
                target.truncate(labels.len() * data.classes.len());
                let answers = output.chunks(data.classes.len()).zip(labels);
                answers.for_each(|(answer, &truth)| confusion.add(truth, argmax(answer)));
            }
            squares += output.iter().zip(&target).map(|(y, t)| f64::from(y - t).powi(2)).sum::<f64>();
            count += target.len();
        }
        Self { confusion, mean_squared_error: squares / count.max(1) as f64 }
    }

    /// Share of right predictions; `None` for regression.
    #[must_use]
    pub fn accuracy(&self) -> Option<f64> {
        self.confusion.as_ref().map(Confusion::accuracy)
    }
}

/// The first of the largest.
pub(crate) fn argmax(values: &[f32]) -> usize {
    (0..values.len()).rev().max_by(|&a, &b| values[a].total_cmp(&values[b])).unwrap_or(0)
}

/// Runs a float model over a data set and judges it.
///
/// # Errors
/// The model does not take samples of this shape.
pub fn evaluate(model: &Model, data: &Dataset) -> Result<Evaluation> {
    Ok(Evaluation::of(&predict(model, data)?, data))
}

/// The outputs of a float model, one row per sample.
///
/// # Errors
/// The model does not take samples of this shape, or answers another number of classes.
pub fn predict(model: &Model, data: &Dataset) -> Result<Vec<f32>> {
    let net = Net::new(&model.graph)?;
    let input = &model.graph.inputs[0];
    ensure!(
        input.shape == model.meta.input_shape(&data.shape)?,
        "the model takes samples of shape {:?}, the data has {:?}",
        input.shape,
        model.meta.input_shape(&data.shape)?
    );
    let output = &model.graph.outputs[0];
    let (found, expected) = (net.shapes()[output].iter().product::<usize>(), data.target_width());
    ensure!(found == expected, "the model answers {found} numbers, the data has {expected} classes or values");
    let params = Params::from_weights(&model.graph, &model.weights, &device())?;
    let order: Vec<usize> = (0..data.len()).collect();
    let mut outputs = Vec::new();
    for batch in batches(&order, 256) {
        let numbers = model.meta.inputs(data, batch)?;
        let mask = model.meta.mask(data, batch, &device());
        let input = Value::new(numbers, batch.len(), &input.shape, &device());
        let mut values = net.forward_masked(&params, input, mask.as_ref());
        outputs.extend(values.remove(output).map(|value| value.numbers().data).unwrap_or_default());
    }
    Ok(outputs)
}
