//! The rectifier, with its gradient, on all threads.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;
use rayon::prelude::*;

use super::slices::{Array, array, contiguous, dims, numbers};
use super::vectorized::vectorized;

/// Numbers that one thread takes at a time.
const BLOCK: usize = 1 << 14;

/// `max(x, 0)`; what is not a number stays so.
pub(in crate::nn) fn relu(x: Tensor<4>) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::rectify(x.into_dispatch()))
}

/// Rectifiers of a backend.
#[backend_extension(Flex, Autodiff)]
trait Rectify: Backend {
    fn rectify(x: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl Rectify for Flex {
    fn rectify(x: Array) -> Array {
        let x = contiguous(x);
        let mut y = vec![0.0; numbers(&x).len()];
        y.par_chunks_mut(BLOCK).zip(numbers(&x).par_chunks(BLOCK)).for_each(|(y, x)| gate(y, x, x));
        array(y, dims::<4>(&x))
    }
}

#[derive(Debug)]
struct Rectifier;

impl Backward<Flex, 1> for Rectifier {
    type State = Array;

    /// The gradient where the output is not 0.
    fn backward(self, ops: Ops<Array, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = contiguous(grads.consume::<Flex>(&ops.node));
        let [Some(node)] = ops.parents else { return };
        let mut of_x = vec![0.0; numbers(&gradient).len()];
        let parts = numbers(&gradient).par_chunks(BLOCK).zip(numbers(&ops.state).par_chunks(BLOCK));
        of_x.par_chunks_mut(BLOCK).zip(parts).for_each(|(of_x, (gradient, y))| gate(of_x, gradient, y));
        grads.register::<Flex>(node.id, array(of_x, dims::<4>(&gradient)));
    }
}

impl<C: CheckpointStrategy> Rectify for Autodiff<Flex, C> {
    fn rectify(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let (x, of_x) = x.into_parts();
        let y = Flex::rectify(x);
        match Rectifier.prepare::<C>([of_x]).compute_bound().stateful() {
            OpsKind::Tracked(step) => step.finish(y.clone(), y),
            OpsKind::UnTracked(step) => step.finish(y),
        }
    }
}

vectorized! {
    /// What there is of `x` where `by` is not 0 or below.
    fn gate(y: &mut [f32], x: &[f32], by: &[f32]) {
        for (y, (&x, &by)) in y.iter_mut().zip(x.iter().zip(by)) {
            *y = if by <= 0.0 { 0.0 } else { x };
        }
    }
}
