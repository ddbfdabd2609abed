//! The thin layer over burn: a graph's weights as burn parameters, its forward pass, losses, optimizers and schedules.
//!
//! Nothing outside of this folder and `train/` knows of burn. Images are NCHW in here and NHWC everywhere else.

mod forward;
mod init;
mod loss;
mod mask;
mod matrix;
mod norm;
mod optimizer;
mod params;
mod recurrent;
mod schedule;

pub use forward::{Net, Value, memory_name};
pub use init::{Initializer, initialize};
pub use loss::Loss;
pub use mask::Mask;
pub use optimizer::Optimizer;
pub use params::Params;
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
