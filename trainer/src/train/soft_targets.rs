//! What training takes for the truth: targets that are smoothed and weighted.

use anyhow::{Result, ensure};

use crate::data::Dataset;
use crate::recipe::Train;

/// Turns targets into those that are learned. For a sample, or a step of one, of class `y` among `C` classes:
///
/// `t_c = w_y · ((1 − ε) · [c = y] + ε / C)`
///
/// with the label smoothing `ε` (Szegedy et al. 2016, arXiv:1512.00567) and the weight `w_y` of its class. Cross entropy is linear in `t`,
/// so the loss of the sample is `w_y` times that of its smoothed label; the loss of a batch is their sum through its number of
/// samples, whatever they weigh. What is behind the end of a sample stays zero.
pub(super) struct SoftTargets {
    weights: Option<Vec<f32>>,
    smoothing: f32,
}

impl SoftTargets {
    /// For these training samples.
    ///
    /// # Errors
    /// The recipe asks for something that needs classes, or mixes samples that cannot be mixed.
    pub fn new(recipe: &Train, train: &Dataset) -> Result<Self> {
        ensure!(
            recipe.label_smoothing == 0.0 || !train.classes.is_empty(),
            "train: label_smoothing needs data with classes, this has values to predict: remove it"
        );
        ensure!(
            recipe.mixup == 0.0 || train.lengths.is_empty(),
            "train: mixup cannot mix samples of different lengths: remove it, or give all the same length"
        );
        let weights = recipe.class_weights.as_ref().map(|weights| weights.resolve(train)).transpose()?;
        Ok(Self { weights, smoothing: recipe.label_smoothing })
    }

    /// Targets of some samples: a row of [`Dataset::target_width`] for each.
    pub fn rows(&self, data: &Dataset, batch: &[usize]) -> Vec<f32> {
        batch.iter().flat_map(|&index| self.row(data, index)).collect()
    }

    fn row(&self, data: &Dataset, index: usize) -> Vec<f32> {
        let mut row = data.target(index);
        let classes = data.classes.len();
        if self.weights.is_none() && self.smoothing == 0.0 {
            return row;
        }
        for (step, &label) in row.chunks_mut(classes).zip(data.labels(index)) {
            let weight = self.weights.as_ref().map_or(1.0, |weights| weights[label]);
            step.iter_mut().for_each(|t| *t = weight * ((1.0 - self.smoothing) * *t + self.smoothing / classes as f32));
        }
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Targets;

    fn data(targets: Targets, lengths: Vec<usize>) -> Dataset {
        let classes = ["a", "b", "c", "d"].map(String::from).to_vec();
        Dataset { shape: vec![3], inputs: vec![0.0; 6], targets, classes, range: None, lengths }
    }

    #[test]
    fn rows_are_those_of_the_equation() {
        let soft = SoftTargets { weights: Some(vec![2.0, 1.0, 4.0, 1.0]), smoothing: 0.5 };
        let samples = data(Targets::Classes(vec![2, 1]), Vec::new());
        // 1 − 0.5 + 0.5 / 4 = 0.625 for the label, 0.125 for the others; times 4 and 1.
        assert_eq!(soft.rows(&samples, &[0, 1]), [0.5, 0.5, 2.5, 0.5, 0.125, 0.625, 0.125, 0.125]);
        // Two samples of three steps, the first of them with two that are there.
        let steps = data(Targets::Steps(vec![vec![0, 3], vec![1, 1, 1]]), vec![2, 3]);
        let first = [1.25, 0.25, 0.25, 0.25, 0.125, 0.125, 0.125, 0.625, 0.0, 0.0, 0.0, 0.0];
        assert_eq!(soft.rows(&steps, &[0]), first);
    }

    #[test]
    fn plain_targets_are_left_alone() {
        let soft = SoftTargets { weights: None, smoothing: 0.0 };
        let values = Dataset {
            classes: Vec::new(),
            ..data(Targets::Values { width: 2, data: vec![5.0, 6.0, 7.0, 8.0] }, Vec::new())
        };
        assert_eq!(soft.rows(&values, &[1, 0]), [7.0, 8.0, 5.0, 6.0]);
    }
}
