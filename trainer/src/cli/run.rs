//! `thumbnet run`.

use std::path::PathBuf;

use anyhow::Result;
use thumbnet_trainer::run::{Target, run as execute};

use super::{answers, read, with_model, write};

#[derive(clap::Args)]
pub struct Args {
    /// The model file.
    model: PathBuf,
    /// Where to run.
    #[arg(long, value_enum, default_value = "host")]
    on: Target,
    /// Raw input tensors back to back, as many inferences as it holds.
    #[arg(long)]
    input: PathBuf,
    /// Where the raw outputs go, back to back.
    #[arg(long)]
    output: Option<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let (outputs, report) = execute(&read(&args.model)?, &read(&args.input)?, args.on)?;
    if let Some(path) = &args.output {
        write(path, &outputs)?;
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    with_model(&args.model, |model| {
        answers::print(model, &outputs);
        Ok(())
    })?;
    println!("{} inferences on {}", report.inferences, args.on);
    if let Some(count) = report.instructions {
        println!("instructions per inference: {} to {}", count.min, count.max);
    }
    let stack = report.stack.map_or(String::new(), |stack| format!(", stack {stack}"));
    println!("bytes: arena {}, state {}{stack}", report.peak_ram, report.state);
    for (number, step) in report.steps.iter().enumerate() {
        let instructions = step.instructions.map_or(String::new(), |count| format!("{count:12} instructions"));
        println!("step {number:3}  digest {:08x}{instructions}", step.digest);
    }
    Ok(())
}
