//! Models whose buffers lie between fences that no step may touch, many in one run on an emulated board.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::{Target, qemu};

/// A model, one inference's inputs, and the memory that no step may read or write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fenced {
    /// The file.
    pub model: Vec<u8>,
    /// All inputs back to back.
    pub inputs: Vec<u8>,
    /// Starts of fences of [`Fenced::LEN`] bytes in the arena, multiples of that.
    pub in_arena: Vec<u32>,
    /// The same in the file.
    pub in_model: Vec<u32>,
}

impl Fenced {
    /// Bytes of a fence.
    pub const LEN: u32 = 256;

    /// Most fences that every core's memory protection unit can put up.
    pub const MOST: usize = 7;

    /// As the firmware `fenced` reads it.
    fn bytes(&self) -> Vec<u8> {
        let fences = self.in_arena.iter().copied().chain(self.in_model.iter().map(|fence| fence | 1 << 31));
        let padded = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes
        };
        let (model, inputs) = (padded(&self.model), padded(&self.inputs));
        let head = [model.len(), inputs.len(), self.in_arena.len() + self.in_model.len()].map(|len| len as u32);
        let words = head.into_iter().chain(fences).flat_map(u32::to_le_bytes);
        words.chain(model).chain(inputs).collect()
    }
}

/// What the firmware prints.
#[derive(Deserialize)]
struct Answer {
    cases: usize,
}

/// Runs every case on an emulated core with its fences up, and gives the outputs of all back to back. With `reads_fence` the
/// first case reads one of its fences in the end, which is an error where they work.
///
/// # Errors
/// An access to a fence, with the number of the case and the address of the instruction; or the machine cannot be started.
pub fn fenced(cases: &[Fenced], target: Target, reads_fence: bool) -> Result<Vec<u8>> {
    let board = target.board().context("fences need a memory protection unit: name an emulated core other than m0")?;
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    fs::write(folder.path().join("cases"), cases.iter().flat_map(Fenced::bytes).collect::<Vec<u8>>())?;
    let arguments = [i32::from(reads_fence)];
    let text = qemu::output(qemu::machine("fenced", &[], folder.path(), &arguments, board)?, board)?;
    let answer: Answer = serde_json::from_str(&text).with_context(|| format!("the firmware answered {text:?}"))?;
    ensure!(answer.cases == cases.len(), "{} of {} cases were run", answer.cases, cases.len());
    fs::read(folder.path().join("out")).context("the firmware wrote no outputs")
}
