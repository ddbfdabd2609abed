//! Model files whose buffers lie apart, with a fence on both sides of each: tensors, scratch and states in the arena, weights
//! and tables in the file.

use std::collections::{BTreeMap, BTreeSet};

use thumbnet::Model;
use thumbnet_trainer::compile::{Plan, Program, TensorDesc, aligned, offsets, plan, write};
use thumbnet_trainer::run::Fenced;

/// Which side of a buffer touches its fence. The other one is at most a fence's length away; lengths are rounded up to 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// Its first byte follows a fence.
    Start,
    /// Its last byte is followed by one.
    End,
}

/// The program as cases that between them have fences around every buffer that its steps touch.
///
/// # Panics
/// The exporter refuses the program.
#[must_use]
pub fn fenced(program: &Program, inputs: &[u8], flush: Flush) -> Vec<Fenced> {
    let mut apart = program.clone();
    let before_data = data_start(&write(program, &plan(program).unwrap(), &[]).unwrap());
    let data = spread_data(&mut apart, before_data, flush);
    let (plan, arena) = spread_arena(&apart, flush);
    let model = write(&apart, &plan, &[]).unwrap();
    assert_eq!(data_start(&model), before_data, "the data starts elsewhere though only its length has changed");
    let case = |fences: &[(bool, u32)]| {
        let of = |in_model: bool| fences.iter().filter(|fence| fence.0 == in_model).map(|fence| fence.1).collect();
        Fenced { model: model.clone(), inputs: inputs.to_vec(), in_arena: of(false), in_model: of(true) }
    };
    let cases = (0..apart.steps.len()).flat_map(|step| {
        let in_arena = around(own_buffers(&apart, &plan, step).into_iter().map(|buffer| &arena[buffer]));
        let in_model = around(own_data(&apart, step).into_iter().map(|piece| &data[piece]));
        let all: Vec<(bool, u32)> =
            in_arena.into_iter().map(|at| (false, at)).chain(in_model.into_iter().map(|at| (true, at))).collect();
        all.chunks(Fenced::MOST).map(case).collect::<Vec<_>>()
    });
    cases.collect()
}

fn data_start(file: &[u8]) -> u32 {
    let copy = aligned(file);
    Model::new(bytemuck::cast_slice(&copy)).expect("the exporter's own file").head().data.offset
}

/// A buffer and its fences.
#[derive(Clone, Copy)]
struct Placed {
    offset: u32,
    fences: [u32; 2],
}

/// Buffers of these lengths one behind the other from `start` on, neighbours with one fence between them.
fn row(start: u32, lens: impl IntoIterator<Item = u32>, flush: Flush) -> Vec<Placed> {
    let mut fence = start.next_multiple_of(Fenced::LEN);
    let place = |len: u32| {
        let (from, len) = (fence + Fenced::LEN, len.next_multiple_of(4));
        let next = (from + len).next_multiple_of(Fenced::LEN);
        let placed = Placed { offset: if flush == Flush::Start { from } else { next - len }, fences: [fence, next] };
        fence = next;
        placed
    };
    lens.into_iter().map(place).collect()
}

/// Behind the last fence of a row.
fn end(row: &[Placed]) -> u32 {
    row.last().map_or(0, |last| last.fences[1] + Fenced::LEN)
}

/// The fences of some buffers.
fn around<'a>(placed: impl Iterator<Item = &'a Placed>) -> BTreeSet<u32> {
    placed.flat_map(|placed| placed.fences).collect()
}

/// Moves weights, tables and constants apart; gives where they lie in the file.
fn spread_data(program: &mut Program, file_offset: u32, flush: Flush) -> Vec<Placed> {
    let starts = data_offsets(program);
    let ends = starts.iter().skip(1).copied().chain([program.data.len() as u32]);
    let pieces: Vec<(u32, u32)> = starts.iter().copied().zip(ends).collect();
    let row = row(file_offset, pieces.iter().map(|(start, end)| end - start), flush);
    let mut data = vec![0; end(&row).saturating_sub(file_offset) as usize];
    let mut moved = BTreeMap::new();
    for (&(start, end), placed) in pieces.iter().zip(&row) {
        let (piece, to) = (&program.data[start as usize..end as usize], placed.offset - file_offset);
        data[to as usize..][..piece.len()].copy_from_slice(piece);
        moved.insert(start, to);
    }
    program.data = data;
    offsets(program, &mut |offset| *offset = moved[offset]);
    row
}

/// Every offset in the data, rising.
fn data_offsets(program: &Program) -> Vec<u32> {
    let mut all = BTreeSet::new();
    offsets(&mut program.clone(), &mut |offset| {
        all.insert(*offset);
    });
    all.into_iter().collect()
}

/// The pieces of data that a step reads, by their number.
fn own_data(program: &Program, step: usize) -> Vec<usize> {
    let mut own = program.clone();
    own.steps = vec![program.steps[step].clone()];
    own.tensors = program.steps[step].inputs.iter().map(|&input| program.tensors[input].clone()).collect();
    let all = data_offsets(program);
    data_offsets(&own).iter().map(|offset| all.iter().position(|other| other == offset).unwrap()).collect()
}

/// Tensors apart from one another, states in front, then the scratch of every step: a buffer for each, in this order.
fn spread_arena(program: &Program, flush: Flush) -> (Plan, Vec<Placed>) {
    let mut plan = plan(program).unwrap();
    let count = program.tensors.len();
    let states: Vec<usize> = program.states().collect();
    let updated = |tensor: usize| program.updates.iter().find(|(result, _)| *result == tensor).map(|&(_, state)| state);
    let len = |buffer: usize| match buffer.checked_sub(count) {
        Some(step) => plan.scratch_len[step],
        None if program.tensors[buffer].constant.is_some() || updated(buffer).is_some() => 0,
        None => {
            let TensorDesc { shape, dtype, .. } = &program.tensors[buffer];
            shape.iter().product::<u32>() * dtype.size() as u32
        }
    };
    let others = (0..count + program.steps.len()).filter(|buffer| !states.contains(buffer));
    let order: Vec<usize> = states.iter().copied().chain(others).collect();
    let row = row(0, order.iter().map(|&buffer| len(buffer)), flush);
    let mut placed = vec![row[0]; order.len()];
    order.iter().zip(&row).for_each(|(&buffer, &at)| placed[buffer] = at);
    program.updates.iter().for_each(|&(result, state)| placed[result] = placed[state]);
    for (tensor, desc) in program.tensors.iter().enumerate() {
        plan.offsets[tensor] = desc.constant.unwrap_or(placed[tensor].offset);
    }
    for (step, scratch) in plan.scratch.iter_mut().enumerate() {
        *scratch = if plan.scratch_len[step] == 0 { 0 } else { placed[count + step].offset };
    }
    plan.state_len = states.last().map_or(0, |&last| placed[last].fences[1]);
    plan.arena_len = end(&row);
    (plan, placed)
}

/// The buffers in the arena that a step touches, by their number.
fn own_buffers(program: &Program, plan: &Plan, step: usize) -> Vec<usize> {
    let inputs = program.steps[step].inputs.iter().copied().filter(|&input| program.tensors[input].constant.is_none());
    let scratch = (plan.scratch_len[step] > 0).then_some(program.tensors.len() + step);
    inputs.chain([program.first_result() + step]).chain(scratch).collect()
}
