//! Losses.

use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;
use serde::{Deserialize, Serialize};

/// What training makes small. Both are averages over the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// `−Σ_c t_c · log softmax(z)_c` with the target's probabilities `t` and the scores `z` before any softmax.
    CrossEntropy,
    /// `Σ_c (y_c − t_c)² / C`.
    MeanSquaredError,
    /// `½ · Σ_c (y_c − t_c)²`: the form that textbooks differentiate.
    HalfSquaredError,
}

impl Loss {
    /// The loss of a batch, as one number. Shapes: batch, classes or values.
    #[must_use]
    pub fn forward(self, output: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
        let [batch, values] = output.dims();
        let sum = match self {
            Self::CrossEntropy => (log_softmax(output, 1) * target).sum().neg(),
            Self::MeanSquaredError => (output - target).square().sum() / values as f64,
            Self::HalfSquaredError => (output - target).square().sum() / 2.0,
        };
        sum / batch as f64
    }
}
