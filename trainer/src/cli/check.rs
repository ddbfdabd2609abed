//! `thumbnet check`: whether a model fits a chip, before anything is flashed.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use thumbnet_build::{Chip, Core, Fit, Memory, Region, size, stack_len};
use thumbnet_trainer::run::{Clocks, Report, Target, code_len, features, input_bytes, run};

use super::{read, with_model};

#[derive(clap::Args)]
pub struct Args {
    /// The model file.
    model: PathBuf,
    /// A chip by its name in probe-rs's target list, for instance nRF52840.
    #[arg(long, conflicts_with = "memory")]
    chip: Option<String>,
    /// A linker script with the regions FLASH and RAM.
    #[arg(long, value_name = "memory.x")]
    memory: Option<PathBuf>,
    /// The core of the chip, or the nearest of those that can be emulated; that of --chip, or m4.
    #[arg(long, value_enum)]
    core: Option<Target>,
    /// Flash: bytes, or with K or M; instead of what the chip or the script has.
    #[arg(long, value_parser = size)]
    flash: Option<u64>,
    /// RAM: bytes, or with K or M; instead of what the chip or the script has.
    #[arg(long, value_parser = size)]
    ram: Option<u64>,
    /// Clock, for instance 64MHz: also the time of an inference.
    #[arg(long, value_parser = megahertz)]
    clock: Option<f64>,
    /// One object of JSON.
    #[arg(long)]
    json: bool,
}

pub fn check(args: &Args) -> Result<()> {
    let (memory, core) = place(args)?;
    let bytes = read(&args.model)?;
    let (fit, cost) = with_model(&args.model, |model| {
        let cost = Cost::measure(&bytes, model, core)?;
        let fit = Fit::new(model, memory.clone()).flash("runtime", cost.code).ram("stack", cost.stack);
        Ok((fit, cost))
    })?;
    if args.json {
        println!("{:#}", as_json(&fit, &cost, core, args.clock));
    } else {
        println!("{fit}");
        cost.print(core, args.clock);
        println!("your own code, its stack and its data come on top");
    }
    if !fit.fits() {
        let full: Vec<&str> =
            [&fit.flash, &fit.ram].iter().filter(|budget| !budget.fits()).map(|budget| budget.kind).collect();
        bail!("the model does not fit into the {}\n{}", full.join(" and the "), fit.advice().join("\n"));
    }
    Ok(())
}

/// What there is, and the emulated core for it.
fn place(args: &Args) -> Result<(Memory, Target)> {
    let chip = args.chip.as_deref().map(Chip::find).transpose()?;
    let core = args.core.or(chip.as_ref().map(|chip| target(chip.core))).unwrap_or(Target::M4);
    ensure!(core != Target::Host, "--core host is no Cortex-M: name one of them");
    let mut memory = match (chip, &args.memory) {
        (Some(chip), _) => chip.memory,
        (None, Some(path)) => Memory::of_script(path)?,
        (None, None) => match (args.flash, args.ram) {
            (Some(flash), Some(ram)) => Memory::of_sizes(flash, ram),
            _ => bail!("how large is the chip? Give --chip, --memory, or both --flash and --ram"),
        },
    };
    let mut replace = |region: fn(&mut Memory) -> &mut Region, len: Option<u64>| {
        if let Some(len) = len {
            region(&mut memory).len = len;
        }
    };
    replace(|memory| &mut memory.flash, args.flash);
    replace(|memory| &mut memory.ram, args.ram);
    for (name, region) in [("flash", &memory.flash), ("ram", &memory.ram)] {
        ensure!(region.len > 0, "probe-rs's target list has no {name} of {}: give --{name}", memory.source);
    }
    Ok((memory, core))
}

const fn target(core: Core) -> Target {
    match core {
        Core::M0 => Target::M0,
        Core::M3 => Target::M3,
        Core::M4 => Target::M4,
        Core::M7 => Target::M7,
        Core::M33 => Target::M33,
        Core::M55 => Target::M55,
    }
}

fn core(target: Target) -> Core {
    match target {
        Target::M0 => Core::M0,
        Target::M3 => Core::M3,
        Target::M7 => Core::M7,
        Target::M33 => Core::M33,
        Target::M55 => Core::M55,
        Target::M4 | Target::Host => Core::M4,
    }
}

/// What an inference and its code cost on a core.
struct Cost {
    code: u64,
    stack: u64,
    macs: u64,
    /// Instructions, or why they are not known.
    instructions: Result<u64>,
}

impl Cost {
    fn measure(bytes: &[u8], model: &thumbnet::Model<'_>, target: Target) -> Result<Self> {
        let code = code_len(target, &features(model))?.context("the host has no flash")?;
        let input: Vec<u8> = (0..input_bytes(model)).map(|i| ((37 * i + 11) % 256) as u8 ^ 0x80).collect();
        let macs = model.info().macs;
        let most = stack_len(core(target));
        Ok(match run(bytes, &input, target) {
            Ok((_, Report { stack, instructions, .. })) => {
                let instructions = instructions.map(|count| count.max).context("nothing was counted");
                Self { code, stack: stack.unwrap_or(most), macs, instructions }
            }
            // The emulated M0 has less memory than most chips with one.
            Err(error) => Self { code, stack: most, macs, instructions: Err(error) },
        })
    }

    fn milliseconds(&self, target: Target, clock: Option<f64>) -> Option<f64> {
        let count = *self.instructions.as_ref().ok()?;
        Some(count as f64 * target.clocks()?.per_instruction / (1e3 * clock?))
    }

    fn print(&self, target: Target, clock: Option<f64>) {
        match &self.instructions {
            Ok(count) => println!("time   {count} instructions on the {target}, {} multiply-accumulates", self.macs),
            Err(why) => println!(
                "time   not known on the {target}, {} multiply-accumulates; the stack is the most that any model takes: {why:#}",
                self.macs
            ),
        }
        if let (Some(ms), Some(clock), Some(clocks)) = (self.milliseconds(target, clock), clock, target.clocks()) {
            let Clocks { per_instruction, source } = clocks;
            println!("       about {ms:.3} ms at {clock} MHz in memory without wait states");
            println!("       and {per_instruction} clocks per instruction ({source})");
        }
    }
}

fn as_json(fit: &Fit, cost: &Cost, core: Target, clock: Option<f64>) -> serde_json::Value {
    json!({
        "fits": fit.fits(),
        "core": core.to_string(),
        "needs": { "flash": fit.flash.needed(), "ram": fit.ram.needed() },
        "fit": fit,
        "macs": cost.macs,
        "instructions": cost.instructions.as_ref().ok(),
        "clock_mhz": clock,
        "clocks_per_instruction": core.clocks().map(|clocks| clocks.per_instruction),
        "milliseconds": cost.milliseconds(core, clock),
    })
}

/// A clock: `64`, `64MHz`, `32768 kHz`.
fn megahertz(text: &str) -> Result<f64> {
    let lower = text.trim().to_lowercase();
    let units = [("ghz", 1e3), ("mhz", 1.0), ("khz", 1e-3), ("hz", 1e-6)];
    let of_unit = units.iter().find_map(|&(unit, scale)| Some((lower.strip_suffix(unit)?, scale)));
    let (number, scale) = of_unit.unwrap_or((&lower, 1.0));
    let clock = number.trim().parse::<f64>().ok().map(|number| number * scale);
    let clock = clock.filter(|clock| clock.is_finite() && *clock > 0.0);
    clock.with_context(|| format!("\"{text}\" is no clock: expected for instance 64MHz"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_read_with_and_without_units() {
        for (text, clock) in [("64", 64.0), ("64MHz", 64.0), ("1 GHz", 1e3), ("500khz", 0.5)] {
            assert_eq!(megahertz(text).unwrap(), clock, "{text}");
        }
        for text in ["", "fast", "-1MHz", "0"] {
            assert!(megahertz(text).is_err(), "{text}");
        }
    }
}
