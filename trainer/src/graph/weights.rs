//! Weights by name, in the layouts of TensorFlow Lite.

use std::collections::BTreeMap;

use super::{Graph, Op, Shapes};

/// Numbers with a shape, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Dimensions, outermost first.
    pub shape: Vec<usize>,
    /// The numbers.
    pub data: Vec<f32>,
}

/// The weights of a graph, named `node/part`.
///
/// | part | shape |
/// |---|---|
/// | `kernel` of conv2d | out, kernel height, kernel width, in |
/// | `kernel` of depthwise_conv2d | 1, kernel height, kernel width, in · multiplier |
/// | `kernel` of dense | out, in |
/// | `kernel`, `recurrent` of simple_rnn, lstm, gru | gates · units, in; gates · units, units |
/// | `bias` | out |
/// | `bias`, `recurrent_bias` (gru with its reset behind) | gates · units |
/// | `gamma`, `beta`, `mean`, `variance` of batch_norm | channels |
///
/// Gates follow one another: input, forget, new, output of an lstm; reset, update, new of a gru.
pub type Weights = BTreeMap<String, Tensor>;

impl Graph {
    /// The name and shape of every weight that the graph has.
    #[must_use]
    pub fn weight_shapes(&self, shapes: &Shapes) -> Vec<(String, Vec<usize>)> {
        let mut all = Vec::new();
        for node in &self.nodes {
            let channels = |name: &String| shapes[name].last().copied().unwrap_or(1);
            let (inputs, outputs) = (channels(&node.inputs[0]), channels(&node.name));
            let mut push = |part: &str, shape: Vec<usize>| all.push((format!("{}/{part}", node.name), shape));
            let with_bias = match &node.op {
                Op::Conv2d { kernel: size, bias, .. } => {
                    push("kernel", vec![outputs, size.0[0], size.0[1], inputs]);
                    *bias
                }
                Op::DepthwiseConv2d { kernel: size, bias, .. } => {
                    push("kernel", vec![1, size.0[0], size.0[1], outputs]);
                    *bias
                }
                Op::Dense { bias, .. } => {
                    push("kernel", vec![outputs, inputs]);
                    *bias
                }
                Op::BatchNorm { .. } => {
                    ["gamma", "beta", "mean", "variance"].iter().for_each(|part| push(part, vec![outputs]));
                    false
                }
                op => {
                    if let Some(recurrence) = op.recurrence() {
                        let rows = recurrence.rows();
                        push("kernel", vec![rows, inputs]);
                        push("recurrent", vec![rows, recurrence.units]);
                        push("bias", vec![rows]);
                        if recurrence.has_recurrent_bias() {
                            push("recurrent_bias", vec![rows]);
                        }
                    }
                    false
                }
            };
            if with_bias {
                push("bias", vec![outputs]);
            }
        }
        all
    }
}
