//! conv2d
