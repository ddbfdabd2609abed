//! `thumbnet export`.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::builder::RangedU64ValueParser;
use thumbnet_trainer::compile::{Compiled, Program, compile, stream};
use thumbnet_trainer::data::Dataset;
use thumbnet_trainer::model::Model;
use thumbnet_trainer::quantize::{Choices, Quantized, quantize_with_reference};
use thumbnet_trainer::train::evaluate;
use thumbnet_trainer::verify::{golden_inputs, integer_evaluation, signal_to_noise};

use super::choice::Choice;
use super::{Run, Trained, compile as rust, write};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    run: Run,
    /// The model file; by default model.tnet in that folder.
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// Golden cases in the certificate.
    #[arg(long, default_value_t = 2, value_parser = RangedU64ValueParser::<usize>::new().range(0..=1000))]
    golden: usize,
    /// Take so many frames per run and remember what came before, instead of a whole sequence at once.
    #[arg(long, value_name = "FRAMES")]
    stream: Option<usize>,
    /// Also write a Rust module with the same bits to this folder; see `thumbnet compile`.
    #[arg(long, value_name = "DIR")]
    rust: Option<PathBuf>,
    #[command(flatten)]
    choice: Choice,
}

pub fn export(args: &Args) -> Result<()> {
    let Trained { recipe, model, data } = args.run.load()?;
    ensure!(
        args.stream.is_none() || !args.choice.saves_ram(),
        "--stream holds what a part of the input needs and no more: --ram-budget and --optimize ram are for whole inputs"
    );
    let Quantized { mut program, choices, .. } = quantize_with_reference(&model, &data.train, recipe.quantize)?;
    choices.iter().for_each(chosen);
    args.choice.apply(&mut program)?;
    let golden = golden_inputs(&program, &data.test, args.golden)?;
    let compiled = args.choice.compile(&program, &golden)?;
    accuracy(&model, &compiled, &data.test)?;
    let (program, compiled, golden) = match args.stream {
        None => (program, compiled, golden),
        Some(frames) => streaming(&program, &golden, frames)?,
    };
    let path = args.run.model_file(args.output.as_ref());
    write(&path, &compiled.bytes)?;

    println!(
        "{}: {} bytes, peak RAM {} bytes (no placement of these steps needs less than {}), {} multiply-accumulates, {} golden cases",
        path.display(),
        compiled.bytes.len(),
        compiled.plan.arena_len,
        compiled.plan.lower_bound,
        program.macs(),
        golden.len()
    );
    args.rust.as_ref().map_or(Ok(()), |folder| rust::module(&compiled.bytes, &path, folder))
}

/// The program that takes its input in parts. Its golden cases are the first parts of the whole ones.
fn streaming(program: &Program, golden: &[Vec<u8>], frames: usize) -> Result<(Program, Compiled, Vec<Vec<u8>>)> {
    let (program, whole) = stream(program, frames)?;
    let input = &program.tensors[0];
    let len = input.shape.iter().product::<u32>() as usize * input.dtype.size();
    let golden: Vec<Vec<u8>> = golden.iter().map(|case| case[..len].to_vec()).collect();
    let compiled = compile(&program, &golden)?;
    println!("streams {frames} frames per run, {} bytes of state", compiled.plan.state_len);
    if !whole.is_empty() {
        println!("held whole, and what follows computed anew in every run: {}", whole.join(", "));
    }
    Ok((program, compiled, golden))
}

/// Prints what `method = "auto"` has chosen.
pub(super) fn chosen(choices: &Choices) {
    let Choices { before, after, equalize, calibration, adaround, bias_correction } = choices;
    let list = |names: &[String]| if names.is_empty() { "no layer".to_owned() } else { names.join(", ") };
    println!("chosen by scores on training samples: {after:.1} dB instead of {before:.1}");
    println!("  equalize = {equalize}; adaround for {}; bias_correction for {}", list(adaround), list(bias_correction));
    for (name, method) in calibration {
        println!("  {name:30}{}", format!("{method:?}").to_lowercase());
    }
}

/// Prints what integers cost: signal to noise of every layer, and the accuracy beside the float's.
pub(super) fn accuracy(model: &Model, compiled: &Compiled, test: &Dataset) -> Result<()> {
    println!("layer                           signal to noise");
    for (name, decibels) in signal_to_noise(model, &compiled.bytes, test, 64)? {
        println!("{name:32}{decibels:9.1} dB");
    }
    let (float, integer) = (evaluate(model, test)?, integer_evaluation(&compiled.bytes, test)?);
    match (float.accuracy(), integer.accuracy()) {
        (Some(float), Some(integer)) => println!(
            "accuracy on {} test samples: float {:.2} %, int8 {:.2} % ({:+.2} points)",
            test.len(),
            100.0 * float,
            100.0 * integer,
            100.0 * (integer - float)
        ),
        _ => {
            println!("mean square error: float {:.6}, int8 {:.6}", float.mean_squared_error, integer.mean_squared_error)
        }
    }
    Ok(())
}
