//! Which values a tensor of the program can have: the one place that training with fake quantization and the exporter ask.

use std::collections::BTreeMap;

use super::scale::{PROBABILITY, Quant};
use crate::graph::{Graph, Node, Op};

/// Tanh and recurrent layers: −1 to 127/128.
pub(super) const SYMMETRIC: Quant = Quant { scale: 1.0 / 128.0, zero_point: 0 };

/// Smallest and largest value of a tensor, for those whose range is measured.
pub type Ranges = BTreeMap<String, [f32; 2]>;

/// How the quantization of a node's output is found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Grid {
    /// From the range of its values.
    Measured,
    /// Always the same.
    Fixed(Quant),
    /// That of its input.
    OfInput,
    /// The rectifier behind it is a part of the same step: nobody sees what is in between.
    Fused,
    /// It is no tensor of int8.
    Index,
}

/// The grid of a node of a folded graph.
pub(super) fn grid(graph: &Graph, node: &Node) -> Grid {
    match &node.op {
        Op::Conv2d { .. } | Op::DepthwiseConv2d { .. } | Op::Dense { .. } | Op::Add | Op::Multiply => {
            if rectifier(graph, node).is_some() { Grid::Fused } else { Grid::Measured }
        }
        Op::Delta { .. }
        | Op::Concat { .. }
        | Op::Relu
        | Op::Relu6
        | Op::LeakyRelu { .. }
        | Op::HardSwish
        | Op::BatchNorm { .. }
        | Op::Dropout { .. } => Grid::Measured,
        Op::Sigmoid | Op::Softmax => Grid::Fixed(PROBABILITY),
        Op::Tanh | Op::SimpleRnn { .. } | Op::Lstm { .. } | Op::Gru { .. } => Grid::Fixed(SYMMETRIC),
        Op::MaxPool2d { .. }
        | Op::AveragePool2d { .. }
        | Op::GlobalMaxPool2d
        | Op::GlobalAveragePool2d
        | Op::Flatten
        | Op::Reshape { .. }
        | Op::ZeroPad2d { .. } => Grid::OfInput,
        Op::ArgMax => Grid::Index,
    }
}

/// The rectifier that alone reads `node` and can be a clamp of its output.
pub(super) fn rectifier<'a>(graph: &'a Graph, node: &Node) -> Option<&'a Node> {
    let reader = graph.nodes.iter().find(|reader| reader.inputs == [node.name.clone()])?;
    Some(reader).filter(|reader| matches!(reader.op, Op::Relu | Op::Relu6)).filter(|_| graph.readers(&node.name) == 1)
}

/// The quantization of every input and node that has one, from the ranges of those that are measured.
pub(super) fn quants(graph: &Graph, ranges: &Ranges) -> BTreeMap<String, Quant> {
    let measured = |name: &String| ranges.get(name).map(|&range| Quant::of_range(range));
    let inputs = graph.inputs.iter().filter_map(|input| Some((input.name.clone(), measured(&input.name)?)));
    let mut quants: BTreeMap<String, Quant> = inputs.collect();
    for node in &graph.nodes {
        let quant = match grid(graph, node) {
            Grid::Measured => measured(&node.name),
            Grid::Fixed(quant) => Some(quant),
            Grid::OfInput => quants.get(&node.inputs[0]).copied(),
            Grid::Fused | Grid::Index => None,
        };
        quants.extend(quant.map(|quant| (node.name.clone(), quant)));
    }
    quants
}
