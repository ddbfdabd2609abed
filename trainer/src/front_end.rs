//! Front ends: what turns samples into features, with the very integers that the chip computes.

use std::f64::consts::PI;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use thumbnet::kernels::{Channel, Spectrogram, spectrogram};

const fn bands() -> usize {
    32
}

const fn low() -> f64 {
    60.0
}

const fn floor() -> f64 {
    -90.0
}

/// What the features are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Features {
    /// `log2` of the energies in bands of equal width on the mel scale.
    LogMel,
    /// The same in bands of equal width in Hz.
    LogBands,
    /// Mel-frequency cepstral coefficients: the orthonormal DCT-II of `log_mel`.
    Mfcc,
}

/// Features of the short-time spectrum; [`spectrogram`] has the equations.
///
/// The mel scale is `2595 · log10(1 + f/700)` (O'Shaughnessy 1987, as in HTK and torchaudio); filters are triangles of height
/// 1 between neighbouring points of equal distance; the window is a periodic Hann window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrontEnd {
    /// What the features are.
    pub features: Features,
    /// Samples per second.
    pub rate: u32,
    /// Samples of a frame, at most 1024.
    pub frame: usize,
    /// Samples from one frame to the next.
    pub hop: usize,
    /// Length of the transform, a power of two of 16 to 1024; by default the first that holds a frame.
    pub fft: Option<usize>,
    /// Bands.
    #[serde(default = "bands")]
    pub bands: usize,
    /// Lower end of the first band, in Hz.
    #[serde(default = "low")]
    pub low_hz: f64,
    /// Upper end of the last band, in Hz; by default half of the rate.
    pub high_hz: Option<f64>,
    /// Energies below count as this, in decibels against a sine of full scale.
    #[serde(default = "floor")]
    pub floor_db: f64,
    /// Coefficients of `mfcc`; by default 13.
    pub coefficients: Option<usize>,
}

/// Decibels per unit of `log2` of an energy.
pub const DECIBELS: f64 = 3.010_299_956_639_812;

/// The numbers of a front end as the runtime takes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    /// Bits of the transform's length.
    pub log2: u32,
    /// Least logarithm, Q6.10.
    pub floor: i32,
    /// Q0.15.
    pub window: Vec<i16>,
    /// Q0.15.
    pub twiddles: Vec<[i16; 2]>,
    /// First bin, number of bins.
    pub bands: Vec<[u16; 2]>,
    /// Q4.12.
    pub weights: Vec<u16>,
    /// Q0.15.
    pub coefficients: Vec<i16>,
}

impl FrontEnd {
    /// Features of one frame.
    #[must_use]
    pub fn width(&self) -> usize {
        if self.features == Features::Mfcc { self.coefficients.unwrap_or(13) } else { self.bands }
    }

    /// The shape of the features of so many samples: frames, features.
    ///
    /// # Errors
    /// The samples do not fill one frame.
    pub fn shape(&self, samples: &[usize]) -> Result<Vec<usize>> {
        let [samples] = *samples else {
            anyhow::bail!("front_end: takes one channel of samples, the data has shape {samples:?}")
        };
        let frames = samples / self.hop.max(1);
        ensure!(frames > 0, "front_end: {samples} samples are less than one hop of {}", self.hop);
        Ok(vec![frames, self.width()])
    }

    /// All tables.
    ///
    /// # Errors
    /// A field is out of its range; the message names it.
    pub fn tables(&self) -> Result<Tables> {
        let len = self.fft.unwrap_or_else(|| self.frame.next_power_of_two().max(16));
        ensure!(
            len.is_power_of_two() && (16..=1024).contains(&len),
            "front_end: fft {len} is not a power of two of 16 to 1024"
        );
        ensure!((1..=len).contains(&self.frame), "front_end: frame {} is not in 1..={len}", self.frame);
        ensure!((1..=self.frame).contains(&self.hop), "front_end: hop {} is not in 1..={}", self.hop, self.frame);
        ensure!((1..=256).contains(&self.bands), "front_end: bands {} is not in 1..=256", self.bands);
        let half = f64::from(self.rate) / 2.0;
        let high = self.high_hz.unwrap_or(half);
        ensure!(
            self.low_hz >= 0.0 && self.low_hz < high && high <= half,
            "front_end: bands from {} Hz to {high} Hz do not lie in 0 to {half} Hz, half of the rate",
            self.low_hz
        );
        ensure!(
            (-200.0..0.0).contains(&self.floor_db),
            "front_end: floor_db {} is not in -200..0 decibels",
            self.floor_db
        );
        ensure!(
            self.features == Features::Mfcc || self.coefficients.is_none(),
            "front_end: coefficients are for mfcc alone"
        );
        ensure!(
            self.features != Features::Mfcc || (1..=self.bands).contains(&self.width()),
            "front_end: coefficients {} is not in 1..={}, the number of bands",
            self.width(),
            self.bands
        );
        let (bands, weights) = self.filters(len, high)?;
        let turn = |k: usize, len: usize| 2.0 * PI * k as f64 / len as f64;
        let full_scale = 54.0 + 2.0 * (self.frame as f64 / len as f64).log2();
        Ok(Tables {
            log2: len.trailing_zeros(),
            floor: ((full_scale + self.floor_db / DECIBELS) * 1024.0).round().max(0.0) as i32,
            window: (0..self.frame).map(|n| q15(0.5 - 0.5 * turn(n, self.frame).cos())).collect(),
            twiddles: (0..len / 2).map(|k| [q15(turn(k, len).cos()), q15(-turn(k, len).sin())]).collect(),
            bands,
            weights,
            coefficients: if self.features == Features::Mfcc { self.cosines() } else { vec![] },
        })
    }

    /// Triangular filters over the bins of a spectrum.
    fn filters(&self, len: usize, high: f64) -> Result<(Vec<[u16; 2]>, Vec<u16>)> {
        let is_linear = self.features == Features::LogBands;
        let to_scale = |hz: f64| if is_linear { hz } else { 2595.0 * (1.0 + hz / 700.0).log10() };
        let to_hz = |x: f64| if is_linear { x } else { 700.0 * (10f64.powf(x / 2595.0) - 1.0) };
        let (low, width) = (to_scale(self.low_hz), to_scale(high) - to_scale(self.low_hz));
        let point = |index: usize| to_hz(low + width * index as f64 / (self.bands + 1) as f64);
        let (mut bands, mut all) = (Vec::new(), Vec::new());
        for band in 0..self.bands {
            let [left, middle, right] = [0, 1, 2].map(|offset| point(band + offset));
            let weight = |bin: usize| {
                let hz = bin as f64 * f64::from(self.rate) / len as f64;
                let height = ((hz - left) / (middle - left)).min((right - hz) / (right - middle));
                (height.max(0.0) * 4096.0).round() as u16
            };
            let bins: Vec<usize> = (0..len / 2).filter(|&bin| weight(bin) > 0).collect();
            let (Some(&first), Some(&last)) = (bins.first(), bins.last()) else {
                anyhow::bail!(
                    "front_end: band {band}, {left:.0} to {right:.0} Hz, holds no bin of a spectrum of {len} samples: take \
                     fewer bands, or a longer fft"
                )
            };
            bands.push([first as u16, (last - first + 1) as u16]);
            all.extend((first..=last).map(weight));
        }
        Ok((bands, all))
    }

    /// `d[c][b] = sqrt((c = 0 ? 1 : 2) / B) · cos(π · c · (b + 1/2) / B)`.
    fn cosines(&self) -> Vec<i16> {
        let count = self.bands as f64;
        let entry = |c: usize, b: usize| {
            let norm = (if c == 0 { 1.0 } else { 2.0 } / count).sqrt();
            q15(norm * (PI * c as f64 * (b as f64 + 0.5) / count).cos())
        };
        (0..self.width()).flat_map(|c| (0..self.bands).map(move |b| (c, b))).map(|(c, b)| entry(c, b)).collect()
    }

    /// The features of samples in 16 bits, which are rounded and clamped to them: `log2` of energies, row by row.
    #[must_use]
    pub fn apply(&self, tables: &Tables, samples: &[f32]) -> Vec<f32> {
        let x: Vec<i16> = samples.iter().map(|&x| quantize(x)).collect();
        let channels = vec![Channel { bias: 0, multiplier: 0, shift: 0 }; self.width()];
        let kernel = tables.kernel(self.hop, x.len(), &channels);
        let mut y = vec![0; kernel.frames * self.width()];
        // Of `i32`, for its address.
        let mut scratch = vec![0i32; spectrogram::scratch_len(&kernel).div_ceil(4)];
        spectrogram::features(&kernel, &x, &mut y, bytemuck::cast_slice_mut(&mut scratch));
        y.into_iter().map(|value| value as f32 / 1024.0).collect()
    }
}

impl Tables {
    /// The kernel's arguments for rows of so many samples.
    #[must_use]
    pub fn kernel<'a>(&'a self, hop: usize, samples: usize, channels: &'a [Channel]) -> Spectrogram<'a> {
        Spectrogram {
            samples,
            frames: samples / hop,
            hop,
            log2: self.log2,
            floor: self.floor,
            zero_point: 0,
            window: &self.window,
            twiddles: &self.twiddles,
            bands: &self.bands,
            weights: &self.weights,
            coefficients: &self.coefficients,
            channels,
        }
    }
}

/// A sample in 16 bits.
#[must_use]
pub fn quantize(sample: f32) -> i16 {
    sample.round() as i16
}

fn q15(x: f64) -> i16 {
    (x * 32768.0).round() as i16
}
