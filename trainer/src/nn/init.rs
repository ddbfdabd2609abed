//! First weights.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

use crate::graph::{Graph, Op, Shapes, Tensor, Weights};

/// How kernels are drawn. Biases, `beta` and `mean` start at 0, `gamma` and `variance` at 1.
///
/// As in Keras, the kernel of a recurrent layer's state has orthonormal columns, so that states neither grow nor fade over
/// many steps (Saxe et al. 2014), and the bias of an lstm's forget gate is 1 (Jozefowicz et al. 2015).
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
            ("gamma" | "variance", _) | ("kernel" | "recurrent" | "bias", Initializer::Ones) => vec![1.0; len],
            ("kernel", _) => {
                let limit = limit(&shape, initializer);
                (0..len).map(|_| rng.random_range(-limit..limit)).collect()
            }
            ("recurrent", _) => orthonormal_columns(shape[0], shape[1], &mut rng),
            _ => vec![0.0; len],
        };
        (name, Tensor { shape, data })
    };
    let mut weights: Weights = graph.weight_shapes(shapes).into_iter().map(fill).collect();
    for node in &graph.nodes {
        if let (Op::Lstm { units, .. }, Some(bias)) = (&node.op, weights.get_mut(&format!("{}/bias", node.name))) {
            bias.data[*units..2 * units].fill(1.0);
        }
    }
    weights
}

/// Gram and Schmidt's process on columns of normally distributed numbers; row-major.
fn orthonormal_columns(rows: usize, columns: usize, rng: &mut StdRng) -> Vec<f32> {
    let mut done: Vec<Vec<f64>> = Vec::new();
    while done.len() < columns {
        let mut column: Vec<f64> = (0..rows).map(|_| rng.sample(StandardNormal)).collect();
        for other in &done {
            let along: f64 = column.iter().zip(other).map(|(a, b)| a * b).sum();
            column.iter_mut().zip(other).for_each(|(a, b)| *a -= along * b);
        }
        let length = column.iter().map(|a| a * a).sum::<f64>().sqrt();
        column.iter_mut().for_each(|a| *a /= length);
        done.push(column);
    }
    (0..rows * columns).map(|index| done[index % columns][index / columns] as f32).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_of_states_keep_lengths_and_angles() {
        let (rows, columns) = (12, 4);
        let matrix = orthonormal_columns(rows, columns, &mut StdRng::seed_from_u64(1));
        for a in 0..columns {
            for b in 0..columns {
                let product: f32 = (0..rows).map(|row| matrix[row * columns + a] * matrix[row * columns + b]).sum();
                // Sums of twelve products of f32 below 1.
                assert!((product - f32::from(u8::from(a == b))).abs() < 1e-6, "{a} {b}: {product}");
            }
        }
    }
}
