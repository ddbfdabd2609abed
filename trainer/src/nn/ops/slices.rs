//! Between burn's tensors and slices.

use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::TensorData;

/// What burn's CPU backend computes with.
pub(super) type Array = FloatTensor<Flex>;

/// The same numbers, one after the other in memory.
pub(super) fn contiguous(tensor: Array) -> Array {
    if tensor.as_slice::<f32>().is_some() { tensor } else { tensor.to_contiguous() }
}

/// Its numbers.
///
/// # Panics
/// It is not what [`contiguous`] gives.
pub(super) fn numbers(tensor: &Array) -> &[f32] {
    tensor.as_slice().expect("a contiguous tensor of f32")
}

/// Its size along each axis.
pub(super) fn dims<const D: usize>(tensor: &Array) -> [usize; D] {
    tensor.shape().dims()
}

/// A tensor of these numbers.
pub(super) fn array<const D: usize>(numbers: Vec<f32>, shape: [usize; D]) -> Array {
    Flex::float_from_data(TensorData::new(numbers, shape), &Default::default())
}
