//! The front end as the first step of a program: samples in 16 bits become features with the network's own scaling.

use anyhow::Result;
use thumbnet::format::{DType, MotionParams, Op as StepOp, SpectrogramParams};
use thumbnet::kernels::Channel;

use super::lower::Lowering;
use super::scale::{Quant, multiplier};
use crate::front_end::{FrontEnd, Motion, Spectrum};

impl Lowering<'_> {
    /// Pushes the input of samples and the step that computes what the network was trained on, in `quant`.
    pub(super) fn front_end(&mut self, front_end: &FrontEnd, quant: Quant) -> Result<()> {
        let input = &self.model.graph.inputs[0];
        let (name, shape) = (input.name.clone(), self.shape(&input.name));
        self.program.gain = vec![1.0];
        self.program.offset = vec![0.0];
        // What does not fill a hop at the end would never be looked at.
        let samples = match front_end {
            FrontEnd::Spectrum(spectrum) => vec![1, shape[1] * spectrum.hop as u32],
            FrontEnd::Motion(motion) => vec![1, shape[1] * motion.hop as u32, motion.axes as u32],
        };
        self.push_tensor("samples", DType::I16, samples, Quant { scale: 1.0, zero_point: 0 });
        self.length();
        let op = match front_end {
            FrontEnd::Spectrum(spectrum) => self.spectrum(spectrum, quant)?,
            FrontEnd::Motion(motion) => self.motion(motion, quant)?,
        };
        self.push(&name, shape, quant, op, vec![0]);
        Ok(())
    }

    fn spectrum(&mut self, spectrum: &Spectrum, quant: Quant) -> Result<StepOp> {
        let tables = spectrum.tables()?;
        let channels = self.features(&vec![[spectrum.unit(), 0.0]; spectrum.width()], quant)?;
        Ok(StepOp::Spectrogram(SpectrogramParams {
            frame: spectrum.frame as u32,
            hop: spectrum.hop as u32,
            log2: tables.log2,
            bands: tables.bands.len() as u32,
            weight_count: tables.weights.len() as u32,
            floor: tables.floor,
            pcen: tables.pcen,
            has_coefficients: u32::from(!tables.coefficients.is_empty()),
            window: self.program.push_data(&tables.window),
            twiddles: self.program.push_data(&tables.twiddles),
            band_bins: self.program.push_data(&tables.bands),
            weights: self.program.push_data(&tables.weights),
            coefficients: self.program.push_data(&tables.coefficients),
            channels: self.program.push_data(&channels),
        }))
    }

    fn motion(&mut self, motion: &Motion, quant: Quant) -> Result<StepOp> {
        let tables = motion.tables()?;
        let channels = self.features(&tables.units, quant)?;
        Ok(StepOp::Motion(MotionParams {
            window: motion.window as u32,
            hop: motion.hop as u32,
            statistics: tables.statistics,
            log2: tables.log2,
            bands: tables.bands.len() as u32,
            weight_count: tables.weights.len() as u32,
            floor: tables.floor,
            factors: self.program.push_data(&tables.factors),
            twiddles: self.program.push_data(&tables.twiddles),
            band_bins: self.program.push_data(&tables.bands),
            weights: self.program.push_data(&tables.weights),
            channels: self.program.push_data(&channels),
        }))
    }

    /// `feature = unit · integer + start`, `x = gain · feature + offset` and `q = x / scale + zero point` in one.
    fn features(&self, units: &[[f64; 2]], quant: Quant) -> Result<Vec<Channel>> {
        let map = &self.model.meta.preprocess;
        let pairs = map.gain.iter().zip(&map.offset).cycle().zip(units);
        let channel = |((&gain, &offset), &[unit, start]): ((&f32, &f32), &[f64; 2])| {
            let (gain, offset) = (f64::from(gain), f64::from(offset));
            let factor = multiplier(gain * unit / f64::from(quant.scale))?;
            let bias = ((start + offset / gain) / unit).round() as i32;
            Ok(Channel { bias, multiplier: factor.multiplier, shift: factor.shift })
        };
        pairs.map(channel).collect()
    }
}
