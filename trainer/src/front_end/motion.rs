//! Features of motion: statistics and spectra of windows of a sensor's axes.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use thumbnet::kernels::{self, Channel, motion};

use super::quantize;
use super::tables::{Scale, filters, hann, twiddles};

const fn axes() -> usize {
    3
}

const fn floor() -> f64 {
    0.1
}

fn statistics() -> Vec<Statistic> {
    vec![Statistic::Mean, Statistic::Deviation, Statistic::ZeroCrossings]
}

/// What is computed of an axis in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statistic {
    /// The mean.
    Mean,
    /// The standard deviation: the root of the mean square distance from the mean.
    Deviation,
    /// `log2` of its square.
    Variance,
    /// The root of the mean square.
    Rms,
    /// How often the axis crosses its mean.
    ZeroCrossings,
}

impl Statistic {
    fn bit(self) -> u32 {
        match self {
            Self::Mean => motion::MEAN,
            Self::Deviation => motion::DEVIATION,
            Self::Variance => motion::VARIANCE,
            Self::Rms => motion::RMS,
            Self::ZeroCrossings => motion::ZERO_CROSSINGS,
        }
    }
}

/// Features of windows of motion; [`kernels::motion`] has the equations.
///
/// Numbers of the data are the sensor's own integers, in 16 bits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename = "motion", deny_unknown_fields)]
pub struct Motion {
    /// Numbers of a row.
    #[serde(default = "axes")]
    pub axes: usize,
    /// Rows per second.
    pub rate: f64,
    /// Rows of a window, at most 1024.
    pub window: usize,
    /// Rows from one window to the next.
    pub hop: usize,
    /// Statistics of every axis; by default mean, deviation and zero crossings.
    #[serde(default = "statistics")]
    pub features: Vec<Statistic>,
    /// Bands of every axis: `log2` of the energies in bands of equal width in Hz, without the mean; 0 for none.
    #[serde(default)]
    pub bands: usize,
    /// Length of the transform, a power of two of 16 to 1024; by default the first that holds a window.
    pub fft: Option<usize>,
    /// Lower end of the first band, in Hz.
    #[serde(default)]
    pub low_hz: f64,
    /// Upper end of the last band, in Hz; by default half of the rate.
    pub high_hz: Option<f64>,
    /// Energies below count as that of a sine of this amplitude, in the sensor's units.
    #[serde(default = "floor")]
    pub floor: f64,
}

/// The numbers of a front end for motion as the runtime takes them.
#[derive(Clone, Debug, PartialEq)]
pub struct MotionTables {
    /// A bit for each.
    pub statistics: u32,
    /// Bits of the transform's length, 0 without bands.
    pub log2: u32,
    /// Least logarithm, Q6.10.
    pub floor: i32,
    /// Q0.15.
    pub factors: Vec<i16>,
    /// Q0.15.
    pub twiddles: Vec<[i16; 2]>,
    /// First bin, number of bins.
    pub bands: Vec<[u16; 2]>,
    /// Q4.12.
    pub weights: Vec<u16>,
    /// Of every feature, what its integer is multiplied by, and what is added then.
    pub units: Vec<[f64; 2]>,
}

impl Motion {
    /// Features of one window.
    #[must_use]
    pub fn width(&self) -> usize {
        self.axes * (self.statistics().count_ones() as usize + self.bands)
    }

    fn statistics(&self) -> u32 {
        self.features.iter().fold(0, |bits, feature| bits | feature.bit())
    }

    /// The shape of the features of samples of this shape: windows, features.
    ///
    /// # Errors
    /// The rows do not fill one hop, or have another number of axes.
    pub fn shape(&self, samples: &[usize]) -> Result<Vec<usize>> {
        let [rows, axes] = *samples else {
            anyhow::bail!("front_end: motion takes rows of axes, the data has shape {samples:?}")
        };
        ensure!(axes == self.axes, "front_end: axes = {}, the data has {axes} numbers in a row", self.axes);
        let frames = rows / self.hop.max(1);
        ensure!(frames > 0, "front_end: {rows} rows are less than one hop of {}", self.hop);
        Ok(vec![frames, self.width()])
    }

    /// All tables.
    ///
    /// # Errors
    /// A field is out of its range; the message names it.
    pub fn tables(&self) -> Result<MotionTables> {
        ensure!((1..=1024).contains(&self.window), "front_end: window {} is not in 1..=1024", self.window);
        ensure!((1..=self.window).contains(&self.hop), "front_end: hop {} is not in 1..={}", self.hop, self.window);
        ensure!((1..=64).contains(&self.axes), "front_end: axes {} is not in 1..=64", self.axes);
        ensure!(self.bands <= 256, "front_end: bands {} is not in 0..=256", self.bands);
        ensure!(self.width() > 0, "front_end: name features, or a number of bands");
        ensure!(self.rate > 0.0 && self.rate.is_finite(), "front_end: rate {} is not a positive number", self.rate);
        ensure!(self.floor > 0.0 && self.floor.is_finite(), "front_end: floor {} is not a positive number", self.floor);
        let mut tables = MotionTables {
            statistics: self.statistics(),
            log2: 0,
            floor: 0,
            factors: vec![],
            twiddles: vec![],
            bands: vec![],
            weights: vec![],
            units: self.units(),
        };
        if self.bands > 0 {
            self.spectrum(&mut tables)?;
        }
        Ok(tables)
    }

    fn spectrum(&self, tables: &mut MotionTables) -> Result<()> {
        let len = self.fft.unwrap_or_else(|| self.window.next_power_of_two().max(16));
        ensure!(
            len.is_power_of_two() && (self.window.max(16)..=1024).contains(&len),
            "front_end: fft {len} is not a power of two of {} to 1024",
            self.window.max(16)
        );
        let half = self.rate / 2.0;
        let high = self.high_hz.unwrap_or(half);
        ensure!(
            self.low_hz >= 0.0 && self.low_hz < high && high <= half,
            "front_end: bands from {} Hz to {high} Hz do not lie in 0 to {half} Hz, half of the rate",
            self.low_hz
        );
        // Of a sine of amplitude 2^15, as for sound.
        let full_scale = 54.0 + 2.0 * (self.window as f64 / len as f64).log2();
        let least = full_scale + 2.0 * (self.floor / 32768.0).log2();
        tables.log2 = len.trailing_zeros();
        tables.floor = (least * 1024.0).round().clamp(0.0, 65536.0) as i32;
        (tables.factors, tables.twiddles) = (hann(self.window), twiddles(len));
        (tables.bands, tables.weights) = filters(Scale::Linear, self.bands, [self.low_hz, high], self.rate, len)?;
        Ok(())
    }

    fn units(&self) -> Vec<[f64; 2]> {
        let window = self.window as f64;
        let linear = 1.0 / (window * f64::from(1u32 << motion::fraction(self.window)));
        let unit = |bit: u32| match bit {
            motion::VARIANCE => [1.0 / 1024.0, -2.0 * window.log2()],
            motion::ZERO_CROSSINGS => [1.0 / 1024.0, 0.0],
            _ => [linear, 0.0],
        };
        let bits = (0..5).map(|bit| 1 << bit).filter(|bit| self.statistics() & bit != 0);
        let bands = std::iter::repeat_n([1.0 / 1024.0, 0.0], self.bands);
        let of_an_axis: Vec<[f64; 2]> = bits.map(unit).chain(bands).collect();
        of_an_axis.repeat(self.axes)
    }

    /// The features of rows of samples in 16 bits, window by window.
    #[must_use]
    pub fn apply(&self, tables: &MotionTables, samples: &[f32]) -> Vec<f32> {
        let x: Vec<i16> = samples.iter().map(|&x| quantize(x)).collect();
        let values = self.integers(tables, &x);
        let units = tables.units.iter().cycle();
        values.iter().zip(units).map(|(&value, [unit, offset])| (f64::from(value) * unit + offset) as f32).collect()
    }

    /// The same in the chip's integers, before they are quantized.
    #[must_use]
    pub fn integers(&self, tables: &MotionTables, x: &[i16]) -> Vec<i32> {
        let channels = vec![Channel { bias: 0, multiplier: 0, shift: 0 }; self.width()];
        let kernel = tables.kernel(self, x.len() / self.axes, &channels);
        let mut y = vec![0; kernel.frames * self.width()];
        let mut scratch = vec![0i32; motion::scratch_len(&kernel).div_ceil(4)];
        motion::features(&kernel, x, &mut y, bytemuck::cast_slice_mut(&mut scratch));
        y
    }
}

impl MotionTables {
    /// The kernel's arguments for so many rows.
    #[must_use]
    pub fn kernel<'a>(&'a self, motion: &Motion, rows: usize, channels: &'a [Channel]) -> kernels::Motion<'a> {
        kernels::Motion {
            rows,
            axes: motion.axes,
            frames: rows / motion.hop,
            window: motion.window,
            hop: motion.hop,
            statistics: self.statistics,
            log2: self.log2,
            floor: self.floor,
            zero_point: 0,
            factors: &self.factors,
            twiddles: &self.twiddles,
            bands: &self.bands,
            weights: &self.weights,
            channels,
        }
    }
}
