//! Batch normalization (Ioffe and Szegedy, arXiv 1502.03167) of sequences of different lengths.

use burn::nn::BatchNorm;
use burn::tensor::Tensor;

use super::{Mask, ops};

/// `y = γ·(x − mean) / sqrt(variance + ε) + β` per channel of `x` (batch, height, width, channels). In training, mean and
/// variance are those of the batch, of the steps alone that a mask says are there, and running averages take them up;
/// elsewhere they are the running averages.
pub(super) fn batch_norm(norm: &BatchNorm, x: Tensor<4>, mask: Option<&Mask>) -> Tensor<4> {
    let is_training = x.device().is_autodiff() && norm.training.is_enabled();
    let Some(mask) = mask.filter(|_| is_training) else { return ops::batch_norm(norm, x) };
    let [.., channels] = x.dims();
    let [mean, variance] = mask.moments(x.clone());
    for (running, new) in [(&norm.running_mean, &mean), (&norm.running_var, &variance)] {
        let old = running.value_sync().to_device(&x.device());
        let new = new.clone().detach().reshape([channels]);
        running.update((old * (1.0 - norm.momentum) + new * norm.momentum).detach());
    }
    let of_channels = |vector: Tensor<1>| vector.reshape([1, 1, 1, channels]);
    (x - mean) / (variance + norm.epsilon).sqrt() * of_channels(norm.gamma.val()) + of_channels(norm.beta.val())
}

#[cfg(test)]
mod tests {
    use super::super::{Net, Params, Value, training_device};
    use super::*;
    use crate::graph::{Graph, Weights};
    use crate::nn::{Initializer, initialize};

    const CHANNELS: usize = 2;

    /// What a layer answers, and its weights behind a step of training.
    fn train(numbers: Vec<f32>, [batch, time]: [usize; 2], lengths: Option<&[usize]>) -> (Vec<f32>, Weights) {
        let graph = Graph {
            name: "norm".into(),
            inputs: vec![crate::graph::Input { name: "x".into(), shape: vec![time, CHANNELS] }],
            nodes: vec![crate::graph::Node {
                name: "norm".into(),
                op: crate::graph::Op::BatchNorm { epsilon: 1e-3, momentum: 0.9 },
                inputs: vec!["x".into()],
            }],
            outputs: vec!["norm".into()],
        };
        let net = Net::new(&graph).unwrap();
        let device = training_device();
        let weights = initialize(&graph, net.shapes(), Initializer::default(), 1);
        let params = Params::from_weights(&graph, &weights, &device).unwrap();
        let mask = lengths.map(|lengths| Mask::new(lengths, time, &device));
        let input = Value::new(numbers, batch, &[time, CHANNELS], &device);
        let values = net.forward_masked(&params, input, mask.as_ref());
        (values["norm"].clone().numbers().data, params.to_weights(&graph))
    }

    #[test]
    fn what_is_behind_an_end_is_not_counted() {
        let (batch, time, lengths) = (3, 5, [4, 0, 2]);
        let numbers: Vec<f32> = (0..batch * time * CHANNELS).map(|i| ((i * 29 + 7) % 13) as f32).collect();
        let is_there = |at: usize| at / CHANNELS % time < lengths[at / CHANNELS / time];
        let real = |all: &[f32]| -> Vec<f32> {
            all.iter().enumerate().filter(|(at, _)| is_there(*at)).map(|(_, x)| *x).collect()
        };
        let (masked, of_masked) = train(numbers.clone(), [batch, time], Some(&lengths));
        // The same steps in one sequence, with nothing behind its end.
        let (whole, of_whole) = train(real(&numbers), [1, lengths.iter().sum()], None);
        for (part, expected) in &of_whole {
            for (a, b) in of_masked[part].data.iter().zip(&expected.data) {
                // Two orders of adding up six numbers, of up to 13² in the variance.
                assert!((a - b).abs() < 1e-5, "{part}: {a} for {b}");
            }
        }
        real(&masked).iter().zip(&whole).for_each(|(a, b)| assert!((a - b).abs() < 1e-5, "{a} for {b}"));
    }

    #[test]
    fn a_batch_without_a_step_is_no_trouble() {
        let (answer, weights) = train(vec![1.0; 4 * CHANNELS], [1, 4], Some(&[0]));
        assert!(answer.iter().chain(weights.values().flat_map(|tensor| &tensor.data)).all(|x| x.is_finite()));
    }
}
