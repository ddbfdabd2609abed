//! The live view of a run: how far it is, how long it will take, and whether it still learns.

use std::time::{Duration, Instant};

use indicatif::{FormattedDuration, ProgressBar, ProgressStyle};

use super::epoch::Epoch;
use super::progress::Now;

/// How often it is drawn.
const PERIOD: Duration = Duration::from_millis(50);

/// Epochs of a sparkline.
const WIDTH: usize = 16;

/// A bar for the steps of the epoch, and lines of numbers with the curves of the epochs behind them.
pub(super) struct Dashboard {
    bar: ProgressBar,
    epochs: usize,
    /// What every epoch gave, and which was the best.
    history: Vec<Epoch>,
    best: usize,
    started: Instant,
    /// Steps of this run, and when the epoch began.
    steps: usize,
    epoch: Instant,
    samples: usize,
    drawn: Option<Instant>,
}

impl Dashboard {
    pub fn new(epochs: usize) -> Self {
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {eta} left\n{msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let now = Instant::now();
        let (history, best) = (Vec::new(), 0);
        Self { bar, epochs, history, best, started: now, steps: 0, epoch: now, samples: 0, drawn: None }
    }

    /// Begins an epoch of so many steps, of which some are done.
    pub fn begin(&mut self, history: &[Epoch], best: usize, steps: usize, done: usize) {
        self.history = history.to_vec();
        self.best = best;
        // However short the epochs, each shows its numbers once.
        (self.epoch, self.samples, self.drawn) = (Instant::now(), 0, None);
        self.bar.reset();
        self.bar.set_length(steps as u64);
        self.bar.set_position(done as u64);
        self.bar.set_prefix(format!("epoch {}/{}", history.len() + 1, self.epochs));
    }

    /// Takes note of a step.
    pub fn step(&mut self, now: &Now) {
        self.steps += 1;
        self.samples += now.samples;
        if self.drawn.is_none_or(|drawn| drawn.elapsed() >= PERIOD) {
            self.drawn = Some(Instant::now());
            self.bar.set_message(self.lines(now));
        }
        self.bar.inc(1);
    }

    /// Says a line above the view.
    pub fn say(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    fn lines(&self, now: &Now) -> String {
        let percent = |share: f64| format!("{:.2} %", 100.0 * share);
        let number = |loss: f64| format!("{loss:.4}");
        let validation_loss = self.series(|epoch| epoch.validation_loss);
        let validation_accuracy = self.series(|epoch| epoch.validation_accuracy);
        let mut loss = self.series(|epoch| Some(epoch.loss));
        loss.push(now.loss);
        let mut lines = vec![row("loss", &loss, &validation_loss, number)];
        if let Some(share) = now.accuracy {
            let mut accuracy = self.series(|epoch| epoch.accuracy);
            accuracy.push(share);
            lines.push(row("accuracy", &accuracy, &validation_accuracy, percent));
        }
        lines.push(format!(
            "learning rate {:.2e}, {:.0} samples/s, {} left in all",
            now.rate,
            self.speed(),
            self.left()
        ));
        let best = self.history.get(self.best.wrapping_sub(1)).and_then(|epoch| epoch.validation_loss);
        lines.extend(best.map(|loss| format!("best epoch {}, validation loss {loss:.4}", self.best)));
        lines.join("\n")
    }

    fn series(&self, value: impl Fn(&Epoch) -> Option<f64>) -> Vec<f64> {
        self.history.iter().filter_map(value).collect()
    }

    /// Samples per second of this epoch.
    fn speed(&self) -> f64 {
        self.samples as f64 / self.epoch.elapsed().as_secs_f64().max(1e-9)
    }

    /// Time to the last epoch, validation included: what a step has taken in this run, for those that are left.
    fn left(&self) -> FormattedDuration {
        let (at, steps) = (self.bar.position(), self.bar.length().unwrap_or(0));
        let after = self.epochs.saturating_sub(self.history.len() + 1) as u64;
        let left = steps.saturating_sub(at) + after * steps;
        let per_step = self.started.elapsed().as_secs_f64() / self.steps.max(1) as f64;
        FormattedDuration(Duration::from_secs_f64(per_step * left as f64))
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A value's last number and curve, in training and, where there is such, on the validation samples.
fn row(name: &str, train: &[f64], validation: &[f64], show: impl Fn(f64) -> String) -> String {
    let part = |series: &[f64]| series.last().map(|&last| format!("{:>9} {:WIDTH$}", show(last), sparkline(series)));
    let validation = part(validation).map_or(String::new(), |part| format!("  validation {part}"));
    format!("{name:8} {}{validation}", part(train).unwrap_or_default())
}

/// The last values as blocks from the least to the greatest of them.
fn sparkline(values: &[f64]) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let shown = &values[values.len().saturating_sub(WIDTH)..];
    let finite = || shown.iter().copied().filter(|value| value.is_finite());
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    let block = |&value: &f64| match (value - low) / (high - low) {
        _ if !value.is_finite() => '!',
        t if t.is_finite() => BLOCKS[(t * 7.0).round() as usize],
        _ => BLOCKS[0],
    };
    shown.iter().map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_reach_from_the_least_to_the_greatest_value() {
        assert_eq!(sparkline(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]), "▁▂▃▄▅▆▇█");
        assert_eq!(sparkline(&[3.0, 3.0]), "▁▁");
        assert_eq!(sparkline(&[1.0, f64::NAN, 2.0]), "▁!█");
        assert_eq!(sparkline(&[]), "");
        let many: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!(sparkline(&many).chars().count(), WIDTH);
    }

    #[test]
    fn a_row_has_the_last_numbers_of_both_sets() {
        let found = row("loss", &[2.0, 1.0], &[3.0], |loss| format!("{loss:.4}"));
        assert_eq!(found, "loss        1.0000 █▁                validation    3.0000 ▁               ");
    }
}
