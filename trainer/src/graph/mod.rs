//! A network as data: named nodes with plain parameters, any directed acyclic graph.
//!
//! Recipes and importers make it, burn trains it, the quantizer lowers it. Shapes are without the batch and NHWC.

mod op;
mod padding;
mod shape;
mod weights;

use serde::{Deserialize, Serialize};

pub use op::{Op, Padding, Pair, Recurrence};
pub(crate) use op::{delta_padding, delta_taps, delta_unit};
pub use shape::Shapes;
pub(crate) use shape::resolve_axis;
pub use weights::{Tensor, Weights};

/// A network without weights. Nodes stand in an order in which each comes after its inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Graph {
    /// Name of the network.
    pub name: String,
    /// What it is given.
    pub inputs: Vec<Input>,
    /// What it computes.
    pub nodes: Vec<Node>,
    /// Names of the nodes that it answers.
    pub outputs: Vec<String>,
}

/// An input of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Unique name.
    pub name: String,
    /// Shape without the batch: height, width, channels; time, channels; or one number.
    pub shape: Vec<usize>,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Unique name.
    pub name: String,
    /// Names of the inputs or nodes that it reads.
    pub inputs: Vec<String>,
    /// What it does.
    pub op: Op,
}

impl Graph {
    /// The node with this name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// How many nodes and outputs read `name`.
    #[must_use]
    pub fn readers(&self, name: &str) -> usize {
        let nodes = self.nodes.iter().flat_map(|node| &node.inputs);
        nodes.chain(&self.outputs).filter(|input| *input == name).count()
    }
}
