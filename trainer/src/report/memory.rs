//! The arena over time.

use anyhow::Result;
use serde::Serialize;

use super::run::Run;
use crate::describe::{self, Kind, Slot};

/// Which bytes of the arena are whose in which step.
#[derive(Clone, Debug, Serialize)]
pub struct Memory {
    /// Bytes of arena: the peak.
    pub arena_len: usize,
    /// Bytes of it that are state.
    pub state_len: usize,
    /// Number of steps.
    pub steps: usize,
    /// Where it is fullest.
    pub peak: Peak,
    /// One rectangle each.
    pub slots: Vec<Slot>,
}

/// The first step that reaches the top of the arena.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Peak {
    /// Its number.
    pub step: u32,
    /// Its operator.
    pub operator: String,
    /// Name of what it writes.
    pub output: String,
    /// What is alive then.
    pub alive: Vec<String>,
}

pub(super) fn collect(run: &Run) -> Result<Memory> {
    run.with_file(|model| {
        let slots = describe::arena(model);
        Ok(Memory {
            arena_len: model.arena_len(),
            state_len: model.state_len(),
            steps: model.steps().count(),
            peak: peak(&slots, &describe::steps(model)),
            slots,
        })
    })
}

fn is_alive(slot: &Slot, step: u32) -> bool {
    slot.from.is_none_or(|from| from <= step) && step <= slot.to
}

fn peak(slots: &[Slot], steps: &[describe::StepRow]) -> Peak {
    let end = |step: u32| slots.iter().filter(|slot| is_alive(slot, step)).map(|slot| slot.offset + slot.bytes).max();
    let count = steps.len() as u32;
    // The first of the largest.
    let step = (0..count).rev().max_by_key(|&step| end(step)).unwrap_or(0);
    let row = steps.get(step as usize);
    let label = |slot: &Slot| {
        let what = if slot.kind == Kind::Scratch { "scratch of " } else { "" };
        format!("{what}{}", slot.name)
    };
    Peak {
        step,
        operator: row.map_or_else(String::new, |row| row.operator.clone()),
        output: row.map_or_else(String::new, |row| row.output.clone()),
        alive: slots.iter().filter(|slot| is_alive(slot, step)).map(label).collect(),
    }
}
