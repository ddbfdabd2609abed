//! Recurrent layers over a whole sequence: simple (Elman), long short-term memory, gated recurrent unit with the reset
//! behind or in front of the recurrent product. 8-bit inputs, weights per row, and outputs; 16-bit gates and memory.
//!
//! Per step `t`, with weights of one row per gate and cell, `x'` the input in bytes (its zero point is folded into the
//! bias) and `h'` the hidden state in Q0.7:
//!
//! `a = sat16(round(s·(b + Σ w·x')))` and `r = sat16(round(s'·(b' + Σ u·h')))`, both in Q3.12 and rounded twice as in
//! [`super::conv2d`]; `σ` and `tanh` from Q3.12 to Q0.15 as in [`crate::gates`]; every product of two numbers in Q0.15 is
//! `round(p·q / 2^15)`, half up.
//!
//! - Elman: `h = tanh(sat16(a + r))`.
//! - LSTM, gates input, forget, new, output: `i, f, o = σ(sat16(a + r))`, `g = tanh(sat16(a + r))`,
//!   `c = sat16(f·c + i·g)` in Q(15−n).n, `h = o·tanh(c)`.
//! - GRU, gates reset, update, new: `r, z = σ(sat16(a + r))`, `n = tanh(sat16(a + r·r_n))` (reset behind, as Keras and
//!   PyTorch have it) or `n = tanh(sat16(a + Σ u·(r·h')))` (reset in front, as in the paper), `h = n + z·(h − n)`. `h` is
//!   kept in Q0.15, so that a gate that stays nearly shut still moves it and it does not drift.
//!
//! The output is `h` in Q0.7, rounded half up: scale 1/128, zero point 0. All states are zero before the first step, or
//! what the run before has left.
//!
//! Sources: Elman, "Finding structure in time", 1990; Hochreiter and Schmidhuber, "Long short-term memory", 1997; Cho et
//! al., "Learning phrase representations using RNN encoder-decoder", 2014.

use super::curves::{product, sigmoid_of_sums, sum, tanh_of, tanh_of_reset, tanh_of_sums};
use super::dot::copy;
use super::rows::{Room, Rows};
use super::{Cell, Channel, Recurrent};
#[cfg(not(thumbnet_helium))]
use crate::fixed::requantize_accumulator;
use crate::fixed16::saturate;
use crate::gates::sigmoid;

impl Recurrent<'_> {
    /// Rows of weights.
    const fn rows(&self) -> usize {
        self.cells.saturating_mul(self.cell.gates())
    }

    /// Cells with a 16-bit memory.
    const fn memory_len(&self) -> usize {
        if matches!(self.cell, Cell::Elman) { 0 } else { self.cells }
    }
}

/// Bytes of scratch: the gates of one step, then, where the operator has no states of its own, memory and
/// hidden state, and what a reset in front leaves of the hidden state.
#[must_use]
pub const fn scratch_len(p: &Recurrent<'_>, has_states: bool) -> usize {
    let reset = if matches!(p.cell, Cell::GruResetBefore) { p.cells } else { 0 };
    let states = if has_states { 0 } else { p.memory_len().saturating_mul(2).saturating_add(p.cells) };
    p.rows().saturating_mul(4).saturating_add(states).saturating_add(reset)
}

/// What a step works in.
struct Scratch<'a> {
    /// The vector of a product.
    room: Room,
    /// The sums of the inputs and of the hidden state, per row.
    gates: &'a mut [i16],
    /// What a reset in front leaves of the hidden state.
    reset: &'a mut [i8],
}

/// The gates off the start of the scratch, and the rest of it.
fn gates<'a>(p: &Recurrent<'_>, scratch: &'a mut [i8]) -> Option<(&'a mut [i16], &'a mut [i8])> {
    let (gates, rest) = scratch.split_at_mut_checked(p.rows().saturating_mul(4))?;
    Some((bytemuck::try_cast_slice_mut(gates).ok()?, rest))
}

/// Runs every sequence of `x`, `[batch, time, inputs]`, from empty states into `y`, `[batch, time, cells]`, or
/// `[batch, cells]` where only the last step counts.
pub fn recurrent(p: &Recurrent<'_>, x: &[i8], y: &mut [i8], scratch: &mut [i8]) {
    let Some((gates, rest)) = gates(p, scratch) else { return };
    let Some((memory, rest)) = rest.split_at_mut_checked(p.memory_len().saturating_mul(2)) else { return };
    let Ok(memory) = bytemuck::try_cast_slice_mut::<i8, i16>(memory) else { return };
    let Some((hidden, reset)) = rest.split_at_mut_checked(p.cells) else { return };
    let mut scratch = Scratch { room: Room::new(), gates, reset };
    for (x, y) in sequences(p, x, y) {
        memory.fill(0);
        hidden.fill(0);
        sequence(p, x, State { hidden, memory }, y, &mut scratch);
    }
}

/// The same from the states `hidden`, `[batch, cells]`, and `memory`, `[batch, cells]` or empty for a simple layer, which
/// become those behind the last step.
pub fn recurrent_from(
    p: &Recurrent<'_>,
    x: &[i8],
    hidden: &mut [i8],
    memory: &mut [i16],
    y: &mut [i8],
    scratch: &mut [i8],
) {
    let Some((gates, reset)) = gates(p, scratch) else { return };
    let mut scratch = Scratch { room: Room::new(), gates, reset };
    let mut memories = memory.chunks_exact_mut(p.memory_len().max(1));
    for ((x, y), hidden) in sequences(p, x, y).zip(hidden.chunks_exact_mut(p.cells.max(1))) {
        sequence(p, x, State { hidden, memory: memories.next().unwrap_or_default() }, y, &mut scratch);
    }
}

/// What goes on from step to step.
struct State<'a> {
    /// Q0.7.
    hidden: &'a mut [i8],
    /// The cell of a long short-term memory, the hidden state of a gated unit in Q0.15.
    memory: &'a mut [i16],
}

/// The sequences of a batch.
fn sequences<'a>(p: &Recurrent<'_>, x: &'a [i8], y: &'a mut [i8]) -> impl Iterator<Item = (&'a [i8], &'a mut [i8])> {
    let steps = if p.last_only { 1 } else { p.time };
    x.chunks_exact(p.inputs.saturating_mul(p.time).max(1)).zip(y.chunks_exact_mut(p.cells.saturating_mul(steps).max(1)))
}

fn sequence(p: &Recurrent<'_>, x: &[i8], mut state: State<'_>, y: &mut [i8], scratch: &mut Scratch<'_>) {
    let last = p.time.saturating_sub(1);
    let mut frames = x.chunks_exact(p.inputs.max(1));
    let mut outputs = y.chunks_exact_mut(p.cells.max(1));
    for number in 0..p.time {
        let Some(x) = (if p.reverse { frames.next_back() } else { frames.next() }) else { return };
        step(p, x, &mut state, scratch);
        if !p.last_only || number == last {
            let y = if p.reverse { outputs.next_back() } else { outputs.next() };
            copy(state.hidden, y.unwrap_or_default());
        }
    }
}

/// One time step.
#[inline(never)]
fn step(p: &Recurrent<'_>, x: &[i8], state: &mut State<'_>, scratch: &mut Scratch<'_>) {
    let Scratch { room, gates, reset } = scratch;
    let Some((inputs, recurrents)) = gates.split_at_mut_checked(p.rows()) else { return };
    let rows = Rows { weights: p.input_weights, inputs: p.inputs, layout: p.layout };
    products(rows, p.input_channels, x, inputs, room);
    // A reset in front changes what the last gate is multiplied with.
    let at = match p.cell {
        Cell::GruResetBefore => p.cells.saturating_mul(2),
        _ => p.rows(),
    };
    let rows = Rows { weights: p.recurrent_weights, inputs: p.cells, layout: p.layout };
    let Some((channels, new_channels)) = p.recurrent_channels.split_at_checked(at) else { return };
    let Some((first, new)) = recurrents.split_at_mut_checked(at) else { return };
    products(rows, channels, state.hidden, first, room);
    if matches!(p.cell, Cell::GruResetBefore) {
        let resets = inputs.iter().zip(first.iter()).map(|(&a, &b)| sigmoid(sum(a, b)));
        for ((reset, r), &h) in reset.iter_mut().zip(resets).zip(&*state.hidden) {
            *reset = (product(r, h.into())) as i8;
        }
        products(rows.from(at), new_channels, reset, new, room);
    }
    match p.cell {
        Cell::Elman => elman(inputs, recurrents, state),
        Cell::Lstm => lstm(p, inputs, recurrents, state),
        Cell::Gru | Cell::GruResetBefore => gru(p, inputs, recurrents, state),
    }
}

/// Rows that are multiplied at a time.
const BLOCK: usize = 64;

/// Products of rows with a vector, requantized to Q3.12.
#[inline(never)]
fn products(mut rows: Rows<'_>, channels: &[Channel], x: &[i8], y: &mut [i16], room: &mut Room) {
    let mut sums = [0; BLOCK];
    let x = room.vector(&rows, x, 0);
    for (y, channels) in y.chunks_mut(BLOCK).zip(channels.chunks(BLOCK)) {
        rows.sums(y.len(), &x, &mut sums);
        #[cfg(not(thumbnet_helium))]
        let one = |sum: i32, channel: &Channel| {
            let sum = channel.bias.wrapping_add(sum);
            saturate(requantize_accumulator(sum, channel.multiplier, channel.shift))
        };
        #[cfg(thumbnet_dsp)]
        super::rows::finish(&sums, channels, y, super::dsp_rows::finish_gates, one);
        #[cfg(thumbnet_helium)]
        super::helium_rows::finish_gates(&sums, channels, y);
        #[cfg(not(any(thumbnet_dsp, thumbnet_helium)))]
        y.iter_mut().zip(channels).zip(&sums).for_each(|((y, channel), &sum)| *y = one(sum, channel));
        rows = rows.from(BLOCK);
    }
}

/// From Q0.15 to Q0.7, half up.
#[inline(always)]
fn narrow(h: i32) -> i8 {
    ((h + (1 << 7)) >> 8).min(127) as i8
}

fn elman(inputs: &mut [i16], recurrents: &[i16], state: &mut State<'_>) {
    tanh_of_sums(inputs, recurrents);
    inputs.iter().zip(&mut *state.hidden).for_each(|(&a, h)| *h = narrow(a.into()));
}

/// Gate by gate, as [`gru`].
fn lstm(p: &Recurrent<'_>, inputs: &mut [i16], recurrents: &[i16], state: &mut State<'_>) {
    let n = p.cells;
    let (two, three) = (n.saturating_mul(2), n.saturating_mul(3));
    let Some((of_sigmoids, rest)) = recurrents.split_at_checked(two) else { return };
    let Some((of_new, of_output)) = rest.split_at_checked(n) else { return };
    let Some((gates, output)) = inputs.split_at_mut_checked(three) else { return };
    let Some((gates, new)) = gates.split_at_mut_checked(two) else { return };
    sigmoid_of_sums(gates, of_sigmoids);
    tanh_of_sums(new, of_new);
    sigmoid_of_sums(output, of_output);
    let Some((input, forget)) = gates.split_at_checked(n) else { return };
    let shift = 30u32.saturating_sub(p.memory_fraction).clamp(1, 30);
    for (((c, &f), &i), g) in state.memory.iter_mut().zip(forget).zip(input).zip(&mut *new) {
        let added = (i32::from(i) * i32::from(*g) + (1 << (shift - 1))) >> shift;
        *c = saturate(product(f, *c) + added);
        // What is new is in the memory now.
        *g = to_q12(*c, p.memory_fraction);
    }
    tanh_of(new);
    for ((h, &c), &o) in state.hidden.iter_mut().zip(&*new).zip(&*output) {
        *h = narrow(product(o, c));
    }
}

/// From `fraction` bits behind the point, 9 to 15, to 12.
#[inline(always)]
fn to_q12(c: i16, fraction: u32) -> i16 {
    let c = i32::from(c);
    if fraction > 12 {
        let shift = (fraction - 12) & 3;
        return ((c + (1 << shift >> 1)) >> shift) as i16;
    }
    saturate(c << (12 - fraction))
}

/// Gate by gate, so that each loop has few pointers; the gates take the place of their sums.
fn gru(p: &Recurrent<'_>, inputs: &mut [i16], recurrents: &[i16], state: &mut State<'_>) {
    let Some((gates, new)) = inputs.split_at_mut_checked(p.cells.saturating_mul(2)) else { return };
    let Some((own, behind)) = recurrents.split_at_checked(gates.len()) else { return };
    sigmoid_of_sums(gates, own);
    let Some((reset, update)) = gates.split_at_checked(p.cells) else { return };
    if matches!(p.cell, Cell::GruResetBefore) {
        tanh_of_sums(new, behind);
    } else {
        tanh_of_reset(new, behind, reset);
    }
    let states = state.memory.iter_mut().zip(&mut *state.hidden);
    for (((h, byte), &z), &n) in states.zip(update).zip(&*new) {
        // |h − n| < 2^16 and z < 2^15: the product fits.
        let n = i32::from(n);
        let h_next = n + ((i32::from(z) * (i32::from(*h) - n) + (1 << 14)) >> 15);
        *h = h_next as i16;
        *byte = narrow(h_next);
    }
}
