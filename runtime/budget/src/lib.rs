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
//!
//! # How right it is
//!
//! The demo's network, against what the linker then says with the chip's memory map and what painting finds in QEMU; a test
//! holds these together. The differences are the vector table, which is the firmware's, and the alignment of sections.
//!
//! | chip | flash, said | flash, linked | stack, painted | at most |
//! |---|--:|--:|--:|--:|
//! | nRF52840 | 93,152 | 94,176 | 1,256 | 4,096 |
//! | nRF51822_xxAA | 79,960 | 80,152 | 1,336 | 3,584 |
//! | STM32F103C8, 64 KB of flash | 29,972 too many | 31,008 too many | 1,224 | 4,096 |

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
