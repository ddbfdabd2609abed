//! Chance changes of recordings and of their spectra, never of the test set.

use std::path::PathBuf;

use rand::RngExt;
use rand::rngs::StdRng;
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

/// How far recordings may be changed. Without any field nothing is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Waveform {
    /// Largest shift in time, as a share of the length; silence comes in.
    pub shift: f32,
    /// Largest relative change of speed, and with it of pitch: 0.1 is 90 to 110 %.
    pub speed: f32,
    /// Largest change of loudness in decibels.
    pub gain_db: f32,
    /// Largest standard deviation of white noise that is added, as a share of the recording's peak.
    pub noise: f32,
    /// Folder of recordings (`*.wav`, also one folder further down) of which parts are mixed into every sample.
    pub noise_files: Option<PathBuf>,
    /// Range of the ratio in decibels from the power of a sample to that of the noise from `noise_files`.
    pub noise_snr_db: [f32; 2],
    /// Longest stretch of frames that is blanked in the features (SpecAugment, Park et al. 2019).
    pub time_mask: usize,
    /// Most neighbouring features that are blanked in all frames.
    pub frequency_mask: usize,
    /// Largest offset that is added to a feature in all frames, smooth over the features, as another microphone, room or
    /// voice does (FilterAugment, Nam et al. 2022); 1 is one standard deviation where features are standardized.
    pub filter: f32,
}

impl Default for Waveform {
    fn default() -> Self {
        Self {
            shift: 0.0,
            speed: 0.0,
            gain_db: 0.0,
            noise: 0.0,
            noise_files: None,
            noise_snr_db: [5.0, 25.0],
            time_mask: 0,
            frequency_mask: 0,
            filter: 0.0,
        }
    }
}

/// Points between which the offsets of a filter are interpolated.
const KNOTS: usize = 5;

impl Waveform {
    /// Changes one recording.
    #[must_use]
    pub fn apply(&self, samples: &[f32], rng: &mut StdRng) -> Vec<f32> {
        let mut within = |most: f32| if most > 0.0 { rng.random_range(-most..=most) } else { 0.0 };
        let offset = within(self.shift) * samples.len() as f32;
        let speed = 1.0 + within(self.speed);
        let gain = 10f32.powf(within(self.gain_db) / 20.0);
        let peak = samples.iter().fold(0f32, |peak, x| peak.max(x.abs()));
        let noise = within(self.noise).abs() * peak * gain;
        let at = |index: isize| usize::try_from(index).ok().and_then(|i| samples.get(i)).copied().unwrap_or(0.0);
        let mut changed = Vec::with_capacity(samples.len());
        for index in 0..samples.len() {
            let place = (index as f32 - offset) * speed;
            let (whole, part) = (place.floor(), place - place.floor());
            let value = at(whole as isize) * (1.0 - part) + at(whole as isize + 1) * part;
            let hiss: f32 = if noise > 0.0 { rng.sample(StandardNormal) } else { 0.0 };
            changed.push(value * gain + noise * hiss);
        }
        changed
    }

    /// Filters one sample (`[time, features]`), then sets a stretch of its frames and a stretch of its features to 0, which is
    /// their mean where they are standardized.
    pub fn mask(&self, features: &mut [f32], [time, width]: [usize; 2], rng: &mut StdRng) {
        if self.filter > 0.0 {
            let knots: [f32; KNOTS] = std::array::from_fn(|_| rng.random_range(-self.filter..=self.filter));
            let offset = |feature: usize| {
                let place = feature as f32 * (KNOTS - 1) as f32 / width as f32;
                let knot = place as usize;
                knots[knot] + place.fract() * (knots[knot + 1] - knots[knot])
            };
            features.iter_mut().enumerate().for_each(|(index, value)| *value += offset(index % width));
        }
        let mut stretch = |most: usize, len: usize| {
            let count = rng.random_range(0..=most.min(len));
            let start = rng.random_range(0..=len - count);
            start..start + count
        };
        let (frames, bands) = (stretch(self.time_mask, time), stretch(self.frequency_mask, width));
        for (index, value) in features.iter_mut().enumerate() {
            if frames.contains(&(index / width)) || bands.contains(&(index % width)) {
                *value = 0.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn nothing_asked_for_changes_nothing() {
        let samples: Vec<f32> = (0..50).map(|i| (i * i % 17) as f32).collect();
        let mut rng = StdRng::seed_from_u64(1);
        assert_eq!(Waveform::default().apply(&samples, &mut rng), samples);
        let mut features = samples.clone();
        Waveform::default().mask(&mut features, [10, 5], &mut rng);
        assert_eq!(features, samples);
    }

    #[test]
    fn shifts_move_and_masks_blank() {
        let mut samples = vec![0.0; 100];
        samples[50] = 1.0;
        let mut rng = StdRng::seed_from_u64(1);
        let shift = Waveform { shift: 0.2, ..Waveform::default() };
        let places: Vec<usize> = (0..20)
            .map(|_| {
                let changed = shift.apply(&samples, &mut rng);
                changed.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0
            })
            .collect();
        assert!(places.iter().all(|place| (30..=70).contains(place)) && places.iter().any(|&place| place != 50));

        let masks = Waveform { time_mask: 3, frequency_mask: 2, ..Waveform::default() };
        let blanked = |rng: &mut StdRng| {
            let mut features = vec![1.0; 50];
            masks.mask(&mut features, [10, 5], rng);
            features.iter().filter(|&&value| value == 0.0).count()
        };
        let counts: Vec<usize> = (0..50).map(|_| blanked(&mut rng)).collect();
        // Three whole frames and two features of the other seven at most.
        assert!(
            counts.iter().all(|&count| count <= 3 * 5 + 2 * 7) && counts.contains(&0) && counts.iter().any(|&c| c > 15)
        );
    }
}
