//! Whether a model fits a chip, known before anything is flashed.
//!
//! A firmware's `build.rs` embeds its model by [`Embed`], which fails the build where flash or RAM are too small and says
//! what takes up the most:
//!
//! ```no_run
//! fn main() -> Result<(), thumbnet_build::Error> {
//!     thumbnet_build::Embed::new("model.tnet").memory_x("memory.x").code(48 << 10).emit()
//! }
//! ```
//!
//! The firmware then has the model, aligned, and the size of its arena: nobody copies numbers.
//!
//! ```ignore
//! include!(concat!(env!("OUT_DIR"), "/model.rs"));          // MODEL, ARENA_LEN, Memory
//!
//! static mut MEMORY: Memory = Memory::new();
//! ```
//!
//! In the order of the question: [`Memory`] is what a chip has, by its name ([`Memory::of_chip`], from the target list of
//! probe-rs) or by its linker script ([`Memory::of_script`]); [`Fit`] sets what a model takes against it.
//! `thumbnet check` is the same on the command line, with code, stack and time measured in an emulator.

mod chip;
mod embed;
mod error;
mod fit;
mod memory;
mod needs;

pub use chip::{Chip, Core};
pub use embed::Embed;
pub use error::Error;
pub use fit::{Budget, Fit, Part};
pub use memory::{Memory, Region, size};
pub use needs::{data_len, stack_len};
