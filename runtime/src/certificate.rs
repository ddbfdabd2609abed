//! The certificate: golden inputs and a digest of every step's output, carried by the model itself.
//!
//! For each case the golden section holds the bytes of all inputs, each padded with zeros to a multiple of 4, then one
//! [`digest`] per step (seed 0). The exporter wrote the digests with this very crate on the desktop; [`self_test`] repeats
//! the cases where it runs and answers "bit-identical" or names the first step that differs.

use core::fmt;

use crate::digest::digest;
use crate::model::Model;
use crate::session::{Observer, Session};

/// The first difference that a self-test found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Mismatch {
    /// Number of the golden case.
    pub case: usize,
    /// Number of the step.
    pub step: usize,
    /// Digest of what this machine computed.
    pub found: u32,
    /// Digest that the certificate states.
    pub expected: u32,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case, step, found, expected } = self;
        write!(
            f,
            "golden case {case}: the output of step {step} has digest {found:08x}, the certificate says {expected:08x}"
        )
    }
}

impl core::error::Error for Mismatch {}

/// One golden case of a model.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Case<'m> {
    /// Words of all inputs, each padded to a whole word.
    pub inputs: &'m [u32],
    /// Expected digest of every step's output.
    pub digests: &'m [u32],
}

impl<'m> Model<'m> {
    /// The golden cases that the model carries.
    pub fn golden_cases(&self) -> impl Iterator<Item = Case<'m>> + use<'m> {
        let inputs = self.golden_input_words().unwrap_or(0);
        let words = inputs.saturating_add(self.head().steps as usize).max(1);
        self.golden().chunks_exact(words).filter_map(move |case| {
            let (inputs, digests) = case.split_at_checked(inputs)?;
            Some(Case { inputs, digests })
        })
    }

    /// Words that the inputs of one case take.
    pub(crate) fn golden_input_words(&self) -> Option<usize> {
        self.tensors()
            .iter()
            .take(self.input_count())
            .try_fold(0usize, |sum, tensor| sum.checked_add(tensor.bytes()?.div_ceil(4) as usize))
    }
}

/// Runs every golden case, each with its states reset, and compares the output of every step; resets them in the end.
///
/// # Errors
/// [`Mismatch`] names the first step that differs: this build, compiler or core does not compute what the exporter did.
pub fn self_test(session: &mut Session<'_>) -> Result<(), Mismatch> {
    let model = *session.model();
    for (number, case) in model.golden_cases().enumerate() {
        session.reset();
        load(session, case.inputs);
        let mut compare = Compare::new(number, case.digests);
        session.run_observed(&mut compare);
        compare.result()?;
    }
    session.reset();
    Ok(())
}

/// Copies the words of a golden case into the inputs.
fn load(session: &mut Session<'_>, mut words: &[u32]) {
    for index in 0..session.model().input_count() {
        let Ok(input) = session.input_bytes_mut(index) else { return };
        let Some((taken, rest)) = words.split_at_checked(input.len().div_ceil(4)) else { return };
        input.iter_mut().zip(bytemuck::cast_slice(taken)).for_each(|(to, from)| *to = *from);
        words = rest;
    }
}

pub(crate) struct Compare<'a> {
    expected: &'a [u32],
    case: usize,
    first: Option<Mismatch>,
}

impl<'a> Compare<'a> {
    pub(crate) const fn new(case: usize, expected: &'a [u32]) -> Self {
        Self { expected, case, first: None }
    }

    pub(crate) fn result(self) -> Result<(), Mismatch> {
        self.first.map_or(Ok(()), Err)
    }
}

impl Observer for Compare<'_> {
    fn after(&mut self, step: usize, output: &[u8]) {
        let Some(&expected) = self.expected.get(step) else { return };
        let found = digest(0, output);
        if found != expected && self.first.is_none() {
            self.first = Some(Mismatch { case: self.case, step, found, expected });
        }
    }
}
