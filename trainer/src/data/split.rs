//! Splitting by chance, the same for the same seed.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::{Dataset, Loaded};

impl Dataset {
    /// Keeps a share for the test, at least one sample on either side where there are two. Each class keeps its share.
    #[must_use]
    pub fn split(&self, share: f64, seed: u64) -> Loaded {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.shuffle(&mut StdRng::seed_from_u64(seed));
        let mut groups = vec![Vec::new(); self.classes.len().max(1)];
        for &index in &order {
            groups[self.label(index).unwrap_or(0)].push(index);
        }
        let (mut train, mut test) = (Vec::new(), Vec::new());
        for group in &groups {
            let count = test_count(group.len(), share);
            test.extend(&group[..count]);
            train.extend(&group[count..]);
        }
        // Not class after class: training reads in this order where it does not shuffle.
        train.sort_unstable();
        test.sort_unstable();
        Loaded { train: self.select(&train), test: self.select(&test) }
    }
}

/// How many of a class are for the test: the share, but one at least on either side where there are two.
pub(super) fn test_count(len: usize, share: f64) -> usize {
    let most = len.saturating_sub(1);
    ((len as f64 * share).round() as usize).clamp(usize::from(most > 0), most)
}

#[cfg(test)]
mod tests {
    use crate::data::{Dataset, Targets};

    #[test]
    fn every_class_keeps_its_share_and_no_sample_is_on_both_sides() {
        let labels: Vec<usize> = (0..100).map(|i| usize::from(i % 10 == 0)).collect();
        let inputs: Vec<f32> = (0..100).map(|i| i as f32).collect();
        let classes = vec!["a".into(), "b".into()];
        let all = Dataset {
            shape: vec![1],
            inputs,
            targets: Targets::Classes(labels),
            classes,
            range: None,
            lengths: vec![],
        };
        let split = all.split(0.2, 7);
        assert_eq!((split.train.len(), split.test.len()), (80, 20));
        let Targets::Classes(test) = &split.test.targets else { unreachable!() };
        assert_eq!(test.iter().filter(|&&label| label == 1).count(), 2);
        let mut together: Vec<f32> = split.train.inputs.iter().chain(&split.test.inputs).copied().collect();
        together.sort_by(f32::total_cmp);
        assert_eq!(together, all.inputs);
        assert_eq!(split, all.split(0.2, 7));
        assert_ne!(split, all.split(0.2, 8));
    }
}
