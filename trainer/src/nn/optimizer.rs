//! Optimizers, by name and with the parameters that recipes give them.

use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, AdamWConfig, ModuleOptimizer, SgdConfig};
use serde::{Deserialize, Serialize};

const fn momentum() -> f64 {
    0.0
}

const fn beta_1() -> f32 {
    0.9
}

const fn beta_2() -> f32 {
    0.999
}

const fn epsilon() -> f32 {
    1e-7
}

const fn weight_decay() -> f32 {
    0.004
}

/// How gradients change weights. Defaults are those of Keras.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum Optimizer {
    /// `v ← momentum · v + g; w ← w − rate · v`.
    Sgd {
        /// Share of the last change that goes on, in [0, 1).
        #[serde(default = "momentum")]
        momentum: f64,
        /// Whether the gradient is looked up ahead (Nesterov).
        #[serde(default)]
        nesterov: bool,
    },
    /// Kingma and Ba 2015.
    Adam {
        /// Decay of the mean of the gradient.
        #[serde(default = "beta_1")]
        beta_1: f32,
        /// Decay of the mean of its square.
        #[serde(default = "beta_2")]
        beta_2: f32,
        /// Added to the denominator.
        #[serde(default = "epsilon")]
        epsilon: f32,
    },
    /// Adam with decoupled weight decay: Loshchilov and Hutter 2019.
    #[serde(rename = "adamw")]
    AdamW {
        /// Decay of the mean of the gradient.
        #[serde(default = "beta_1")]
        beta_1: f32,
        /// Decay of the mean of its square.
        #[serde(default = "beta_2")]
        beta_2: f32,
        /// Added to the denominator.
        #[serde(default = "epsilon")]
        epsilon: f32,
        /// Share of each weight that is taken away, times the rate.
        #[serde(default = "weight_decay")]
        weight_decay: f32,
    },
}

impl Optimizer {
    /// The optimizer with no state yet. `weight_decay` adds `decay · w` to each gradient (L2), for SGD and Adam.
    #[must_use]
    pub fn build(&self, l2: f32) -> ModuleOptimizer {
        let decay = (l2 > 0.0).then(|| WeightDecayConfig::new(l2));
        match *self {
            Self::Sgd { momentum, nesterov } => {
                let config = MomentumConfig::new().with_momentum(momentum).with_dampening(0.0).with_nesterov(nesterov);
                let momentum = (momentum > 0.0).then_some(config);
                SgdConfig::new().with_momentum(momentum).with_weight_decay(decay).init()
            }
            Self::Adam { beta_1, beta_2, epsilon } => AdamConfig::new()
                .with_beta_1(beta_1)
                .with_beta_2(beta_2)
                .with_epsilon(epsilon)
                .with_weight_decay(decay)
                .init(),
            Self::AdamW { beta_1, beta_2, epsilon, weight_decay } => AdamWConfig::new()
                .with_beta_1(beta_1)
                .with_beta_2(beta_2)
                .with_epsilon(epsilon)
                .with_weight_decay(weight_decay)
                .init(),
        }
    }
}
