//! What a way of quantizing is worth: how near the scores of the program are to those of the float network.

use anyhow::{Context, Result};

use super::calibrate::Activations;
use crate::compile::{Program, compile};
use crate::data::Dataset;
use crate::graph::Graph;
use crate::train;
use crate::verify::{decibels, integer_values};

/// Signal to noise, in decibels, of what the last softmax reads, or of the output; of the last tensor of int8 where that is no such.
/// `values` are those of the float network for the same samples.
///
/// # Errors
/// The data does not fit the program.
pub(super) fn scores(
    program: &Program,
    graph: &Graph,
    values: &Activations,
    data: &Dataset,
    samples: &[usize],
) -> Result<f64> {
    let bytes = compile(program, &[])?.bytes;
    let computed = integer_values(&bytes, data, samples)?;
    let name = train::scores(graph);
    let found = computed.iter().find(|computed| computed.name == name).or(computed.last());
    let found = found.context("the program computes nothing in int8")?;
    let truth = values.get(&found.name).with_context(|| format!("\"{}\" is not a layer", found.name))?;
    Ok(decibels(truth.iter().map(|&x| f64::from(x)).zip(found.real())))
}
