//! The learning rate over time: a pure function of the step, so that a resumed run goes on with the same rate.

use serde::{Deserialize, Serialize};

const fn gamma() -> f64 {
    0.1
}

/// How the rate changes, as a factor of the recipe's learning rate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// Not at all.
    #[default]
    Constant,
    /// `gamma^(epoch / epochs)`, rounded down.
    Step {
        /// Epochs at the same rate.
        epochs: usize,
        /// Factor between them.
        #[serde(default = "gamma")]
        gamma: f64,
    },
    /// `gamma^epoch`, without steps.
    Exponential {
        /// Factor from one epoch to the next.
        gamma: f64,
    },
    /// `½ (1 + cos(π · t))`, `t` from 0 to 1 over the run: Loshchilov and Hutter 2017.
    Cosine {
        /// Share of the run that the rate rises linearly from 0 before.
        #[serde(default)]
        warmup: f64,
    },
}

impl Schedule {
    /// The factor at a step, of `steps` per epoch and `epochs` in all.
    #[must_use]
    pub fn factor(&self, step: usize, steps: usize, epochs: usize) -> f64 {
        let epoch = step as f64 / steps.max(1) as f64;
        match *self {
            Self::Constant => 1.0,
            Self::Step { epochs, gamma } => gamma.powi((epoch as usize / epochs.max(1)) as i32),
            Self::Exponential { gamma } => gamma.powf(epoch),
            Self::Cosine { warmup } => {
                let t = epoch / epochs.max(1) as f64;
                if t < warmup {
                    return t / warmup;
                }
                0.5 * (1.0 + (std::f64::consts::PI * (t - warmup) / (1.0 - warmup)).cos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_what_their_equations_say() {
        let step = Schedule::Step { epochs: 2, gamma: 0.5 };
        assert_eq!([0, 19, 20, 40].map(|s| step.factor(s, 10, 6)), [1.0, 1.0, 0.5, 0.25]);
        let cosine = Schedule::Cosine { warmup: 0.5 };
        assert_eq!([0, 5, 10].map(|s| cosine.factor(s, 10, 2)), [0.0, 0.5, 1.0]);
        assert!((cosine.factor(15, 10, 2) - 0.5).abs() < 1e-12);
        assert_eq!(Schedule::Exponential { gamma: 0.25 }.factor(5, 10, 1), 0.5);
    }
}
