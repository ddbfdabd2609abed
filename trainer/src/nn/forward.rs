//! The forward pass of a graph.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use burn::tensor::activation;
use burn::tensor::module::{avg_pool2d, linear};
use burn::tensor::ops::{AvgPoolOptions, PadMode};
use burn::tensor::{Device, Distribution, Tensor, TensorData};

use super::norm::batch_norm;
use super::ops::{self, Window};
use super::params::{Slots, read, slots};
use super::recurrent::{Answer, Kernels, recurrent};
use super::{Mask, Params};
use crate::graph::{
    self, Graph, Op, Padding, Pair, Recurrence, Shapes, delta_padding, delta_taps, delta_unit, resolve_axis,
};

/// What a node computes, for a whole batch.
#[derive(Clone, Debug)]
pub enum Value {
    /// Batch, height, width, channels. A sequence is an image that is one pixel wide.
    Image(Tensor<4>),
    /// Batch, elements.
    Flat(Tensor<2>),
}

impl Value {
    /// From numbers in NHWC order.
    #[must_use]
    pub fn new(data: Vec<f32>, batch: usize, shape: &[usize], device: &Device) -> Self {
        match *shape {
            [h, w, c] => Self::Image(Tensor::from_data(TensorData::new(data, [batch, h, w, c]), device)),
            [time, c] => Self::new(data, batch, &[time, 1, c], device),
            _ => Self::Flat(Tensor::from_data(TensorData::new(data, [batch, shape.iter().product()]), device)),
        }
    }

    /// The numbers in NHWC order, with the batch in front of the shape.
    #[must_use]
    pub fn numbers(self) -> graph::Tensor {
        match self {
            Self::Image(x) => read(x),
            Self::Flat(x) => read(x),
        }
    }

    /// One row per element of the batch, in NHWC order.
    #[must_use]
    pub fn flat(self) -> Tensor<2> {
        match self {
            Self::Image(x) => x.flatten(1, 3),
            Self::Flat(x) => x,
        }
    }

    fn map4(self, f: impl FnOnce(Tensor<4>) -> Tensor<4>) -> Self {
        match self {
            Self::Image(x) => Self::Image(f(x)),
            Self::Flat(x) => Self::Flat(f(x.unsqueeze_dims(&[1, 2])).flatten(1, 3)),
        }
    }
}

/// Changes what a network computes on its way, as training with fake quantization does.
pub trait Rounding {
    /// What readers of an input or a node see of its value.
    fn value(&mut self, name: &str, value: Value) -> Value;

    /// What a recurrent layer multiplies of its own state; `None` for all of it.
    fn state(&self) -> Option<fn(Tensor<2>) -> Tensor<2>>;
}

/// Changes nothing.
struct Exact;

impl Rounding for Exact {
    fn value(&mut self, _: &str, value: Value) -> Value {
        value
    }

    fn state(&self) -> Option<fn(Tensor<2>) -> Tensor<2>> {
        None
    }
}

/// How a layer goes through a sequence.
#[derive(Clone, Copy)]
struct Way<'a> {
    /// Which steps are there, where not all are.
    mask: Option<&'a Mask>,
    /// As [`Rounding::state`].
    state: Option<fn(Tensor<2>) -> Tensor<2>>,
}

/// A graph that is ready to be computed.
#[derive(Clone, Debug)]
pub struct Net {
    graph: Graph,
    shapes: Shapes,
    slots: Vec<Slots>,
    /// Values that a mask is for.
    padded: BTreeSet<String>,
}

impl Net {
    /// Prepares a graph.
    ///
    /// # Errors
    /// It is not consistent, or has values that are neither vectors nor images.
    pub fn new(graph: &Graph) -> Result<Self> {
        let shapes = graph.shapes()?;
        for (name, shape) in &shapes {
            if !(1..=3).contains(&shape.len()) {
                bail!(
                    "\"{name}\" has shape {shape:?}; only vectors, sequences (time, channels) and images (height, width, \
                     channels) can be trained"
                );
            }
        }
        // What a masked network may not do is said where one is made.
        let padded = graph.padded().unwrap_or_default();
        Ok(Self { slots: slots(graph), graph: graph.clone(), shapes, padded })
    }

    /// The graph.
    #[must_use]
    pub const fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Shape of every input and node.
    #[must_use]
    pub const fn shapes(&self) -> &Shapes {
        &self.shapes
    }

    /// Computes every node for a batch of the first input.
    #[must_use]
    pub fn forward(&self, params: &Params, input: Value) -> BTreeMap<String, Value> {
        self.forward_masked(params, input, None)
    }

    /// The same for sequences of which the mask says how much is there.
    #[must_use]
    pub fn forward_masked(&self, params: &Params, input: Value, mask: Option<&Mask>) -> BTreeMap<String, Value> {
        self.forward_rounded(params, input, mask, &mut Exact)
    }

    /// The same with every value changed by `rounding` before the next node reads it.
    #[must_use]
    pub fn forward_rounded(
        &self,
        params: &Params,
        input: Value,
        mask: Option<&Mask>,
        rounding: &mut dyn Rounding,
    ) -> BTreeMap<String, Value> {
        let name = &self.graph.inputs[0].name;
        let mut values = BTreeMap::from([(name.clone(), rounding.value(name, input))]);
        for (node, slots) in self.graph.nodes.iter().zip(&self.slots) {
            let inputs: Vec<Value> = node.inputs.iter().map(|name| values[name].clone()).collect();
            let mask = mask.filter(|_| self.padded.contains(&node.inputs[0]));
            let way = Way { mask, state: rounding.state() };
            let value = self.node(params, node, *slots, inputs, way, &mut values);
            values.insert(node.name.clone(), rounding.value(&node.name, value));
        }
        values
    }

    fn node(
        &self,
        params: &Params,
        node: &graph::Node,
        slots: Slots,
        mut inputs: Vec<Value>,
        way: Way<'_>,
        others: &mut BTreeMap<String, Value>,
    ) -> Value {
        let x = inputs.remove(0);
        let mask = way.mask;
        let bias = || slots.bias.map(|bias| params.biases[bias].val());
        match &node.op {
            Op::Conv2d { kernel, stride, dilation, padding, .. }
            | Op::DepthwiseConv2d { kernel, stride, dilation, padding, .. } => x.map4(|x| {
                let window = window(&x, *kernel, *stride, *dilation, *padding);
                ops::conv2d(x, params.kernels[slots.weight].val(), bias(), window)
            }),
            Op::Dense { .. } => match x {
                Value::Image(x) => sequence(linear(steps(x), params.matrices[slots.weight].val(), bias())),
                Value::Flat(x) => Value::Flat(linear(x, params.matrices[slots.weight].val(), bias())),
            },
            Op::MaxPool2d { size, stride, padding } => x.map4(|x| {
                let window = window(&x, *size, stride.unwrap_or(*size), Pair([1, 1]), *padding);
                ops::max_pool2d(x, window)
            }),
            Op::AveragePool2d { size, stride, padding } => x.map4(|x| {
                let Window { kernel, stride, padding, .. } =
                    window(&x, *size, stride.unwrap_or(*size), Pair([1, 1]), *padding);
                let count_include_pad = false;
                let options = AvgPoolOptions { stride, padding, count_include_pad, ..AvgPoolOptions::new(kernel) };
                avg_pool2d(x.permute([0, 3, 1, 2]), options).permute([0, 2, 3, 1])
            }),
            Op::GlobalMaxPool2d => {
                let max =
                    |x: Tensor<4>| mask.map_or_else(|| x.clone().max_dim(2).max_dim(1), |mask| mask.max(x.clone()));
                Value::Flat(x.map4(max).flat())
            }
            Op::GlobalAveragePool2d => {
                let mean =
                    |x: Tensor<4>| mask.map_or_else(|| x.clone().mean_dim(2).mean_dim(1), |mask| mask.mean(x.clone()));
                Value::Flat(x.map4(mean).flat())
            }
            Op::BatchNorm { .. } => x.map4(|x| batch_norm(&params.norms[slots.weight], x, mask)),
            Op::Relu => x.map4(ops::relu),
            Op::Relu6 => x.map4(|x| x.clamp(0.0, 6.0)),
            Op::LeakyRelu { slope } => x.map4(|x| activation::leaky_relu(x, *slope)),
            Op::Sigmoid => x.map4(activation::sigmoid),
            Op::Tanh => x.map4(activation::tanh),
            Op::HardSwish => x.map4(|x| x.clone() * (x + 3.0).clamp(0.0, 6.0) / 6.0),
            Op::Softmax => x.map4(|x| activation::softmax(x, 3)),
            Op::Dropout { rate } => x.map4(|x| dropout(x, *rate)),
            Op::Flatten => Value::Flat(x.flat()),
            Op::Reshape { .. } => reshape(x, &self.shapes[&node.name]),
            Op::ZeroPad2d { pad: [top, bottom, left, right] } => {
                x.map4(|x| x.pad([(0, 0), (*top, *bottom), (*left, *right), (0, 0)], PadMode::Constant(0.0)))
            }
            Op::Add => both(x, inputs.remove(0), |a, b| a + b),
            Op::Multiply => both(x, inputs.remove(0), |a, b| a * b),
            Op::Concat { axis } => concat(x, inputs, *axis, self.shapes[&node.name].len()),
            Op::ArgMax => x.map4(|x| x.argmax(3).float()),
            Op::Delta { width, centered } => x.map4(|x| delta(x, *width, *centered)),
            op @ (Op::SimpleRnn { .. } | Op::Lstm { .. } | Op::Gru { .. }) => match (x, op.recurrence()) {
                (Value::Image(x), Some(layer)) => recurrence(params, node, slots, layer, x, way, others),
                (x, _) => x,
            },
        }
    }
}

/// Batch, time, channels.
fn steps(x: Tensor<4>) -> Tensor<3> {
    x.squeeze_dim::<3>(2)
}

fn sequence(x: Tensor<3>) -> Value {
    Value::Image(x.unsqueeze_dim(2))
}

/// A recurrent layer. Where no gradients are computed it leaves its memory in `values`, for the quantizer to look at.
fn recurrence(
    params: &Params,
    node: &graph::Node,
    slots: Slots,
    layer: Recurrence,
    x: Tensor<4>,
    way: Way<'_>,
    values: &mut BTreeMap<String, Value>,
) -> Value {
    let bias = |slot: Option<usize>| slot.map(|slot| params.biases[slot].val());
    let kernels = Kernels {
        input: params.matrices[slots.weight].val(),
        recurrent: params.matrices[slots.recurrent].val(),
        bias: bias(slots.bias).expect("a recurrent layer has a bias"),
        recurrent_bias: bias(slots.recurrent_bias),
        state: way.state,
    };
    let (answer, memories) = recurrent(layer, kernels, steps(x), way.mask);
    if let Some(memories) = memories {
        values.insert(memory_name(&node.name), sequence(memories));
    }
    match answer {
        Answer::States(states) => sequence(states),
        Answer::Last(last) => Value::Flat(last),
    }
}

/// What the memory of a recurrent layer is called among the values of a network.
pub fn memory_name(layer: &str) -> String {
    format!("{layer}/memory")
}

fn window(x: &Tensor<4>, kernel: Pair, stride: Pair, dilation: Pair, padding: Padding) -> Window {
    let [_, height, width, _] = x.dims();
    let padding = [(0, height), (1, width)].map(|(axis, len)| {
        let reach = (kernel.0[axis] - 1) * dilation.0[axis] + 1;
        let [before, after] = padding.along(axis, len, reach, stride.0[axis]);
        (before, after)
    });
    Window { kernel: kernel.0, stride: stride.0, dilation: dilation.0, padding }
}

/// The slopes of every channel, by a fixed filter over time.
fn delta(x: Tensor<4>, width: usize, centered: bool) -> Tensor<4> {
    let channels = x.dims()[3];
    let taps: Vec<f32> = delta_taps(width).into_iter().map(|tap| (f64::from(tap) * delta_unit(width)) as f32).collect();
    let kernel = Tensor::<4>::from_data(TensorData::new(taps, [1, 1, 2 * width + 1, 1]), &x.device());
    let [before, after] = delta_padding(width, centered);
    let padding = [(before, after), (0, 0)];
    let window = Window { kernel: [2 * width + 1, 1], stride: [1, 1], dilation: [1, 1], padding };
    ops::conv2d(x, kernel.repeat_dim(0, channels), None, window)
}

/// Zero with probability `rate`, the rest scaled so that the expectation stays; only where gradients are computed.
fn dropout(x: Tensor<4>, rate: f64) -> Tensor<4> {
    if !x.device().is_autodiff() || rate == 0.0 {
        return x;
    }
    let mask = x.random_like(Distribution::Bernoulli(1.0 - rate));
    x * mask / (1.0 - rate)
}

fn reshape(x: Value, shape: &[usize]) -> Value {
    let x = x.flat();
    match *shape {
        [h, w, c] => {
            let batch = x.dims()[0];
            Value::Image(x.reshape([batch, h, w, c]))
        }
        [time, c] => reshape(Value::Flat(x), &[time, 1, c]),
        _ => Value::Flat(x),
    }
}

/// Applies `f` elementwise; a vector beside an image is one number per channel.
fn both(a: Value, b: Value, f: impl FnOnce(Tensor<4>, Tensor<4>) -> Tensor<4>) -> Value {
    let image = |x: Value| match x {
        Value::Image(x) => x,
        Value::Flat(x) => x.unsqueeze_dims(&[1, 2]),
    };
    match (&a, &b) {
        (Value::Flat(_), Value::Flat(_)) => Value::Flat(f(image(a), image(b)).flatten(1, 3)),
        _ => Value::Image(f(image(a), image(b))),
    }
}

fn concat(first: Value, rest: Vec<Value>, axis: isize, rank: usize) -> Value {
    let axis = resolve_axis(axis, rank).expect("shape inference has checked the axis");
    let mut all = vec![first];
    all.extend(rest);
    if rank == 1 {
        return Value::Flat(Tensor::cat(all.into_iter().map(Value::flat).collect(), 1));
    }
    let images = all.into_iter().filter_map(|x| if let Value::Image(x) = x { Some(x) } else { None });
    // Behind the batch; a sequence has a width of 1 between time and channels.
    let axes: &[usize] = if rank == 2 { &[1, 3] } else { &[1, 2, 3] };
    Value::Image(Tensor::cat(images.collect(), axes[axis]))
}
