//! Recordings in WAV files: `<class>/*.wav`, one label each.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail, ensure};
use hound::SampleFormat;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use rayon::prelude::*;
use rubato::audioadapter_buffers::direct::SequentialSliceOfVecs;
use rubato::audioadapter_buffers::owned::InterleavedOwned;
use rubato::{Fft, FixedSync, Resampler};

use super::files::Files;
use super::{Dataset, Loaded, Targets};

/// How recordings become samples of one length.
pub(super) struct Options {
    /// Samples per second; recordings with another rate are resampled.
    pub rate: u32,
    /// Samples; longer recordings are cut at their end, shorter ones lie in the middle of silence.
    pub length: usize,
    /// Cuts quiet parts off at both ends: what is so many decibels below the peak.
    pub trim_db: Option<f32>,
    /// So many samples of silence, noise and parts of words, as a share of the recordings, become a class of their own.
    pub background: f64,
    /// Whether shorter recordings start at once and networks do not see the silence behind them.
    pub masked: bool,
    /// Decides what is left to chance.
    pub seed: u64,
}

/// Samples per second that recordings are made with; others come from damaged headers, and would take memory without bound.
const RATES: std::ops::RangeInclusive<u32> = 1_000..=768_000;

/// The class of what is no word.
const BACKGROUND: &str = "_background_";

/// Reads all recordings.
pub(super) fn load(files: &Files, options: &Options) -> Result<Loaded> {
    ensure!(RATES.contains(&options.rate), "data: rate {} is not in {RATES:?} samples per second", options.rate);
    ensure!(options.length > 0, "data: seconds must be positive, and hold one sample at least");
    let set = |part: &[(usize, std::path::PathBuf)]| -> Result<Dataset> {
        let fitted: Vec<(Vec<f32>, usize)> =
            part.par_iter().map(|(_, path)| fitted(path, options)).collect::<Result<_>>()?;
        let (mut samples, mut lengths): (Vec<Vec<f32>>, Vec<usize>) = fitted.into_iter().unzip();
        let mut labels: Vec<usize> = part.iter().map(|(label, _)| *label).collect();
        let mut classes = files.classes.clone();
        if options.background > 0.0 {
            let count = (options.background * samples.len() as f64).ceil() as usize;
            let mut rng = StdRng::seed_from_u64(options.seed ^ part.len() as u64);
            let others: Vec<_> = (0..count).map(|_| background(&samples, &mut rng)).collect();
            samples.extend(others);
            labels.resize(samples.len(), classes.len());
            lengths.resize(samples.len(), options.length);
            classes.push(BACKGROUND.to_owned());
        }
        Ok(Dataset {
            shape: vec![options.length],
            inputs: samples.concat(),
            targets: Targets::Classes(labels),
            classes,
            range: Some([-32768.0, 32767.0]),
            lengths: if options.masked { lengths } else { vec![] },
        })
    };
    Ok(Loaded { train: set(&files.train)?, test: set(&files.test)? })
}

/// Samples of the length asked for, and how many are those of the recording where it starts at once.
fn fitted(path: &Path, options: &Options) -> Result<(Vec<f32>, usize)> {
    let mut samples = read(path, options.rate)?;
    if let Some(decibels) = options.trim_db {
        samples = trimmed(samples, decibels);
    }
    samples.truncate(options.length);
    let len = samples.len();
    let mut fitted = vec![0.0; if options.masked { 0 } else { (options.length - len) / 2 }];
    fitted.extend(samples);
    fitted.resize(options.length, 0.0);
    Ok((fitted, len))
}

/// Noise of some loudness and color, half of the times with the end of a word at the start, or the start of one at the end.
fn background(words: &[Vec<f32>], rng: &mut StdRng) -> Vec<f32> {
    let word = &words[rng.random_range(0..words.len())];
    let loudness = 32_768.0 * 10f32.powf(rng.random_range(-80.0..-20.0) / 20.0);
    // White to nearly brown.
    let memory = rng.random_range(0.0f32..0.98);
    let mut last = 0.0;
    let mut sample = || {
        let white: f32 = rng.sample(StandardNormal);
        last = memory * last + (1.0 - memory * memory).sqrt() * white;
        loudness * last
    };
    let mut noise: Vec<f32> = word.iter().map(|_| sample()).collect();
    if rng.random_bool(0.5) {
        let is_loud = |x: &f32| *x != 0.0;
        let first = word.iter().position(is_loud).unwrap_or(0);
        let last = word.iter().rposition(is_loud).unwrap_or(0);
        // Without a quarter of it a word is not over, or has begun before.
        let part = rng.random_range(0..=(last - first) * 3 / 4);
        let (from, to) = if rng.random_bool(0.5) {
            (&word[first..first + part], noise.len() - part)
        } else {
            (&word[last - part..last], 0)
        };
        noise[to..].iter_mut().zip(from).for_each(|(noise, word)| *noise += word);
    }
    noise
}

/// Samples of a file, in units of 16 bits, at this rate; several channels become their mean.
///
/// # Errors
/// It is no WAV file, ends too early, has no samples or a rate that no recording has; the message names the file.
pub fn read(path: &Path, rate: u32) -> Result<Vec<f32>> {
    let (own, samples) = at_its_rate(path)?;
    resampled(samples, own, rate).with_context(|| format!("in {}", path.display()))
}

fn at_its_rate(path: &Path) -> Result<(u32, Vec<f32>)> {
    let reader = hound::WavReader::open(path).map_err(|error| {
        anyhow!("{} is not a WAV file that can be read, expected RIFF with PCM or floats: {error}", path.display())
    })?;
    let spec = reader.spec();
    ensure!(
        RATES.contains(&spec.sample_rate),
        "{} says that it has {} samples per second, expected {RATES:?}: correct its header or record it again",
        path.display(),
        spec.sample_rate
    );
    let channels = usize::from(spec.channels.max(1));
    let all: Vec<f32> = match spec.sample_format {
        SampleFormat::Float => reader.into_samples::<f32>().map(|x| x.map(|x| 32768.0 * x)).collect::<Result<_, _>>(),
        SampleFormat::Int => {
            let unit = 2f32.powi(16 - i32::from(spec.bits_per_sample));
            reader.into_samples::<i32>().map(|x| x.map(|x| unit * x as f32)).collect::<Result<_, _>>()
        }
    }
    .with_context(|| format!("{} ends within its samples or is damaged: copy or record it again", path.display()))?;
    ensure!(!all.is_empty(), "{} holds no samples: remove it or record it again", path.display());
    if let Some(at) = all.iter().position(|x| !x.is_finite()) {
        let frame = at / channels;
        bail!("{}: sample {frame} is {}, which is no finite number: convert it to PCM", path.display(), all[at]);
    }
    Ok((
        spec.sample_rate,
        all.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32).collect(),
    ))
}

fn resampled(samples: Vec<f32>, from: u32, to: u32) -> Result<Vec<f32>> {
    if from == to {
        return Ok(samples);
    }
    let count = samples.len();
    let mut resampler = Fft::<f32>::new(from as usize, to as usize, 1024, 1, FixedSync::Input)?;
    let channels = [samples];
    let input = SequentialSliceOfVecs::new(&channels, 1, count).map_err(|error| anyhow!("{error}"))?;
    Ok(InterleavedOwned::take_data(resampler.process_all(&input, count, None)?))
}

fn trimmed(samples: Vec<f32>, decibels: f32) -> Vec<f32> {
    let peak = samples.iter().fold(0f32, |peak, x| peak.max(x.abs()));
    let is_loud = |x: &f32| x.abs() >= peak * 10f32.powf(-decibels / 20.0);
    let first = samples.iter().position(is_loud).unwrap_or(0);
    let last = samples.iter().rposition(is_loud).unwrap_or(0);
    samples[first..=last].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, rate: u32, channels: u16, samples: &[i16]) {
        let spec =
            hound::WavSpec { channels, sample_rate: rate, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let mut writer = hound::WavWriter::create(path, spec).unwrap();
        samples.iter().for_each(|&x| writer.write_sample(x).unwrap());
        writer.finalize().unwrap();
    }

    #[test]
    fn channels_are_averaged_and_lengths_made_equal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        write(&path, 8000, 2, &[1, 3, 100, 300, -5, -5]);
        assert_eq!(at_its_rate(&path).unwrap(), (8000, vec![2.0, 200.0, -5.0]));
        let options =
            |length, trim_db| Options { rate: 8000, length, trim_db, background: 0.0, masked: false, seed: 0 };
        assert_eq!(fitted(&path, &options(5, None)).unwrap().0, [0.0, 2.0, 200.0, -5.0, 0.0]);
        let masked = Options { masked: true, ..options(5, None) };
        assert_eq!(fitted(&path, &masked).unwrap(), (vec![2.0, 200.0, -5.0, 0.0, 0.0], 3));
        assert_eq!(fitted(&path, &options(2, None)).unwrap(), (vec![2.0, 200.0], 2));
        // 20 dB below 200 is 20.
        assert_eq!(fitted(&path, &options(2, Some(20.0))).unwrap().0, [200.0, 0.0]);
    }

    #[test]
    fn the_background_is_a_class_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        write(&path, 8000, 1, &[1000; 400]);
        let files = Files { classes: vec!["a".into()], train: vec![(0, path.clone()); 10], test: vec![(0, path)] };
        let options = Options { rate: 8000, length: 800, trim_db: None, background: 0.5, masked: false, seed: 1 };
        let loaded = load(&files, &options).unwrap();
        assert_eq!(loaded.train.classes, ["a", "_background_"]);
        assert_eq!((loaded.train.len(), loaded.test.len()), (15, 2));
        assert_eq!((loaded.train.label(9), loaded.train.label(14)), (Some(0), Some(1)));
        assert_eq!(loaded, load(&files, &options).unwrap(), "the same seed gives the same noise");
    }

    #[test]
    fn a_tone_keeps_its_pitch_when_it_is_resampled() {
        let tone = |rate: u32| -> Vec<f32> {
            (0..rate / 4).map(|n| 1e4 * (std::f32::consts::TAU * 440.0 * n as f32 / rate as f32).sin()).collect()
        };
        let found = resampled(tone(44_100), 44_100, 8_000).unwrap();
        let expected = tone(8_000);
        assert!(found.len().abs_diff(expected.len()) <= 1, "{} {}", found.len(), expected.len());
        // Without the ends, where the filter sees silence. The filter's delay is no whole number of samples: a tenth of one is
        // 3.5 % of the amplitude.
        let worst = found[200..1800].iter().zip(&expected[200..1800]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 400.0, "{worst}");
    }

    #[test]
    fn what_is_no_recording_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("noise.wav");
        std::fs::write(&path, "this is text").unwrap();
        let error = format!("{:#}", read(&path, 8000).unwrap_err());
        assert!(error.contains("noise.wav") && error.contains("not a WAV file"), "{error}");
        write(&path, 8000, 1, &[]);
        let error = format!("{:#}", read(&path, 8000).unwrap_err());
        assert!(error.contains("no samples"), "{error}");
        write(&path, 8000, 1, &[1; 100]);
        let bytes = std::fs::read(&path).unwrap();
        let error = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut changed = bytes.clone();
            change(&mut changed);
            std::fs::write(&path, changed).unwrap();
            let error = format!("{:#}", read(&path, 8000).unwrap_err());
            assert!(error.contains("noise.wav"), "{error}");
            error
        };
        let found = error(&|bytes| bytes.truncate(60));
        assert!(found.contains("ends within its samples"), "{found}");
        let found = error(&|bytes| bytes.truncate(30));
        assert!(found.contains("not a WAV file"), "{found}");
        // Channels and rate in the header.
        let found = error(&|bytes| bytes[22..24].fill(0));
        assert!(found.contains("zero channels"), "{found}");
        for rate in [0u32, 999, 2_000_000_000] {
            let found = error(&|bytes| {
                bytes[24..28].copy_from_slice(&rate.to_le_bytes());
                bytes[28..32].copy_from_slice(&(2 * rate).to_le_bytes());
            });
            assert!(found.contains(&format!("{rate} samples per second")) && found.contains("768000"), "{found}");
        }
    }

    #[test]
    fn samples_that_are_no_numbers_are_an_error_that_says_which() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("float.wav");
        for (value, name) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
            let format = SampleFormat::Float;
            let spec = hound::WavSpec { channels: 2, sample_rate: 8000, bits_per_sample: 32, sample_format: format };
            let mut writer = hound::WavWriter::create(&path, spec).unwrap();
            [0.5, 0.5, 0.25, value].iter().for_each(|&x| writer.write_sample(x).unwrap());
            writer.finalize().unwrap();
            let error = format!("{:#}", read(&path, 8000).unwrap_err());
            assert!(error.contains(&format!("sample 1 is {name}")) && error.contains("float.wav"), "{error}");
        }
    }

    #[test]
    fn a_rate_or_length_that_cannot_be_is_named() {
        let files = Files { classes: vec!["a".into()], train: vec![], test: vec![] };
        let error = |rate, length| {
            let options = Options { rate, length, trim_db: None, background: 0.0, masked: false, seed: 0 };
            load(&files, &options).unwrap_err().to_string()
        };
        assert!(error(0, 100).contains("rate 0") && error(8_000_000, 100).contains("rate 8000000"));
        assert!(error(8000, 0).contains("seconds must be positive"));
    }
}
