//! The weights of the folded network as functions of those that are trained, so that gradients reach the latter.

use std::collections::BTreeMap;

use burn::module::{Param, ParamId};
use burn::nn::BatchNorm;
use burn::tensor::{Tensor, TensorData};

use super::super::fold::Fold;
use crate::graph::{Graph, Op};
use crate::nn::{Params, Slots, slots};

/// The weights of a linear layer on the way: output channels are the first axis of `image`, the second of `matrix`.
enum Kernel {
    Image(Tensor<4>),
    Matrix(Tensor<2>),
}

/// A layer on the way.
struct Layer {
    kernel: Kernel,
    bias: Option<Tensor<1>>,
}

/// Folds normalizations with their running statistics.
pub(super) fn params(params: &Params, graph: &Graph, folded: &Graph, folds: &[Fold]) -> Params {
    let own: BTreeMap<&str, Slots> = graph.nodes.iter().map(|node| node.name.as_str()).zip(slots(graph)).collect();
    let mut layers = BTreeMap::new();
    for node in &graph.nodes {
        let slots = own[node.name.as_str()];
        let kernel = match node.op {
            Op::Conv2d { .. } | Op::DepthwiseConv2d { .. } => Kernel::Image(params.kernels[slots.weight].val()),
            Op::Dense { .. } => Kernel::Matrix(params.matrices[slots.weight].val()),
            _ => continue,
        };
        let bias = slots.bias.map(|bias| params.biases[bias].val());
        layers.insert(node.name.as_str(), Layer { kernel, bias });
    }
    for fold in folds {
        let (Fold::Into { norm, .. } | Fold::Alone { norm }) = fold;
        let [gain, offset] = affine(&params.norms[own[norm.as_str()].weight]);
        let (name, layer) = match fold {
            Fold::Into { layer, .. } => (layer, layers.remove(layer.as_str()).map(|x| scaled(x, &gain, &offset))),
            Fold::Alone { norm } => {
                let is_dense = folded.node(norm).is_some_and(|node| matches!(node.op, Op::Dense { .. }));
                (norm, Some(alone(is_dense, gain, offset)))
            }
        };
        layers.extend(layer.map(|layer| (name.as_str(), layer)));
    }
    collect(params, folded, &own, &mut layers)
}

/// The parameters in the places of the folded graph.
fn collect(params: &Params, folded: &Graph, own: &BTreeMap<&str, Slots>, layers: &mut BTreeMap<&str, Layer>) -> Params {
    let mut all = Params { kernels: vec![], matrices: vec![], biases: vec![], norms: vec![] };
    for node in &folded.nodes {
        let name = node.name.as_str();
        if let Some(Layer { kernel, bias }) = layers.remove(name) {
            match kernel {
                Kernel::Image(kernel) => all.kernels.push(param(kernel)),
                Kernel::Matrix(kernel) => all.matrices.push(param(kernel)),
            }
            all.biases.extend(bias.map(param));
        } else if node.op.recurrence().is_some() {
            let slots = own[name];
            all.matrices.extend([slots.weight, slots.recurrent].map(|slot| param(params.matrices[slot].val())));
            let biases = [slots.bias, slots.recurrent_bias].into_iter().flatten();
            all.biases.extend(biases.map(|slot| param(params.biases[slot].val())));
        }
    }
    all
}

/// A parameter that is a function of others. It is never given to an optimizer.
pub(super) fn param<const D: usize>(value: Tensor<D>) -> Param<Tensor<D>> {
    Param::initialized(ParamId::new(), value)
}

/// `γ / sqrt(variance + ε)` and `β − mean · gain`.
fn affine(norm: &BatchNorm) -> [Tensor<1>; 2] {
    let (mean, variance) = (norm.running_mean.value().inner(), norm.running_var.value().inner());
    let variance = variance.into_data().try_into_vec::<f32>().expect("all tensors here are f32");
    let inverse: Vec<f32> = variance.iter().map(|v| (f64::from(*v) + norm.epsilon).sqrt().recip() as f32).collect();
    let count = inverse.len();
    let gain = norm.gamma.val() * Tensor::<1>::from_data(TensorData::new(inverse, [count]), &mean.device());
    let offset = norm.beta.val() - gain.clone() * mean;
    [gain, offset]
}

/// A layer with a normalization behind it in one.
fn scaled(layer: Layer, gain: &Tensor<1>, offset: &Tensor<1>) -> Layer {
    let count = gain.dims()[0];
    let kernel = match layer.kernel {
        Kernel::Image(kernel) => Kernel::Image(kernel * gain.clone().reshape([count, 1, 1, 1])),
        Kernel::Matrix(kernel) => Kernel::Matrix(kernel * gain.clone().reshape([1, count])),
    };
    let bias = layer.bias.map_or_else(|| offset.clone(), |bias| bias * gain.clone() + offset.clone());
    Layer { kernel, bias: Some(bias) }
}

/// A normalization that is a layer of its own.
fn alone(is_dense: bool, gain: Tensor<1>, offset: Tensor<1>) -> Layer {
    let count = gain.dims()[0];
    let kernel = if is_dense {
        let one = Tensor::<2>::eye(count, &gain.device().without_autodiff());
        Kernel::Matrix(gain.reshape([1, count]) * one)
    } else {
        Kernel::Image(gain.reshape([count, 1, 1, 1]))
    };
    Layer { kernel, bias: Some(offset) }
}
