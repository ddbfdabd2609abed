//! The learning-rate range test: which rate a recipe can be trained with (Smith 2017, "Cyclical learning rates for training neural
//! networks", arXiv:1506.01186), with rates that grow exponentially instead of linearly.
//!
//! Step `i` of `n` has the rate `r_i = r_min · (r_max / r_min)^(i / (n − 1))`. The loss is smoothed by a moving average without bias,
//! `s_i = Σ_j β^(i−j) · L_j / Σ_j β^(i−j)` over the steps `j ≤ i`, and the test ends where `s` is four times its smallest value, or the loss is no number.

use anyhow::{Result, ensure};
use serde::Serialize;

use super::batch::batches;
use super::session::Options;
use super::trainer::Trainer;
use crate::data::Loaded;
use crate::recipe::Recipe;

/// From where no network learns to where every one diverges.
const RATES: [f64; 2] = [1e-6, 10.0];

/// 28 steps for each factor of ten.
const STEPS: usize = 200;

/// `β`: a mean over about ten steps, a third of a factor of ten.
const SMOOTHING: f64 = 0.9;

/// What ends the test, as a factor of the smallest smoothed loss.
const DIVERGED: f64 = 4.0;

/// What the suggested rate is of that with the smallest smoothed loss: there it already stops to fall.
const SUGGESTED: f64 = 0.1;

/// A step of the test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Learning rate.
    pub rate: f64,
    /// Loss of the batch.
    pub loss: f64,
    /// Moving average of the losses so far.
    pub smoothed: f64,
}

/// What the test gave.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RangeTest {
    /// A tenth of the rate with the smallest smoothed loss.
    pub suggestion: f64,
    /// The rate with the smallest smoothed loss.
    pub lowest: f64,
    /// The rate where the test ended because the loss grew; `None` if it never did.
    pub diverged: Option<f64>,
    /// Step by step.
    pub points: Vec<Point>,
}

/// Trains the recipe's network for some steps with higher and higher rates, whatever its own rate and schedule are. The network is thrown
/// away; nothing is written.
///
/// # Errors
/// The recipe does not fit the data, or the loss never falls.
pub fn find_learning_rate(recipe: &Recipe, data: &Loaded) -> Result<RangeTest> {
    let options = Options { quiet: true, ..Options::default() };
    let mut trainer = Trainer::new(recipe.clone(), data, &options)?;
    let mut points = Vec::new();
    for epoch in 1.. {
        let (order, seeds) = trainer.plan(epoch);
        for (batch, &seed) in batches(&order, recipe.train.batch).zip(&seeds) {
            let rate = rate(points.len());
            let (loss, _) = trainer.step(batch, rate, seed)?;
            if !loss.is_finite() {
                return judge(points, Some(rate));
            }
            points.push(Point { rate, loss, smoothed: smoothed(&points, loss) });
            if has_diverged(&points) {
                return judge(points, Some(rate));
            }
            if points.len() == STEPS {
                return judge(points, None);
            }
        }
    }
    unreachable!("an epoch has at least one step")
}

fn rate(step: usize) -> f64 {
    let [low, high] = RATES;
    low * (high / low).powf(step as f64 / (STEPS - 1) as f64)
}

/// The moving average with one more loss.
fn smoothed(points: &[Point], loss: f64) -> f64 {
    let weight = |steps: usize| (1.0 - SMOOTHING.powi(steps as i32)) / (1.0 - SMOOTHING);
    let before = points.last().map_or(0.0, |last| last.smoothed * weight(points.len()));
    (SMOOTHING * before + loss) / weight(points.len() + 1)
}

fn lowest(points: &[Point]) -> Option<&Point> {
    points.iter().min_by(|a, b| a.smoothed.total_cmp(&b.smoothed))
}

fn has_diverged(points: &[Point]) -> bool {
    let ends = lowest(points).zip(points.last());
    ends.is_some_and(|(lowest, last)| last.smoothed > DIVERGED * lowest.smoothed)
}

fn judge(points: Vec<Point>, diverged: Option<f64>) -> Result<RangeTest> {
    let first = points.first().map_or(f64::NAN, |point| point.smoothed);
    let lowest = lowest(&points).filter(|point| point.smoothed < first).map(|point| point.rate);
    ensure!(
        lowest.is_some(),
        "the loss never falls below the {first:.4} of the first step, at no learning rate: look at the data, its scaling and the \
         last layer"
    );
    let lowest = lowest.unwrap_or_default();
    Ok(RangeTest { suggestion: SUGGESTED * lowest, lowest, diverged, points })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(losses: &[f64]) -> Vec<Point> {
        let mut points = Vec::new();
        for (step, &loss) in losses.iter().enumerate() {
            points.push(Point { rate: rate(step), loss, smoothed: smoothed(&points, loss) });
        }
        points
    }

    #[test]
    fn rates_and_averages_are_those_of_the_equations() {
        assert!((rate(0) - 1e-6).abs() < 1e-18 && (rate(STEPS - 1) - 10.0).abs() < 1e-9);
        let factor = rate(1) / rate(0);
        assert!((rate(100) / rate(99) - factor).abs() < 1e-9);
        // (0.9 · 4 + 2) / 1.9 and (0.81 · 4 + 0.9 · 2 + 3) / 2.71.
        let found = points(&[4.0, 2.0, 3.0]);
        let expected = [4.0, 5.6 / 1.9, 8.04 / 2.71];
        found.iter().zip(expected).for_each(|(point, s)| assert!((point.smoothed - s).abs() < 1e-12, "{point:?} {s}"));
    }

    #[test]
    fn the_suggestion_is_a_tenth_of_the_lowest_and_growth_ends_the_test() {
        let mut losses = vec![2.0; 20];
        losses.extend([1.0; 30]);
        losses.extend([1.5; 5]);
        let found = judge(points(&losses), None).unwrap();
        assert_eq!(found.lowest, rate(49));
        assert!((found.suggestion - rate(49) / 10.0).abs() < 1e-12);
        assert!(!has_diverged(&points(&losses)));
        losses.extend([40.0; 2]);
        assert!(has_diverged(&points(&losses)));
        let found = judge(points(&[1.0, 1.0, 2.0]), None).unwrap_err().to_string();
        assert!(found.contains("never falls below the 1.0000"), "{found}");
    }
}
