//! The same layers written with burn's operations, step by step: what training with rounded states takes, and what the operation is
//! tested against.

use burn::tensor::activation::sigmoid;
use burn::tensor::module::linear;
use burn::tensor::{Shape, Tensor};
use thumbnet::kernels::Cell;

use super::super::Mask;
use super::{Answer, Kernels};
use crate::graph::Recurrence;

/// As [`super::recurrent`].
pub(super) fn recurrent(
    layer: Recurrence,
    kernels: &Kernels,
    x: Tensor<3>,
    mask: Option<&Mask>,
) -> (Answer, Option<Tensor<3>>) {
    let [batch, time, _] = x.dims();
    // All products with the inputs at once, then step by step.
    let inputs = linear(x, kernels.input.clone(), Some(kernels.bias.clone()));
    let zeros = Tensor::<2>::zeros(Shape::new([batch, layer.units]), &inputs.device());
    let (mut hidden, mut memory) = (zeros.clone(), zeros);
    let (mut states, mut memories) = (Vec::new(), Vec::new());
    let keeps_memories = layer.cell == Cell::Lstm && !inputs.device().is_autodiff();
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
        if keeps_memories {
            memories.push(memory.clone());
        }
    }
    if layer.go_backwards {
        states.reverse();
        memories.reverse();
    }
    let memories = keeps_memories.then(|| Tensor::stack(memories, 1));
    let answer = if layer.return_sequences { Answer::States(Tensor::stack(states, 1)) } else { Answer::Last(hidden) };
    (answer, memories)
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
