//! A layer as one operation of burn's automatic differentiation.

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use burn::tensor::Tensor;

use super::backward::backward;
use super::forward::{Tape, answer, forward};
use super::sequences::Sequences;
use super::weights::Weights;
use super::{Answer, Kernels};
use crate::graph::Recurrence;

/// The backend of [`super::super::training_device`].
type Training = Autodiff<Flex>;

/// The layer as an operator of `N` inputs: sequences, kernel, recurrent kernel, bias and, where there is one, recurrent bias.
#[derive(Debug)]
struct Recurrent<const N: usize>;

/// What it remembers.
#[derive(Debug)]
struct Memory {
    weights: Weights,
    sequences: Sequences,
    tapes: Vec<Tape>,
}

impl<const N: usize> Backward<Flex, N> for Recurrent<N> {
    type State = Arc<Memory>;

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_answer = grads.consume::<Flex>(&ops.node);
        let Memory { weights, sequences, tapes } = &*ops.state;
        let with_x = ops.parents[0].is_some();
        let d = backward(weights, sequences, tapes, &d_answer, with_x);
        let by_inputs = [d.x, Some(d.input), Some(d.recurrent), Some(d.bias), Some(d.recurrent_bias)];
        for (parent, derivative) in ops.parents.into_iter().zip(by_inputs) {
            if let (Some(node), Some(derivative)) = (parent, derivative) {
                grads.register::<Flex>(node.id, derivative);
            }
        }
    }
}

/// Runs a layer, and records how to go back.
pub(super) fn record(layer: Recurrence, kernels: Kernels, x: Tensor<3>, sequences: Sequences) -> Answer {
    let ((x, of_x), (input, of_input)) = (parts(x), parts(kernels.input));
    let ((recurrent, of_recurrent), (bias, of_bias)) = (parts(kernels.recurrent), parts(kernels.bias));
    let (recurrent_bias, of_recurrent_bias) = kernels.recurrent_bias.map(parts).unzip();
    let weights = Weights::new(layer, input, recurrent, bias, recurrent_bias);
    let tapes = forward(&weights, &sequences, &x);
    let answer = answer(layer, &sequences, &tapes);
    let memory = Memory { weights, sequences, tapes };
    let answer = match of_recurrent_bias {
        None => finish([of_x, of_input, of_recurrent, of_bias], memory, answer),
        Some(last) => finish([of_x, of_input, of_recurrent, of_bias, last], memory, answer),
    };
    Answer::new::<Training>(layer, answer)
}

fn finish<const N: usize>(inputs: [NodeGuard; N], memory: Memory, answer: FlexTensor) -> FloatTensor<Training> {
    match Recurrent.prepare::<NoCheckpointing>(inputs).compute_bound().stateful() {
        OpsKind::Tracked(operation) => operation.finish(Arc::new(memory), answer),
        OpsKind::UnTracked(operation) => operation.finish(answer),
    }
}

/// The numbers of a tensor, and its place among the operations.
fn parts<const D: usize>(tensor: Tensor<D>) -> (FlexTensor, NodeGuard) {
    tensor.try_into_primitive::<Training>().expect("tensors of a network are all on one device").into_parts()
}
