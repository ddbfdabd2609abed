//! From a folded float graph to a program: fuses activations and padding into the layers before and after, gives every
//! tensor its quantization, and writes weights, biases and tables into the data.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use thumbnet::fixed::Rounding;
use thumbnet::format::{
    Border, ConcatParams, ConvParams, DType, FullyConnectedParams, Function, LookupParams, MulParams, Op as StepOp,
    PadParams, PoolParams,
};
use thumbnet::kernels::{Channel, Clamp, Layout};

use super::grid::{Ranges, quants, rectifier};
use super::scale::{Quant, multiplier, softmax_params, sum_params};
use super::{overflow, weights};
use crate::compile::{Program, StepDesc, TensorDesc};
use crate::graph::{Graph, Node, Op, Pair, Shapes, Tensor, delta_padding, delta_taps, delta_unit, resolve_axis};
use crate::model::Model;

/// Lowers a model whose graph has no batch normalization and no dropout, for these ranges of its tensors.
pub(super) fn lower(model: &Model, ranges: &Ranges) -> Result<Program> {
    let shapes = model.graph.shapes()?;
    let padded = if model.meta.masked { model.graph.padded()? } else { BTreeSet::new() };
    let (program, tensors) = (Program::default(), BTreeMap::new());
    let quants = quants(&model.graph, ranges);
    let mut lowering = Lowering { model, shapes, ranges, quants, padded, program, tensors };
    lowering.inputs()?;
    for node in &model.graph.nodes {
        if !lowering.tensors.contains_key(&node.name) {
            lowering
                .node(node)
                .with_context(|| format!("layer \"{}\" ({}) cannot be quantized", node.name, node.op.name()))?;
        }
    }
    let Lowering { mut program, tensors, .. } = lowering;
    program.outputs = model.graph.outputs.iter().map(|name| tensors[name].0).collect();
    Ok(program)
}

pub(super) struct Lowering<'a> {
    pub(super) model: &'a Model,
    shapes: Shapes,
    pub(super) ranges: &'a Ranges,
    quants: BTreeMap<String, Quant>,
    /// Values of which not all steps are there.
    padded: BTreeSet<String>,
    pub(super) program: Program,
    /// Tensor and quantization of every node that is done. A fused node has that of the step it went into.
    pub(super) tensors: BTreeMap<String, (usize, Quant)>,
}

impl Lowering<'_> {
    fn graph(&self) -> &Graph {
        &self.model.graph
    }

    fn inputs(&mut self) -> Result<()> {
        let meta = &self.model.meta;
        let input = &self.model.graph.inputs[0];
        let map = &meta.preprocess;
        let quant = self.quant(&input.name)?;
        self.program.name.clone_from(&self.model.graph.name);
        self.program.labels.clone_from(&meta.classes);
        self.program.inputs = 1;
        if let Some(front_end) = &meta.front_end {
            return self.front_end(front_end, quant);
        }
        let (scale, zero_point) = (f64::from(quant.scale), f64::from(quant.zero_point));
        self.program.gain = map.gain.iter().map(|&gain| (f64::from(gain) / scale) as f32).collect();
        self.program.offset =
            map.offset.iter().map(|&offset| (f64::from(offset) / scale + zero_point) as f32).collect();
        // An 8-bit image maps byte to byte: drop what rounding the zero point left over, half a gray level at most.
        if let ([gain], [offset]) = (self.program.gain.as_mut_slice(), self.program.offset.as_mut_slice())
            && (*gain - 1.0).abs() < 1e-4
            && (*offset + 128.0).abs() <= 0.5
        {
            (*gain, *offset) = (1.0, -128.0);
        }
        let (name, shape) = (input.name.clone(), batched(&input.shape));
        self.push_tensor(&name, DType::I8, shape, quant);
        self.length();
        self.tensors.insert(name, (0, quant));
        Ok(())
    }

    /// Pushes the second input of a masked model: how many steps of the first are there.
    pub(super) fn length(&mut self) {
        if self.model.meta.masked {
            self.push_tensor("length", DType::I32, vec![1], Quant { scale: 1.0, zero_point: 0 });
            self.program.inputs = 2;
        }
    }

    /// A tensor, and how many of its steps are there where that differs.
    pub(super) fn masked(&self, name: &str, tensor: usize) -> Vec<usize> {
        if self.padded.contains(name) { vec![tensor, 1] } else { vec![tensor] }
    }

    pub(super) fn push_tensor(&mut self, name: &str, dtype: DType, shape: Vec<u32>, quant: Quant) {
        let Quant { scale, zero_point } = quant;
        self.program.tensors.push(TensorDesc { name: name.into(), dtype, shape, scale, zero_point, constant: None });
    }

    /// Appends a step that computes a tensor of this name and shape.
    pub(super) fn push(&mut self, name: &str, shape: Vec<u32>, quant: Quant, op: StepOp, inputs: Vec<usize>) {
        self.push_tensor(name, DType::I8, shape, quant);
        self.program.steps.push(StepDesc { op, inputs });
        self.tensors.insert(name.to_owned(), (self.program.tensors.len() - 1, quant));
    }

    /// The quantization of an input or a node.
    fn quant(&self, name: &str) -> Result<Quant> {
        self.quants.get(name).copied().with_context(|| {
            format!("no range is known for \"{name}\": the ranges are of another network, train or calibrate anew")
        })
    }

    /// Height, width, channels; a sequence is one pixel wide.
    fn image(&self, name: &str) -> [usize; 3] {
        match *self.shapes[name] {
            [h, w, c] => [h, w, c],
            [time, c] => [time, 1, c],
            _ => [1, 1, 1],
        }
    }

    pub(super) fn shape(&self, name: &str) -> Vec<u32> {
        batched(&self.shapes[name])
    }

    /// Name, quantization and clamp of a layer that may take a rectifier in.
    fn output(&self, node: &Node) -> Result<(String, Quant, Clamp)> {
        let Some(rectifier) = rectifier(self.graph(), node) else {
            return Ok((node.name.clone(), self.quant(&node.name)?, Clamp::NONE));
        };
        let quant = self.quant(&rectifier.name)?;
        let max = if rectifier.op == Op::Relu6 { quant.quantize(6.0) } else { i8::MAX };
        Ok((rectifier.name.clone(), quant, Clamp { min: quant.quantize(0.0), max }))
    }

    pub(super) fn finish(&mut self, node: &Node, name: &str, quant: Quant, op: StepOp, inputs: Vec<usize>) {
        let shape = self.shape(&node.name);
        self.push(name, shape, quant, op, inputs);
        let tensor = self.tensors[name];
        self.tensors.insert(node.name.clone(), tensor);
    }

    fn node(&mut self, node: &Node) -> Result<()> {
        let (x, input) = self.tensors[&node.inputs[0]];
        match &node.op {
            Op::Conv2d { kernel, stride, dilation, padding, .. }
            | Op::DepthwiseConv2d { kernel, stride, dilation, padding, .. } => {
                let size = self.image(&node.inputs[0]);
                let pad = [0, 1].map(|axis| {
                    let reach = (kernel.0[axis] - 1) * dilation.0[axis] + 1;
                    padding.along(axis, size[axis], reach, stride.0[axis])
                });
                self.convolution(node, *kernel, *stride, *dilation, pad)?;
            }
            Op::Dense { .. } => self.dense(node)?,
            Op::SimpleRnn { .. } | Op::Lstm { .. } | Op::Gru { .. } => {
                self.recurrent(node, node.op.recurrence().context("it is recurrent")?)?;
            }
            Op::Delta { width, centered } => self.delta(node, *width, *centered)?,
            Op::MaxPool2d { size, stride, padding } | Op::AveragePool2d { size, stride, padding } => {
                let stride = stride.unwrap_or(*size);
                let image = self.image(&node.inputs[0]);
                let pad = [0, 1].map(|axis| padding.along(axis, image[axis], size.0[axis], stride.0[axis]));
                let params =
                    PoolParams { size: words(*size), stride: words(stride), pad: border(pad), clamp: Clamp::NONE };
                let is_max = matches!(node.op, Op::MaxPool2d { .. });
                let op = if is_max { StepOp::MaxPool2d(params) } else { StepOp::AveragePool2d(params) };
                self.finish(node, &node.name, input, op, vec![x]);
            }
            Op::GlobalMaxPool2d | Op::GlobalAveragePool2d => self.global_pool(node),
            Op::Flatten | Op::Reshape { .. } => {
                let only_dense = self.graph().nodes.iter().filter(|reader| reader.inputs.contains(&node.name));
                let only_dense = only_dense.into_iter().all(|reader| matches!(reader.op, Op::Dense { .. }));
                if only_dense && !self.graph().outputs.contains(&node.name) {
                    // A fully connected layer reads elements, whatever their shape.
                    self.tensors.insert(node.name.clone(), (x, input));
                } else {
                    self.finish(node, &node.name, input, StepOp::Reshape, vec![x]);
                }
            }
            Op::ZeroPad2d { pad: [top, _, left, _] } => {
                let before = [0, *top as u32, *left as u32, 0, 0, 0];
                let op = StepOp::Pad(PadParams { before, value: input.zero_point });
                self.finish(node, &node.name, input, op, vec![x]);
            }
            Op::Add | Op::Multiply => self.binary(node)?,
            Op::Concat { axis } => self.concat(node, *axis)?,
            Op::Softmax => self.softmax(node, input)?,
            Op::ArgMax => {
                let shape = self.shape(&node.name);
                self.push(&node.name, shape, Quant { scale: 1.0, zero_point: 0 }, StepOp::ArgMax, vec![x]);
                self.program.tensors.last_mut().context("a tensor was just pushed")?.dtype = DType::I32;
            }
            Op::Relu => self.lookup(node, Function::Relu, |x| x.max(0.0))?,
            Op::Relu6 => self.lookup(node, Function::Relu6, |x| x.clamp(0.0, 6.0))?,
            Op::LeakyRelu { slope } => {
                let slope = *slope;
                self.lookup(node, Function::LeakyRelu, |x| if x < 0.0 { slope * x } else { x })?;
            }
            Op::Sigmoid => self.lookup(node, Function::Sigmoid, |x| 1.0 / (1.0 + (-x).exp()))?,
            Op::Tanh => self.lookup(node, Function::Tanh, f64::tanh)?,
            Op::HardSwish => self.lookup(node, Function::HardSwish, |x| x * (x + 3.0).clamp(0.0, 6.0) / 6.0)?,
            Op::BatchNorm { .. } | Op::Dropout { .. } => anyhow::bail!("it should have been folded"),
        }
        Ok(())
    }

    /// A depthwise convolution whose taps are exact: integers times one factor, as large as int8 allows. They add up to 0, so that
    /// there is no bias.
    fn delta(&mut self, node: &Node, width: usize, centered: bool) -> Result<()> {
        let (x, input) = self.tensors[&node.inputs[0]];
        let output = self.quant(&node.name)?;
        let channels = self.image(&node.inputs[0])[2];
        let most = (127 / width) as i32;
        let taps: Vec<i8> = delta_taps(width).iter().map(|&tap| (tap as i32 * most) as i8).collect();
        let weights: Vec<i8> = taps.iter().flat_map(|&tap| std::iter::repeat_n(tap, channels)).collect();
        let factor =
            multiplier(f64::from(input.scale) * delta_unit(width) / f64::from(most) / f64::from(output.scale))?;
        overflow::check(taps.iter().copied(), 0, input.zero_point, factor.shift)?;
        let channel = Channel { bias: 0, multiplier: factor.multiplier, shift: factor.shift };
        let params = ConvParams {
            size: [taps.len() as u32, 1],
            stride: [1, 1],
            dilation: [1, 1],
            pad: border([delta_padding(width, centered), [0, 0]]),
            clamp: Clamp::NONE,
            rounding: Rounding::Double,
            layout: Layout::Plain,
            weights: self.program.push_data(&weights),
            channels: self.program.push_data(&vec![channel; channels]),
        };
        self.finish(node, &node.name, output, StepOp::DepthwiseConv2d(params), vec![x]);
        Ok(())
    }

    fn lookup(&mut self, node: &Node, function: Function, f: impl Fn(f64) -> f64) -> Result<()> {
        let (x, input) = self.tensors[&node.inputs[0]];
        let output = self.quant(&node.name)?;
        let table = self.program.push_data(&input.table(output, f));
        self.finish(node, &node.name, output, StepOp::Lookup(LookupParams { function, table }), vec![x]);
        Ok(())
    }

    fn convolution(
        &mut self,
        node: &Node,
        size: Pair,
        stride: Pair,
        dilation: Pair,
        pad: [[usize; 2]; 2],
    ) -> Result<()> {
        let (x, input) = self.tensors[&node.inputs[0]];
        let (name, output, clamp) = self.output(node)?;
        let is_depthwise = matches!(node.op, Op::DepthwiseConv2d { .. });
        let (weights, channels) = self.weights(node, is_depthwise, input, output)?;
        let params = ConvParams {
            size: words(size),
            stride: words(stride),
            dilation: words(dilation),
            pad: border(pad),
            clamp,
            rounding: Rounding::Double,
            layout: Layout::Plain,
            weights,
            channels,
        };
        let op = if is_depthwise { StepOp::DepthwiseConv2d(params) } else { StepOp::Conv2d(params) };
        self.finish(node, &name, output, op, vec![x]);
        Ok(())
    }

    fn dense(&mut self, node: &Node) -> Result<()> {
        let (x, input) = self.tensors[&node.inputs[0]];
        let (name, output, clamp) = self.output(node)?;
        let (weights, channels) = self.weights(node, false, input, output)?;
        let (rounding, layout) = (Rounding::Single, Layout::Plain);
        let op = StepOp::FullyConnected(FullyConnectedParams { clamp, rounding, layout, weights, channels });
        self.finish(node, &name, output, op, vec![x]);
        Ok(())
    }

    /// Quantizes kernel and bias into the data; gives the offsets of weights and channels.
    fn weights(&mut self, node: &Node, channel_last: bool, input: Quant, output: Quant) -> Result<(u32, u32)> {
        let part = |part: &str| self.model.weights.get(&format!("{}/{part}", node.name));
        let kernel: &Tensor = part("kernel").context("the weights hold no kernel")?;
        let outputs = kernel.shape[if channel_last { kernel.shape.len() - 1 } else { 0 }];
        let per_channel = kernel.data.len() / outputs;
        let channel_of = |index: usize| if channel_last { index % outputs } else { index / per_channel };
        let bias = |channel: usize| part("bias").map_or(0.0, |bias| f64::from(bias.data[channel]));
        ensure!(
            kernel.data.iter().all(|weight| weight.is_finite()),
            "a weight is not a finite number: did the training diverge?"
        );
        let largest = weights::largest(&kernel.data, outputs, channel_of);
        let s_in = f64::from(input.scale);
        let scale = |channel: usize| weights::step(largest[channel], bias(channel), s_in);
        let scales: Vec<f64> = (0..outputs).map(scale).collect();
        let quantized: Vec<i8> = kernel
            .data
            .iter()
            .enumerate()
            .map(|(index, &weight)| (f64::from(weight) / scales[channel_of(index)]).round().clamp(-127.0, 127.0) as i8)
            .collect();
        let mut channels = Vec::new();
        for (channel, &scale) in scales.iter().enumerate() {
            let factor = multiplier(s_in * scale / f64::from(output.scale))?;
            let bias = (bias(channel) / (s_in * scale)).round() as i64;
            let own = quantized.iter().enumerate().filter(|(index, _)| channel_of(*index) == channel).map(|(_, &w)| w);
            overflow::check(own, bias, input.zero_point, factor.shift)
                .with_context(|| format!("output channel {channel}"))?;
            channels.push(Channel { bias: bias as i32, multiplier: factor.multiplier, shift: factor.shift });
        }
        Ok((self.program.push_data(&quantized), self.program.push_data(&channels)))
    }

    fn global_pool(&mut self, node: &Node) {
        let (x, input) = self.tensors[&node.inputs[0]];
        let image = self.image(&node.inputs[0]);
        let size = Pair([image[0], image[1]]);
        let shape = vec![1, 1, 1, image[2] as u32];
        let params = PoolParams { size: words(size), stride: [1, 1], pad: border([[0; 2]; 2]), clamp: Clamp::NONE };
        let is_max = node.op == Op::GlobalMaxPool2d;
        let op = if is_max { StepOp::MaxPool2d(params) } else { StepOp::AveragePool2d(params) };
        let pooled = format!("{}_pool", node.name);
        self.push(&pooled, shape, input, op, self.masked(&node.inputs[0], x));
        let pooled = self.tensors[&pooled].0;
        self.finish(node, &node.name, input, StepOp::Reshape, vec![pooled]);
    }

    fn binary(&mut self, node: &Node) -> Result<()> {
        let [(a, qa), (b, qb)] = [0, 1].map(|index| self.tensors[&node.inputs[index]]);
        let (name, output, clamp) = self.output(node)?;
        let [sa, sb, so] = [qa, qb, output].map(|q| f64::from(q.scale));
        let op = if node.op == Op::Add {
            StepOp::Add(sum_params([qa, qb], output, clamp)?)
        } else {
            StepOp::Mul(MulParams { scale: multiplier(sa * sb / so)?, rounding: Rounding::Double, clamp })
        };
        self.finish(node, &name, output, op, vec![a, b]);
        Ok(())
    }

    /// Brings every input to the output's quantization, then puts them side by side.
    fn concat(&mut self, node: &Node, axis: isize) -> Result<()> {
        let output = self.quant(&node.name)?;
        let mut inputs = Vec::new();
        for (number, name) in node.inputs.iter().enumerate() {
            let (x, input) = self.tensors[name];
            if input == output {
                inputs.push(x);
                continue;
            }
            let table = self.program.push_data(&input.table(output, |x| x));
            let requantized = format!("{}_input_{number}", node.name);
            let op = StepOp::Lookup(LookupParams { function: Function::Requantize, table });
            self.push(&requantized, self.shape(name), output, op, vec![x]);
            inputs.push(self.tensors[&requantized].0);
        }
        let axis = 1 + resolve_axis(axis, self.shapes[&node.name].len())? as u32;
        self.finish(node, &node.name, output, StepOp::Concat(ConcatParams { axis }), inputs);
        Ok(())
    }

    fn softmax(&mut self, node: &Node, input: Quant) -> Result<()> {
        let (x, _) = self.tensors[&node.inputs[0]];
        let params = self.program.with_exponentials(softmax_params(input.scale.into())?);
        self.finish(node, &node.name, self.quant(&node.name)?, StepOp::Softmax(params), vec![x]);
        Ok(())
    }
}

fn batched(shape: &[usize]) -> Vec<u32> {
    std::iter::once(1).chain(shape.iter().map(|&dim| dim as u32)).collect()
}

fn words(pair: Pair) -> [u32; 2] {
    pair.0.map(|n| n as u32)
}

fn border([[top, bottom], [left, right]]: [[usize; 2]; 2]) -> Border {
    let [top, bottom, left, right] = [top, bottom, left, right].map(|n| n as u32);
    Border { top, bottom, left, right }
}
