//! Where data comes from, as recipes say it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::files::{Split, labelled as files, unlabelled};
use super::{Dataset, csv, digits, download, folder, idx, labelled, npy, series, strokes, wav, waves};

const fn train_count() -> usize {
    6000
}

const fn test_count() -> usize {
    1000
}

const fn share() -> f64 {
    0.2
}

const fn yes() -> bool {
    true
}

/// A source of samples. Paths are relative to where the command is run, and `--data` replaces them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Source {
    /// Handwritten-like digits made here; needs no file.
    Digits {
        /// Training samples.
        #[serde(default = "train_count")]
        train: usize,
        /// Test samples.
        #[serde(default = "test_count")]
        test: usize,
    },
    /// Noisy waves made here, and their next values; needs no file.
    Waves {
        /// Training sequences.
        #[serde(default = "train_count")]
        train: usize,
        /// Test sequences.
        #[serde(default = "test_count")]
        test: usize,
        /// Values of a sequence.
        length: usize,
        /// Standard deviation of the noise; waves reach 1.
        noise: f32,
    },
    /// The MNIST family: `train-images-idx3-ubyte` and its three sisters, gzip or not.
    Idx {
        /// Folder of the four files.
        path: PathBuf,
        /// Whether MNIST may be downloaded into that folder where the files are missing.
        #[serde(default)]
        download: bool,
    },
    /// `train/<class>/*.png|jpg`, and `test/` or a share of the training images.
    Folder {
        /// Folder that holds `train`.
        path: PathBuf,
        /// Height and width that all images are brought to; by default that of the first.
        size: Option<[usize; 2]>,
        /// Whether colors become gray.
        #[serde(default)]
        grayscale: bool,
        /// Share of the samples that are kept for the test where there is no `test` folder.
        #[serde(default = "share")]
        test_share: f64,
    },
    /// Numbers in columns, with a header.
    Csv {
        /// The file.
        path: PathBuf,
        /// Name of the column of the target; by default the last.
        label: Option<String>,
        /// Whether the target is a class; otherwise a number.
        #[serde(default = "yes")]
        classify: bool,
        /// Share of the samples that are kept for the test.
        #[serde(default = "share")]
        test_share: f64,
    },
    /// `x.npy` (samples first) and `y.npy` (whole numbers are classes).
    Npy {
        /// Folder of both files.
        path: PathBuf,
        /// Share of the samples that are kept for the test.
        #[serde(default = "share")]
        test_share: f64,
    },
    /// Recordings: `<class>/*.wav`, or `train/<class>/*.wav` and `test/<class>/*.wav`.
    Wav {
        /// Folder that holds the class folders, or `train`.
        path: PathBuf,
        /// Samples per second; recordings with another rate are resampled, several channels become one.
        rate: u32,
        /// Length; longer recordings are cut, shorter ones lie in the middle of silence.
        seconds: f64,
        /// Cuts off what is so many decibels below the peak at both ends.
        trim_db: Option<f32>,
        /// Adds a class `_background_` of silence, noise and parts of words, so many samples as a share of the recordings: for
        /// networks that listen all the time.
        #[serde(default)]
        background: f64,
        /// Whether shorter recordings start at once, and networks look at what is there alone.
        #[serde(default)]
        masked: bool,
        /// Names of the files of the test set, with `*` and `?`: `["*_theo_*"]` keeps a speaker aside.
        #[serde(default)]
        test_files: Vec<String>,
        /// Otherwise, and without a folder `test`, the share of each class's files that are kept for the test.
        #[serde(default = "share")]
        test_share: f64,
    },
    /// Series of numbers, a row for each moment: `<class>/*.csv|tsv|txt`, or in `train` and `test`.
    Series {
        /// Folder that holds the class folders, or `train`.
        path: PathBuf,
        /// Rows of a sample.
        length: usize,
        /// Rows from one sample of a file to the next; all samples of a file are on the same side of the split.
        stride: usize,
        /// Whether files that are shorter than a sample start at once, and networks look at what is there alone.
        #[serde(default)]
        masked: bool,
        /// Names of the files of the test set, with `*` and `?`.
        #[serde(default)]
        test_files: Vec<String>,
        /// Otherwise, and without a folder `test`, the share of each class's files that are kept for the test.
        #[serde(default = "share")]
        test_share: f64,
    },
    /// Series with a label for each row: CSV files with a header in `<path>/*.csv`, or in `train` and `test`. Files and windows that are
    /// shorter than a sample start at once, and what is behind them is not looked at.
    LabelledSeries {
        /// Folder of the files, or of `train`.
        path: PathBuf,
        /// Column of the labels, by default the last.
        label: Option<String>,
        /// Rows of a sample.
        length: usize,
        /// Rows from one sample of a file to the next; all samples of a file are on the same side of the split.
        stride: usize,
        /// Names of the files of the test set, with `*` and `?`.
        #[serde(default)]
        test_files: Vec<String>,
        /// Otherwise, and without a folder `test`, the share of the files that are kept for the test.
        #[serde(default = "share")]
        test_share: f64,
    },
    /// Strokes as JSON: `{"strokes": [{"label": …, "strokePoints": [{"x": …, "y": …}]}]}`.
    Strokes {
        /// Folder of the files.
        path: PathBuf,
        /// Points that each stroke is brought to.
        length: usize,
        /// Share of each file's strokes, its last ones, that are kept for the test.
        #[serde(default = "share")]
        test_share: f64,
    },
}

/// A training and a test set with the same shape and classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// To learn from.
    pub train: Dataset,
    /// To be judged by.
    pub test: Dataset,
}

impl Source {
    /// The same source at another path, where nothing is downloaded: who names a path has the files.
    #[must_use]
    pub fn at(mut self, new: &Path) -> Self {
        if let Self::Idx { download, .. } = &mut self {
            *download = false;
        }
        match &mut self {
            Self::Digits { .. } | Self::Waves { .. } => {}
            Self::Idx { path, .. }
            | Self::Folder { path, .. }
            | Self::Csv { path, .. }
            | Self::Npy { path, .. }
            | Self::Wav { path, .. }
            | Self::Series { path, .. }
            | Self::LabelledSeries { path, .. }
            | Self::Strokes { path, .. } => {
                *path = new.to_owned();
            }
        }
        self
    }

    /// Samples per second, where they are sound.
    #[must_use]
    pub const fn rate(&self) -> Option<u32> {
        match self {
            Self::Wav { rate, .. } => Some(*rate),
            _ => None,
        }
    }

    /// Reads or makes all samples. `seed` decides the split and what is generated.
    ///
    /// # Errors
    /// A file is missing or malformed, or inputs and labels do not belong together; the message names the place.
    pub fn load(&self, seed: u64) -> Result<Loaded> {
        let loaded = match self {
            Self::Digits { train, test } => {
                ensure!(*train > 0 && *test > 0, "data: train and test must be at least 1");
                Loaded { train: digits::generate(*train, seed), test: digits::generate(*test, !seed) }
            }
            Self::Waves { train, test, length, noise } => {
                ensure!(*train > 0 && *test > 0 && *length > 0, "data: train, test and length must be at least 1");
                ensure!((0.0..=10.0).contains(noise), "data: noise {noise} is not in 0..=10");
                let make = |count, seed| waves::generate(count, *length, *noise, seed);
                Loaded { train: make(*train, seed), test: make(*test, !seed) }
            }
            Self::Idx { path, download } => {
                if *download {
                    download::mnist(path)?;
                }
                idx::load(path)?
            }
            Self::Folder { path, size, grayscale, test_share } => {
                folder::load(path, *size, *grayscale, checked(*test_share)?, seed)?
            }
            Self::Csv { path, label, classify, test_share } => {
                csv::load(path, label.as_deref(), *classify)?.split(checked(*test_share)?, seed)
            }
            Self::Npy { path, test_share } => npy::load(path)?.split(checked(*test_share)?, seed),
            Self::Wav { path, rate, seconds, trim_db, background, masked, test_files, test_share } => {
                let split = Split { files: test_files, share: checked(*test_share)?, seed };
                let length = (f64::from(*rate) * seconds).round() as usize;
                ensure!((0.0..=10.0).contains(background), "data: background {background} is not in 0..=10");
                let options = wav::Options {
                    rate: *rate,
                    length,
                    trim_db: *trim_db,
                    background: *background,
                    masked: *masked,
                    seed,
                };
                wav::load(&files(path, &["wav"], &split)?, &options)?
            }
            Self::Series { path, length, stride, masked, test_files, test_share } => {
                let split = Split { files: test_files, share: checked(*test_share)?, seed };
                series::load(&files(path, &series::ENDINGS, &split)?, *length, *stride, *masked)?
            }
            Self::LabelledSeries { path, label, length, stride, test_files, test_share } => {
                let split = Split { files: test_files, share: checked(*test_share)?, seed };
                labelled::load(&unlabelled(path, &["csv"], &split)?, label.as_deref(), *length, *stride)?
            }
            Self::Strokes { path, length, test_share } => strokes::load(path, *length, checked(*test_share)?)?,
        };
        let checked = |set: Dataset, name| set.checked().with_context(|| format!("{name} set of {self}"));
        Ok(Loaded { train: checked(loaded.train, "training")?, test: checked(loaded.test, "test")? })
    }
}

fn checked(share: f64) -> Result<f64> {
    ensure!(share > 0.0 && share < 1.0, "data: test_share {share} is not between 0 and 1");
    Ok(share)
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Digits { .. } => f.write_str("generated digits"),
            Self::Waves { .. } => f.write_str("generated waves"),
            Self::Idx { path, .. }
            | Self::Folder { path, .. }
            | Self::Csv { path, .. }
            | Self::Npy { path, .. }
            | Self::Wav { path, .. }
            | Self::Series { path, .. }
            | Self::LabelledSeries { path, .. }
            | Self::Strokes { path, .. } => {
                write!(f, "{}", path.display())
            }
        }
    }
}
