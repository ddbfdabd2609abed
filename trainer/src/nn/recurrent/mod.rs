//! Recurrent layers in floating point; the equations are those of [`thumbnet::kernels::recurrent`].
//!
//! A layer is one operation over whole sequences, with derivatives worked out by hand (backpropagation through time, Werbos
//! 1990): an operation per gate and step, as burn would record them, costs more in allocations than in arithmetic. The products
//! with all inputs are one product of matrices, and so are the derivatives by each kernel; only `U·h` has to wait for the step
//! before.

mod backward;
mod cell;
mod forward;
mod operation;
mod sequences;
mod steps;
#[cfg(test)]
mod tests;
mod weights;

use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, DispatchKindConversion, DispatchTensor, Flex};
use burn::tensor::Tensor;
use thumbnet::kernels::Cell;

use self::forward::{answer, forward, memories};
use self::operation::record;
use self::sequences::Sequences;
use self::weights::Weights;
use super::Mask;
use crate::graph::Recurrence;

/// The weights of a layer, in, out.
pub(super) struct Kernels {
    /// Of the input: channels, gates · units.
    pub input: Tensor<2>,
    /// Of the state: units, gates · units.
    pub recurrent: Tensor<2>,
    /// Of the input's products.
    pub bias: Tensor<1>,
    /// Of the state's products.
    pub recurrent_bias: Option<Tensor<1>>,
    /// What is multiplied of the state, where that is not all of it: its bytes, in training with fake quantization.
    pub state: Option<fn(Tensor<2>) -> Tensor<2>>,
}

/// What a layer answers.
pub(super) enum Answer {
    /// The states after every step, in the order of the steps' places: batch, time, units.
    States(Tensor<3>),
    /// The state after the last step that it took: batch, units.
    Last(Tensor<2>),
}

/// Runs `x` (batch, time, channels) through a layer from empty states. A step that is not there leaves states as they are, and
/// answers zero. Where no gradients are computed it gives the memory of a long short-term memory too, after every step: batch,
/// time, units.
pub(super) fn recurrent(
    layer: Recurrence,
    kernels: Kernels,
    x: Tensor<3>,
    mask: Option<&Mask>,
) -> (Answer, Option<Tensor<3>>) {
    if kernels.state.is_some() {
        return steps::recurrent(layer, &kernels, x, mask);
    }
    let sequences = Sequences::new(x.dims(), layer.go_backwards, mask);
    if x.device().is_autodiff() {
        return (record(layer, kernels, x, sequences), None);
    }
    let bias = kernels.recurrent_bias.map(plain);
    let weights = Weights::new(layer, plain(kernels.input), plain(kernels.recurrent), plain(kernels.bias), bias);
    let tapes = forward(&weights, &sequences, &plain(x));
    let memories = (layer.cell == Cell::Lstm).then(|| memories(layer, &sequences, &tapes));
    let answer = Answer::new::<Flex>(layer, answer(layer, &sequences, &tapes));
    (answer, memories.map(Tensor::from_primitive::<Flex>))
}

impl Answer {
    fn new<B: Backend>(layer: Recurrence, answer: FloatTensor<B>) -> Self
    where
        DispatchTensor: DispatchKindConversion<B>,
    {
        if layer.return_sequences {
            Self::States(Tensor::from_primitive::<B>(answer))
        } else {
            Self::Last(Tensor::from_primitive::<B>(answer))
        }
    }
}

fn plain<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    tensor.try_into_primitive::<Flex>().expect("tensors of a network are all on one device")
}
