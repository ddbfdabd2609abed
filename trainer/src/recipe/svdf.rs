//! Singular value decomposition filters: layers over time that cost little, for networks that listen all the time.
//!
//! `y_t[u] = b[u] + Σ_r Σ_m β[u, r, m] · (α[u, r] · x_{t−m})` for ranks `r`, steps `m` of 0 to `memory − 1`, and zeros before the
//! sequence: a filter over features and time as a sum of products of one over features and one over time. (Nakkiran et al.,
//! "Compressing deep neural networks using a rank-constrained topology", 2015.)
//!
//! In a graph it is a dense layer without bias and a causal depthwise convolution for each rank, and their sum: what trains,
//! quantizes and streams these does so with it.

use anyhow::{Result, anyhow, ensure};
use serde::Deserialize;

use crate::graph::{Node, Op, Padding, Pair};

/// The operator, as recipes write it.
pub(super) const NAME: &str = "svdf";

/// Its parameters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Svdf {
    /// Outputs.
    units: usize,
    /// Products that are summed for each.
    #[serde(default = "one")]
    rank: usize,
    /// Steps that it looks at, the last ones.
    memory: usize,
}

const fn one() -> usize {
    1
}

impl Svdf {
    pub(super) fn parse(mut table: toml::Table) -> Result<Self> {
        table.remove("op");
        let svdf: Self = table.try_into().map_err(|error: toml::de::Error| anyhow!("{}", error.message()))?;
        let Self { units, rank, memory } = svdf;
        ensure!(units > 0 && rank > 0 && memory > 0, "units, rank and memory must be at least 1");
        Ok(svdf)
    }

    /// The layers that it is, the last of them of this name.
    pub(super) fn nodes(&self, name: &str, inputs: &[String]) -> Vec<Node> {
        let node = |name: String, inputs: Vec<String>, op| Node { name, inputs, op };
        let mut nodes = Vec::new();
        for rank in 0..self.rank {
            let (features, filtered) = (format!("{name}_features_{rank}"), format!("{name}_filtered_{rank}"));
            nodes.push(node(features.clone(), inputs.to_vec(), Op::Dense { units: self.units, bias: false }));
            nodes.push(node(filtered, vec![features], self.over_time(rank == 0)));
            if rank > 0 {
                let sum = [2, 0].map(|back| nodes[nodes.len() - 1 - back].name.clone());
                // The sum so far stands in front of the two that are new.
                nodes.push(node(format!("{name}_sum_{rank}"), sum.to_vec(), Op::Add));
            }
        }
        nodes.last_mut().into_iter().for_each(|last| last.name = name.to_owned());
        nodes
    }

    fn over_time(&self, bias: bool) -> Op {
        Op::DepthwiseConv2d {
            kernel: Pair([self.memory, 1]),
            multiplier: 1,
            stride: Pair::one(),
            dilation: Pair::one(),
            padding: Padding::Explicit([self.memory - 1, 0, 0, 0]),
            bias,
        }
    }
}
