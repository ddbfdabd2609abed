//! Recurrent layers in floating point; the equations are those of [`thumbnet::kernels::recurrent`].

use burn::tensor::activation::sigmoid;
use burn::tensor::module::linear;
use burn::tensor::{Shape, Tensor};
use thumbnet::kernels::Cell;

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

/// What a layer computes.
pub(super) struct Answer {
    /// The states after every step, in the order of the steps' places, where the layer returns them: batch, time, units.
    pub states: Option<Tensor<3>>,
    /// The state after the last step that it took: batch, units.
    pub last: Tensor<2>,
    /// The memory of a long short-term memory after every step, where it was asked for: batch, time, units.
    pub memories: Option<Tensor<3>>,
}

/// Runs `x` (batch, time, channels) through a layer from empty states. A step that is not there leaves states as they are, and
/// answers zero.
pub(super) fn recurrent(
    layer: Recurrence,
    kernels: &Kernels,
    x: Tensor<3>,
    mask: Option<&Mask>,
    with_memories: bool,
) -> Answer {
    let [batch, time, _] = x.dims();
    // All products with the inputs at once, then step by step.
    let inputs = linear(x, kernels.input.clone(), Some(kernels.bias.clone()));
    let zeros = Tensor::<2>::zeros(Shape::new([batch, layer.units]), &inputs.device());
    let (mut hidden, mut memory) = (zeros.clone(), zeros);
    let (mut states, mut memories) = (Vec::new(), Vec::new());
    for step in 0..time {
        let at = if layer.go_backwards { time - 1 - step } else { step };
        let input = inputs.clone().narrow(1, at, 1).squeeze_dim::<2>(1);
        let before = (hidden.clone(), memory.clone());
        hidden = match layer.cell {
            Cell::Elman => (input + kernels.product(hidden)).tanh(),
            Cell::Lstm => {
                let gates = input + kernels.product(hidden);
                let [i, f, new, o] = split(&gates, layer.units);
                memory = sigmoid(f) * memory + sigmoid(i) * new.tanh();
                sigmoid(o) * memory.clone().tanh()
            }
            Cell::Gru => {
                let [r, z, new] = split(&input, layer.units);
                let [own_r, own_z, own_new] = split(&kernels.product(hidden.clone()), layer.units);
                let new = (new + sigmoid(r + own_r) * own_new).tanh();
                new.clone() + sigmoid(z + own_z) * (hidden - new)
            }
            Cell::GruResetBefore => {
                let [r, z, new] = split(&input, layer.units);
                let [of_r, of_z, of_new] = split(&kernels.recurrent, layer.units);
                let seen = kernels.seen(hidden.clone());
                let (own_r, own_z) = (seen.clone().matmul(of_r), seen.clone().matmul(of_z));
                let new = (new + kernels.seen(sigmoid(r + own_r) * seen).matmul(of_new)).tanh();
                new.clone() + sigmoid(z + own_z) * (hidden - new)
            }
        };
        let mut answer = hidden.clone();
        if let Some(mask) = mask {
            let is_there = mask.step(at);
            let going_on = |new: Tensor<2>, old: Tensor<2>| old.clone() + (new - old) * is_there.clone();
            answer = hidden.clone() * is_there.clone();
            (hidden, memory) = (going_on(hidden, before.0), going_on(memory, before.1));
        }
        if layer.return_sequences {
            states.push(answer);
        }
        if with_memories && layer.cell == Cell::Lstm {
            memories.push(memory.clone());
        }
    }
    if layer.go_backwards {
        states.reverse();
        memories.reverse();
    }
    let stacked = |steps: Vec<Tensor<2>>| (!steps.is_empty()).then(|| Tensor::stack(steps, 1));
    Answer { states: stacked(states), last: hidden, memories: stacked(memories) }
}

impl Kernels {
    fn product(&self, hidden: Tensor<2>) -> Tensor<2> {
        linear(self.seen(hidden), self.recurrent.clone(), self.recurrent_bias.clone())
    }

    fn seen(&self, hidden: Tensor<2>) -> Tensor<2> {
        match self.state {
            Some(state) => state(hidden),
            None => hidden,
        }
    }
}

/// One tensor per gate.
fn split<const GATES: usize>(gates: &Tensor<2>, units: usize) -> [Tensor<2>; GATES] {
    std::array::from_fn(|gate| gates.clone().narrow(1, gate * units, units))
}
