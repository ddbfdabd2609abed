//! Operations of our own where burn's would take most of the time of training: each with its gradient, in NHWC, on all threads.
//!
//! Their results depend on the numbers alone, not on how many threads there are: sums over a batch are those of a fixed number of
//! parts.

mod batch_norm;
mod conv;
mod max_pool;
mod relu;
mod slices;
#[cfg(test)]
mod tests;
mod vectorized;

pub(super) use batch_norm::batch_norm;
pub(super) use conv::{Window, conv2d};
pub(super) use max_pool::max_pool2d;
pub(super) use relu::relu;
