//! Weights as burn parameters.

use anyhow::{Context, Result, ensure};
use burn::module::{Module, Param, ParamId, RunningState};
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::{Device, Tensor, TensorData};

use crate::graph::{self, Graph, Op, Weights};

/// Every parameter of a network, by kind and in the order of the nodes; [`super::Net`] knows which is whose.
#[derive(Module, Debug)]
pub struct Params {
    /// Convolution kernels: out, in per group, height, width.
    pub(crate) kernels: Vec<Param<Tensor<4>>>,
    /// Kernels of dense and recurrent layers: in, out, as burn multiplies them.
    pub(crate) matrices: Vec<Param<Tensor<2>>>,
    /// Biases of all of them.
    pub(crate) biases: Vec<Param<Tensor<1>>>,
    /// Batch normalizations.
    pub(crate) norms: Vec<BatchNorm>,
}

/// The place of a node's parameters in [`Params`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Slots {
    /// Of the kernel, or the normalization.
    pub weight: usize,
    /// Of the bias, where there is one.
    pub bias: Option<usize>,
    /// Of a recurrent layer's kernel of its state.
    pub recurrent: usize,
    /// Of that kernel's bias, where there is one.
    pub recurrent_bias: Option<usize>,
}

/// Assigns places in the order of the nodes.
pub(crate) fn slots(graph: &Graph) -> Vec<Slots> {
    let [mut kernels, mut matrices, mut biases, mut norms] = [0; 4];
    let next = |count: &mut usize| {
        *count += 1;
        *count - 1
    };
    let slot = |node: &graph::Node| match &node.op {
        Op::Conv2d { bias, .. } | Op::DepthwiseConv2d { bias, .. } => {
            Slots { weight: next(&mut kernels), bias: bias.then(|| next(&mut biases)), ..Slots::default() }
        }
        Op::Dense { bias, .. } => {
            Slots { weight: next(&mut matrices), bias: bias.then(|| next(&mut biases)), ..Slots::default() }
        }
        Op::BatchNorm { .. } => Slots { weight: next(&mut norms), ..Slots::default() },
        op => op.recurrence().map_or_else(Slots::default, |recurrence| Slots {
            weight: next(&mut matrices),
            bias: Some(next(&mut biases)),
            recurrent: next(&mut matrices),
            recurrent_bias: recurrence.has_recurrent_bias().then(|| next(&mut biases)),
        }),
    };
    graph.nodes.iter().map(slot).collect()
}

impl Params {
    /// Loads weights onto a device. Parameters get the same identities every time, so that an optimizer's state fits again.
    ///
    /// # Errors
    /// A weight is missing or has another shape; the message names it.
    pub fn from_weights(graph: &Graph, weights: &Weights, device: &Device) -> Result<Self> {
        let shapes = graph.shapes()?;
        for (name, shape) in graph.weight_shapes(&shapes) {
            let found = weights.get(&name).with_context(|| format!("the weights hold no \"{name}\""))?;
            ensure!(found.shape == shape, "weight \"{name}\" has shape {:?}, the graph needs {shape:?}", found.shape);
        }
        let mut params = Self { kernels: vec![], matrices: vec![], biases: vec![], norms: vec![] };
        let mut load = Loader { weights, device, id: 0 };
        for node in &graph.nodes {
            match &node.op {
                Op::Conv2d { .. } | Op::DepthwiseConv2d { .. } => params.kernels.push(load.kernel(node)),
                Op::Dense { .. } => params.matrices.push(load.matrix(node, "kernel")),
                op if op.recurrence().is_some() => {
                    params.matrices.push(load.matrix(node, "kernel"));
                    params.matrices.push(load.matrix(node, "recurrent"));
                }
                Op::BatchNorm { epsilon, momentum } => params.norms.push(load.norm(node, *epsilon, *momentum)),
                _ => continue,
            }
            for part in ["bias", "recurrent_bias"] {
                if weights.contains_key(&format!("{}/{part}", node.name)) {
                    params.biases.push(load.vector(node, part));
                }
            }
        }
        Ok(params)
    }

    /// The weights as they are now.
    #[must_use]
    pub fn to_weights(&self, graph: &Graph) -> Weights {
        let mut weights = Weights::new();
        for (node, slots) in graph.nodes.iter().zip(slots(graph)) {
            let mut put = |part: &str, tensor: graph::Tensor| weights.insert(format!("{}/{part}", node.name), tensor);
            match &node.op {
                Op::Conv2d { .. } => {
                    put("kernel", read(self.kernels[slots.weight].val().permute([0, 2, 3, 1])));
                }
                Op::DepthwiseConv2d { .. } => {
                    put("kernel", read(self.kernels[slots.weight].val().permute([1, 2, 3, 0])));
                }
                Op::Dense { .. } => {
                    put("kernel", read(self.matrices[slots.weight].val().transpose()));
                }
                Op::BatchNorm { .. } => {
                    let norm = &self.norms[slots.weight];
                    put("gamma", read(norm.gamma.val()));
                    put("beta", read(norm.beta.val()));
                    put("mean", read(norm.running_mean.value_sync()));
                    put("variance", read(norm.running_var.value_sync()));
                }
                op if op.recurrence().is_some() => {
                    put("kernel", read(self.matrices[slots.weight].val().transpose()));
                    put("recurrent", read(self.matrices[slots.recurrent].val().transpose()));
                }
                _ => {}
            }
            for (part, bias) in [("bias", slots.bias), ("recurrent_bias", slots.recurrent_bias)] {
                if let Some(bias) = bias {
                    put(part, read(self.biases[bias].val()));
                }
            }
        }
        weights
    }
}

struct Loader<'a> {
    weights: &'a Weights,
    device: &'a Device,
    id: u64,
}

impl Loader<'_> {
    fn tensor<const D: usize>(&self, node: &graph::Node, part: &str) -> Tensor<D> {
        let tensor = &self.weights[&format!("{}/{part}", node.name)];
        Tensor::from_data(TensorData::new(tensor.data.clone(), tensor.shape.clone()), self.device)
    }

    fn param<const D: usize>(&mut self, value: Tensor<D>) -> Param<Tensor<D>> {
        self.id += 1;
        // Row by row in memory, as after a step of an optimizer: products of transposed views are summed in another order, and a
        // resumed run would not give the same bits.
        let value = Tensor::from_data(value.into_data(), self.device);
        Param::initialized(ParamId::from(self.id), value).set_require_grad(true)
    }

    fn kernel(&mut self, node: &graph::Node) -> Param<Tensor<4>> {
        let kernel = self.tensor::<4>(node, "kernel");
        let is_depthwise = matches!(node.op, Op::DepthwiseConv2d { .. });
        self.param(kernel.permute(if is_depthwise { [3, 0, 1, 2] } else { [0, 3, 1, 2] }))
    }

    fn matrix(&mut self, node: &graph::Node, part: &str) -> Param<Tensor<2>> {
        let kernel = self.tensor::<2>(node, part);
        self.param(kernel.transpose())
    }

    fn vector(&mut self, node: &graph::Node, part: &str) -> Param<Tensor<1>> {
        let vector = self.tensor(node, part);
        self.param(vector)
    }

    fn norm(&mut self, node: &graph::Node, epsilon: f64, momentum: f64) -> BatchNorm {
        let gamma = self.vector(node, "gamma");
        let channels = gamma.val().dims()[0];
        // Keras counts what stays, burn what is new.
        let mut norm =
            BatchNormConfig::new(channels).with_epsilon(epsilon).with_momentum(1.0 - momentum).init(self.device);
        norm.beta = self.vector(node, "beta");
        norm.running_mean = RunningState::new(self.tensor(node, "mean"));
        norm.running_var = RunningState::new(self.tensor(node, "variance"));
        norm.gamma = gamma;
        norm
    }
}

/// A tensor's numbers.
pub(super) fn read<const D: usize>(tensor: Tensor<D>) -> graph::Tensor {
    let shape = tensor.dims().to_vec();
    let data = tensor.into_data().try_into_vec::<f32>().expect("all tensors here are f32");
    graph::Tensor { shape, data }
}
