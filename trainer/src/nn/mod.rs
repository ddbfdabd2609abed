//! The thin layer over burn: a graph's weights as burn parameters, its forward pass, losses, optimizers and schedules.
//!
//! Nothing outside of this folder, `train/` and `quantize/aware/` knows of burn. Images are NHWC, as everywhere.

mod clip;
mod forward;
mod init;
mod loss;
mod mask;
mod matrix;
mod norm;
mod ops;
mod optimizer;
mod params;
mod recurrent;
mod schedule;

pub use clip::clip_by_global_norm;
pub use forward::{Net, Rounding, Value, memory_name};
pub use init::{Initializer, initialize};
pub use loss::Loss;
pub use mask::Mask;
pub use optimizer::Optimizer;
pub use params::Params;
pub(crate) use params::{Slots, slots};
pub use schedule::Schedule;

/// Where gradients are computed.
#[must_use]
pub fn training_device() -> burn::tensor::Device {
    burn::tensor::Device::flex().autodiff()
}

/// Where nothing but results is computed.
#[must_use]
pub fn device() -> burn::tensor::Device {
    burn::tensor::Device::flex()
}
