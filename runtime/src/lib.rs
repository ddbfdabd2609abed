//! Quantized neural networks on Arm Cortex-M: no `std`, no allocation, integers only, the same bits everywhere.
//!
//! ```
//! use thumbnet::{Arena, Model, Session};
//!
//! # fn run(bytes: &[u8], image: &[i8]) -> Result<(), Box<dyn core::error::Error>> {
//! let model = Model::new(bytes)?;                      // every check, once
//! let mut arena = Arena::<20_000>::new();
//! let mut session = Session::new(&model, &mut *arena)?;
//! let scores = session.infer(image)?;                  // fails only where `image` has the wrong length
//! # Ok(()) }
//! ```
//!
//! In the order of the pipeline:
//!
//! * [`format`](mod@format) is the file: raw little-endian records that are read where they lie, weights included, and a
//!   description for people. `FORMAT.md` specifies every byte.
//! * [`Model::new`] checks all of it. It is total: any bytes in, a model or a typed [`FormatError`] out.
//! * [`kernels`] are the operators, each a plain function over slices beside a dull reference with the same bits.
//! * [`Session`] owns the arena and walks the steps. After the check it cannot fail, panic or allocate.
//! * [`compiled`] runs the same steps as constants: models as Rust modules that the exporter writes.
//! * [`listen`] and [`capture`] are the loop from a microphone to single detections.
//! * [`certificate`] is the proof that a model carries along: golden inputs, and a digest of every step's output.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `defmt` | `defmt::Format` for the public types |
//! | `heapless` | `results::top_k`: the best classes in a fixed-capacity list |
//! | `libm` | `results::softmax` in f32, accurate to the last bits |
//! | `micromath` | the same, approximate, smaller and faster |
//! | `conv2d`, `softmax`, … | the operator of this name, see [`format::Op::name`]; all of them by default. `thumbnet inspect` says which a model needs |
//! | `plain`, `pairs`, `winograd`, `winograd_4x4` | a layout of weights, see [`kernels::Layout`]; all of them by default |
//! | `embedded-hal` | `source`: inputs read from sensors over `embedded-hal` 1.0 |

#![no_std]
#![deny(unsafe_code)]

#[cfg(target_endian = "big")]
compile_error!("thumbnet reads weights in place, which are little-endian; this target is big-endian");

mod arena;
mod bind;
pub mod capture;
pub mod certificate;
mod check;
pub mod compiled;
mod digest;
mod error;
mod execute;
pub mod fixed;
pub mod fixed16;
pub mod format;
pub mod gates;
pub mod kernels;
pub mod listen;
#[cfg(feature = "defmt")]
mod log;
mod model;
mod ops;
pub mod plan;
pub mod raw;
pub mod results;
mod session;
#[cfg(feature = "embedded-hal")]
pub mod source;
mod timing;

pub use arena::Arena;
pub use certificate::{Mismatch, self_test};
pub use digest::digest;
pub use error::{FormatError, InputError, SessionError, StepProblem, TensorProblem};
pub use model::Model;
pub use session::{Observer, Session};
pub use timing::Timing;

/// Includes a file as bytes aligned to 16, as [`Model::new`] wants them.
///
/// ```ignore
/// static MODEL: &[u8] = thumbnet::include_model!("../model.tnet");
/// ```
#[macro_export]
macro_rules! include_model {
    ($path:expr) => {{
        #[repr(C, align(16))]
        struct Aligned<T: ?Sized>(T);
        static ALIGNED: &Aligned<[u8]> = &Aligned(*include_bytes!($path));
        &ALIGNED.0
    }};
}
