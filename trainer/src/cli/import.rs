//! `thumbnet import`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::builder::RangedU64ValueParser;
use thumbnet_trainer::compile::{Compiled, Program};
use thumbnet_trainer::data::Source;
use thumbnet_trainer::import::{Options, Reference, import as translate, import_float, is_float};
use thumbnet_trainer::quantize::quantize;
use thumbnet_trainer::recipe::Quantize;
use thumbnet_trainer::verify::{golden_inputs, random_inputs};

use super::choice::Choice;
use super::export::accuracy;
use super::{compile as rust, read, write};

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
    /// LSTM layers go on from the states that the last inference left, as LiteRT does until its variables are reset; by
    /// default every inference starts with empty states, as Keras does.
    #[arg(long)]
    stateful: bool,
    /// Golden cases in the certificate, of random inputs.
    #[arg(long, default_value_t = 2, value_parser = RangedU64ValueParser::<usize>::new().range(0..=1000))]
    golden: usize,
    /// For a float model: folder with x.npy (real inputs, samples first) and y.npy (whole numbers are classes); the ranges
    /// are found on four fifths of it, the accuracy on the rest.
    #[arg(long)]
    calibrate: Option<PathBuf>,
    #[command(flatten)]
    choice: Choice,
    /// Names of the classes, separated by commas.
    #[arg(long, value_delimiter = ',')]
    labels: Vec<String>,
    /// Also write a Rust module with the same bits to this folder; see `thumbnet compile`.
    #[arg(long, value_name = "DIR")]
    rust: Option<PathBuf>,
}

pub fn import(args: &Args) -> Result<()> {
    let bytes = read(&args.model)?;
    if is_float(&bytes).with_context(|| format!("cannot import {}", args.model.display()))? {
        return import_and_quantize(args, &bytes);
    }
    ensure!(
        args.calibrate.is_none(),
        "{} is an int8 model and keeps its quantization: --calibrate is for float models",
        args.model.display()
    );
    let options = Options { reference: args.rounding, keep_lstm_states: args.stateful };
    let (mut program, summary) =
        translate(&bytes, options).with_context(|| format!("cannot import {}", args.model.display()))?;
    program.labels.clone_from(&args.labels);
    args.choice.apply(&mut program)?;
    let compiled = args.choice.compile(&program, &random_inputs(&program, args.golden))?;
    let path = args.output.clone().unwrap_or_else(|| args.model.with_extension("tnet"));
    write(&path, &compiled.bytes)?;
    println!(
        "{}: {} operators, {} folded into others, {} output channels that never change",
        args.model.display(),
        summary.operators,
        summary.folded,
        summary.constant_channels
    );
    describe(args, &path, &program, &compiled, bytes.len())
}

/// A float model takes the way of a network that was trained here.
fn import_and_quantize(args: &Args, bytes: &[u8]) -> Result<()> {
    let mut model = import_float(bytes).with_context(|| format!("cannot import {}", args.model.display()))?;
    let Some(folder) = args.calibrate.clone() else {
        bail!(
            "{} is a float model: name a folder with real inputs by --calibrate, so that it can be quantized",
            args.model.display()
        );
    };
    let mut data = Source::Npy { path: folder, test_share: 0.2 }.load(0)?;
    let shape = &model.graph.inputs[0].shape;
    for set in [&mut data.train, &mut data.test] {
        let (found, expected) = (set.width(), shape.iter().product::<usize>());
        ensure!(found == expected, "samples have {found} values, the model takes {expected} ({shape:?})");
        set.shape.clone_from(shape);
    }
    let labels = if args.labels.is_empty() { &data.train.classes } else { &args.labels };
    model.meta.classes.clone_from(labels);
    let mut program = quantize(&model, &data.train, Quantize::default())?;
    args.choice.apply(&mut program)?;
    let compiled = args.choice.compile(&program, &golden_inputs(&program, &data.test, args.golden)?)?;
    let path = args.output.clone().unwrap_or_else(|| args.model.with_extension("tnet"));
    write(&path, &compiled.bytes)?;
    accuracy(&model, &compiled, &data.test)?;
    describe(args, &path, &program, &compiled, bytes.len())
}

fn describe(args: &Args, path: &Path, program: &Program, compiled: &Compiled, original: usize) -> Result<()> {
    println!(
        "{}: {} bytes ({} in the .tflite), {} steps, peak RAM {} bytes (no placement of these steps needs less than {}), {} \
         multiply-accumulates, {} golden cases",
        path.display(),
        compiled.bytes.len(),
        original,
        program.steps.len(),
        compiled.plan.arena_len,
        compiled.plan.lower_bound,
        program.macs(),
        args.golden
    );
    args.rust.as_ref().map_or(Ok(()), |folder| rust::module(&compiled.bytes, path, folder))
}
