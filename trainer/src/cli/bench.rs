//! `thumbnet bench`.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use thumbnet::Model;
use thumbnet_trainer::describe;
use thumbnet_trainer::run::{Part, Report, Target, code_len, cycles, features, part, pattern, run};

use super::{read, with_model};

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
    /// Also estimate clock cycles of a Cortex-M4, by its reference manual and memory without wait states; needs a C compiler.
    #[arg(long)]
    cycles: bool,
    /// For a model that streams: samples, or rows, per second.
    #[arg(long)]
    rate: Option<f64>,
    /// Clock in MHz that the real-time factor and the latency are given for, at one instruction per clock.
    #[arg(long, default_value_t = 64.0)]
    clock: f64,
}

pub fn bench(args: &Args) -> Result<()> {
    ensure!(!args.on.contains(&Target::Host), "instructions are counted on emulated cores: --on m4, not host");
    ensure!(args.clock > 0.0, "--clock {} must be positive", args.clock);
    ensure!(args.rate.is_none_or(|rate| rate > 0.0), "--rate must be positive");
    ensure!(!args.cycles || args.on.contains(&Target::M4), "--cycles estimates those of a Cortex-M4: add m4 to --on");
    let bytes = read(&args.model)?;
    with_model(&args.model, |model| {
        let macs = model.info().macs.max(1);
        let input = pattern(model);
        println!(
            "{}: {} bytes of model, {macs} multiply-accumulates, arena {} bytes",
            model.info().name,
            bytes.len(),
            model.arena_len()
        );
        println!("features of the runtime: {}", features(model).join(", "));
        if let Some(Part { frames, hop }) = part(model) {
            println!("streams {frames} frames of {hop} per run; {} of the arena's bytes are state", model.state_len());
        }
        println!("core  instructions  per MAC     load  stack  code in flash");
        for &target in &args.on {
            core(model, &Bytes { model: &bytes, input: &input }, target, args)?;
        }
        Ok(())
    })
}

/// The bytes that a run takes.
struct Bytes<'a> {
    model: &'a [u8],
    input: &'a [u8],
}

/// Prints what one core needs.
fn core(model: &Model<'_>, bytes: &Bytes<'_>, target: Target, args: &Args) -> Result<()> {
    let report = match run(bytes.model, bytes.input, target) {
        Ok((_, report)) => report,
        Err(error) => {
            println!("{:4}  {error:#}", target.to_string());
            return Ok(());
        }
    };
    let count = report.instructions.map_or(0, |count| count.max);
    let code = code_len(target, &features(model))?.unwrap_or(0);
    let (load, stack) = (report.load_instructions.unwrap_or(0), report.stack.unwrap_or(0));
    let per_mac = count as f64 / model.info().macs.max(1) as f64;
    println!("{:4}  {count:12}  {per_mac:7.2}  {load:7}  {stack:5}  {code:13}", target.to_string());
    if let Some(part) = part(model) {
        println!("      {}", streamed(part, count, args));
    }
    let cycles = if args.cycles && target == Target::M4 { cycles(model, bytes.input)? } else { Vec::new() };
    if !cycles.is_empty() {
        println!("      about {} cycles", cycles.iter().sum::<u64>());
    }
    if args.steps {
        step_by_step(model, &report, &cycles);
    }
    Ok(())
}

/// Prints what each step needs; `cycles` has one number for each, or none at all.
fn step_by_step(model: &Model<'_>, report: &Report, cycles: &[u64]) {
    for (number, (step, measured)) in describe::steps(model).iter().zip(&report.steps).enumerate() {
        let count = measured.instructions.unwrap_or(0);
        let per_mac = (step.macs > 0).then(|| format!("{:7.2} per MAC", count as f64 / step.macs as f64));
        let cycles = cycles.get(number).map(|cycles| format!("  about {cycles} cycles"));
        println!("      {count:12}  {:18}{}{}", step.operator, per_mac.unwrap_or_default(), cycles.unwrap_or_default());
    }
}

/// What people who feed a stream want to know of a run of so many instructions.
fn streamed(Part { frames, hop }: Part, count: u64, args: &Args) -> String {
    let per_frame = count as f64 / f64::from(frames.max(1));
    let seconds = count as f64 / (1e6 * args.clock);
    let real_time = args.rate.map_or("with --rate its real-time factor".to_owned(), |rate| {
        let lasts = f64::from(frames * hop) / rate;
        format!("{:.1} ms of signal per run, real-time factor {:.4}", 1e3 * lasts, seconds / lasts)
    });
    format!(
        "{per_frame:.0} instructions per frame; at {} MHz {:.2} ms from the last sample to the answer; {real_time}",
        args.clock,
        1e3 * seconds
    )
}
