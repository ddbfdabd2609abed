//! `thumbnet check`: whether a model fits a chip, before anything is flashed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use thumbnet_trainer::run::{Report, Target, code_len, features, input_bytes, run};

use super::{read, with_model};

#[derive(clap::Args)]
pub struct Args {
    /// The model file.
    model: PathBuf,
    /// The core of the chip, or the nearest of those that can be emulated.
    #[arg(long, value_enum, default_value = "m4")]
    core: Target,
    /// Flash of the chip: bytes, or with K or M.
    #[arg(long, value_parser = size, required_unless_present = "memory")]
    flash: Option<u64>,
    /// RAM of the chip: bytes, or with K or M.
    #[arg(long, value_parser = size, required_unless_present = "memory")]
    ram: Option<u64>,
    /// A linker script with the regions FLASH and RAM, instead.
    #[arg(long, value_name = "memory.x", conflicts_with_all = ["flash", "ram"])]
    memory: Option<PathBuf>,
    /// Clock in MHz.
    #[arg(long, default_value_t = 64.0)]
    clock: f64,
}

/// What takes up a kind of memory.
struct Budget {
    name: &'static str,
    parts: Vec<(&'static str, u64)>,
    there: u64,
}

impl Budget {
    fn needed(&self) -> u64 {
        self.parts.iter().map(|(_, bytes)| bytes).sum()
    }

    fn print(&self) {
        let parts: Vec<String> = self.parts.iter().map(|(name, bytes)| format!("{name} {bytes}")).collect();
        let needed = self.needed();
        let verdict = match self.there.checked_sub(needed) {
            Some(left) => format!("fits, {left} left"),
            None => format!("does not fit, {} too many", needed - self.there),
        };
        println!("{:5}  {needed:8} of {:8} bytes: {verdict} ({})", self.name, self.there, parts.join(", "));
    }
}

pub fn check(args: &Args) -> Result<()> {
    ensure!(args.core != Target::Host, "--core host is no Cortex-M: name one of them");
    ensure!(args.clock > 0.0, "--clock {} must be positive", args.clock);
    let (flash, ram) = match &args.memory {
        Some(path) => (region(path, "FLASH")?, region(path, "RAM")?),
        None => (args.flash.unwrap_or(0), args.ram.unwrap_or(0)),
    };
    let bytes = read(&args.model)?;
    let (code, report) = with_model(&args.model, |model| {
        let input: Vec<u8> = (0..input_bytes(model)).map(|i| ((37 * i + 11) % 256) as u8 ^ 0x80).collect();
        let (_, report) = run(&bytes, &input, args.core)?;
        Ok((code_len(args.core, &features(model))?.unwrap_or(0), report))
    })?;
    let Report { peak_ram, stack, instructions, .. } = report;
    let budgets = [
        Budget { name: "flash", parts: vec![("model", bytes.len() as u64), ("runtime", code)], there: flash },
        Budget { name: "RAM", parts: vec![("arena", peak_ram), ("stack", stack.unwrap_or(0))], there: ram },
    ];
    budgets.iter().for_each(Budget::print);
    let count = instructions.map_or(0, |count| count.max);
    println!(
        "time   {count} instructions on the {}, {:.3} ms at {} MHz and one per clock: a lower bound",
        args.core,
        count as f64 / (1e3 * args.clock),
        args.clock
    );
    println!("your own code, its stack and its data come on top");
    let too_small: Vec<&str> =
        budgets.iter().filter(|budget| budget.needed() > budget.there).map(|budget| budget.name).collect();
    if !too_small.is_empty() {
        bail!(
            "the model does not fit into the {}: train a smaller network, export a sequence with --stream, or take another chip",
            too_small.join(" and the ")
        );
    }
    Ok(())
}

fn size(text: &str) -> Result<u64> {
    let text = text.trim();
    let (digits, unit) = match text.strip_suffix(['K', 'k']) {
        Some(digits) => (digits, 1 << 10),
        None => text.strip_suffix(['M', 'm']).map_or((text, 1), |digits| (digits, 1 << 20)),
    };
    let number = match digits.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => digits.parse::<u64>().ok(),
    };
    number
        .and_then(|number| number.checked_mul(unit))
        .with_context(|| format!("\"{text}\" is no size: expected bytes, or a number with K or M, for instance 256K"))
}

/// The length of a region of a linker script.
fn region(path: &Path, name: &str) -> Result<u64> {
    let text = String::from_utf8(read(path)?).with_context(|| format!("{} is no text", path.display()))?;
    let line = text.lines().find(|line| {
        let head = line.split(':').next().unwrap_or_default();
        head.split_whitespace().next() == Some(name)
    });
    let length = line.and_then(|line| line.split("LENGTH").nth(1)).and_then(|rest| rest.trim().strip_prefix('='));
    let length = length.with_context(|| format!("{} has no region {name} with a LENGTH", path.display()))?;
    size(length.split(['/', ',']).next().unwrap_or_default()).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_regions_are_read_as_linkers_write_them() {
        for (text, bytes) in [("4096", 4096), ("256K", 256 << 10), ("1M", 1 << 20), ("0x8000", 32_768)] {
            assert_eq!(size(text).unwrap(), bytes);
        }
        assert!(size("12 apples").unwrap_err().to_string().contains("12 apples"));
        let file = tempfile::NamedTempFile::new().unwrap();
        let script = "MEMORY\n{\n  FLASH (rx) : ORIGIN = 0x0, LENGTH = 128K /* half */\n  RAM : ORIGIN = 0x20000000, LENGTH = 0x4000\n}\n";
        std::fs::write(file.path(), script).unwrap();
        assert_eq!(region(file.path(), "FLASH").unwrap(), 128 << 10);
        assert_eq!(region(file.path(), "RAM").unwrap(), 16 << 10);
        assert!(region(file.path(), "ROM").unwrap_err().to_string().contains("no region ROM"));
    }
}
