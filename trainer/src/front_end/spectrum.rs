//! Features of sound: energies in bands of the short-time spectrum.

use std::f64::consts::PI;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use thumbnet::format::PcenParams;
use thumbnet::kernels::{Channel, Spectrogram, spectrogram};

use super::tables::{Scale, filters, hann, q15, twiddles};
use super::{DECIBELS, quantize};

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
    /// Per-channel energy normalization of the energies that `log_mel` takes the logarithm of.
    Pcen,
}

/// Constants of `pcen`, `(E / (ε + M)^α + δ)^r − δ^r`, with librosa's names and, but for the smoothing, its defaults; those
/// of Wang et al. 2016.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pcen {
    /// `s`: how much of a frame goes into the mean `M`, `M_t = (1 − s)·M_{t−1} + s·E_t` from `M = 0`.
    pub smoothing: f64,
    /// `α`: how much of the mean is divided out.
    pub gain: f64,
    /// `δ`.
    pub bias: f64,
    /// `r`.
    pub power: f64,
    /// `ε`; a sine of full scale has the energy 1.
    pub eps: f64,
}

impl Default for Pcen {
    fn default() -> Self {
        Self { smoothing: 0.025, gain: 0.98, bias: 2.0, power: 0.5, eps: 1e-6 }
    }
}

impl Pcen {
    /// The constants as the chip takes them, for this logarithm of the energy of a sine of full scale.
    fn params(self, full_scale: f64) -> Result<PcenParams> {
        let Self { smoothing, gain, bias, power, eps } = self;
        let in_range = |name, value: f64, [low, high]: [f64; 2]| {
            ensure!((low..=high).contains(&value), "front_end: pcen: {name} {value} is not in {low}..={high}");
            Ok(())
        };
        in_range("smoothing", smoothing, [1e-4, 1.0])?;
        in_range("gain", gain, [0.0, 1.0])?;
        in_range("bias", bias, [0.0, 1000.0])?;
        in_range("power", power, [0.01, 1.0])?;
        in_range("eps", eps, [1e-9, 1e-3])?;
        Ok(PcenParams {
            smoothing: (smoothing * 65_536.0).round() as u32,
            epsilon: (eps * (full_scale - 16.0).exp2()).round().max(1.0) as u32,
            gain: (gain * 32_768.0).round() as u32,
            bias: (bias * 65_536.0).round() as u32,
            power: (power * 32_768.0).round() as u32,
            start: (bias.powf(power) * 65_536.0).round() as i32,
            full_scale: (full_scale * 65_536.0).round() as i32,
        })
    }
}

/// No normalization.
const LOGARITHM: PcenParams =
    PcenParams { smoothing: 0, epsilon: 0, gain: 0, bias: 0, power: 0, start: 0, full_scale: 0 };

/// Features of the short-time spectrum; [`spectrogram`] has the equations.
///
/// The mel scale is `2595 · log10(1 + f/700)` (O'Shaughnessy 1987, as in HTK and torchaudio); filters are triangles of height
/// 1 between neighbouring points of equal distance; the window is a periodic Hann window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spectrum {
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
    /// Energies below count as this, in decibels against a sine of full scale; not where they are normalized.
    #[serde(default = "floor")]
    pub floor_db: f64,
    /// Coefficients of `mfcc`; by default 13.
    pub coefficients: Option<usize>,
    /// Constants of `pcen`.
    pub pcen: Option<Pcen>,
}

/// The numbers of a front end as the runtime takes them.
#[derive(Clone, Debug, PartialEq)]
pub struct Tables {
    /// Bits of the transform's length.
    pub log2: u32,
    /// Least logarithm, Q6.10.
    pub floor: i32,
    /// What takes the place of the logarithm.
    pub pcen: PcenParams,
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

impl Spectrum {
    /// Features of one frame.
    #[must_use]
    pub fn width(&self) -> usize {
        if self.features == Features::Mfcc { self.coefficients.unwrap_or(13) } else { self.bands }
    }

    /// The unit of the chip's integers: of Q6.10, or of Q14.16.
    pub(crate) fn unit(&self) -> f64 {
        if self.features == Features::Pcen { 1.0 / 65_536.0 } else { 1.0 / 1024.0 }
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
        ensure!(
            self.features == Features::Pcen || self.pcen.is_none(),
            "front_end: pcen is for features = \"pcen\" alone"
        );
        let scale = if self.features == Features::LogBands { Scale::Linear } else { Scale::Mel };
        let (bands, weights) = filters(scale, self.bands, [self.low_hz, high], f64::from(self.rate), len)?;
        let full_scale = 54.0 + 2.0 * (self.frame as f64 / len as f64).log2();
        let is_normalized = self.features == Features::Pcen;
        Ok(Tables {
            pcen: if is_normalized { self.pcen.unwrap_or_default().params(full_scale)? } else { LOGARITHM },
            log2: len.trailing_zeros(),
            floor: ((full_scale + self.floor_db / DECIBELS) * 1024.0).round().max(0.0) as i32,
            window: hann(self.frame),
            twiddles: twiddles(len),
            bands,
            weights,
            coefficients: if self.features == Features::Mfcc { self.cosines() } else { vec![] },
        })
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

    /// The features of samples in 16 bits, which are rounded and clamped to them, row by row: `log2` of energies, what the
    /// DCT makes of them, or normalized energies.
    #[must_use]
    pub fn apply(&self, tables: &Tables, samples: &[f32]) -> Vec<f32> {
        let x: Vec<i16> = samples.iter().map(|&x| quantize(x)).collect();
        let channels = vec![Channel { bias: 0, multiplier: 0, shift: 0 }; self.width()];
        let kernel = tables.kernel(self.hop, x.len(), &channels);
        let mut y = vec![0; kernel.frames * self.width()];
        // Of `i32`, for its address.
        let mut scratch = vec![0i32; spectrogram::scratch_len(&kernel, false).div_ceil(4)];
        spectrogram::features(&kernel, &x, &mut y, bytemuck::cast_slice_mut(&mut scratch));
        let unit = self.unit();
        y.into_iter().map(|value| (f64::from(value) * unit) as f32).collect()
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
            pcen: (self.pcen.smoothing > 0).then_some(self.pcen),
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
