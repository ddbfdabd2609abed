//! `thumbnet bench`.

use std::path::PathBuf;

use anyhow::Result;
use thumbnet_trainer::run::{Target, code_len, features, input_bytes, run};

use super::{inspect, read, with_model};

#[derive(clap::Args)]
pub struct Args {
    /// The model file.
    model: PathBuf,
    /// Cores to count on.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Target::M0, Target::M3, Target::M4, Target::M7, Target::M33, Target::M55])]
    on: Vec<Target>,
    /// Also step by step.
    #[arg(long)]
    steps: bool,
}

pub fn bench(args: &Args) -> Result<()> {
    let bytes = read(&args.model)?;
    with_model(&args.model, |model| {
        let macs = model.info().macs.max(1);
        let input: Vec<u8> = (0..input_bytes(model)).map(|i| ((37 * i + 11) % 256) as u8 ^ 0x80).collect();
        println!(
            "{}: {} bytes of model, {macs} multiply-accumulates, arena {} bytes",
            model.info().name,
            bytes.len(),
            model.arena_len()
        );
        println!("features of the runtime: {}", features(model).join(", "));
        println!("core  instructions  per MAC     load  stack  code in flash");
        for &target in args.on.iter().filter(|&&target| target != Target::Host) {
            match run(&bytes, &input, target) {
                Err(error) => println!("{:4}  {error:#}", target.to_string()),
                Ok((_, report)) => {
                    let count = report.instructions.map_or(0, |count| count.max);
                    let code = code_len(target, &features(model))?.unwrap_or(0);
                    let (load, stack) = (report.load_instructions.unwrap_or(0), report.stack.unwrap_or(0));
                    println!(
                        "{:4}  {count:12}  {:7.2}  {load:7}  {stack:5}  {code:13}",
                        target.to_string(),
                        count as f64 / macs as f64
                    );
                    for (number, step) in model.steps().enumerate().filter(|_| args.steps) {
                        let output = model.tensors().get(model.first_result() + number as u32);
                        let macs = output.map_or(0, |output| inspect::macs(model, &step, &output));
                        let count = report.steps[number].instructions.unwrap_or(0);
                        let per_mac = if macs > 0 {
                            format!("{:7.2} per MAC", count as f64 / macs as f64)
                        } else {
                            String::new()
                        };
                        println!("      {count:12}  {:18}{per_mac}", step.op.name());
                    }
                }
            }
        }
        Ok(())
    })
}
