//! From tensors to buffers: what shares memory by right, how long each lives, and what may lie over what.

use thumbnet::format::{Op, Place, Tensor};
use thumbnet::plan::{keeps_parts, lead, may_move, may_overwrite, part_of_input};

use super::super::program::{Program, StepDesc};

/// Bytes that are alive from one step to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Buffer {
    pub len: u32,
    pub from: i64,
    pub to: i64,
}

impl Buffer {
    pub const fn lives_with(&self, other: &Self) -> bool {
        self.from <= other.to && other.from <= self.to
    }
}

/// Where a tensor lies: so many bytes behind the start of a buffer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spot {
    pub buffer: usize,
    pub at: u32,
}

/// Two buffers that may overlap although both are alive: an output, and an input that dies where it is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    pub output: usize,
    pub input: usize,
    pub way: Way,
}

/// How they may overlap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Way {
    /// The output starts at least so many bytes in front of the input and grows into what was read.
    Ahead(u32),
    /// The output starts with the input or behind it: it is copied from the end.
    Behind,
}

/// What shares memory for longer than each part needs it.
#[derive(Clone, Copy, Debug)]
pub struct Sharing {
    /// Slices hold their source although nobody else reads it any more.
    slices: bool,
    /// Parts of a concatenation hold the whole from the first one on.
    parts: bool,
}

impl Sharing {
    /// Every choice.
    pub const ALL: [Self; 4] = [
        Self { slices: true, parts: true },
        Self { slices: true, parts: false },
        Self { slices: false, parts: true },
        Self { slices: false, parts: false },
    ];
}

/// All that must find a place in the arena.
#[derive(Clone, Debug, PartialEq)]
pub struct Buffers {
    /// Of tensors, then of each step's scratch; some are empty.
    pub all: Vec<Buffer>,
    /// Of every tensor; none for a constant and a state.
    pub spots: Vec<Option<Spot>>,
    /// The buffer of each step's scratch.
    pub scratch: Vec<usize>,
    /// What may overlap.
    pub pairs: Vec<Pair>,
}

/// Collects the buffers of a program. `states` are the places of the tensors that have theirs already.
pub fn buffers(
    program: &Program,
    records: &[Tensor],
    states: &[Option<u32>],
    scratch_len: &[u32],
    sharing: Sharing,
) -> Buffers {
    let (mut all, mut spots) = share(program, records, states, sharing);
    if sharing.parts {
        (0..program.steps.len()).for_each(|step| hold_parts(program, records, step, &mut all, &mut spots));
    }
    let scratch = (all.len()..all.len() + scratch_len.len()).collect();
    for (step, &len) in (0..).zip(scratch_len) {
        all.push(Buffer { len: len.next_multiple_of(4), from: step, to: step });
    }
    let pairs = pairs(program, records, &all, &spots);
    Buffers { all, spots, scratch, pairs }
}

fn padded(tensor: &Tensor) -> u32 {
    tensor.bytes().unwrap_or(0).next_multiple_of(4)
}

/// Gives each tensor a buffer, its own or that of an input.
fn share(
    program: &Program,
    records: &[Tensor],
    states: &[Option<u32>],
    sharing: Sharing,
) -> (Vec<Buffer>, Vec<Option<Spot>>) {
    let first = program.first_result();
    let last = program.last_uses();
    let mut all: Vec<Buffer> = Vec::new();
    let mut spots: Vec<Option<Spot>> = vec![None; records.len()];
    for (index, tensor) in records.iter().enumerate() {
        if tensor.place == Place::Data || states[index].is_some() {
            continue;
        }
        let from = if index < first { -1 } else { (index - first) as i64 };
        let to = last[index] as i64;
        let step = index.checked_sub(first).map(|number| &program.steps[number]);
        let shared = step.and_then(|step| {
            step.inputs.iter().find_map(|&input| {
                let is_last = last[input] as i64 == from;
                let at = shared_at(step, &records[input], tensor, is_last)?;
                let spot = spots[input].map(|spot| Spot { at: spot.at + at, ..spot })?;
                let is_slice = matches!(step.op, Op::View(_));
                let extends = to > all[spot.buffer].to && padded(tensor) < all[spot.buffer].len;
                // What is alive beside the input may not lie there.
                let is_alone = (0..index).all(|other| {
                    let is_apart = |place: Spot| {
                        place.buffer != spot.buffer
                            || place.at >= spot.at + padded(tensor)
                            || spot.at >= place.at + padded(&records[other])
                    };
                    other == input || (last[other] as i64) < from || spots[other].is_none_or(is_apart)
                });
                (is_alone && (sharing.slices || !is_slice || !extends)).then_some(spot)
            })
        });
        spots[index] = shared.or(Some(Spot { buffer: all.len(), at: 0 }));
        match shared {
            Some(spot) => all[spot.buffer].to = all[spot.buffer].to.max(to),
            None => all.push(Buffer { len: padded(tensor), from, to }),
        }
    }
    (all, spots)
}

/// Where in an input the output of a step may lie, whose last reader it `is_last` or is not.
fn shared_at(step: &StepDesc, input: &Tensor, output: &Tensor, is_last: bool) -> Option<u32> {
    if let Some(start) = part_of_input(&step.op, output) {
        return Some(start);
    }
    let is_read_once = step.inputs.len() < 2 || step.inputs[0] != step.inputs[1];
    // A reshape overwrites nothing, so its source may live on. One that changes nothing else is there to move its input.
    let may = match step.op {
        Op::Reshape => input.dims != output.dims || input.rank != output.rank || !is_last,
        _ => is_last,
    };
    (may && is_read_once && may_overwrite(&step.op, input, output)).then_some(0)
}

/// Makes the inputs of a concatenation parts of its output, where they have a buffer of their own and die there.
fn hold_parts(program: &Program, records: &[Tensor], step: usize, all: &mut [Buffer], spots: &mut [Option<Spot>]) {
    let output = program.first_result() + step;
    let StepDesc { op, inputs } = &program.steps[step];
    let Some(whole) = spots[output].filter(|_| keeps_parts(op, &records[output])) else { return };
    let mut at = whole.at;
    for &input in inputs {
        let len = records[input].bytes().unwrap_or(0);
        // Two inputs in one buffer cannot both be where the output has them.
        let is_in = |&&other: &&usize| spots[other].map(|spot| spot.buffer) == spots[input].map(|spot| spot.buffer);
        let is_repeated = inputs.iter().filter(is_in).count() > 1;
        let own = spots[input].filter(|spot| {
            let buffer = all[spot.buffer];
            spot.at == 0 && spot.buffer != whole.buffer && buffer.len == len && buffer.to == step as i64
        });
        if let Some(own) = own.filter(|_| !is_repeated && input >= program.inputs && at.is_multiple_of(4)) {
            all[whole.buffer].from = all[whole.buffer].from.min(all[own.buffer].from);
            all[own.buffer].len = 0;
            for spot in spots.iter_mut().flatten().filter(|spot| spot.buffer == own.buffer) {
                *spot = Spot { buffer: whole.buffer, at: spot.at + at };
            }
        }
        at += len;
    }
}

/// The pairs of buffers in which a step's output may lie over its input, which dies there.
fn pairs(program: &Program, records: &[Tensor], all: &[Buffer], spots: &[Option<Spot>]) -> Vec<Pair> {
    let first = program.first_result();
    let pair = |(number, step): (usize, &StepDesc)| {
        let &[input] = step.inputs.as_slice() else { return None };
        let (old, new) = (spots[input]?, spots[first + number]?);
        let is_dead = all[old.buffer].to == number as i64 && all[new.buffer].from == number as i64;
        if !is_dead || new.at != 0 || old.buffer == new.buffer {
            return None;
        }
        let way = if may_move(&step.op) && old.at == 0 {
            Way::Behind
        } else {
            let bytes = lead(&step.op, &records[input], &records[first + number])?;
            Way::Ahead(bytes.saturating_sub(old.at).min(all[new.buffer].len))
        };
        Some(Pair { output: new.buffer, input: old.buffer, way })
    };
    program.steps.iter().enumerate().filter_map(pair).collect()
}
