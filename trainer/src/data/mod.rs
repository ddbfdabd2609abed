//! Data sets: raw inputs with their targets, read from files or generated, split, preprocessed and augmented.

mod augment;
mod csv;
mod digits;
mod download;
mod files;
mod folder;
mod idx;
mod labelled;
mod noise;
mod npy;
mod preprocess;
mod series;
mod source;
mod split;
mod strokes;
mod wav;
mod waveform;
mod waves;

pub use augment::Augment;
pub use noise::Noise;
pub use preprocess::{Preprocess, Scaling};
pub use source::{Loaded, Source};
pub use wav::read as read_wav;
pub use waveform::Waveform;

use anyhow::{Result, ensure};

/// What a network is to answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// A class number for each sample.
    Classes(Vec<usize>),
    /// For each sample a class number for every step that is there.
    Steps(Vec<Vec<usize>>),
    /// Numbers for each sample, one after the other.
    Values {
        /// How many for each sample.
        width: usize,
        /// All of them.
        data: Vec<f32>,
    },
}

/// Samples as they come from a sensor or file, before any scaling.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// Shape of one sample: height, width, channels, or one number.
    pub shape: Vec<usize>,
    /// Raw values of all samples, row-major.
    pub inputs: Vec<f32>,
    /// What belongs to each.
    pub targets: Targets,
    /// Names of the classes; empty for regression.
    pub classes: Vec<String>,
    /// The range that raw values can have, where the kind of data says so: 0 to 255 for images.
    pub range: Option<[f32; 2]>,
    /// Steps of each sample that are there, behind which it is padded; empty where all are whole.
    pub lengths: Vec<usize>,
}

impl Dataset {
    /// Checks that inputs and targets belong together.
    ///
    /// # Errors
    /// Says how many there are of each, or which label is out of range.
    pub fn checked(self) -> Result<Self> {
        let (inputs, width) = (self.len(), self.width());
        ensure!(
            width > 0 && self.inputs.len().is_multiple_of(width),
            "inputs do not fill samples of shape {:?}",
            self.shape
        );
        ensure!(inputs > 0, "the data set is empty");
        let targets = match &self.targets {
            Targets::Classes(labels) => {
                let classes = self.classes.len();
                if let Some(at) = labels.iter().position(|&label| label >= classes) {
                    anyhow::bail!("sample {at} has label {}, there are {classes} classes", labels[at]);
                }
                labels.len()
            }
            Targets::Steps(all) => {
                let classes = self.classes.len();
                let fits = all.iter().map(Vec::len).eq(self.lengths.iter().copied());
                ensure!(fits, "every step of a sample that is there has a label, and no other");
                ensure!(
                    all.iter().flatten().all(|&label| label < classes),
                    "a label is not one of the {classes} classes"
                );
                all.len()
            }
            Targets::Values { width, data } => data.len() / (*width).max(1),
        };
        let steps = self.shape[0];
        ensure!(
            self.lengths.is_empty()
                || self.lengths.len() == inputs && self.lengths.iter().all(|n| (1..=steps).contains(n)),
            "lengths must be one for each sample, of 1 to {steps} steps"
        );
        ensure!(inputs == targets, "{inputs} samples but {targets} labels: they must belong together one by one");
        if let Some(at) = self.inputs.iter().position(|x| !x.is_finite()) {
            let (sample, value) = (at / width, self.inputs[at]);
            anyhow::bail!(
                "sample {sample}, value {} is {value}, not a finite number: fill the gap or remove the sample",
                at % width
            );
        }
        Ok(self)
    }

    /// Number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inputs.len() / self.width().max(1)
    }

    /// Whether there is no sample.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// Elements of one sample.
    #[must_use]
    pub fn width(&self) -> usize {
        self.shape.iter().product()
    }

    /// Raw values of one sample.
    #[must_use]
    pub fn sample(&self, index: usize) -> &[f32] {
        let width = self.width();
        &self.inputs[index * width..][..width]
    }

    /// Numbers that a target has: the classes, or the values.
    #[must_use]
    pub fn target_width(&self) -> usize {
        match &self.targets {
            Targets::Classes(_) => self.classes.len(),
            Targets::Steps(_) => self.shape[0] * self.classes.len(),
            Targets::Values { width, .. } => *width,
        }
    }

    /// The target of one sample as numbers; a class becomes one-hot, and that of a step behind the end of a sample nothing but zeros.
    #[must_use]
    pub fn target(&self, index: usize) -> Vec<f32> {
        match &self.targets {
            Targets::Classes(labels) => {
                (0..self.classes.len()).map(|class| f32::from(u8::from(class == labels[index]))).collect()
            }
            Targets::Steps(all) => {
                let mut target = vec![0.0; self.target_width()];
                let steps = target.chunks_mut(self.classes.len()).zip(&all[index]);
                steps.for_each(|(step, &label)| step[label] = 1.0);
                target
            }
            Targets::Values { width, data } => data[index * width..][..*width].to_vec(),
        }
    }

    /// The classes of one sample: one, or one for each of its steps; none for regression.
    #[must_use]
    pub fn labels(&self, index: usize) -> &[usize] {
        match &self.targets {
            Targets::Classes(labels) => &labels[index..=index],
            Targets::Steps(all) => &all[index],
            Targets::Values { .. } => &[],
        }
    }

    /// What is judged of these samples: themselves, or the steps of them that have a label.
    #[must_use]
    pub fn answers(&self, samples: &[usize]) -> usize {
        match &self.targets {
            Targets::Steps(all) => samples.iter().map(|&index| all[index].len()).sum(),
            _ => samples.len(),
        }
    }

    /// The class of one sample, where it has one alone.
    #[must_use]
    pub fn label(&self, index: usize) -> Option<usize> {
        match &self.targets {
            Targets::Classes(labels) => labels.get(index).copied(),
            Targets::Steps(_) | Targets::Values { .. } => None,
        }
    }

    /// The samples with these numbers, in this order.
    #[must_use]
    pub fn select(&self, indices: &[usize]) -> Self {
        let targets = match &self.targets {
            Targets::Classes(labels) => Targets::Classes(indices.iter().map(|&index| labels[index]).collect()),
            Targets::Steps(all) => Targets::Steps(indices.iter().map(|&index| all[index].clone()).collect()),
            Targets::Values { width, .. } => {
                Targets::Values { width: *width, data: indices.iter().flat_map(|&index| self.target(index)).collect() }
            }
        };
        Self {
            inputs: indices.iter().flat_map(|&index| self.sample(index)).copied().collect(),
            targets,
            shape: self.shape.clone(),
            classes: self.classes.clone(),
            range: self.range,
            lengths: indices.iter().filter_map(|&index| self.lengths.get(index).copied()).collect(),
        }
    }
}
