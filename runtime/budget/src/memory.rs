//! What a chip has: flash and RAM.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::{Chip, Error};

/// A stretch of memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Region {
    /// What its source calls it; empty where that gives no name.
    pub name: String,
    /// Its first address.
    pub start: u64,
    /// Bytes.
    pub len: u64,
    /// Whether it is another view of memory that has been named already.
    #[serde(skip)]
    pub is_alias: bool,
}

impl Region {
    const NONE: Self = Self { name: String::new(), start: 0, len: 0, is_alias: false };

    /// A region as the table of chips writes it, for instance `20000000+40000~:SRAM`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (range, name) = text.split_once(':').unwrap_or((text, ""));
        let (start, len) = range.split_once('+')?;
        let hex = |digits: &str| u64::from_str_radix(digits, 16).ok();
        Some(Self {
            name: name.to_owned(),
            start: hex(start)?,
            len: hex(len.trim_end_matches('~'))?,
            is_alias: len.ends_with('~'),
        })
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, start, len, .. } = self;
        let (space, name) = if name.is_empty() { ("", "") } else { (" ", name.as_str()) };
        write!(f, "{len} bytes at {start:#x}{space}{name}")
    }
}

/// The flash and the RAM that are counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// The chip or the linker script.
    pub source: String,
    /// Where code and model lie.
    pub flash: Region,
    /// Where arena and stack lie.
    pub ram: Region,
    /// RAM that is not counted, because a linker script has one region for data and stack.
    pub other_ram: Vec<Region>,
}

impl Memory {
    /// The memory of a chip, by its name; see [`Chip::find`].
    ///
    /// # Errors
    /// There is no such chip, or several.
    pub fn of_chip(name: &str) -> Result<Self, Error> {
        Ok(Chip::find(name)?.memory)
    }

    /// The regions `FLASH` and `RAM` of a linker script.
    ///
    /// # Errors
    /// The script cannot be read, or lacks one of them.
    pub fn of_script(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::at(path, error))?;
        let text = without_comments(&text);
        let region = |name| region(&text, name).map_err(|error| Error::at(path, error));
        let (flash, ram) = (region("FLASH")?, region("RAM")?);
        Ok(Self { source: path.display().to_string(), flash, ram, other_ram: Vec::new() })
    }

    /// Flash and RAM of so many bytes.
    #[must_use]
    pub fn of_sizes(flash: u64, ram: u64) -> Self {
        let region = |len| Region { len, ..Region::NONE };
        Self { source: "the given sizes".to_owned(), flash: region(flash), ram: region(ram), other_ram: Vec::new() }
    }

    /// Of several RAMs the largest is counted, and rather one where Armv7-M has its SRAM, from 0x2000_0000 on, than one that
    /// lies among the code.
    pub(crate) fn of_regions(source: String, flash: Option<Region>, mut ram: Vec<Region>) -> Self {
        const SRAM: std::ops::Range<u64> = 0x2000_0000..0x4000_0000;
        ram.sort_by_key(|region| (!SRAM.contains(&region.start), std::cmp::Reverse(region.len), region.start));
        let mut ram = ram.into_iter();
        let counted = ram.next().unwrap_or(Region::NONE);
        let is_other = |region: &Region| !(region.is_alias || counted.is_alias && region.len == counted.len);
        let other_ram = ram.filter(is_other).collect();
        Self { source, flash: flash.unwrap_or(Region::NONE), ram: counted, other_ram }
    }

    /// Whether the flash is a window for a chip beside this one, whose size nobody knows from here.
    #[must_use]
    pub const fn is_flash_external(&self) -> bool {
        self.flash.len >= 16 << 20
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: flash {}, RAM {}", self.source, self.flash, self.ram)?;
        if !self.other_ram.is_empty() {
            let others: Vec<String> = self.other_ram.iter().map(Region::to_string).collect();
            write!(f, " (not counted: {})", others.join(", "))?;
        }
        Ok(())
    }
}

fn without_comments(text: &str) -> String {
    let mut parts = text.split("/*");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |clean, part| clean + part.split_once("*/").map_or("", |(_, rest)| rest))
}

/// A region of a linker script, `NAME (attributes) : ORIGIN = start, LENGTH = length` on a line of its own.
fn region(text: &str, name: &str) -> Result<Region, Error> {
    let line = text.lines().filter_map(|line| line.split_once(':')).find(|(head, _)| {
        let head = head.rsplit('{').next().unwrap_or(head);
        head.split(['(', ' ', '\t']).find(|word| !word.is_empty()) == Some(name)
    });
    let value = |key: &str| {
        let (_, rest) = line?.1.split_once(key)?;
        rest.trim_start().strip_prefix('=')?.split([',', '}']).next()
    };
    let missing = |key| Error::new(format!("there is no region {name} with {key} = a number"));
    let start = value("ORIGIN").or_else(|| value("org")).ok_or_else(|| missing("ORIGIN"))?;
    let len = value("LENGTH").or_else(|| value("len")).ok_or_else(|| missing("LENGTH"))?;
    Ok(Region { name: name.to_owned(), start: sum(start)?, len: sum(len)?, is_alias: false })
}

/// Sizes joined by + and -, as linker scripts have them.
fn sum(text: &str) -> Result<u64, Error> {
    let (mut total, mut is_minus) = (0u64, false);
    for term in text.split_inclusive(['+', '-']) {
        let number = size(term.trim_end_matches(['+', '-']))?;
        let next = if is_minus { total.checked_sub(number) } else { total.checked_add(number) };
        total = next.ok_or_else(|| Error::new(format!("\"{}\" is below 0 or beyond 64 bits", text.trim())))?;
        is_minus = term.ends_with('-');
    }
    Ok(total)
}

/// A number of bytes: decimal or, behind `0x`, hexadecimal, with K or M for 2^10 and 2^20.
///
/// # Errors
/// The text is anything else.
pub fn size(text: &str) -> Result<u64, Error> {
    let text = text.trim();
    let (digits, unit) = match text.strip_suffix(['K', 'k']) {
        Some(digits) => (digits, 1 << 10),
        None => text.strip_suffix(['M', 'm']).map_or((text, 1), |digits| (digits, 1 << 20)),
    };
    let number = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(&hex.replace('_', ""), 16).ok(),
        None => digits.parse::<u64>().ok(),
    };
    number.and_then(|number| number.checked_mul(unit)).ok_or_else(|| {
        Error::new(format!("\"{text}\" is no size: expected bytes, or a number with K or M, for instance 256K"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_linkers_write_them() {
        for (text, bytes) in [("4096", 4096), ("256K", 256 << 10), (" 1M", 1 << 20), ("0x8000", 32_768)] {
            assert_eq!(size(text).unwrap(), bytes);
        }
        assert_eq!(sum("1M - 0x1000 + 4K").unwrap(), 1 << 20);
        assert!(sum("4K - 8K").is_err());
        assert!(size("12 apples").unwrap_err().to_string().contains("12 apples"));
    }

    #[test]
    fn regions_of_linker_scripts_are_found() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let script = "/* FLASH : ORIGIN = 1, LENGTH = 2 */\nMEMORY {\n  FLASH (rx) : ORIGIN = 0x8000000, LENGTH = 128K - 16K /* a loader */\n  RAM : ORIGIN = 0x20000000, LENGTH = 0x4000\n}\n";
        std::fs::write(file.path(), script).unwrap();
        let memory = Memory::of_script(file.path()).unwrap();
        assert_eq!((memory.flash.start, memory.flash.len), (0x800_0000, 112 << 10));
        assert_eq!((memory.ram.start, memory.ram.len), (0x2000_0000, 16 << 10));
        std::fs::write(file.path(), "MEMORY { RAM : ORIGIN = 0, LENGTH = 4K }").unwrap();
        assert!(Memory::of_script(file.path()).unwrap_err().to_string().contains("no region FLASH"));
        assert!(Memory::of_script(Path::new("no such file")).is_err());
    }
}
