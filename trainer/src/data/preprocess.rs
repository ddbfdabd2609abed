//! Scaling of raw values: an affine map that training applies, and that the exporter folds into the input's quantization.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::Dataset;

/// How raw values become what the network sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scaling {
    /// Not at all.
    None,
    /// To 0..1: by the range of the data where it has one (images: 0 to 255), otherwise by the smallest and largest value of
    /// each feature in the training set.
    #[default]
    ZeroOne,
    /// To −1..1, likewise.
    PlusMinusOne,
    /// To mean 0 and deviation 1 over the training set: of all pixels of an image, of each channel of a
    /// sequence, of each feature otherwise.
    Standardize,
}

/// `x = raw · gain + offset`, with one pair, one for each channel of a sequence, or one for each element of a sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preprocess {
    /// Factor.
    pub gain: Vec<f32>,
    /// Summand.
    pub offset: Vec<f32>,
    /// Range of raw values, where the data has one.
    pub range: Option<[f32; 2]>,
}

impl Preprocess {
    /// Derives the map from the training set, never from the test set.
    ///
    /// # Errors
    /// A feature that should be scaled has the same value in every sample.
    pub fn fit(scaling: Scaling, train: &Dataset) -> Result<Self> {
        let features = match *train.shape {
            [_, _, _] => 1,
            [_, channels] => channels,
            _ => train.width(),
        };
        let mut map = Self { gain: vec![], offset: vec![], range: train.range };
        for feature in 0..features {
            let values = || train.inputs.iter().skip(feature).step_by(features).map(|&value| f64::from(value));
            let ends = || match train.range {
                Some([low, high]) => (f64::from(low), f64::from(high)),
                None => values().fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value))),
            };
            let (shift, width) = match scaling {
                Scaling::None => (0.0, 1.0),
                Scaling::ZeroOne => (ends().0, ends().1 - ends().0),
                Scaling::PlusMinusOne => (f64::midpoint(ends().0, ends().1), (ends().1 - ends().0) / 2.0),
                Scaling::Standardize => deviation(values),
            };
            ensure!(width > 0.0, "feature {feature} is {shift} in every sample and cannot be scaled: remove it");
            map.gain.push((1.0 / width) as f32);
            map.offset.push((-shift / width) as f32);
        }
        Ok(map)
    }

    /// What the network sees of a raw sample.
    pub fn apply<'a>(&'a self, raw: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
        let map = self.gain.iter().zip(&self.offset).cycle();
        raw.iter().zip(map).map(|(raw, (gain, offset))| raw * gain + offset)
    }
}

fn deviation<I: Iterator<Item = f64>>(values: impl Fn() -> I) -> (f64, f64) {
    let count = values().count() as f64;
    let mean = values().sum::<f64>() / count;
    let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Targets;

    fn set(shape: Vec<usize>, inputs: Vec<f32>, range: Option<[f32; 2]>) -> Dataset {
        let len = inputs.len() / shape.iter().product::<usize>();
        Dataset {
            shape,
            inputs,
            targets: Targets::Values { width: 1, data: vec![0.0; len] },
            classes: vec![],
            range,
            lengths: vec![],
        }
    }

    #[test]
    fn maps_are_what_they_say() {
        let features = set(vec![2], vec![0.0, 10.0, 4.0, 30.0], None);
        let apply = |scaling| {
            let map = Preprocess::fit(scaling, &features).unwrap();
            features.inputs.chunks(2).flat_map(|row| map.apply(row).collect::<Vec<_>>()).collect::<Vec<_>>()
        };
        assert_eq!(apply(Scaling::ZeroOne), [0.0, 0.0, 1.0, 1.0]);
        assert_eq!(apply(Scaling::PlusMinusOne), [-1.0, -1.0, 1.0, 1.0]);
        assert_eq!(apply(Scaling::Standardize), [-1.0, -1.0, 1.0, 1.0]);
        let image =
            Preprocess::fit(Scaling::ZeroOne, &set(vec![1, 2, 1], vec![0.0, 51.0], Some([0.0, 255.0]))).unwrap();
        assert_eq!(image.apply(&[255.0, 0.0]).collect::<Vec<_>>(), [1.0, 0.0]);
        let error = Preprocess::fit(Scaling::Standardize, &set(vec![2], vec![0.0, 7.0, 1.0, 7.0], None)).unwrap_err();
        assert!(error.to_string().contains("feature 1 is 7"), "{error}");
    }
}
