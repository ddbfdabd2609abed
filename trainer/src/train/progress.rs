//! Progress on the terminal: a live view, or one line per epoch where nobody looks: no terminal, or `CI` is set.

use std::io::IsTerminal;

use super::checkpoint::Checkpoint;
use super::dashboard::Dashboard;
use super::epoch::Epoch;

pub(super) struct Progress {
    live: Option<Dashboard>,
    quiet: bool,
    epochs: usize,
}

/// How an epoch is going, at one of its steps.
pub(super) struct Now {
    /// Mean loss so far.
    pub loss: f64,
    /// Accuracy so far; `None` for regression.
    pub accuracy: Option<f64>,
    /// Learning rate.
    pub rate: f64,
    /// Samples of the step.
    pub samples: usize,
}

impl Progress {
    pub fn new(epochs: usize, quiet: bool) -> Self {
        let is_live = !quiet && is_watched();
        Self { live: is_live.then(|| Dashboard::new(epochs)), quiet, epochs }
    }

    /// Begins the epoch after those of the checkpoint, where that is.
    pub fn begin(&mut self, so_far: &Checkpoint, steps: usize, done: usize) {
        self.live.iter_mut().for_each(|live| live.begin(&so_far.epochs, so_far.best, steps, done));
    }

    pub fn step(&mut self, now: &Now) {
        self.live.iter_mut().for_each(|live| live.step(now));
    }

    pub fn end(&self, epoch: &Epoch) {
        let line = epoch.line(self.epochs);
        match &self.live {
            Some(live) => live.say(&line),
            None if !self.quiet => eprintln!("{line}"),
            None => {}
        }
    }
}

/// Whether somebody sees what moves.
fn is_watched() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    std::io::stderr().is_terminal() && !is_set("CI") && !is_dumb
}
