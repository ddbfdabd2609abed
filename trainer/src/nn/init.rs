//! First weights.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::graph::{Graph, Shapes, Tensor, Weights};

/// How kernels are drawn. Biases, `beta` and `mean` start at 0, `gamma` and `variance` at 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initializer {
    /// Uniform in ±sqrt(6 / (fan_in + fan_out)): Glorot and Bengio 2010, the default of Keras.
    #[default]
    GlorotUniform,
    /// Uniform in ±sqrt(6 / fan_in): He et al. 2015, for rectifiers.
    HeUniform,
    /// All 1, kernels and biases: for examples worked by hand.
    Ones,
}

/// Draws all weights of a graph; the same seed gives the same numbers.
#[must_use]
pub fn initialize(graph: &Graph, shapes: &Shapes, initializer: Initializer, seed: u64) -> Weights {
    let mut rng = StdRng::seed_from_u64(seed);
    let fill = |(name, shape): (String, Vec<usize>)| {
        let len = shape.iter().product();
        let part = name.rsplit('/').next().unwrap_or_default();
        let data = match (part, initializer) {
            ("gamma" | "variance", _) | ("kernel" | "bias", Initializer::Ones) => vec![1.0; len],
            ("kernel", _) => {
                let limit = limit(&shape, initializer);
                (0..len).map(|_| rng.random_range(-limit..limit)).collect()
            }
            _ => vec![0.0; len],
        };
        (name, Tensor { shape, data })
    };
    graph.weight_shapes(shapes).into_iter().map(fill).collect()
}

fn limit(shape: &[usize], initializer: Initializer) -> f32 {
    // Out, taps, in. A depthwise kernel is 1, height, width, channels: each output sees the taps of one channel, which is
    // what Keras counts as channels in and multiplier out.
    let [out, inputs] = [shape[0], shape[shape.len() - 1]];
    let taps: usize = shape[1..shape.len() - 1].iter().product();
    let (fan_in, fan_out) = (taps * inputs, taps * out);
    let fan = if initializer == Initializer::HeUniform { fan_in } else { fan_in + fan_out };
    (6.0 / fan as f32).sqrt()
}
