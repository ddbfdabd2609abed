//! Batch normalization over all pixels of a batch, with its gradient: Ioffe and Szegedy 2015.

mod channels;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::nn::BatchNorm;
use burn::tensor::Tensor;

use self::channels::{affine, affine_pair, gradient_sums, moments};
use super::slices::{Array, array, contiguous, dims, numbers};

/// Applies a normalization to images, batch · height · width · channels: in training with the mean and variance of the batch,
/// which go into the running ones, otherwise with those.
pub(in crate::nn) fn batch_norm(norm: &BatchNorm, x: Tensor<4>) -> Tensor<4> {
    let (gamma, beta) = (norm.gamma.val(), norm.beta.val());
    if !(x.device().is_autodiff() && norm.training.is_enabled()) {
        let (mean, variance) = (norm.running_mean.value(), norm.running_var.value());
        let scale = gamma / (variance + norm.epsilon).sqrt();
        return x * scale.clone().unsqueeze() + (beta - mean * scale).unsqueeze();
    }
    let moments = Tensor::<2>::from_dispatch(Dispatch::moments(x.clone().detach().into_dispatch()));
    for (running, row) in [(&norm.running_mean, 0), (&norm.running_var, 1)] {
        let new = moments.clone().narrow(0, row, 1).squeeze_dim::<1>(0) * norm.momentum;
        running.update((running.value_sync() * (1.0 - norm.momentum) + new).detach());
    }
    let [x, gamma, beta, moments] =
        [x.into_dispatch(), gamma.into_dispatch(), beta.into_dispatch(), moments.into_dispatch()];
    Tensor::from_dispatch(Dispatch::normalize(x, gamma, beta, moments, norm.epsilon as f32))
}

/// Normalizations of a backend.
#[backend_extension(Flex, Autodiff)]
trait Normalize: Backend {
    /// Mean and variance of each channel, a row of each. Knows of no gradient: that of [`Self::normalize`] holds it.
    fn moments(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// `(x − mean) / √(variance + ε) · γ + β` with the moments of `x`.
    fn normalize(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self>;
}

impl Normalize for Flex {
    fn moments(x: Array) -> Array {
        let x = contiguous(x);
        let [.., channels] = dims::<4>(&x);
        array(moments(numbers(&x), channels), [2, channels])
    }

    fn normalize(x: Array, gamma: Array, beta: Array, moments: Array, epsilon: f32) -> Array {
        let [x, gamma, beta, moments] = [x, gamma, beta, moments].map(contiguous);
        let (mean, scale) = (mean(&moments), scale(&gamma, &moments, epsilon));
        let shift: Vec<f32> = (0..mean.len()).map(|c| numbers(&beta)[c] - mean[c] * scale[c]).collect();
        array(affine(numbers(&x), &scale, &shift), dims::<4>(&x))
    }
}

/// What the gradient needs.
#[derive(Clone, Debug)]
struct Normalized {
    x: Array,
    gamma: Array,
    moments: Array,
    epsilon: f32,
}

#[derive(Debug)]
struct Normalization;

impl Backward<Flex, 3> for Normalization {
    type State = Normalized;

    /// With `x̂ = (x − mean) / σ` and M pixels: `dβ = Σ g`, `dγ = Σ g · x̂`, `dx = γ / σ · (g − dβ / M − x̂ · dγ / M)`.
    fn backward(self, ops: Ops<Normalized, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = contiguous(grads.consume::<Flex>(&ops.node));
        let Normalized { x, gamma, moments, epsilon } = ops.state;
        let (shape, channels) = (dims::<4>(&x), dims::<1>(&gamma)[0]);
        let (mean, scale) = (mean(&moments), scale(&gamma, &moments, epsilon));
        let sums = gradient_sums(numbers(&x), numbers(&gradient), mean);
        let pixels = numbers(&x).len() as f32 / channels as f32;
        let inverse: Vec<f32> = deviation(&moments, epsilon).map(|deviation| 1.0 / deviation).collect();
        let of_gamma: Vec<f32> = (0..channels).map(|c| sums[1][c] * inverse[c]).collect();
        let [of_x, of_gamma_node, of_beta] = ops.parents;
        if let Some(node) = of_x {
            let slope: Vec<f32> = (0..channels).map(|c| -scale[c] * inverse[c] * of_gamma[c] / pixels).collect();
            let shift: Vec<f32> = (0..channels).map(|c| -scale[c] * sums[0][c] / pixels - mean[c] * slope[c]).collect();
            let of_x = affine_pair([numbers(&gradient), numbers(&x)], [&scale, &slope], &shift);
            grads.register::<Flex>(node.id, array(of_x, shape));
        }
        if let Some(node) = of_gamma_node {
            grads.register::<Flex>(node.id, array(of_gamma, [channels]));
        }
        if let Some(node) = of_beta {
            grads.register::<Flex>(node.id, array(sums[0].clone(), [channels]));
        }
    }
}

impl<C: CheckpointStrategy> Normalize for Autodiff<Flex, C> {
    fn moments(x: FloatTensor<Self>) -> FloatTensor<Self> {
        FloatTensor::<Self>::new(Flex::moments(x.into_primitive()))
    }

    fn normalize(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self> {
        let [(x, of_x), (gamma, of_gamma), (beta, of_beta)] = [x, gamma, beta].map(|tensor| tensor.into_parts());
        let [x, gamma, moments] = [x, gamma, moments.into_primitive()].map(contiguous);
        let y = Flex::normalize(x.clone(), gamma.clone(), beta, moments.clone(), epsilon);
        match Normalization.prepare::<C>([of_x, of_gamma, of_beta]).compute_bound().stateful() {
            OpsKind::Tracked(step) => step.finish(Normalized { x, gamma, moments, epsilon }, y),
            OpsKind::UnTracked(step) => step.finish(y),
        }
    }
}

fn mean(moments: &Array) -> &[f32] {
    let all = numbers(moments);
    &all[..all.len() / 2]
}

fn deviation(moments: &Array, epsilon: f32) -> impl Iterator<Item = f32> {
    let all = numbers(moments);
    all[all.len() / 2..].iter().map(move |variance| (variance + epsilon).sqrt())
}

/// `γ / √(variance + ε)`.
fn scale(gamma: &Array, moments: &Array, epsilon: f32) -> Vec<f32> {
    numbers(gamma).iter().zip(deviation(moments, epsilon)).map(|(gamma, deviation)| gamma / deviation).collect()
}
