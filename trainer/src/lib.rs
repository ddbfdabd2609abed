//! Trains small neural networks on the desktop, quantizes them, and compiles them for Arm Cortex-M.
//!
//! In the order of the pipeline: [`data`] and [`recipe`] in, [`graph`] and [`nn`] are the network, [`train`] trains it,
//! [`quantize`] makes it integer, [`compile`] gives it memory and writes the file, [`run`] runs it here or in QEMU. [`tune`]
//! does all of this for many values of a recipe's fields, and [`report`] shows what came out.

pub mod codegen;
pub mod compile;
pub mod data;
pub mod describe;
mod files;
pub mod front_end;
pub mod graph;
pub mod import;
pub mod metrics;
pub mod model;
pub mod nn;
pub mod quantize;
pub mod recipe;
pub mod report;
pub mod run;
pub mod train;
pub mod tune;
pub mod verify;
