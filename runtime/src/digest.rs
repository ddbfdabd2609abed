//! The one digest: XXH32, for the file's checksum and for the output of every step.
//!
//! It reads four bytes at a time and costs about one instruction per byte on a Cortex-M, a third of the fastest
//! table-driven CRC-32 that fits in flash. Every step of it is a bijection of the word read, so a change that stays within
//! one aligned word is always found, which covers every single bit flip; any other change is missed with probability 2^−32.
//! It protects against accidents, not against an adversary: that is what the checks of [`crate::Model::new`] are for.
//! Specification: <https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md>.

use twox_hash::XxHash32;

/// Digest of some bytes, continuing from `seed`: 0, or the digest of what came before.
#[must_use]
pub fn digest(seed: u32, bytes: &[u8]) -> u32 {
    XxHash32::oneshot(seed, bytes)
}
