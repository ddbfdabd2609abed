//! Samples of a batch, as the network sees them.

use anyhow::Result;
use rand::rngs::StdRng;

use super::trainer::Trainer;

impl Trainer<'_> {
    /// The inputs of some training samples, changed by chance where the recipe says so.
    pub(super) fn inputs(&self, batch: &[usize], rng: &mut StdRng) -> Result<Vec<f32>> {
        let augment = &self.recipe.augment;
        let fill = self.train.range.map_or(0.0, |[low, _]| low);
        if augment.is_active() {
            let mut change = |&index: &usize| {
                let mut changed = augment.apply(self.train.sample(index), &self.train.shape, fill, rng);
                self.noise.iter().for_each(|noise| noise.mix(&mut changed, rng));
                changed
            };
            let changed: Vec<Vec<f32>> = batch.iter().map(&mut change).collect();
            let mut numbers = self.meta.apply(changed.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
            let width = self.shape().iter().product();
            numbers.chunks_exact_mut(width).for_each(|features| augment.mask(features, self.shape(), rng));
            Ok(numbers)
        } else {
            self.meta.inputs(&self.train, batch)
        }
    }
}

/// Consecutive parts of an order.
pub(super) fn batches(order: &[usize], size: usize) -> impl Iterator<Item = &[usize]> {
    order.chunks(size)
}
