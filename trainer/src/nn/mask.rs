//! Which steps of the sequences of a batch are there.

use burn::tensor::{Device, Tensor, TensorData};

/// How much of each sequence is there.
#[derive(Clone, Debug)]
pub struct Mask {
    /// 1 for a step that is there, 0 for one behind the end: batch, time.
    steps: Tensor<2>,
    /// Steps that are there.
    lengths: Vec<usize>,
}

impl Mask {
    /// For sequences of these lengths, in the place of `time` steps.
    #[must_use]
    pub fn new(lengths: &[usize], time: usize, device: &Device) -> Self {
        let steps = lengths.iter().flat_map(|&length| (0..time).map(move |step| f32::from(u8::from(step < length))));
        let steps = Tensor::from_data(TensorData::new(steps.collect::<Vec<_>>(), [lengths.len(), time]), device);
        Self { steps, lengths: lengths.to_vec() }
    }

    /// Steps that are there, of each sequence.
    pub(super) fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// Of one step: batch, 1.
    pub(super) fn step(&self, step: usize) -> Tensor<2> {
        self.steps.clone().narrow(1, step, 1)
    }

    /// For images: batch, time, 1, 1.
    fn image(&self) -> Tensor<4> {
        let [batch, time] = self.steps.dims();
        self.steps.clone().reshape([batch, time, 1, 1])
    }

    /// The mean of what is there of `x` (batch, time, width, channels): batch, 1, 1, channels.
    pub(super) fn mean(&self, x: Tensor<4>) -> Tensor<4> {
        let width = x.dims()[2] as f64;
        let mask = self.image();
        (x * mask.clone()).sum_dim(2).sum_dim(1) / (mask.sum_dim(1) * width)
    }

    /// Mean and variance of what is there of the whole batch, channel by channel: 1, 1, 1, channels.
    pub(super) fn moments(&self, x: Tensor<4>) -> [Tensor<4>; 2] {
        // A batch in which nothing is there has mean and variance zero.
        let count = (self.lengths.iter().sum::<usize>() * x.dims()[2]).max(1) as f64;
        let mean = |x: Tensor<4>| (x * self.image()).sum_dim(2).sum_dim(1).sum_dim(0) / count;
        let center = mean(x.clone());
        [center.clone(), mean((x - center).powi_scalar(2))]
    }

    /// The maximum of it.
    pub(super) fn max(&self, x: Tensor<4>) -> Tensor<4> {
        // Far below what any layer computes, and what is there changes by nothing.
        (x + (self.image() - 1.0) * 1e9).max_dim(2).max_dim(1)
    }
}
