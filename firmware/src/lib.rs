//! What the binaries share: time, and the stack's high-water mark.

#![no_std]

pub mod meter;
#[cfg(feature = "qemu")]
pub mod qemu;
pub mod stack;
