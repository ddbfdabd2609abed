//! `thumbnet import`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use thumbnet_trainer::compile::compile;
use thumbnet_trainer::import::{Reference, import as translate};
use thumbnet_trainer::verify::random_inputs;

use super::{read, write};

#[derive(clap::Args)]
pub struct Args {
    /// The .tflite file.
    model: PathBuf,
    /// The model file; by default beside it, with the extension tnet.
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// Whose bits to give where TensorFlow's runtimes differ.
    #[arg(long, value_enum, default_value_t)]
    rounding: Reference,
    /// Golden cases in the certificate, of random inputs.
    #[arg(long, default_value_t = 2)]
    golden: usize,
    /// Names of the classes, separated by commas.
    #[arg(long, value_delimiter = ',')]
    labels: Vec<String>,
}

pub fn import(args: &Args) -> Result<()> {
    let bytes = read(&args.model)?;
    let (mut program, summary) =
        translate(&bytes, args.rounding).with_context(|| format!("cannot import {}", args.model.display()))?;
    program.labels.clone_from(&args.labels);
    let compiled = compile(&program, &random_inputs(&program, args.golden))?;
    let path = args.output.clone().unwrap_or_else(|| args.model.with_extension("tnet"));
    write(&path, &compiled.bytes)?;
    println!(
        "{}: {} operators, {} folded into others, {} output channels that never change",
        args.model.display(),
        summary.operators,
        summary.folded,
        summary.constant_channels
    );
    println!(
        "{}: {} bytes ({} in the .tflite), {} steps, peak RAM {} bytes (no plan needs less than {}), {} \
         multiply-accumulates, {} golden cases",
        path.display(),
        compiled.bytes.len(),
        bytes.len(),
        program.steps.len(),
        compiled.plan.arena_len,
        compiled.plan.lower_bound,
        program.macs(),
        args.golden
    );
    Ok(())
}
