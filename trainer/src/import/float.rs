//! Float models: into the trainer's graph, whence they take the way of every trained network.

use std::collections::HashMap;

use anyhow::{Context, Result, bail, ensure};

use super::fold::fold;
use super::operators::{self, lstm};
use super::schema::{self, Operator, Type};
use crate::data::Preprocess;
use crate::graph::{Graph, Input, Node, Op, Padding, Pair, Tensor, Weights};
use crate::model::{Meta, Model};
use crate::quantize::Ranges;

/// Translates a `.tflite` file whose activations are f32. Its weights are f32, f16, or int8 (dynamic-range quantization), and
/// become f32.
///
/// # Errors
/// The bytes are not such a file, or it holds something that is not supported; the message names the operator.
pub fn import_float(bytes: &[u8]) -> Result<Model> {
    let mut file = schema::parse(bytes)?;
    fold(&mut file)?;
    let mut conversion = Conversion::new(&file)?;
    for operator in &file.operators {
        conversion.operator(operator).with_context(|| operators::place(operator, &file.tensors))?;
    }
    conversion.finish()
}

/// Whether a file's first input is f32 and nothing is computed in int8, so that it is for [`import_float`].
///
/// # Errors
/// The bytes are not a model.
pub fn is_float(bytes: &[u8]) -> Result<bool> {
    let file = schema::parse(bytes)?;
    let input = file.inputs.first().is_some_and(|&input| file.tensors[input].dtype == Type::F32);
    let computed = file.operators.iter().flat_map(|operator| &operator.outputs).map(|&output| &file.tensors[output]);
    Ok(input && computed.into_iter().all(|tensor| !matches!(tensor.dtype, Type::I8 | Type::U8 | Type::I16)))
}

struct Conversion<'a> {
    file: &'a schema::Model<'a>,
    nodes: Vec<Node>,
    weights: Weights,
    /// The node that computes each tensor.
    names: HashMap<usize, String>,
    inputs: Vec<Input>,
}

impl<'a> Conversion<'a> {
    fn new(file: &'a schema::Model<'a>) -> Result<Self> {
        let mut names = HashMap::new();
        let &[input] = file.inputs.as_slice() else { bail!("{} inputs, expected one", file.inputs.len()) };
        names.insert(input, "input".to_owned());
        let inputs = vec![Input { name: "input".to_owned(), shape: without_batch(&file.tensors[input])? }];
        Ok(Self { file, nodes: Vec::new(), weights: Weights::new(), names, inputs })
    }

    fn tensor(&self, index: usize) -> &'a schema::Tensor<'a> {
        &self.file.tensors[index]
    }

    fn name(&self, index: usize) -> Result<String> {
        let found = self.names.get(&index).cloned();
        found.with_context(|| format!("\"{}\" is a constant or not computed yet", self.tensor(index).name))
    }

    /// Appends a node for the operator's output, and a rectifier where one is fused.
    fn push(&mut self, operator: &Operator<'_>, op: Op, inputs: Vec<String>, activation: i8) -> Result<String> {
        let name = format!("{}_{}", op.name(), self.nodes.len());
        self.nodes.push(Node { name: name.clone(), inputs, op });
        let fused = match activation {
            0 => None,
            1 => Some(Op::Relu),
            3 => Some(Op::Relu6),
            4 => Some(Op::Tanh),
            other => bail!("fused activation {other} is not supported"),
        };
        let output = operator.output()?;
        let last = match fused {
            None => name.clone(),
            Some(op) => {
                let last = format!("{}_{}", op.name(), self.nodes.len());
                self.nodes.push(Node { name: last.clone(), inputs: vec![name.clone()], op });
                last
            }
        };
        self.names.insert(output, last);
        Ok(name)
    }

    fn unary(&mut self, operator: &Operator<'_>, op: Op) -> Result<()> {
        let x = self.name(operator.input(0)?)?;
        self.push(operator, op, vec![x], 0).map(|_| ())
    }

    fn operator(&mut self, operator: &Operator<'_>) -> Result<()> {
        match operator.code {
            0 => self.binary(operator, Op::Add),
            18 => self.binary(operator, Op::Multiply),
            1 | 17 => self.pool(operator),
            2 => {
                let inputs = (0..operator.inputs.len()).map(|input| self.name(operator.input(input)?));
                let inputs = inputs.collect::<Result<_>>()?;
                let axis = operator.int(0, 0)?;
                let rank = self.tensor(operator.output()?).shape.len() as i32;
                let axis = if axis > 0 { axis - 1 } else { axis + rank - 1 };
                self.push(operator, Op::Concat { axis: axis as isize }, inputs, operator.byte(1)?).map(|_| ())
            }
            3 | 4 => self.convolution(operator),
            9 => self.dense(operator),
            14 => self.unary(operator, Op::Sigmoid),
            19 => self.unary(operator, Op::Relu),
            21 => self.unary(operator, Op::Relu6),
            22 | 43 | 70 => {
                let shape = without_batch(self.tensor(operator.output()?))?;
                self.unary(operator, Op::Reshape { shape })
            }
            25 => self.unary(operator, Op::Softmax),
            28 => self.unary(operator, Op::Tanh),
            34 => {
                let paddings = self.tensor(operator.input(1)?).integers()?;
                let &[0, 0, top, bottom, left, right, 0, 0] = paddings.as_slice() else {
                    bail!("paddings {paddings:?}: only images can be padded, in height and width");
                };
                let pad = [top, bottom, left, right].map(usize::try_from);
                let [Ok(top), Ok(bottom), Ok(left), Ok(right)] = pad else { bail!("a negative padding") };
                self.unary(operator, Op::ZeroPad2d { pad: [top, bottom, left, right] })
            }
            40 => {
                let axes = self.tensor(operator.input(1)?).integers()?;
                ensure!(axes == [1, 2], "a mean over {axes:?}: only over height and width it is supported");
                self.unary(operator, Op::GlobalAveragePool2d)
            }
            44 => self.lstm(operator),
            98 => self.unary(operator, Op::LeakyRelu { slope: f64::from(operator.float(0, 0.0)?) }),
            117 => self.unary(operator, Op::HardSwish),
            _ => bail!("it is not supported in float models; convert the model to int8 and import that"),
        }
    }

    fn binary(&mut self, operator: &Operator<'_>, op: Op) -> Result<()> {
        let inputs = vec![self.name(operator.input(0)?)?, self.name(operator.input(1)?)?];
        self.push(operator, op, inputs, operator.byte(0)?).map(|_| ())
    }

    fn pool(&mut self, operator: &Operator<'_>) -> Result<()> {
        let pair = |height: usize, width: usize| -> Result<Pair> {
            let [height, width] = [operator.positive(height, 0, "size")?, operator.positive(width, 0, "size")?];
            Ok(Pair([height as usize, width as usize]))
        };
        let (size, stride) = (pair(4, 3)?, Some(pair(2, 1)?));
        let padding = padding(operator)?;
        let op = match operator.code {
            1 => Op::AveragePool2d { size, stride, padding },
            _ => Op::MaxPool2d { size, stride, padding },
        };
        let x = self.name(operator.input(0)?)?;
        self.push(operator, op, vec![x], operator.byte(5)?).map(|_| ())
    }

    fn convolution(&mut self, operator: &Operator<'_>) -> Result<()> {
        let depthwise = operator.code == 4;
        let (x, filter) = (operator.input(0)?, self.tensor(operator.input(1)?));
        let &[filters, height, width, last] = filter.shape.as_slice() else {
            bail!("weights of shape {:?}, expected four dimensions", filter.shape);
        };
        let channels = *self.tensor(x).shape.last().context("the input has no dimension")?;
        let (dilation, activation) = if depthwise { ([6, 5], 4) } else { ([5, 4], 3) };
        let pair = |fields: [usize; 2]| -> Result<Pair> {
            let [down, across] = [operator.positive(fields[0], 1, "step")?, operator.positive(fields[1], 1, "step")?];
            Ok(Pair([down as usize, across as usize]))
        };
        let (stride, dilation, padding) = (pair([2, 1])?, pair(dilation)?, padding(operator)?);
        let kernel = Pair([height as usize, width as usize]);
        let bias = operator.optional(2).is_some();
        let op = if depthwise {
            ensure!(channels > 0 && last % channels == 0, "{last} filters for {channels} channels");
            Op::DepthwiseConv2d { kernel, multiplier: (last / channels) as usize, stride, dilation, padding, bias }
        } else {
            ensure!(last == channels, "filters of {last} channels on an input of {channels}");
            Op::Conv2d { filters: filters as usize, kernel, stride, dilation, padding, bias }
        };
        let x = self.name(x)?;
        let name = self.push(operator, op, vec![x], operator.byte(activation)?)?;
        self.parts(operator, &name)
    }

    fn dense(&mut self, operator: &Operator<'_>) -> Result<()> {
        let filter = self.tensor(operator.input(1)?);
        let &[units, inputs] = filter.shape.as_slice() else {
            bail!("weights of shape {:?}, expected two dimensions", filter.shape);
        };
        let mut x = self.name(operator.input(0)?)?;
        let shape = without_batch(self.tensor(operator.input(0)?))?;
        if shape != [inputs as usize] {
            let flat = format!("flatten_{}", self.nodes.len());
            self.nodes.push(Node { name: flat.clone(), inputs: vec![x], op: Op::Flatten });
            x = flat;
        }
        let bias = operator.optional(2).is_some();
        let name = self.push(operator, Op::Dense { units: units as usize, bias }, vec![x], operator.byte(0)?)?;
        self.parts(operator, &name)
    }

    /// The gates' rows follow one another here, in the order that the file has them in too: input, forget, new, output.
    fn lstm(&mut self, operator: &Operator<'_>) -> Result<()> {
        lstm::only_plain(operator)?;
        ensure!(operator.byte(0)? == 4, "fused activation {}, expected tanh", operator.byte(0)?);
        ensure!(operator.byte(3)? == 0, "time-major sequences are not supported in float models");
        // Converters write 10, which no cell that was trained without it comes near; our own cells saturate by calibration.
        let clip = operator.float(1, 0.0)?;
        ensure!(clip == 0.0 || clip >= 8.0, "a cell that is clipped to {clip} is not supported in float models");
        let x = operator.input(0)?;
        let inputs = *self.tensor(x).shape.last().context("the input has no dimension")? as usize;
        let units = *self.tensor(operator.output()?).shape.last().context("the output has no dimension")? as usize;
        let op = Op::Lstm { units, return_sequences: true, go_backwards: false };
        let x = self.name(x)?;
        let name = self.push(operator, op, vec![x], 0)?;
        let parts = [
            ("kernel", lstm::INPUT_WEIGHTS, vec![4 * units, inputs]),
            ("recurrent", lstm::RECURRENT_WEIGHTS, vec![4 * units, units]),
            ("bias", lstm::BIASES, vec![4 * units]),
        ];
        for (part, first, shape) in parts {
            let mut data = Vec::new();
            for gate in 0..4 {
                data.extend(
                    self.tensor(operator.input(first + gate)?).numbers().with_context(|| format!("the {part}"))?,
                );
            }
            let expected: usize = shape.iter().product();
            ensure!(data.len() == expected, "the {part} has {} numbers, expected {expected}", data.len());
            self.weights.insert(format!("{name}/{part}"), Tensor { shape, data });
        }
        Ok(())
    }

    /// Kernel and bias of a layer, in the layouts that graph and file have in common.
    fn parts(&mut self, operator: &Operator<'_>, name: &str) -> Result<()> {
        for (part, index) in [("kernel", operator.optional(1)), ("bias", operator.optional(2))] {
            let Some(index) = index else { continue };
            let data = self.tensor(index).numbers().with_context(|| format!("the {part}"))?;
            let shape = self.tensor(index).shape.iter().map(|&dim| dim as usize).collect();
            self.weights.insert(format!("{name}/{part}"), Tensor { shape, data });
        }
        Ok(())
    }

    fn finish(self) -> Result<Model> {
        let outputs = self.file.outputs.iter().map(|&output| self.name(output)).collect::<Result<Vec<_>>>()?;
        let name = if self.file.name.is_empty() { "imported".to_owned() } else { self.file.name.clone() };
        let graph = Graph { name, inputs: self.inputs, nodes: self.nodes, outputs };
        graph.shapes()?;
        let preprocess = Preprocess { gain: vec![1.0], offset: vec![0.0], range: None };
        Ok(Model {
            graph,
            weights: self.weights,
            meta: Meta { preprocess, classes: Vec::new(), front_end: None, masked: false, ranges: Ranges::new() },
        })
    }
}

fn padding(operator: &Operator<'_>) -> Result<Padding> {
    match operator.byte(0)? {
        0 => Ok(Padding::Same),
        1 => Ok(Padding::Valid),
        other => bail!("padding {other} is not known"),
    }
}

/// Graphs have no batch.
fn without_batch(tensor: &schema::Tensor<'_>) -> Result<Vec<usize>> {
    let [1, shape @ ..] = tensor.shape.as_slice() else {
        bail!("\"{}\" has shape {:?}, expected a batch of 1", tensor.name, tensor.shape);
    };
    Ok(shape.iter().map(|&dim| dim as usize).collect())
}
