//! Recurrent layers: weights per row, everything of the input's zero point in the biases, gates in Q3.12.

use anyhow::{Context, Result, ensure};
use thumbnet::format::{Op as StepOp, RecurrentParams};
use thumbnet::kernels::{Cell, Channel, Layout};

use super::grid::SYMMETRIC;
use super::lower::Lowering;
use super::overflow;
use super::scale::multiplier;
use super::weights;
use crate::graph::{Node, Recurrence, Tensor};
use crate::nn::memory_name;

/// Gates are in Q3.12.
const GATE: f64 = 1.0 / 4096.0;

impl Lowering<'_> {
    pub(super) fn recurrent(&mut self, node: &Node, layer: Recurrence) -> Result<()> {
        let (x, input) = self.tensors[&node.inputs[0]];
        let (input_weights, input_channels) =
            self.rows(node, ["kernel", "bias"], input.scale.into(), input.zero_point).context("its inputs")?;
        let (recurrent_weights, recurrent_channels) =
            self.rows(node, ["recurrent", "recurrent_bias"], SYMMETRIC.scale.into(), 0).context("its state")?;
        let params = RecurrentParams {
            cell: layer.cell,
            reverse: u32::from(layer.go_backwards),
            memory_fraction: self.memory_fraction(node, layer),
            layout: Layout::Plain,
            input_weights,
            recurrent_weights,
            input_channels,
            recurrent_channels,
        };
        self.finish(node, &node.name, SYMMETRIC, StepOp::Recurrent(params), self.masked(&node.inputs[0], x));
        Ok(())
    }

    /// Quantizes a kernel per row, and its biases; gives the offsets of weights and channels.
    fn rows(&mut self, node: &Node, [kernel, bias]: [&str; 2], scale: f64, zero_point: i32) -> Result<(u32, u32)> {
        let part = |part: &str| self.model.weights.get(&format!("{}/{part}", node.name));
        let kernel: &Tensor = part(kernel).with_context(|| format!("the weights hold no {kernel}"))?;
        let columns = kernel.shape.last().copied().unwrap_or(1).max(1);
        let (mut all, mut channels) = (Vec::new(), Vec::new());
        for (row, values) in kernel.data.chunks(columns).enumerate() {
            let bias = part(bias).map_or(0.0, |bias| f64::from(bias.data[row]));
            ensure!(
                values.iter().all(|value| value.is_finite()) && bias.is_finite(),
                "a weight is not a finite number: did the training diverge?"
            );
            let largest = values.iter().fold(0f64, |largest, &value| largest.max(f64::from(value).abs()));
            let step = weights::step(largest, bias, scale);
            let own: Vec<i8> = values.iter().map(|&value| (f64::from(value) / step).round() as i8).collect();
            let sum: i64 = own.iter().map(|&w| i64::from(w)).sum();
            let bias = (bias / (scale * step)).round() as i64 - i64::from(zero_point) * sum;
            let factor = multiplier(scale * step / GATE)?;
            overflow::check(own.iter().copied(), bias, 0, factor.shift).with_context(|| format!("row {row}"))?;
            channels.push(Channel { bias: bias as i32, multiplier: factor.multiplier, shift: factor.shift });
            all.extend(own);
        }
        Ok((self.program.push_data(&all), self.program.push_data(&channels)))
    }

    /// Bits behind the point such that the largest memory seen fits with a quarter to spare; it saturates beyond.
    fn memory_fraction(&self, node: &Node, layer: Recurrence) -> u32 {
        if layer.cell != Cell::Lstm {
            return 15;
        }
        let [low, high] = self.ranges.get(&memory_name(&node.name)).copied().unwrap_or_default();
        let largest = high.max(-low);
        (9..=15).rev().find(|&fraction| 1.25 * largest < 2f32.powi(15 - fraction)).unwrap_or(9) as u32
    }
}
