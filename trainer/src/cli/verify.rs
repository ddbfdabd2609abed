//! `thumbnet verify`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use thumbnet_trainer::run::{Target, run};
use thumbnet_trainer::train::evaluate;
use thumbnet_trainer::verify::{integer_evaluation, quantized_inputs};

use super::{Trained, default_model, read};

#[derive(clap::Args)]
pub struct Args {
    /// Folder of a finished run.
    run: PathBuf,
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
}

pub fn verify(args: &Args) -> Result<()> {
    let trained = Trained::load(&args.run, args.data.as_deref())?;
    let bytes = read(&args.model.clone().unwrap_or_else(|| default_model(&args.run)))?;
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
