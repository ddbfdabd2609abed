//! What the binaries for emulated boards share: where the host puts the model, memory, and how errors are told.

use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m_rt::exception;
use semihosting::{eprintln, process};

/// Where the host has put the model; the same address as in the trainer's `run/target.rs`.
const MODEL_AT: usize = if cfg!(board = "m0") {
    0x0002_8000
} else if cfg!(board = "m33") {
    0x1010_0000
} else if cfg!(board = "m55") {
    0x2100_0000
} else {
    0x0010_0000
};

/// Bytes for an arena, and behind what the model needs of it the numbers of every step.
pub const ARENA: usize = if cfg!(board = "m0") {
    11 << 10
} else if cfg!(board = "m55") {
    384 << 10
} else {
    2 << 20
};

/// The number of the model that runs, where there are many.
pub static CASE: AtomicU32 = AtomicU32::new(0);

#[exception]
unsafe fn HardFault(frame: &cortex_m_rt::ExceptionFrame) -> ! {
    let (case, at) = (CASE.load(Ordering::Relaxed), frame.pc());
    eprintln!("error: hard fault in model {} at {:#x}: out of stack, or an access outside of memory", case, at);
    process::exit(113)
}

/// Prints what went wrong and gives `None`.
pub fn fail<T>(what: &str, why: &dyn fmt::Display) -> Option<T> {
    eprintln!("error: {}: {}", what, why);
    None
}

/// The bytes of the model, as long as the first argument says.
#[must_use]
pub fn model() -> Option<&'static [u8]> {
    let len = argument(1)? as usize;
    // SAFETY: the host's loader has put `len` bytes there, behind all that the linker places, and nothing writes to them.
    Some(unsafe { core::slice::from_raw_parts(MODEL_AT as *const u8, len) })
}

/// An argument of the command line, a number.
#[must_use]
pub fn argument(index: usize) -> Option<i32> {
    let args = semihosting::experimental::env::args::<128>().ok()?;
    let text = (&args).into_iter().nth(index)?.ok()?;
    text.parse().ok()
}
