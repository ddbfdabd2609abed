//! Makes the certificate: runs the golden inputs here, and writes down the digest of every step.

use anyhow::{Result, bail, ensure};
use thumbnet::{Model, Observer, Session, digest, self_test};

/// Input words and digests of every golden case.
pub(super) fn words(model: &Model<'_>, golden: &[Vec<u8>]) -> Result<Vec<u32>> {
    let mut arena = arena(model);
    let mut session = Session::new(model, bytemuck::cast_slice_mut(&mut arena))?;
    let mut words = Vec::new();
    for (number, case) in golden.iter().enumerate() {
        session.reset();
        let mut rest = case.as_slice();
        for index in 0..model.input_count() {
            let input = session.input_bytes_mut(index)?;
            let Some((taken, left)) = rest.split_at_checked(input.len()) else {
                bail!("golden input {number} has {} bytes, the model's inputs need more", case.len());
            };
            input.copy_from_slice(taken);
            let mut padded = taken.to_vec();
            padded.resize(taken.len().next_multiple_of(4), 0);
            words.extend(padded.as_chunks().0.iter().map(|&bytes| u32::from_le_bytes(bytes)));
            rest = left;
        }
        ensure!(rest.is_empty(), "golden input {number} has {} bytes too many", rest.len());
        let mut digests = Digests(Vec::new());
        session.run_observed(&mut digests);
        words.extend(digests.0);
    }
    Ok(words)
}

/// Runs the self-test of a finished model.
pub(super) fn verify(model: &Model<'_>) -> Result<()> {
    let mut arena = arena(model);
    let mut session = Session::new(model, bytemuck::cast_slice_mut(&mut arena))?;
    Ok(self_test(&mut session)?)
}

/// Memory for a session, aligned. Filled with a pattern, so that a step that reads what nobody wrote shows.
fn arena(model: &Model<'_>) -> Vec<u128> {
    vec![0xa5a5_a5a5_a5a5_a5a5_a5a5_a5a5_a5a5_a5a5; model.arena_len().div_ceil(16)]
}

struct Digests(Vec<u32>);

impl Observer for Digests {
    fn after(&mut self, _: usize, output: &[u8]) {
        self.0.push(digest(0, output));
    }
}
