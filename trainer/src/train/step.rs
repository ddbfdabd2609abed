//! Learning: the steps of an epoch.

use anyhow::Result;
use burn::optim::GradientsParams;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::batch::batches;
use super::epoch::Epoch;
use super::objective::hits;
use super::trainer::Trainer;
use crate::nn::{Value, training_device};

impl Trainer<'_> {
    pub(super) fn epoch(&mut self, number: usize) -> Result<Epoch> {
        let mut rng =
            StdRng::seed_from_u64(self.recipe.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number as u64));
        // Dropout draws from the device's own generator.
        training_device().seed(self.recipe.seed.wrapping_add(number as u64));
        let mut order: Vec<usize> = (0..self.train.len()).collect();
        order.shuffle(&mut rng);
        let steps = order.len().div_ceil(self.recipe.train.batch);
        self.progress.begin(number, steps);
        let (mut loss, mut hits, mut answers) = (0.0, 0, 0);
        for (step, batch) in batches(&order, self.recipe.train.batch).enumerate() {
            let at = (number - 1) * steps + step;
            let rate = self.recipe.train.schedule.factor(at, steps, self.recipe.train.epochs)
                * self.recipe.train.learning_rate;
            let (batch_loss, batch_hits) = self.step(batch, rate, &mut rng)?;
            loss += batch_loss * batch.len() as f64;
            hits += batch_hits;
            answers += self.train.answers(batch);
            let seen = (step * self.recipe.train.batch + batch.len()) as f64;
            self.progress.step(loss / seen, self.is_classifier().then_some(hits as f64 / answers as f64));
        }
        let count = order.len() as f64;
        let validation = self.validation.as_ref().map(|data| self.validate(data)).transpose()?;
        Ok(Epoch {
            epoch: number,
            loss: loss / count,
            accuracy: self.is_classifier().then_some(hits as f64 / answers as f64),
            validation_loss: validation.map(|(loss, _)| loss),
            validation_accuracy: validation.and_then(|(_, accuracy)| accuracy),
        })
    }

    /// One step of the optimizer; gives loss and right predictions of the batch.
    pub(super) fn step(&mut self, batch: &[usize], rate: f64, rng: &mut StdRng) -> Result<(f64, usize)> {
        let numbers = self.inputs(batch, rng)?;
        let device = training_device();
        let input = Value::new(numbers, batch.len(), self.shape(), &device);
        let mask = self.meta.mask(&self.train, batch, &device);
        let scores = self.scores(&self.params, input, mask.as_ref())?;
        let loss = self.loss(scores.clone(), &self.train, batch);
        let gradients = GradientsParams::from_grads(loss.backward(), &self.params);
        self.params = self.optimizer.step(rate, self.params.clone(), gradients);
        let loss = loss.into_scalar::<f32>();
        Ok((f64::from(loss), hits(scores, &self.train, batch)))
    }
}
