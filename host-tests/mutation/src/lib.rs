//! Model files mutated field by field, and runs between guard bytes: what the host tests, the test on an emulated board and
//! the fuzz targets share. It knows the sections of a file and the words of its records, not the operators: new ones are
//! mutated like the rest.

mod guarded;
mod mutate;

pub use guarded::{Limits, Outcome, run};
pub use mutate::{dress, mutate, seal};
