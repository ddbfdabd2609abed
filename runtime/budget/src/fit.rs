//! What a model takes, set against what a chip has.

use std::fmt;

use serde::Serialize;
use thumbnet::Model;

use crate::{Memory, needs};

/// Something that takes up memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// What it is.
    pub name: String,
    /// How much it takes.
    pub bytes: u64,
}

/// What takes up one kind of memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Budget {
    /// "flash" or "RAM".
    pub kind: &'static str,
    /// What takes it up, the largest first.
    pub parts: Vec<Part>,
    /// Bytes that there are.
    pub available: u64,
}

impl Budget {
    fn new(kind: &'static str, parts: Vec<Part>, available: u64) -> Self {
        let mut budget = Self { kind, parts, available };
        budget.sort();
        budget
    }

    fn sort(&mut self) {
        self.parts.retain(|part| part.bytes > 0);
        self.parts.sort_by_key(|part| std::cmp::Reverse(part.bytes));
    }

    /// Bytes of all parts.
    #[must_use]
    pub fn needed(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }

    /// Whether there are as many.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.needed() <= self.available
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, needed, available) = (self.kind, self.needed(), self.available);
        write!(f, "{kind:5}  {needed:8} of {available:8} bytes: ")?;
        match available.checked_sub(needed) {
            Some(left) => write!(f, "fits, {left} left")?,
            None => write!(f, "does not fit, {} too many", needed - available)?,
        }
        write!(f, " ({})", largest(&self.parts))
    }
}

/// The largest parts by name, the others as a sum.
fn largest(parts: &[Part]) -> String {
    const NAMED: usize = 5;
    let (named, others) = parts.split_at(parts.len().min(NAMED));
    let mut words: Vec<String> = named.iter().map(|part| format!("{} {}", part.name, part.bytes)).collect();
    if !others.is_empty() {
        words.push(format!("{} more {}", others.len(), others.iter().map(|part| part.bytes).sum::<u64>()));
    }
    words.join("; ")
}

/// Whether a model fits, and what it takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fit {
    /// What there is.
    pub memory: Memory,
    /// Code, weights, the rest of the model.
    pub flash: Budget,
    /// Arena, stack, the firmware's own data.
    pub ram: Budget,
    /// The step in which the arena is fullest.
    pub fullest: String,
    /// What lies in the arena then.
    pub arena: Vec<Part>,
}

impl Fit {
    /// The model alone: its file in flash, its arena in RAM.
    #[must_use]
    pub fn new(model: &Model<'_>, memory: Memory) -> Self {
        let flash = Budget::new("flash", needs::flash(model), memory.flash.len);
        let arena = Part { name: "arena".to_owned(), bytes: model.arena_len() as u64 };
        let ram = Budget::new("RAM", vec![arena], memory.ram.len);
        let (fullest, mut arena) = needs::fullest(model);
        arena.sort_by_key(|part| std::cmp::Reverse(part.bytes));
        Self { memory, flash, ram, fullest, arena }
    }

    /// With something else in flash.
    #[must_use]
    pub fn flash(mut self, name: &str, bytes: u64) -> Self {
        self.flash.parts.push(Part { name: name.to_owned(), bytes });
        self.flash.sort();
        self
    }

    /// With something else in RAM.
    #[must_use]
    pub fn ram(mut self, name: &str, bytes: u64) -> Self {
        self.ram.parts.push(Part { name: name.to_owned(), bytes });
        self.ram.sort();
        self
    }

    /// Whether all of it fits.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.flash.fits() && self.ram.fits()
    }

    /// What to do where it does not fit.
    #[must_use]
    pub fn advice(&self) -> Vec<&'static str> {
        let mut advice = Vec::new();
        if !self.flash.fits() {
            advice.push("less flash: export without --optimize speed or with a smaller --flash-budget, take only the features that `thumbnet inspect` names, compile the model to Rust (`thumbnet compile --rust`), or train a network with fewer weights");
        }
        if !self.ram.fits() {
            advice.push("less RAM: export or import with --ram-budget BYTES or --optimize ram, make the tensors of the fullest step smaller (strides or pools earlier, fewer channels), or export a sequence with --stream");
        }
        if !self.fits() {
            advice.push("or take a chip with more memory");
        }
        advice
    }
}

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.memory)?;
        if self.memory.is_flash_external() {
            writeln!(f, "       the flash is a window for a chip of its own: what that one holds is for you to say")?;
        }
        writeln!(f, "{}\n{}", self.flash, self.ram)?;
        write!(f, "arena  fullest in {}: {}", self.fullest, largest(&self.arena))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The model of the demo, with its bytes aligned.
    fn digits(check: impl FnOnce(&Model<'_>)) {
        static BYTES: &[u8] = thumbnet::include_model!("../../../firmware/models/digits.tnet");
        check(&Model::new(BYTES).unwrap());
    }

    #[test]
    fn parts_add_up_to_the_file_and_the_arena() {
        digits(|model| {
            let fit = Fit::new(model, Memory::of_chip("nRF52840").unwrap());
            assert_eq!(fit.flash.needed(), model.bytes().len() as u64);
            assert_eq!(fit.ram.needed(), model.arena_len() as u64);
            // The weights of its four layers that have some are most of the file; the fifth one is the table of softmax.
            assert_eq!(fit.flash.parts.iter().filter(|part| part.name.starts_with("weights")).count(), 5);
            assert!(fit.fits() && fit.advice().is_empty());
        });
    }

    #[test]
    fn what_does_not_fit_is_named_with_what_takes_the_most() {
        digits(|model| {
            let fit = Fit::new(model, Memory::of_sizes(8 << 10, 2 << 10)).flash("code", 100).ram("stack", 500);
            assert!(!fit.fits());
            let text = fit.to_string();
            let excess = model.bytes().len() + 100 - (8 << 10);
            for part in [&format!("does not fit, {excess} too many"), "weights of step ", "arena ", "stack 500"] {
                assert!(text.contains(part), "{part}: {text}");
            }
            assert_eq!(fit.advice().len(), 3);
        });
    }

    #[test]
    fn a_byte_decides() {
        digits(|model| {
            let (flash, ram) = (model.bytes().len() as u64, model.arena_len() as u64);
            assert!(Fit::new(model, Memory::of_sizes(flash, ram)).fits());
            assert!(!Fit::new(model, Memory::of_sizes(flash - 1, ram)).fits());
            assert!(!Fit::new(model, Memory::of_sizes(flash, ram - 1)).fits());
        });
    }
}
