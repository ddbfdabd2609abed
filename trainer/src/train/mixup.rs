//! Mixup: training samples between two others.
//!
//! `x = λ · x_i + (1 − λ) · x_j` and `t = λ · t_i + (1 − λ) · t_j` with `λ ~ Beta(α, α)`, one `λ` for a batch, and as `j` a permutation of the
//! batch (Zhang et al. 2018, arXiv:1710.09412). `x` is what the network sees: scaled, behind the front end. The larger of `λ` and `1 − λ` is
//! taken, which gives the same samples in another order, so that the class of sample `i` has the larger part and the accuracy during
//! training can be counted by it.

use anyhow::{Result, anyhow};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand_distr::{Beta, Distribution};

/// How the samples of a batch are mixed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mixup {
    /// Part of a sample itself, at least one half.
    share: f32,
    /// Whom each is mixed with.
    partners: Vec<usize>,
}

impl Mixup {
    /// For so many samples; `None` for `alpha` 0.
    pub fn draw(alpha: f32, samples: usize, rng: &mut StdRng) -> Result<Option<Self>> {
        if alpha == 0.0 {
            return Ok(None);
        }
        let beta = Beta::new(alpha, alpha).map_err(|error| anyhow!("train: mixup = {alpha}: {error}"))?;
        let lambda: f32 = beta.sample(rng);
        let mut partners: Vec<usize> = (0..samples).collect();
        partners.shuffle(rng);
        Ok(Some(Self { share: lambda.max(1.0 - lambda), partners }))
    }

    /// Mixes rows, one for each sample.
    pub fn apply(&self, rows: &mut [f32]) {
        let width = rows.len() / self.partners.len().max(1);
        let old = rows.to_vec();
        for (row, &partner) in rows.chunks_exact_mut(width.max(1)).zip(&self.partners) {
            let other = &old[partner * width..][..width];
            row.iter_mut().zip(other).for_each(|(x, y)| *x = self.share * *x + (1.0 - self.share) * y);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn rows_are_mixed_as_the_equation_says() {
        let mixup = Mixup { share: 0.75, partners: vec![1, 2, 0] };
        let mut inputs = [0.0, 4.0, 8.0, 12.0, 16.0, 20.0];
        mixup.apply(&mut inputs);
        // 0.75 · (0, 4) + 0.25 · (8, 12), 0.75 · (8, 12) + 0.25 · (16, 20), 0.75 · (16, 20) + 0.25 · (0, 4).
        assert_eq!(inputs, [2.0, 6.0, 10.0, 14.0, 12.0, 16.0]);
        let mut targets = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        mixup.apply(&mut targets);
        assert_eq!(targets, [0.75, 0.25, 0.0, 0.0, 0.75, 0.25, 0.25, 0.0, 0.75]);
    }

    #[test]
    fn parts_follow_the_distribution_and_the_seed() {
        let mut rng = StdRng::seed_from_u64(1);
        assert_eq!(Mixup::draw(0.0, 4, &mut rng).unwrap(), None);
        // α = 1 is even: the larger part has the mean 3/4.
        let shares: Vec<f32> = (0..4000).filter_map(|_| Some(Mixup::draw(1.0, 4, &mut rng).unwrap()?.share)).collect();
        assert!(shares.iter().all(|share| (0.5..=1.0).contains(share)));
        let mean = shares.iter().sum::<f32>() / 4000.0;
        // Five deviations of the mean of 4,000 numbers that are even between 0.5 and 1: 5 · 0.144 / √4000.
        assert!((mean - 0.75).abs() < 0.0114, "{mean}");
        let twice = [7, 7].map(|seed| Mixup::draw(0.2, 9, &mut StdRng::seed_from_u64(seed)).unwrap().unwrap());
        assert_eq!(twice[0], twice[1]);
        let mut partners = twice[0].partners.clone();
        partners.sort_unstable();
        assert_eq!(partners, (0..9).collect::<Vec<_>>());
    }
}
