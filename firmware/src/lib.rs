//! What the binaries share: time, fences in memory, and the stack's high-water mark.

#![no_std]

#[cfg(feature = "qemu")]
pub mod fence;
pub mod meter;
#[cfg(feature = "qemu")]
pub mod qemu;
pub mod stack;
