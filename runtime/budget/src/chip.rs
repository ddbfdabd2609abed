//! Chips by their names.

use std::cmp::Reverse;
use std::fmt;

use crate::{Error, Memory, Region};

/// The table; its head says where it comes from.
const TABLE: &str = include_str!("chips.txt");

/// The cores whose kernels differ, and on which the emulator counts instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Core {
    /// Armv6-M: M0, M0+; also the nearest to an M23.
    M0,
    /// Armv7-M.
    M3,
    /// Armv7E-M: the DSP extension.
    M4,
    /// Armv7E-M, two instructions at a time.
    M7,
    /// Armv8-M with the DSP extension.
    M33,
    /// Armv8.1-M with Helium: M55; also the nearest to an M85.
    M55,
}

impl fmt::Display for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cortex-{self:?}")
    }
}

/// A chip of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chip {
    /// Its name in the table.
    pub name: &'static str,
    /// Its core, or the nearest one.
    pub core: Core,
    /// What it has.
    pub memory: Memory,
}

impl Chip {
    /// The chip with this name, whatever its case. An `x` in either name stands for any character; a name may leave out its end
    /// (`nRF52840`) where all chips that it can mean have the same memory, and may say more than the table (`STM32F405RGT6`).
    ///
    /// # Errors
    /// No chip has this name, or several do that differ; the nearest names are said.
    pub fn find(name: &str) -> Result<Self, Error> {
        let name = name.trim();
        let mut found: Vec<(&str, &str)> = entries().filter(|(_, chip)| matches(chip, name)).collect();
        let rank = |chip: &str| {
            let longer = chip.len() >= name.len();
            (!chip.eq_ignore_ascii_case(name), !longer, Reverse(if longer { 0 } else { chip.len() }))
        };
        found.sort_by_key(|(_, chip)| rank(chip));
        let Some(&(memory, first)) = found.first() else { return Err(unknown(name)) };
        // Chips that are named as well as the first.
        found.retain(|(_, chip)| rank(chip) == rank(first));
        if found.iter().any(|(other, _)| *other != memory) {
            return Err(ambiguous(name, &found));
        }
        Self::parse(memory, first).ok_or_else(|| Error::new(format!("the table of chips is damaged at {first}")))
    }

    /// A chip from the memory of its line in the table.
    fn parse(memory: &str, name: &'static str) -> Option<Self> {
        let [architecture, flash, ram] = memory.split(' ').collect::<Vec<_>>().try_into().ok()?;
        let core = core(architecture, name)?;
        let flash = Region::parse(flash);
        let regions: Vec<Region> = ram.split(',').filter_map(Region::parse).collect();
        Some(Self { name, core, memory: Memory::of_regions(name.to_owned(), flash, regions) })
    }
}

/// Every chip with the memory of its line.
fn entries() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLE.lines().filter(|line| !line.starts_with('#')).flat_map(|line| {
        let end = line.match_indices(' ').nth(2).map_or(line.len(), |(at, _)| at);
        let (memory, names) = line.split_at(end);
        names.split_whitespace().map(move |name| (memory, name))
    })
}

/// Whether two names agree as far as the shorter one goes, and that is far enough to mean something.
fn matches(chip: &str, name: &str) -> bool {
    const FEWEST: usize = 5;
    let like = |a: u8, b: u8| a.eq_ignore_ascii_case(&b) || a == b'x' || b == b'x';
    chip.len().min(name.len()) >= FEWEST && chip.bytes().zip(name.bytes()).all(|(a, b)| like(a, b))
}

fn unknown(name: &str) -> Error {
    let lower = name.to_lowercase();
    // A name that was begun is as near as one that was misspelt.
    let nearness = |chip: &str| {
        let chip = chip.to_lowercase();
        let start = chip.get(..lower.len()).unwrap_or(&chip);
        strsim::normalized_damerau_levenshtein(start, &lower)
    };
    let mut near: Vec<(f64, &str)> = entries().map(|(_, chip)| (nearness(chip), chip)).collect();
    near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let near: Vec<&str> = near.iter().take(5).map(|&(_, chip)| chip).collect();
    Error::new(format!(
        "no Cortex-M \"{name}\" is in probe-rs's target list; near are {}. Name one of them, or give a memory.x",
        near.join(", ")
    ))
}

fn ambiguous(name: &str, found: &[(&str, &'static str)]) -> Error {
    const MOST: usize = 12;
    let chips = found.iter().take(MOST).filter_map(|(memory, chip)| Chip::parse(memory, chip));
    let mut lines: Vec<String> = chips.map(|chip| format!("  {}", chip.memory)).collect();
    if found.len() > MOST {
        lines.push(format!("  and {} more", found.len() - MOST));
    }
    Error::new(format!("\"{name}\" may be any of these, name one of them:\n{}", lines.join("\n")))
}

/// Series whose core the architecture alone does not tell, from their vendors' data sheets.
const SERIES: [(&str, Core); 18] = [
    ("STM32F7", Core::M7),
    ("STM32H7", Core::M7),
    ("ATSAME70", Core::M7),
    ("ATSAMS70", Core::M7),
    ("ATSAMV7", Core::M7),
    ("MIMXRT10", Core::M7),
    ("MIMXRT116", Core::M7),
    ("MIMXRT117", Core::M7),
    ("S32K3", Core::M7),
    ("STM32N6", Core::M55),
    ("R7FA8", Core::M55),
    ("R7JA8", Core::M55),
    ("R7KA8", Core::M55),
    ("PSE8", Core::M33),
    ("GD32E23", Core::M0),
    ("R7FA0", Core::M0),
    ("R7FA2", Core::M0),
    ("CC23", Core::M0),
];

fn core(architecture: &str, name: &str) -> Option<Core> {
    let of_architecture = match architecture {
        "armv6m" => Core::M0,
        "armv7m" => Core::M3,
        "armv7em" => Core::M4,
        "armv8m" => Core::M33,
        _ => return None,
    };
    let series = SERIES.iter().find(|(start, _)| name.starts_with(start));
    Some(series.map_or(of_architecture, |&(_, core)| core))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_however_they_are_written() {
        for (name, chip) in [
            ("nrf52840", "nRF52840_xxAA"),
            ("nRF52840_QIAA", "nRF52840_xxAA"),
            ("STM32F405RGT6", "STM32F405RG"),
            ("stm32f405rgtx", "STM32F405RG"),
            ("RP2040", "RP2040"),
        ] {
            assert_eq!(Chip::find(name).unwrap().name, chip, "{name}");
        }
    }

    #[test]
    fn every_line_of_the_table_is_read() {
        assert!(entries().count() > 4000);
        for (memory, name) in entries() {
            let chip = Chip::parse(memory, name).unwrap_or_else(|| panic!("{name}: {memory}"));
            assert!(
                chip.memory.ram.len > 0 || chip.memory.flash.len > 0 || memory.ends_with("- -"),
                "{name}: {memory}"
            );
        }
    }

    #[test]
    fn the_counted_memory_is_that_of_data_sheets() {
        for (name, core, flash, ram, at) in [
            ("nRF52840", Core::M4, 1 << 20, 256 << 10, 0x2000_0000),
            ("nRF52832_xxAA", Core::M4, 512 << 10, 64 << 10, 0x2000_0000),
            ("nRF52832_xxAB", Core::M4, 256 << 10, 32 << 10, 0x2000_0000),
            ("nRF51822_xxAA", Core::M0, 256 << 10, 16 << 10, 0x2000_0000),
            // 112 and 16 KB that touch; 64 KB of CCM lie elsewhere.
            ("STM32F405RG", Core::M4, 1 << 20, 128 << 10, 0x2000_0000),
            ("STM32H743ZI", Core::M7, 2 << 20, 512 << 10, 0x2400_0000),
            ("STM32F103C8", Core::M3, 64 << 10, 20 << 10, 0x2000_0000),
        ] {
            let chip = Chip::find(name).unwrap_or_else(|error| panic!("{error}"));
            let found = (chip.core, chip.memory.flash.len, chip.memory.ram.len, chip.memory.ram.start);
            assert_eq!(found, (core, flash, ram, at), "{name}");
        }
    }

    #[test]
    fn what_is_not_clear_is_asked() {
        let error = Chip::find("nRF52832").unwrap_err().to_string();
        assert!(error.contains("nRF52832_xxAA") && error.contains("nRF52832_xxAB"), "{error}");
    }

    #[test]
    fn what_is_unknown_gets_the_nearest() {
        for name in ["nfR52840", "nRF5284O", "nfR5284"] {
            let error = Chip::find(name).unwrap_err().to_string();
            assert!(error.contains("nRF52840_xxAA"), "{error}");
        }
    }
}
