//! The memory planner: gives every tensor and every step's scratch an offset in one arena, as low as it can.
//!
//! States come first, one behind the other; everything else shares what is behind them.
//!
//! Tensors that share memory by right become one buffer first: the output of an elementwise step and the operand that dies
//! there, and a reshape with its source. The output of a convolution or pool may start a little in front of an input that
//! dies there and grow into what was read ([`thumbnet::plan::lead`]). Buffers that are alive at the same time must not overlap. Placing them so that the
//! top is lowest is NP-hard (it is dynamic storage allocation); models are small, so several greedy orders, then seeded
//! random exchanges, reach the lower bound (the largest sum of what is alive in one step) or come close.

use anyhow::{Result, anyhow};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use thumbnet::format::{Place, Step, Tensor};
use thumbnet::plan::{lead, may_overwrite, scratch_len};

use super::program::Program;
use super::write::record;

/// Where everything lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Offset of each tensor: in the arena, or in the data section for a constant.
    pub offsets: Vec<u32>,
    /// Offset of each step's scratch.
    pub scratch: Vec<u32>,
    /// Bytes of scratch of each step.
    pub scratch_len: Vec<u32>,
    /// Bytes of state at the start of the arena.
    pub state_len: u32,
    /// Bytes of arena: the peak, state and scratch included.
    pub arena_len: u32,
    /// No plan can need less than this.
    pub lower_bound: u32,
}

/// Bytes that are alive from one step to another.
#[derive(Clone, Copy, Debug)]
struct Buffer {
    len: u32,
    from: i64,
    to: i64,
}

impl Buffer {
    fn lives_with(&self, other: &Self) -> bool {
        self.from <= other.to && other.from <= self.to
    }
}

/// Plans the memory of `program`.
///
/// # Errors
/// A step does not fit its tensors; the message names it.
pub fn plan(program: &Program) -> Result<Plan> {
    let records: Vec<Tensor> = (0..program.tensors.len()).map(|index| record(program, index, 0)).collect();
    let scratch_len = scratches(program, &records)?;
    let states = states(program, &records);
    let state_len = program.states().map(|state| records[state].bytes().unwrap_or(0).next_multiple_of(4)).sum::<u32>();
    let (mut buffers, owner) = share(program, &records, &states);
    let tensors = buffers.len();
    for (step, &len) in (0..).zip(&scratch_len) {
        buffers.push(Buffer { len: len.next_multiple_of(4), from: step, to: step });
    }
    let leads = leads(program, &records, &buffers, &owner);
    let lower_bound = lower_bound(&buffers, &leads, program.steps.len());
    let places = place(&buffers, &leads, lower_bound);
    let arena_len = state_len + top(&buffers, &places).next_multiple_of(4);
    let offset = |index: usize| match (program.tensors[index].constant, states[index]) {
        (Some(offset), _) | (None, Some(offset)) => offset,
        (None, None) => state_len + places[owner[index]],
    };
    Ok(Plan {
        offsets: (0..records.len()).map(offset).collect(),
        scratch: scratch_len
            .iter()
            .zip(&places[tensors..])
            .map(|(&len, &at)| if len == 0 { state_len } else { state_len + at })
            .collect(),
        state_len,
        scratch_len,
        arena_len,
        lower_bound: state_len + lower_bound,
    })
}

/// The offset of every tensor that is a state or replaces one.
fn states(program: &Program, records: &[Tensor]) -> Vec<Option<u32>> {
    let mut offsets = vec![None; records.len()];
    let mut end = 0;
    for state in program.states() {
        offsets[state] = Some(end);
        end += records[state].bytes().unwrap_or(0).next_multiple_of(4);
    }
    for &(result, state) in &program.updates {
        offsets[result] = offsets[state];
    }
    offsets
}

fn scratches(program: &Program, records: &[Tensor]) -> Result<Vec<u32>> {
    let first = program.first_result();
    let steps = program.steps.iter().enumerate();
    steps
        .map(|(number, step)| {
            let inputs: Vec<Tensor> = step.inputs.iter().map(|&input| records[input]).collect();
            let ids: Vec<u32> = step.inputs.iter().map(|&input| input as u32).collect();
            let bare = Step { op: step.op, inputs: &ids, scratch: 0 };
            let len = scratch_len(&program.data, &bare, &inputs, &records[first + number]);
            let name = &program.tensors[first + number].name;
            len.map(|len| len as u32)
                .map_err(|problem| anyhow!("step {number} ({} \"{name}\"): {problem}", step.op.name()))
        })
        .collect()
}

/// Tensors to buffers: how long each lives, and which buffer each tensor is in.
fn share(program: &Program, records: &[Tensor], states: &[Option<u32>]) -> (Vec<Buffer>, Vec<usize>) {
    let first = program.first_result();
    let last = program.last_uses();
    let mut buffers: Vec<Buffer> = Vec::new();
    let mut owner = vec![usize::MAX; records.len()];
    for (index, tensor) in records.iter().enumerate() {
        if tensor.place == Place::Data || states[index].is_some() {
            continue;
        }
        let from = if index < first { -1 } else { (index - first) as i64 };
        let to = last[index] as i64;
        let step = index.checked_sub(first).map(|number| &program.steps[number]);
        let shared = step.and_then(|step| {
            step.inputs.iter().copied().find(|&input| {
                let may = owner[input] != usize::MAX && may_overwrite(&step.op, &records[input], tensor);
                let is_read_once = step.inputs.iter().filter(|&&other| other == input).count() == 1;
                // Nothing else in the buffer may be alive, and what is overwritten must die here; a reshape overwrites
                // nothing, so its source may live on.
                let is_alone = (0..index)
                    .all(|other| other == input || owner[other] != owner[input] || (last[other] as i64) < from);
                let is_last = step.op == thumbnet::format::Op::Reshape || last[input] as i64 == from;
                may && is_read_once && is_alone && is_last
            })
        });
        owner[index] = shared.map_or(buffers.len(), |input| owner[input]);
        match shared {
            Some(input) => buffers[owner[input]].to = buffers[owner[input]].to.max(to),
            None => buffers.push(Buffer { len: tensor.bytes().unwrap_or(0).next_multiple_of(4), from, to }),
        }
    }
    (buffers, owner)
}

/// A buffer that may start `bytes` in front of another one and grow into it.
#[derive(Clone, Copy, Debug)]
struct Lead {
    output: usize,
    input: usize,
    bytes: u32,
}

/// The pairs of buffers in which a step's output may grow into its input, which dies there.
fn leads(program: &Program, records: &[Tensor], buffers: &[Buffer], owner: &[usize]) -> Vec<Lead> {
    let first = program.first_result();
    let pair = |(number, step): (usize, &super::program::StepDesc)| {
        let &[input] = step.inputs.as_slice() else { return None };
        let bytes = lead(&step.op, &records[input], &records[first + number])?;
        let (input, output) = (*owner.get(input)?, owner[first + number]);
        let (dying, new) = (buffers.get(input)?, buffers.get(output)?);
        let is_dead = dying.to == number as i64 && new.from == number as i64;
        is_dead.then_some(Lead { output, input, bytes: bytes.min(new.len) })
    };
    program.steps.iter().enumerate().filter_map(pair).collect()
}

fn lower_bound(buffers: &[Buffer], leads: &[Lead], steps: usize) -> u32 {
    let saved = |step: i64| -> u32 {
        let pair = leads.iter().find(|lead| buffers[lead.output].from == step);
        pair.map_or(0, |&Lead { output, input, bytes }| {
            let (output, input) = (buffers[output].len, buffers[input].len);
            output + input - output.max(bytes + input).min(output + input)
        })
    };
    let alive =
        |step: i64| buffers.iter().filter(|b| b.from <= step && step <= b.to).map(|b| b.len).sum::<u32>() - saved(step);
    (-1..=steps as i64).map(alive).max().unwrap_or(0)
}

/// Tries orders until one reaches the bound, and keeps the best.
fn place(buffers: &[Buffer], leads: &[Lead], lower_bound: u32) -> Vec<u32> {
    let by = |key: &dyn Fn(&Buffer) -> i64| {
        let mut order: Vec<usize> = (0..buffers.len()).collect();
        order.sort_by_key(|&index| (key(&buffers[index]), index));
        order
    };
    let mut orders = vec![
        by(&|b| -i64::from(b.len)),
        by(&|b| -(i64::from(b.len) * (b.to - b.from + 1))),
        by(&|b| b.from),
        by(&|b| -b.to),
    ];
    let mut rng = StdRng::seed_from_u64(0);
    let mut best = (u32::MAX, Vec::new(), Vec::new());
    for round in 0..2000 {
        let order = orders.pop().unwrap_or_else(|| exchanged(&best.2, round, &mut rng));
        let places = greedy(buffers, leads, &order);
        let top = top(buffers, &places);
        if top < best.0 {
            best = (top, places, order);
        }
        if best.0 == lower_bound {
            break;
        }
    }
    best.1
}

/// The best order so far with two places exchanged, now and then an entirely new one.
fn exchanged(order: &[usize], round: usize, rng: &mut StdRng) -> Vec<usize> {
    let mut order = order.to_vec();
    if round.is_multiple_of(16) {
        order.shuffle(rng);
    } else if !order.is_empty() {
        let (a, b) = (rng.random_range(0..order.len()), rng.random_range(0..order.len()));
        order.swap(a, b);
    }
    order
}

/// Each buffer in turn at the lowest offset where it overlaps nothing that lives with it, but for what a lead allows.
fn greedy(buffers: &[Buffer], leads: &[Lead], order: &[usize]) -> Vec<u32> {
    let mut places = vec![0; buffers.len()];
    let mut placed: Vec<usize> = Vec::new();
    for &index in order {
        let buffer = &buffers[index];
        // Another buffer forbids offsets from `start − need` to `end`, both excluded.
        let mut taken: Vec<(u32, u32, u32)> = placed
            .iter()
            .filter(|&&other| buffers[other].lives_with(buffer) && buffers[other].len > 0)
            .map(|&other| {
                let (start, end) = (places[other], places[other] + buffers[other].len);
                let pair = |output, input| leads.iter().find(|lead| lead.output == output && lead.input == input);
                match (pair(index, other), pair(other, index)) {
                    (Some(lead), _) => (start, end, lead.bytes),
                    (_, Some(lead)) => (start, start + lead.bytes, buffer.len),
                    _ => (start, end, buffer.len),
                }
            })
            .collect();
        taken.sort_unstable_by_key(|&(_, end, _)| end);
        let mut at = 0;
        while let Some(&(_, end, _)) = taken.iter().find(|&&(start, end, need)| at + need > start && at < end) {
            at = end;
        }
        places[index] = at;
        placed.push(index);
    }
    places
}

fn top(buffers: &[Buffer], places: &[u32]) -> u32 {
    buffers.iter().zip(places).map(|(buffer, at)| at + buffer.len).max().unwrap_or(0)
}
