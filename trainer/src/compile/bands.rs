//! Bands of rows: the part of a network where memory peaks runs several times over a few rows each, so that its large tensors
//! never exist whole (patch-based inference: Lin et al., "MCUNetV2", 2021).
//!
//! No operator knows of it. In NHWC a band of rows is a part of its tensor, so cutting one out is a view that is free, and
//! putting the results together is a concatenation that is free too; a band's padding is that of its edges which are
//! edges of the image. Weights are the same bytes for all bands. Rows that two bands need, the halo, are computed twice. Where a
//! fully connected layer follows, each band is added to its sums at once ([`thumbnet::kernels::accumulate`]), and the
//! tensor in between does not exist at all.

mod chain;
mod split;

use std::collections::HashSet;

use anyhow::Result;

use super::moves::settle;
use super::plan::bound;
use super::program::Program;
use chain::{Chain, chains};
use split::{in_bands, rows_per_band};

/// Candidates whose memory is planned in full, of those that promise most.
const PLANNED: usize = 8;

/// Steps that a part may become.
const MOST_STEPS: usize = 160;

/// A part of a network that runs in bands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Banded {
    /// Name of the output of its first step.
    pub first: String,
    /// Name of what its last step computes.
    pub last: String,
    /// Number of bands.
    pub bands: usize,
    /// Multiply-accumulates that are done more than once.
    pub further_macs: u64,
    /// Bytes of arena before.
    pub before: u32,
    /// Bytes of arena now.
    pub after: u32,
}

/// A program that could be.
struct Candidate {
    bound: u32,
    further_macs: u64,
    program: Program,
    banded: Banded,
    names: Vec<String>,
}

/// Runs parts of the program in bands until its arena has at most `budget` bytes, with as few further multiply-accumulates as it
/// takes, or as long as that makes it smaller.
///
/// `finish` is what will still be done to the program; memory is planned behind it.
///
/// # Errors
/// A step does not fit its tensors.
pub fn split(program: &mut Program, budget: u32, finish: &impl Fn(&mut Program)) -> Result<Vec<Banded>> {
    let finished = |program: &Program| {
        let mut program = program.clone();
        finish(&mut program);
        program
    };
    let mut all = Vec::new();
    let mut taken = HashSet::new();
    let mut arena = settle(&finished(program))?.1.arena_len;
    while arena > budget {
        let mut candidates = Vec::new();
        for chain in chains(program, &taken) {
            for rows in rows_per_band(program, &chain, MOST_STEPS) {
                candidates.extend(candidate(program, &chain, rows, &finished)?);
            }
        }
        candidates.retain(|candidate| candidate.bound < arena);
        let Some((best, least)) = choose(candidates, budget, arena, &finished)? else { break };
        taken.extend(best.names);
        all.push(Banded { before: arena, after: least, ..best.banded });
        (*program, arena) = (best.program, least);
    }
    Ok(all)
}

fn candidate(
    program: &Program,
    chain: &Chain,
    rows: u32,
    finished: &impl Fn(&Program) -> Program,
) -> Result<Option<Candidate>> {
    let Some((split, bands)) = in_bands(program, chain, rows) else { return Ok(None) };
    let name = |step: usize| program.tensors[program.first_result() + step].name.clone();
    let old: HashSet<&str> = program.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    let new = split.tensors.iter().filter(|tensor| !old.contains(tensor.name.as_str()));
    let names = new.map(|tensor| tensor.name.clone()).collect();
    let further_macs = split.macs().saturating_sub(program.macs());
    let (first, last) = (name(chain.first()), name(chain.last()));
    let banded = Banded { first, last, bands, further_macs, before: 0, after: 0 };
    Ok(Some(Candidate { bound: bound(&finished(&split))?, further_macs, program: split, banded, names }))
}

/// The cheapest one whose arena fits the budget, or else the one with the smallest arena; with that arena.
fn choose(
    mut candidates: Vec<Candidate>,
    budget: u32,
    arena: u32,
    finished: &impl Fn(&Program) -> Program,
) -> Result<Option<(Candidate, u32)>> {
    let cost = |candidate: &Candidate| (candidate.further_macs, candidate.program.steps.len());
    candidates.sort_by_key(|candidate| (candidate.bound.max(budget), cost(candidate)));
    let mut best: Option<(Candidate, u32)> = None;
    for candidate in candidates.into_iter().take(PLANNED) {
        if best.as_ref().is_some_and(|&(_, least)| least <= candidate.bound) {
            break;
        }
        let least = settle(&finished(&candidate.program))?.1.arena_len;
        if least < best.as_ref().map_or(arena, |&(_, least)| least) {
            best = Some((candidate, least));
        }
        if best.as_ref().is_some_and(|&(_, least)| least <= budget) {
            break;
        }
    }
    Ok(best)
}
