//! Writes the table of chips that `thumbnet check --chip` and the crate `thumbnet-build` read: every Cortex-M of probe-rs's
//! target list, with its architecture, its flash and its RAM. `cargo xtask chips` runs it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use probe_rs_target::{Chip, ChipFamily, CoreType, MemoryRegion};

/// Version of the target list, which lies in the crate `probe-rs` itself.
const PROBE_RS: &str = "0.32.0";

/// Flash that the list has wrong, with the vendor's figure: 256 KB by Nordic's product specification of the nRF52832.
const CORRECTED: [(&str, &str); 1] = [("nRF52832_xxAB", "0+40000")];

fn main() -> Result<()> {
    let table = std::env::args_os().nth(1).map(PathBuf::from).context("expected the path of the table")?;
    let folder = tempfile::tempdir()?;
    let mut chips = BTreeMap::<String, Vec<String>>::new();
    for file in fs::read_dir(source(folder.path())?.join("targets"))? {
        let path = file?.path();
        let family: ChipFamily =
            yaml_serde::from_str(&fs::read_to_string(&path)?).with_context(|| path.display().to_string())?;
        for chip in &family.variants {
            if let Some(memory) = memory(chip) {
                ensure!(!chip.name.contains(char::is_whitespace), "a name with a space: {}", chip.name);
                chips.entry(memory).or_default().push(chip.name.clone());
            }
        }
    }
    fs::write(&table, text(chips)).with_context(|| table.display().to_string())
}

/// The folder of probe-rs's source: cargo fetches it as a dependency of a package that is never built.
fn source(folder: &Path) -> Result<PathBuf> {
    let manifest = format!(
        "[package]\nname = \"list\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n\
         probe-rs = {{ version = \"={PROBE_RS}\", default-features = false }}\n"
    );
    fs::write(folder.join("Cargo.toml"), manifest)?;
    fs::create_dir(folder.join("src"))?;
    fs::write(folder.join("src/lib.rs"), "")?;
    let output = Command::new("cargo").args(["metadata", "--format-version", "1"]).current_dir(folder).output()?;
    ensure!(output.status.success(), "cargo cannot fetch probe-rs: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().context("cargo names no packages")?;
    let package = packages.iter().find(|package| package["name"] == "probe-rs").context("cargo names no probe-rs")?;
    let manifest = package["manifest_path"].as_str().context("probe-rs has no path")?;
    Ok(Path::new(manifest).parent().context("probe-rs has no folder")?.to_owned())
}

/// A stretch of memory; regions that touch are one.
struct Region {
    start: u64,
    end: u64,
    name: Option<String>,
    is_alias: bool,
}

/// Architecture, flash and RAM that the first core of a chip sees; `None` where that is no Cortex-M.
fn memory(chip: &Chip) -> Option<String> {
    let core = chip.cores.first()?;
    let architecture = match core.core_type {
        CoreType::Armv6m => "armv6m",
        CoreType::Armv7m => "armv7m",
        CoreType::Armv7em => "armv7em",
        CoreType::Armv8m => "armv8m",
        _ => return None,
    };
    let (mut boot, mut flash, mut ram) = (Vec::new(), Vec::new(), Vec::new());
    for region in chip.memory_map.iter().filter(|region| region.cores().contains(&core.name)) {
        match region {
            MemoryRegion::Nvm(r) if r.is_boot_memory() => add(&mut boot, &r.range, &r.name, r.is_alias),
            MemoryRegion::Nvm(r) => add(&mut flash, &r.range, &r.name, r.is_alias),
            MemoryRegion::Ram(r) => add(&mut ram, &r.range, &r.name, r.is_alias),
            MemoryRegion::Generic(_) => {}
        }
    }
    // Others are option bytes, EEPROM, or chips beside this one.
    let flash = merged(if boot.is_empty() { flash } else { boot });
    let largest = flash.iter().max_by_key(|region| (region.end - region.start, std::cmp::Reverse(region.start)));
    let flash = largest.map_or_else(|| "-".to_owned(), region);
    let corrected = CORRECTED.iter().find(|(name, _)| *name == chip.name);
    let flash = corrected.map_or(flash, |&(_, flash)| flash.to_owned());
    let ram: Vec<String> = merged(ram).iter().map(region).collect();
    let ram = if ram.is_empty() { "-".to_owned() } else { ram.join(",") };
    Some(format!("{architecture} {flash} {ram}"))
}

fn add(regions: &mut Vec<Region>, range: &std::ops::Range<u64>, name: &Option<String>, is_alias: bool) {
    regions.push(Region { start: range.start, end: range.end, name: name.clone(), is_alias });
}

/// In the order of addresses, those that touch or overlap joined.
fn merged(mut regions: Vec<Region>) -> Vec<Region> {
    regions.sort_by_key(|region| region.start);
    let mut joined: Vec<Region> = Vec::new();
    for region in regions {
        match joined.last_mut() {
            Some(last) if region.start <= last.end && region.is_alias == last.is_alias => {
                last.end = last.end.max(region.end);
            }
            _ => joined.push(region),
        }
    }
    joined
}

/// Start and length in hexadecimal, `~` where it is another view of the same memory, and its name.
fn region(region: &Region) -> String {
    let Region { start, end, name, is_alias } = region;
    let alias = if *is_alias { "~" } else { "" };
    let name = name.as_ref().map(|name| format!(":{}", name.replace([' ', ','], "_"))).unwrap_or_default();
    format!("{start:x}+{:x}{alias}{name}", end - start)
}

fn text(chips: BTreeMap<String, Vec<String>>) -> String {
    let mut text = format!(
        "# Cortex-M chips and their memory, from the target list of probe-rs {PROBE_RS} (https://probe.rs, MIT or Apache-2.0),\n\
         # written by `cargo xtask chips`: do not edit. Architecture of the first core; flash that it boots from; RAM; names.\n\
         # A region is start+length in hexadecimal, ~ where it is another view of memory that is listed already, and its name.\n"
    );
    for (memory, mut names) in chips {
        names.sort_unstable();
        names.dedup();
        // Writing into a string does not fail.
        let _ = writeln!(text, "{memory} {}", names.join(" "));
    }
    text
}
