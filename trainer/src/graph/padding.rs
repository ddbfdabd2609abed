//! Which values of a network stand behind the end of a sequence that is shorter than its place, and whether layers may see them.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use super::{Graph, Node, Op};

impl Graph {
    /// Names of the values that are padded in time where the input is: from there on a recurrent layer and a global pool take what is
    /// there alone, layers of single steps and those that look back go on.
    ///
    /// # Errors
    /// A layer would see what is behind the end; the message names it and what can stand in its place.
    pub fn padded(&self) -> Result<BTreeSet<String>> {
        let mut padded: BTreeSet<String> = self.inputs.iter().map(|input| input.name.clone()).collect();
        let shapes = self.shapes()?;
        for node in &self.nodes {
            let count = node.inputs.iter().filter(|name| padded.contains(*name)).count();
            if count == 0 {
                continue;
            }
            let is_sequence = node.inputs.iter().all(|name| shapes[name].len() >= 2);
            if !is_sequence || count < node.inputs.len() || !stays_behind(node) {
                bail!(
                    "layer \"{}\" ({}) would see what is behind the end of a masked sequence: only recurrent layers, global \
                     pools, causal convolutions without stride and layers of single steps take one",
                    node.name,
                    node.op.name()
                );
            }
            let ends = matches!(node.op, Op::GlobalMaxPool2d | Op::GlobalAveragePool2d)
                || node.op.recurrence().is_some_and(|layer| !layer.return_sequences);
            if !ends {
                padded.insert(node.name.clone());
            }
        }
        Ok(padded)
    }
}

/// Whether no step of what is there depends on one behind it.
fn stays_behind(node: &Node) -> bool {
    match &node.op {
        Op::Conv2d { kernel, stride, dilation, padding, .. }
        | Op::DepthwiseConv2d { kernel, stride, dilation, padding, .. } => {
            let reach = (kernel.0[0] - 1) * dilation.0[0] + 1;
            // For a length that no padding of its own depends on.
            stride.0[0] == 1 && padding.along(0, reach, reach, 1) == [reach - 1, 0]
        }
        Op::Delta { centered, .. } => !centered,
        Op::Concat { axis } => *axis != 0,
        op if op.recurrence().is_some() => true,
        Op::GlobalMaxPool2d | Op::GlobalAveragePool2d => true,
        Op::Dense { .. }
        | Op::BatchNorm { .. }
        | Op::Relu
        | Op::Relu6
        | Op::LeakyRelu { .. }
        | Op::Sigmoid
        | Op::Tanh
        | Op::HardSwish
        | Op::Softmax
        | Op::Dropout { .. }
        | Op::Add
        | Op::Multiply
        | Op::ArgMax => true,
        _ => false,
    }
}
