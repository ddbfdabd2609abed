//! From a stream of samples to single detections: a source of samples, and decisions that are smoothed over time.
//!
//! ```
//! use thumbnet::listen::{Detection, Detector, Samples, Settings, listen};
//! use thumbnet::Session;
//!
//! # fn run<S: Samples>(session: &mut Session<'_>, microphone: &mut S) -> Result<(), thumbnet::listen::ListenError<S::Error>> {
//! let mut detector = Detector::<12>::new(Settings { background: Some(0), ..Settings::DEFAULT });
//! loop {
//!     if let Some(Detection { class, .. }) = listen(session, microphone, &mut detector)? {
//!         // Do what the word says.
//!     }
//! }
//! # }
//! ```

use crate::error::InputError;
use crate::session::Session;

/// Something that gives samples in 16 bits, in time: a microphone on I²S or PDM, an ADC, a file.
///
/// An implementation over DMA waits here until the buffer that the hardware fills is full, and copies it; what arrives
/// meanwhile must go into another one. The loop keeps up where a run takes less time than its samples last.
pub trait Samples {
    /// What can go wrong while reading.
    type Error;

    /// Fills all of `samples` with the next ones; `false` at the end of the stream, which a microphone never has.
    ///
    /// # Errors
    /// The source failed, for instance because samples were lost.
    fn read(&mut self, samples: &mut [i16]) -> Result<bool, Self::Error>;
}

/// Why listening ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ListenError<E> {
    /// The source failed.
    Source(E),
    /// The source has no more samples.
    End,
    /// The model's input is not i16, or its output not i8.
    Model(InputError),
}

/// How scores become detections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Settings {
    /// Each run moves the smoothed score by `1 / 2^smoothing` of the way to its own; 0 to 7.
    pub smoothing: u32,
    /// Least smoothed score, in units of the model's output: 51 is a probability of 0.7 behind a softmax.
    pub threshold: i8,
    /// Runs after a detection in which there is no other.
    pub refractory: u32,
    /// The class that is no detection: silence, noise, other words.
    pub background: Option<usize>,
}

impl Settings {
    /// A probability of 0.5 behind a softmax, smoothed over about two runs, and nine runs without another detection.
    pub const DEFAULT: Self = Self { smoothing: 1, threshold: 0, refractory: 9, background: None };
}

/// A class that was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Detection {
    /// Its number: the position in the output.
    pub class: usize,
    /// Its smoothed score.
    pub score: i8,
}

/// Decides over time, for up to `CLASSES` classes.
///
/// `s ← s + (256·x − s) / 2^smoothing` for each class, rounded down; the largest `s` is a detection where it reaches
/// `256·threshold`, is not the background, and none was in the last runs. The smoothing of posteriors and the
/// threshold are those of Chen et al., "Small-footprint keyword spotting using deep neural networks", 2014, with an
/// exponential window.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Detector<const CLASSES: usize> {
    settings: Settings,
    smoothed: [i32; CLASSES],
    quiet: u32,
}

/// The least score.
const SILENT: i32 = -128 * 256;

impl<const CLASSES: usize> Detector<CLASSES> {
    /// A detector that has heard nothing.
    #[must_use]
    pub const fn new(settings: Settings) -> Self {
        Self { settings, smoothed: [SILENT; CLASSES], quiet: 0 }
    }

    /// Takes the scores of one run.
    pub fn push(&mut self, scores: &[i8]) -> Option<Detection> {
        let shift = self.settings.smoothing.min(7);
        for (smoothed, &score) in self.smoothed.iter_mut().zip(scores) {
            *smoothed += ((i32::from(score) << 8) - *smoothed) >> shift;
        }
        self.quiet = self.quiet.saturating_sub(1);
        // The lower number first among equals.
        let best = self.smoothed.iter().zip(0..).take(scores.len()).reduce(|a, b| if b.0 > a.0 { b } else { a });
        let (&score, class) = best?;
        let is_heard = score >= i32::from(self.settings.threshold) << 8;
        if self.quiet > 0 || !is_heard || self.settings.background == Some(class) {
            return None;
        }
        self.quiet = self.settings.refractory.saturating_add(1);
        // What was heard must be heard again to count again.
        self.smoothed = [SILENT; CLASSES];
        Some(Detection { class, score: (score >> 8) as i8 })
    }
}

/// Reads the samples of one run, runs, decides.
///
/// # Errors
/// The source failed or ended, or the model does not take samples.
pub fn listen<S: Samples, const CLASSES: usize>(
    session: &mut Session<'_>,
    source: &mut S,
    detector: &mut Detector<CLASSES>,
) -> Result<Option<Detection>, ListenError<S::Error>> {
    let input = session.input_bytes_mut(0).map_err(ListenError::Model)?;
    let samples = bytemuck::try_cast_slice_mut(input).map_err(|_| ListenError::Model(InputError::Type))?;
    if !source.read(samples).map_err(ListenError::Source)? {
        return Err(ListenError::End);
    }
    session.run();
    Ok(detector.push(session.output(0).map_err(ListenError::Model)?))
}

#[cfg(test)]
mod tests {
    use super::{Detection, Detector, Settings};

    fn heard<const RUNS: usize>(settings: Settings, runs: [[i8; 2]; RUNS]) -> [Option<usize>; RUNS] {
        let mut detector = Detector::<2>::new(settings);
        runs.map(|scores| detector.push(&scores).map(|Detection { class, .. }| class))
    }

    #[test]
    fn one_loud_run_is_not_enough_and_a_word_counts_once() {
        let settings = Settings { smoothing: 1, threshold: 51, refractory: 3, background: Some(0) };
        let (quiet, word) = ([127, -128], [-128, 127]);
        // −128, −0.5, 63.25: the second run in a row is over 51.
        assert_eq!(heard(settings, [word, quiet, quiet, quiet]), [None; 4]);
        let runs = [quiet, word, word, word, word, word, word, quiet, quiet];
        let expected = [None, None, Some(1), None, None, None, Some(1), None, None];
        assert_eq!(heard(settings, runs), expected, "again after three quiet runs");
    }

    #[test]
    fn the_background_is_never_heard_and_smoothing_can_be_off() {
        let settings = Settings { smoothing: 0, threshold: 0, refractory: 0, background: Some(0) };
        assert_eq!(heard(settings, [[127, 0], [0, 127], [-1, -1], [5, 5]]), [None, Some(1), None, None]);
    }
}
