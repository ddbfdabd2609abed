//! Noisy waves made here: predict the next value.

use std::f32::consts::TAU;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

use super::{Dataset, Targets};

/// `count` sequences of `length` values of `a·sin(ω·t + φ)` with normal noise of this standard deviation, `a` of 0.5 to 1 and
/// 4 to 16 values to a period; the target is the wave's next value, without noise.
pub(super) fn generate(count: usize, length: usize, noise: f32, seed: u64) -> Dataset {
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut inputs, mut targets) = (Vec::with_capacity(count * length), Vec::with_capacity(count));
    for _ in 0..count {
        let (amplitude, phase) = (rng.random_range(0.5..1.0f32), rng.random_range(0.0..TAU));
        let step = TAU / rng.random_range(4.0..16.0f32);
        let wave = |t: usize| amplitude * (phase + step * t as f32).sin();
        inputs.extend((0..length).map(|t| wave(t) + noise * rng.sample::<f32, _>(StandardNormal)));
        targets.push(wave(length));
    }
    let targets = Targets::Values { width: 1, data: targets };
    Dataset { shape: vec![length, 1], inputs, targets, classes: vec![], range: None, lengths: vec![] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_noise_the_next_value_follows_from_the_last_two() {
        let set = generate(20, 12, 0.0, 3);
        let Targets::Values { data, .. } = &set.targets else { panic!() };
        for (index, &next) in data.iter().enumerate() {
            let x = set.sample(index);
            // sin(t + 1) + sin(t − 1) = 2·cos(ω)·sin(t), and the same a step earlier.
            let cosine = (x[11] + x[9]) / (2.0 * x[10]);
            if x[10].abs() > 0.1 {
                assert!((2.0 * cosine * x[11] - x[10] - next).abs() < 1e-3, "{index}");
            }
        }
        assert_eq!(generate(3, 5, 0.1, 1), generate(3, 5, 0.1, 1));
    }
}
