//! `thumbnet verify`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use thumbnet_trainer::compile::compile;
use thumbnet_trainer::import::{Compared, Options, compare, import};
use thumbnet_trainer::run::{Target, run};
use thumbnet_trainer::train::evaluate;
use thumbnet_trainer::verify::{integer_evaluation, quantized_inputs, random_inputs};

use super::{Run, read};

#[derive(clap::Args)]
pub struct Args {
    /// Folder of a finished run.
    #[arg(required_unless_present = "tflite")]
    run: Option<PathBuf>,
    /// The model file; by default model.tnet in that folder.
    #[arg(long)]
    model: Option<PathBuf>,
    /// Path of the data, instead of the recipe's.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Cores to compare with the host.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Target::M0, Target::M3, Target::M4, Target::M7, Target::M33, Target::M55])]
    on: Vec<Target>,
    /// Test samples to run on each core.
    #[arg(long, default_value_t = 20)]
    samples: usize,
    /// Instead of a run: compare a .tflite file with LiteRT's reference kernels, tensor by tensor.
    #[arg(long, conflicts_with_all = ["run", "model", "data"])]
    tflite: Option<PathBuf>,
    /// With --tflite: raw input tensors back to back, instead of random ones.
    #[arg(long, requires = "tflite")]
    input: Option<PathBuf>,
    /// With --tflite: the Python that has the package ai-edge-litert.
    #[arg(long, requires = "tflite", default_value = "python3")]
    python: String,
}

pub fn verify(args: &Args) -> Result<()> {
    match (&args.tflite, &args.run) {
        (Some(tflite), _) => verify_tflite(args, tflite),
        (None, Some(run)) => verify_run(args, &Run { run: run.clone(), data: args.data.clone() }),
        (None, None) => bail!("nothing to verify: name the folder of a run, or a file with --tflite"),
    }
}

/// An imported model against LiteRT itself.
fn verify_tflite(args: &Args, path: &Path) -> Result<()> {
    let tflite = read(path)?;
    let (program, _) =
        import(&tflite, Options::default()).with_context(|| format!("cannot import {}", path.display()))?;
    let inputs = match &args.input {
        Some(path) => read(path)?,
        None => random_inputs(&program, args.samples.max(1)).concat(),
    };
    let model = compile(&program, &random_inputs(&program, 1))?.bytes;
    let compared = compare(&args.python, &tflite, &model, &inputs)?;
    println!("step     bytes  differing  tensor");
    for Compared { step, name, bytes, differing } in &compared {
        println!("{step:4}  {bytes:8}  {differing:9}  {name}");
    }
    println!("{} of {} steps compared", compared.len(), program.steps.len());
    match compared.iter().find(|step| step.differing > 0) {
        Some(first) => bail!("step {} (\"{}\") is the first that differs from LiteRT", first.step, first.name),
        None => Ok(()),
    }
}

/// A trained network in float, in integers here, and on cores.
fn verify_run(args: &Args, finished: &Run) -> Result<()> {
    let trained = finished.load()?;
    let bytes = read(&finished.model_file(args.model.as_ref()))?;
    let test = &trained.data.test;
    if let (Some(float), Some(integer)) =
        (evaluate(&trained.model, test)?.accuracy(), integer_evaluation(&bytes, test)?.accuracy())
    {
        println!(
            "accuracy on {} test samples: float {:.2} %, int8 {:.2} %",
            test.len(),
            100.0 * float,
            100.0 * integer
        );
    }
    let samples: Vec<usize> = (0..args.samples.clamp(1, test.len())).collect();
    let inputs = quantized_inputs(&bytes, test, &samples)?;
    let (expected, host) = run(&bytes, &inputs, Target::Host)?;
    println!("core  instructions per inference  stack  {} samples against the host", samples.len());
    let mut failures = 0;
    for &target in args.on.iter().filter(|&&target| target != Target::Host) {
        let (outputs, report) = match run(&bytes, &inputs, target) {
            Ok(result) => result,
            Err(error) if format!("{error:#}").contains("arena") => {
                println!("{target:4}  does not fit: {error:#}");
                continue;
            }
            Err(error) => return Err(error),
        };
        let differs = report.steps.iter().zip(&host.steps).position(|(chip, host)| chip.digest != host.digest);
        let verdict = match differs {
            Some(step) => format!("step {step} DIFFERS"),
            None if outputs != expected => "outputs DIFFER".to_owned(),
            None => format!("bit-identical in all {} steps", host.steps.len()),
        };
        failures += usize::from(differs.is_some() || outputs != expected);
        let instructions = report.instructions.map_or(0, |count| count.max);
        println!("{:4}  {instructions:26}  {:5}  {verdict}", target.to_string(), report.stack.unwrap_or(0));
    }
    if failures > 0 {
        bail!("{failures} cores do not compute what the host does");
    }
    Ok(())
}
