//! The front end as the first step of a program: samples in 16 bits become features with the network's own scaling.

use anyhow::Result;
use thumbnet::format::{DType, Op as StepOp, SpectrogramParams};
use thumbnet::kernels::Channel;

use super::lower::Lowering;
use super::scale::{Quant, multiplier};
use crate::front_end::FrontEnd;

impl Lowering<'_> {
    /// Pushes the input of samples and the step that computes what the network was trained on, in `quant`.
    pub(super) fn front_end(&mut self, front_end: &FrontEnd, quant: Quant) -> Result<()> {
        let tables = front_end.tables()?;
        let input = &self.model.graph.inputs[0];
        let (name, shape) = (input.name.clone(), self.shape(&input.name));
        // What does not fill a hop at the end would never be looked at.
        let samples = (shape[1] as usize * front_end.hop) as u32;
        self.program.gain = vec![1.0];
        self.program.offset = vec![0.0];
        self.push_tensor("samples", DType::I16, vec![1, samples], Quant { scale: 1.0, zero_point: 0 });
        let channels = self.features(front_end.width(), quant)?;
        let params = SpectrogramParams {
            frame: front_end.frame as u32,
            hop: front_end.hop as u32,
            log2: tables.log2,
            bands: tables.bands.len() as u32,
            weight_count: tables.weights.len() as u32,
            floor: tables.floor,
            has_coefficients: u32::from(!tables.coefficients.is_empty()),
            window: self.program.push_data(&tables.window),
            twiddles: self.program.push_data(&tables.twiddles),
            band_bins: self.program.push_data(&tables.bands),
            weights: self.program.push_data(&tables.weights),
            coefficients: self.program.push_data(&tables.coefficients),
            channels: self.program.push_data(&channels),
        };
        self.push(&name, shape, quant, StepOp::Spectrogram(params), vec![0]);
        Ok(())
    }

    /// `x = gain · L/1024 + offset` and `q = x / scale + zero point` in one.
    fn features(&self, width: usize, quant: Quant) -> Result<Vec<Channel>> {
        let map = &self.model.meta.preprocess;
        let pairs = map.gain.iter().zip(&map.offset).cycle().take(width);
        let channel = |(&gain, &offset): (&f32, &f32)| {
            let (gain, offset) = (f64::from(gain), f64::from(offset));
            let factor = multiplier(gain / (1024.0 * f64::from(quant.scale)))?;
            let bias = (1024.0 * offset / gain).round() as i32;
            Ok(Channel { bias, multiplier: factor.multiplier, shift: factor.shift })
        };
        pairs.map(channel).collect()
    }
}
