//! Progress on the terminal: a bar with live numbers, or one line per epoch where there is no terminal.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

use super::epoch::Epoch;

pub(super) struct Progress {
    bar: ProgressBar,
    quiet: bool,
    epochs: usize,
}

impl Progress {
    pub fn new(epochs: usize, quiet: bool) -> Self {
        let bar = if quiet || !std::io::stderr().is_terminal() { ProgressBar::hidden() } else { ProgressBar::new(0) };
        let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg} {eta}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, quiet, epochs }
    }

    pub fn begin(&self, epoch: usize, steps: usize) {
        self.bar.reset();
        self.bar.set_length(steps as u64);
        self.bar.set_prefix(format!("epoch {epoch}/{}", self.epochs));
    }

    pub fn step(&self, loss: f64, accuracy: Option<f64>) {
        let accuracy = accuracy.map_or(String::new(), |accuracy| format!(" accuracy {:.2} %", 100.0 * accuracy));
        self.bar.set_message(format!("loss {loss:.4}{accuracy}"));
        self.bar.inc(1);
    }

    pub fn end(&self, epoch: &Epoch) {
        if self.quiet {
            return;
        }
        self.bar.suspend(|| eprintln!("{}", epoch.line(self.epochs)));
    }
}
