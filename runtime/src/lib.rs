#![no_std]
pub mod fixed;
pub mod kernels;
