//! `defmt::Format` of the types whose derived one would send a whole model over the wire.

use defmt::{Format, Formatter, write};

use crate::arena::Arena;
use crate::format::{Steps, Tensors, Words};
use crate::model::Model;
use crate::session::Session;

impl Format for Model<'_> {
    fn format(&self, f: Formatter<'_>) {
        write!(
            f,
            "Model {{ name: {=str}, bytes: {=usize}, steps: {=u32}, arena: {=usize} }}",
            self.info().name,
            self.bytes().len(),
            self.head().steps,
            self.arena_len()
        );
    }
}

impl Format for Session<'_> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Session {{ model: {} }}", self.model());
    }
}

impl Format for Tensors<'_> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Tensors {{ len: {=usize} }}", self.len());
    }
}

impl Format for Steps<'_> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Steps {{ left: {=usize} }}", { *self }.count());
    }
}

impl Format for Words<'_> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Words {{ left: {=usize} }}", self.len());
    }
}

impl<const N: usize> Format for Arena<N> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Arena<{=usize}>", N);
    }
}
