//! What is made small: scores, their loss and their hits, in training and on the validation samples.

use anyhow::{Context, Result};
use burn::tensor::{Tensor, TensorData};

use super::batch::batches;
use super::evaluate::argmax;
use super::trainer::Trainer;
use crate::data::{Dataset, Targets};
use crate::graph::{Graph, Op};
use crate::nn::{Mask, Params, Value};

impl Trainer<'_> {
    /// The loss of a batch; of its steps that are there where each has a label.
    pub(super) fn loss(&self, scores: Tensor<2>, data: &Dataset, batch: &[usize]) -> Tensor<1> {
        let target = targets(data, batch, &scores.device());
        let Targets::Steps(_) = data.targets else { return self.recipe.train.loss.forward(scores, target) };
        // One row for each step. Those behind the end have no target, and with cross entropy no loss.
        let classes = data.classes.len();
        let rows = target.dims()[1] / classes * batch.len();
        let loss = self.recipe.train.loss.forward(scores.reshape([rows, classes]), target.reshape([rows, classes]));
        loss * (rows as f64 / data.answers(batch) as f64)
    }

    pub(super) fn scores(&self, params: &Params, input: Value, mask: Option<&Mask>) -> Result<Tensor<2>> {
        let mut values = self.net.forward_masked(params, input, mask);
        Ok(values.remove(&self.scores).context("the graph computes its own nodes")?.flat())
    }

    pub(super) fn validate(&self, data: &Dataset) -> Result<(f64, Option<f64>)> {
        let device = crate::nn::device();
        let params = Params::from_weights(self.net.graph(), &self.params.to_weights(self.net.graph()), &device)?;
        let order: Vec<usize> = (0..data.len()).collect();
        let (mut loss, mut right) = (0.0, 0);
        for batch in batches(&order, 256) {
            let numbers = self.meta.inputs(data, batch)?;
            let mask = self.meta.mask(data, batch, &device);
            let scores =
                self.scores(&params, Value::new(numbers, batch.len(), self.shape(), &device), mask.as_ref())?;
            let batch_loss = self.loss(scores.clone(), data, batch);
            loss += f64::from(batch_loss.into_scalar::<f32>()) * batch.len() as f64;
            right += hits(scores, data, batch);
        }
        let count = data.len() as f64;
        Ok((loss / count, self.is_classifier().then_some(right as f64 / data.answers(&order) as f64)))
    }
}

/// The node whose value the loss takes: before a last softmax.
pub(crate) fn scores(graph: &Graph) -> String {
    let output = &graph.outputs[0];
    match graph.node(output) {
        Some(node) if node.op == Op::Softmax => node.inputs[0].clone(),
        _ => output.clone(),
    }
}

fn targets(data: &Dataset, batch: &[usize], device: &burn::tensor::Device) -> Tensor<2> {
    let numbers: Vec<f32> = batch.iter().flat_map(|&index| data.target(index)).collect();
    Tensor::from_data(TensorData::new(numbers, [batch.len(), data.target_width()]), device)
}

/// How many answers of a batch are right.
pub(super) fn hits(scores: Tensor<2>, data: &Dataset, batch: &[usize]) -> usize {
    let scores = Value::Flat(scores).numbers();
    let rows = scores.data.chunks(scores.shape[1].max(1)).zip(batch);
    let of_sample = |(row, &index): (&[f32], &usize)| {
        let answers = row.chunks(data.classes.len().max(1)).zip(data.labels(index));
        answers.filter(|(answer, label)| argmax(answer) == **label).count()
    };
    rows.map(of_sample).sum()
}
