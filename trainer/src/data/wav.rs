//! Recordings in WAV files: `<class>/*.wav`, one label each.

use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use hound::SampleFormat;
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
    /// Samples; longer recordings are cut at their end, shorter ones end in silence.
    pub length: usize,
    /// Cuts quiet parts off at both ends: what is so many decibels below the peak.
    pub trim_db: Option<f32>,
}

/// Reads all recordings.
pub(super) fn load(files: &Files, options: &Options) -> Result<Loaded> {
    ensure!(options.rate > 0 && options.length > 0, "data: rate and seconds must be positive");
    let set = |part: &[(usize, std::path::PathBuf)]| -> Result<Dataset> {
        let samples: Vec<Vec<f32>> = part.par_iter().map(|(_, path)| fitted(path, options)).collect::<Result<_>>()?;
        Ok(Dataset {
            shape: vec![options.length],
            inputs: samples.concat(),
            targets: Targets::Classes(part.iter().map(|(label, _)| *label).collect()),
            classes: files.classes.clone(),
            range: Some([-32768.0, 32767.0]),
        })
    };
    Ok(Loaded { train: set(&files.train)?, test: set(&files.test)? })
}

fn fitted(path: &Path, options: &Options) -> Result<Vec<f32>> {
    let (rate, samples) = read(path)?;
    let mut samples = resampled(samples, rate, options.rate).with_context(|| format!("in {}", path.display()))?;
    if let Some(decibels) = options.trim_db {
        samples = trimmed(samples, decibels);
    }
    samples.resize(options.length, 0.0);
    Ok(samples)
}

/// Rate and samples of a file, in units of 16 bits; several channels become their mean.
///
/// # Errors
/// It is no WAV file, or has no samples.
pub fn read(path: &Path) -> Result<(u32, Vec<f32>)> {
    let reader = hound::WavReader::open(path)
        .map_err(|error| anyhow!("{} is not a WAV file that can be read: {error}", path.display()))?;
    let spec = reader.spec();
    let channels = usize::from(spec.channels.max(1));
    let all: Vec<f32> = match spec.sample_format {
        SampleFormat::Float => reader.into_samples::<f32>().map(|x| x.map(|x| 32768.0 * x)).collect::<Result<_, _>>(),
        SampleFormat::Int => {
            let unit = 2f32.powi(16 - i32::from(spec.bits_per_sample));
            reader.into_samples::<i32>().map(|x| x.map(|x| unit * x as f32)).collect::<Result<_, _>>()
        }
    }
    .with_context(|| format!("{} is damaged", path.display()))?;
    ensure!(!all.is_empty(), "{} holds no samples", path.display());
    ensure!(all.iter().all(|x| x.is_finite()), "{} holds samples that are not finite numbers", path.display());
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
        assert_eq!(read(&path).unwrap(), (8000, vec![2.0, 200.0, -5.0]));
        let options = |length, trim_db| Options { rate: 8000, length, trim_db };
        assert_eq!(fitted(&path, &options(5, None)).unwrap(), [2.0, 200.0, -5.0, 0.0, 0.0]);
        assert_eq!(fitted(&path, &options(2, None)).unwrap(), [2.0, 200.0]);
        // 20 dB below 200 is 20.
        assert_eq!(fitted(&path, &options(2, Some(20.0))).unwrap(), [200.0, 0.0]);
    }

    #[test]
    fn a_tone_keeps_its_pitch_when_it_is_resampled() {
        let tone = |rate: u32| -> Vec<f32> {
            (0..rate / 4).map(|n| 1e4 * (std::f32::consts::TAU * 440.0 * n as f32 / rate as f32).sin()).collect()
        };
        let found = resampled(tone(44_100), 44_100, 8_000).unwrap();
        let expected = tone(8_000);
        assert!(found.len().abs_diff(expected.len()) <= 1, "{} {}", found.len(), expected.len());
        // Without the ends, where the filter sees silence; 1 % of the amplitude, which is the filter's ripple.
        let worst = found[200..1800].iter().zip(&expected[200..1800]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 100.0, "{worst}");
    }

    #[test]
    fn what_is_no_recording_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("noise.wav");
        std::fs::write(&path, "this is text").unwrap();
        let error = format!("{:#}", read(&path).unwrap_err());
        assert!(error.contains("noise.wav") && error.contains("not a WAV file"), "{error}");
        write(&path, 8000, 1, &[]);
        let error = format!("{:#}", read(&path).unwrap_err());
        assert!(error.contains("no samples"), "{error}");
        write(&path, 8000, 1, &[1; 100]);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..60]).unwrap();
        let error = format!("{:#}", read(&path).unwrap_err());
        assert!(error.contains("noise.wav"), "{error}");
    }
}
