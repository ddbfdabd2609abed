//! Recordings of noise that are mixed into those of a training set.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use rand::RngExt;
use rand::rngs::StdRng;
use rayon::prelude::*;

use super::files::{files, names};
use super::{Waveform, wav};

/// Noise, and how loud it becomes.
#[derive(Clone, Debug)]
pub struct Noise {
    recordings: Vec<Vec<f32>>,
    /// Decibels.
    ratios: [f32; 2],
}

impl Noise {
    /// Reads what `changes` ask for, at this rate; none where they ask for none.
    ///
    /// # Errors
    /// There is no such folder, it holds no recording that can be read, or the range of ratios is no range.
    pub fn load(changes: &Waveform, rate: Option<u32>) -> Result<Option<Self>> {
        let Some(folder) = &changes.noise_files else { return Ok(None) };
        let rate = rate.context("augment.waveform: noise_files are for data of kind = \"wav\"")?;
        let ratios @ [low, high] = changes.noise_snr_db;
        ensure!(
            -40.0 <= low && low <= high && high <= 100.0,
            "augment.waveform: noise_snr_db [{low}, {high}] is no range of decibels within -40 to 100"
        );
        let recordings = read(folder, rate).context("augment.waveform: noise_files")?;
        Ok(Some(Self { recordings, ratios }))
    }

    /// Adds a part of a recording, from anywhere in it and again from its start where it ends.
    ///
    /// `y[n] = x[n] + g·v[n]` with `g² = P_x / (P_v · 10^(r/10))`: the mean powers `P` are those of the sample without the
    /// zeros at its ends, and of the noise; the ratio `r` is drawn from the range. Where either is silent, nothing is added.
    pub fn mix(&self, samples: &mut [f32], rng: &mut StdRng) {
        let [low, high] = self.ratios;
        let recording = &self.recordings[rng.random_range(0..self.recordings.len())];
        let start = rng.random_range(0..recording.len());
        let ratio = 10f32.powf(rng.random_range(low..=high) / 10.0);
        let noise: Vec<f32> = recording.iter().cycle().skip(start).take(samples.len()).copied().collect();
        let first = samples.iter().position(|&x| x != 0.0).unwrap_or(0);
        let end = samples.iter().rposition(|&x| x != 0.0).map_or(0, |last| last + 1);
        let (signal, hiss) = (power(&samples[first..end]), power(&noise));
        if signal > 0.0 && hiss > 0.0 {
            let gain = (signal / (hiss * ratio)).sqrt();
            samples.iter_mut().zip(noise).for_each(|(x, v)| *x += gain * v);
        }
    }
}

/// The mean square.
fn power(samples: &[f32]) -> f32 {
    samples.iter().map(|x| x * x).sum::<f32>() / samples.len().max(1) as f32
}

/// All recordings in a folder and in its folders.
fn read(folder: &Path, rate: u32) -> Result<Vec<Vec<f32>>> {
    ensure!(folder.is_dir(), "there is no folder {}", folder.display());
    let mut paths = files(folder, &["wav"])?;
    for name in names(folder)? {
        paths.extend(files(&folder.join(name), &["wav"])?);
    }
    ensure!(!paths.is_empty(), "{} holds no .wav files, nor do its folders", folder.display());
    paths.par_iter().map(|path| wav::read(path, rate)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn noise(recording: Vec<f32>, ratios: [f32; 2]) -> Noise {
        Noise { recordings: vec![recording], ratios }
    }

    #[test]
    fn the_ratio_of_powers_is_the_one_asked_for() {
        let word: Vec<f32> =
            (0..1000).map(|n| if (200..700).contains(&n) { 300.0 * (n as f32).sin() } else { 0.0 }).collect();
        let hum: Vec<f32> = (0..370).map(|n| 5.0 * (0.3 * n as f32).sin() + 1.0).collect();
        let mut rng = StdRng::seed_from_u64(1);
        for ratio in [-10.0f32, 0.0, 12.5] {
            let mut mixed = word.clone();
            noise(hum.clone(), [ratio; 2]).mix(&mut mixed, &mut rng);
            let added: Vec<f32> = mixed.iter().zip(&word).map(|(y, x)| y - x).collect();
            let found = 10.0 * (power(&word[200..700]) / power(&added)).log10();
            // Differences of f32 around 300.
            assert!((found - ratio).abs() < 0.01, "{found} dB, expected {ratio}");
        }
    }

    #[test]
    fn silence_stays_silent() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut silent = vec![0.0; 50];
        noise(vec![1.0; 7], [0.0, 10.0]).mix(&mut silent, &mut rng);
        assert_eq!(silent, [0.0; 50]);
        let mut word = vec![1.0; 50];
        noise(vec![0.0; 7], [0.0, 10.0]).mix(&mut word, &mut rng);
        assert_eq!(word, [1.0; 50]);
    }

    #[test]
    fn recordings_come_from_folders_at_the_rate_of_the_data() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let changes = |path: &Path, noise_snr_db| Waveform {
            noise_files: Some(path.to_owned()),
            noise_snr_db,
            ..Waveform::default()
        };
        let error = |path: &Path, ratios, rate| format!("{:#}", Noise::load(&changes(path, ratios), rate).unwrap_err());
        assert!(Noise::load(&Waveform::default(), None).unwrap().is_none());
        assert!(error(folder.path(), [0.0, 1.0], None).contains("kind = \"wav\""));
        assert!(error(folder.path(), [0.0, 1.0], Some(8000)).contains("holds no .wav files"));
        assert!(error(&at("x"), [0.0, 1.0], Some(8000)).contains("there is no folder"));
        assert!(error(folder.path(), [5.0, 1.0], Some(8000)).contains("noise_snr_db [5, 1] is no range"));
        std::fs::create_dir(at("street")).unwrap();
        for (name, rate) in [("a.wav", 8000), ("street/b.wav", 16_000)] {
            let format = hound::SampleFormat::Int;
            let spec = hound::WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: format };
            let mut writer = hound::WavWriter::create(at(name), spec).unwrap();
            (0..400).for_each(|n| writer.write_sample(n as i16).unwrap());
            writer.finalize().unwrap();
        }
        let noise = Noise::load(&changes(folder.path(), [0.0, 20.0]), Some(8000)).unwrap().unwrap();
        let mut lengths: Vec<usize> = noise.recordings.iter().map(Vec::len).collect();
        lengths.sort_unstable();
        assert_eq!(lengths, [200, 400]);
        std::fs::write(at("c.wav"), "no sound").unwrap();
        assert!(error(folder.path(), [0.0, 20.0], Some(8000)).contains("c.wav is not a WAV file"));
    }
}
