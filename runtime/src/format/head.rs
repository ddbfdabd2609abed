//! The first 96 bytes of a model file.

use super::words::{Encode, Words, record};

/// First four bytes: `TNET`.
pub const MAGIC: u32 = u32::from_le_bytes(*b"TNET");

/// The one version that this runtime reads and this exporter writes.
pub const VERSION: u32 = 1;

/// Length of the head in bytes, a multiple of 16.
pub const HEAD_BYTES: usize = 96;

record! {
    /// A part of the file: where it starts, and how much of it there is.
    pub struct Section {
        /// Byte offset from the start of the file, a multiple of 16.
        pub offset: u32,
        /// Number of units; the head's fields say which unit.
        pub count: u32,
    }
}

record! {
    /// The fixed head, 24 words.
    pub struct Head {
        /// [`MAGIC`].
        pub magic: u32,
        /// [`VERSION`].
        pub version: u32,
        /// Length of the whole file in bytes, a multiple of 16.
        pub file_len: u32,
        /// [`crate::digest`] of every byte behind this word.
        pub checksum: u32,
        /// [`super::Info`], in bytes.
        pub info: Section,
        /// [`super::Tensor`] records: inputs, constants and states, then one per step.
        pub tensors: Section,
        /// Tensor numbers of the outputs, a word each.
        pub outputs: Section,
        /// [`super::Step`] records, in words.
        pub program: Section,
        /// Weights, tables and constants, in bytes.
        pub data: Section,
        /// The certificate, in words; see [`crate::certificate`].
        pub golden: Section,
        /// How many of the tensors are inputs.
        pub inputs: u32,
        /// Number of steps.
        pub steps: u32,
        /// Bytes of arena that a session needs: state, activations and scratch.
        pub arena_len: u32,
        /// Bytes at the start of the arena that keep their values from one run to the next.
        pub state_len: u32,
        /// What one run takes at most, low word first; [`crate::plan::work`] says of what. See [`crate::Model::work`].
        pub work: [u32; 2],
        /// What all states start with, in bytes of the data section; none where they start with zero. Unlike the other sections
        /// it counts from the start of the data, and may start at any byte.
        pub initial: Section,
    }
}

impl Head {
    /// Reads the head from the first words of a file.
    #[inline(always)]
    #[must_use]
    pub fn parse(words: &[u32]) -> Option<Self> {
        Self::read(&mut Words::new(words))
    }
}
