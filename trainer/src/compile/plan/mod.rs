//! The memory planner: gives every tensor and every step's scratch an offset in one arena, as low as it can.
//!
//! States come first, one behind the other; everything else shares what is behind them.
//!
//! Tensors that share memory by right become one buffer first ([`buffers`]): the output of an elementwise step and the operand that
//! dies there, a reshape and a slice of rows with their source, the parts of a concatenation with the whole. The output of a
//! convolution or pool may start a little in front of an input that dies there and grow into what was read
//! ([`thumbnet::plan::lead`]), and a reshape may move what dies there up. Buffers that are alive at the same time must not
//! overlap. Placing them so that the top is lowest is NP-hard (it is dynamic storage allocation); models are small, so
//! several greedy orders, then seeded random exchanges, reach the lower bound (the largest sum of what is alive in one step)
//! or come close ([`place`]).

mod buffers;
mod place;

use anyhow::{Result, anyhow};
use thumbnet::format::{Step, Tensor};
use thumbnet::plan::scratch_len;

use super::program::Program;
use super::write::record;
use buffers::{Buffers, Sharing, buffers};
use place::{lower_bound, place, top};

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

/// Plans the memory of `program`.
///
/// # Errors
/// A step does not fit its tensors; the message names it.
pub fn plan(program: &Program) -> Result<Plan> {
    let problem = Problem::new(program)?;
    let mut best: Option<(u32, &Buffers, Vec<u32>)> = None;
    // What is shared for long may hold more than it saves: whichever needs less.
    for (bound, buffers) in &problem.ways {
        if best.as_ref().is_some_and(|(top, ..)| top <= bound) {
            continue;
        }
        let places = place(buffers, *bound);
        let top = top(&buffers.all, &places);
        if best.as_ref().is_none_or(|(least, ..)| top < *least) {
            best = Some((top, buffers, places));
        }
    }
    let (top, buffers, places) = best.ok_or_else(|| anyhow!("there is no way to plan"))?;
    let offset = |index: usize| match (program.tensors[index].constant, problem.states[index], buffers.spots[index]) {
        (Some(offset), ..) | (None, Some(offset), _) => offset,
        (None, None, Some(spot)) => problem.state_len + places[spot.buffer] + spot.at,
        (None, None, None) => 0,
    };
    let scratch = buffers.scratch.iter().zip(&problem.scratch_len);
    Ok(Plan {
        offsets: (0..program.tensors.len()).map(offset).collect(),
        scratch: scratch.map(|(&at, &len)| problem.state_len + if len == 0 { 0 } else { places[at] }).collect(),
        state_len: problem.state_len,
        arena_len: problem.state_len + top.next_multiple_of(4),
        lower_bound: problem.lower_bound(),
        scratch_len: problem.scratch_len,
    })
}

/// No plan of `program` can need less, states and scratch included: quick to find, and often what [`plan`] reaches.
///
/// # Errors
/// As [`plan`].
pub fn bound(program: &Program) -> Result<u32> {
    Ok(Problem::new(program)?.lower_bound())
}

/// What must find a place.
struct Problem {
    states: Vec<Option<u32>>,
    state_len: u32,
    scratch_len: Vec<u32>,
    /// The buffers of each way to share memory, and the least that they need.
    ways: Vec<(u32, Buffers)>,
}

impl Problem {
    fn new(program: &Program) -> Result<Self> {
        let records: Vec<Tensor> = (0..program.tensors.len()).map(|index| record(program, index, 0)).collect();
        let scratch_len = scratches(program, &records)?;
        let states = states(program, &records);
        let state_len =
            program.states().map(|state| records[state].bytes().unwrap_or(0).next_multiple_of(4)).sum::<u32>();
        let way = |sharing| {
            let buffers = buffers(program, &records, &states, &scratch_len, sharing);
            (lower_bound(&buffers, program.steps.len()), buffers)
        };
        let mut ways: Vec<_> = Sharing::ALL.into_iter().map(way).collect();
        ways.sort_by_key(|&(bound, _)| bound);
        ways.dedup_by(|(_, a), (_, b)| a == b);
        Ok(Self { states, state_len, scratch_len, ways })
    }

    fn lower_bound(&self) -> u32 {
        self.state_len + self.ways.iter().map(|&(bound, _)| bound).min().unwrap_or(0)
    }
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
