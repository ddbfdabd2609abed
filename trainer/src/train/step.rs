//! Learning: the steps of an epoch.

use anyhow::Result;
use burn::optim::GradientsParams;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::batch::batches;
use super::epoch::Epoch;
use super::mixup::Mixup;
use super::objective::hits;
use super::progress::Now;
use super::trainer::Trainer;
use crate::nn::{Value, clip_by_global_norm, training_device};

impl Trainer<'_> {
    /// Goes through the training samples once, or through those that are left of an interrupted epoch.
    pub(super) fn epoch(&mut self, number: usize) -> Result<Epoch> {
        let (order, seeds) = self.plan(number);
        let mut done = std::mem::take(&mut self.checkpoint.partial);
        self.progress.begin(&self.checkpoint, seeds.len(), done.step);
        let parts = batches(&order, self.recipe.train.batch).zip(&seeds);
        for (batch, &seed) in parts.skip(done.step) {
            let at = (number - 1) * seeds.len() + done.step;
            let rate = self.recipe.train.schedule.factor(at, seeds.len(), self.recipe.train.epochs)
                * self.recipe.train.learning_rate;
            let (loss, hits) = self.step(batch, rate, seed)?;
            done.step += 1;
            done.samples += batch.len();
            done.loss += loss * batch.len() as f64;
            done.hits += hits;
            done.answers += self.train.answers(batch);
            let accuracy = self.accuracy(done.hits, done.answers);
            self.progress.step(&Now { loss: done.loss / done.samples as f64, accuracy, rate, samples: batch.len() });
            if done.step < seeds.len() {
                self.heed_stop(done)?;
            }
        }
        let validation = self.validation.as_ref().map(|data| self.validate(data)).transpose()?;
        Ok(Epoch {
            epoch: number,
            loss: done.loss / done.samples as f64,
            accuracy: self.accuracy(done.hits, done.answers),
            validation_loss: validation.map(|(loss, _)| loss),
            validation_accuracy: validation.and_then(|(_, accuracy)| accuracy),
        })
    }

    /// The order of the samples in an epoch, and the seed of each of its steps.
    pub(super) fn plan(&self, number: usize) -> (Vec<usize>, Vec<u64>) {
        let seed = self.recipe.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number as u64);
        let mut rng = StdRng::seed_from_u64(seed);
        let mut order: Vec<usize> = (0..self.train.len()).collect();
        order.shuffle(&mut rng);
        let steps = order.len().div_ceil(self.recipe.train.batch);
        (order, rng.random_iter().take(steps).collect())
    }

    /// One step of the optimizer; gives loss and right predictions of the batch.
    pub(super) fn step(&mut self, batch: &[usize], rate: f64, seed: u64) -> Result<(f64, usize)> {
        let mut rng = StdRng::seed_from_u64(seed);
        let device = training_device();
        // Dropout draws from the device's own generator.
        device.seed(rng.random());
        let mut numbers = self.inputs(batch, &mut rng)?;
        let mut target = self.soft_targets.rows(&self.train, batch);
        if let Some(mixup) = Mixup::draw(self.recipe.train.mixup, batch.len(), &mut rng)? {
            mixup.apply(&mut numbers);
            mixup.apply(&mut target);
        }
        let input = Value::new(numbers, batch.len(), self.shape(), &device);
        let mask = self.meta.mask(&self.train, batch, &device);
        let scores = self.scores(&self.params, input, mask.as_ref())?;
        let loss = self.loss(scores.clone(), target, &self.train, batch);
        let mut gradients = GradientsParams::from_grads(loss.backward(), &self.params);
        if let Some(most) = self.recipe.train.clip_norm {
            gradients = clip_by_global_norm(gradients, &self.params, most);
        }
        self.params = self.optimizer.step(rate, self.params.clone(), gradients);
        let loss = loss.into_scalar::<f32>();
        Ok((f64::from(loss), hits(scores, &self.train, batch)))
    }
}
