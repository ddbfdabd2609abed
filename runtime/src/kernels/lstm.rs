//! Long short-term memory over a whole sequence, with 8-bit inputs, weights and outputs, and a 16-bit cell.
//!
//! Per step `t` and cell `j`, for the gates `k` = input, forget, cell, output:
//!
//! `a_k = sat16(sat16(s_k·(b_k + Σ w_k·(x_t − zp_x))) + r_k·Σ u_k·(h_{t−1} − zp_h))` in Q3.12, every product by a scale
//! rounded twice; `i, f, o = σ(a)`, `g = tanh(a)` in Q0.15 ([`crate::fixed16`]);
//! `c_t = clip(sat16(round(f·c_{t−1} / 2^15) + round(i·g / 2^(30−n))))` in Q(15−n).n; `h_t = zp_h + hidden·o·tanh(c_t)`.
//! Both states are zero before the first step, or what the run before has left of them.
//!
//! Source: TensorFlow Lite's reference kernel of `UNIDIRECTIONAL_SEQUENCE_LSTM`, `LstmStepInteger8x8_16`.

use super::Lstm;
#[cfg(thumbnet_asm)]
use super::asm_lstm::{self as products, Gate};
#[cfg(thumbnet_dsp)]
use super::dsp_lstm as fast;
#[cfg(thumbnet_helium)]
use super::helium_lstm::{self as fast, self as products, Factors};
use super::rows::{Room, Rows};
use crate::fixed::requantize_accumulator;
#[cfg(not(thumbnet_dsp))]
use crate::fixed::rounded_right;
#[cfg(not(any(thumbnet_dsp, thumbnet_helium)))]
use crate::fixed16::sigmoid;
use crate::fixed16::{saturate, tanh};

/// Cells that are computed at a time, and their gates.
pub(super) const CELLS: usize = 16;
pub(super) const BLOCK: usize = 4 * CELLS;

/// Bytes of scratch: the cell state, where no run leaves one to the next.
#[must_use]
pub const fn scratch_len(p: &Lstm<'_>) -> usize {
    p.cells.saturating_mul(size_of::<i16>())
}

/// Runs every sequence of `x`, `[batch, time, inputs]`, into `y`, `[batch, time, cells]`.
pub fn lstm(p: &Lstm<'_>, x: &[i8], y: &mut [i8], scratch: &mut [i8]) {
    let Ok(cell) = bytemuck::try_cast_slice_mut::<i8, i16>(scratch) else { return };
    for (x, y) in sequences(p, x, y) {
        cell.fill(0);
        sequence(p, x, &[], cell, y);
    }
}

/// The same from the states `hidden` and `cell`, `[batch, cells]`, which become those behind the last step.
pub fn lstm_from(p: &Lstm<'_>, x: &[i8], hidden: &mut [i8], cell: &mut [i16], y: &mut [i8]) {
    let states = hidden.chunks_exact_mut(p.cells.max(1)).zip(cell.chunks_exact_mut(p.cells.max(1)));
    for ((x, y), (hidden, cell)) in sequences(p, x, y).zip(states) {
        sequence(p, x, hidden, cell, y);
        let last = y.rchunks_exact(p.cells.max(1)).next().unwrap_or(&[]);
        hidden.iter_mut().zip(last).for_each(|(to, &from)| *to = from);
    }
}

/// The sequences of a batch.
fn sequences<'a>(p: &Lstm<'_>, x: &'a [i8], y: &'a mut [i8]) -> impl Iterator<Item = (&'a [i8], &'a mut [i8])> {
    let (x_len, y_len) = (p.inputs.saturating_mul(p.time).max(1), p.cells.saturating_mul(p.time).max(1));
    x.chunks_exact(x_len).zip(y.chunks_exact_mut(y_len))
}

/// One sequence; `first` is the hidden state in front of it, empty for zeros.
fn sequence(p: &Lstm<'_>, x: &[i8], first: &[i8], cell: &mut [i16], y: &mut [i8]) {
    let (mut hidden, mut rest) = (first, y);
    let mut shared = Shared::new(p);
    for x in x.chunks_exact(p.inputs.max(1)) {
        let Some((now, later)) = rest.split_at_mut_checked(p.cells) else { return };
        step(p, &mut shared, x, hidden, cell, now);
        (hidden, rest) = (now, later);
    }
}

/// `[gate][cell]`, of the cells that are computed at a time.
type Gates = [[i16; CELLS]; 4];

/// What the steps of a sequence share.
struct Shared {
    rooms: [Room; 2],
    /// Of the inputs and of the hidden state; without one those stay zero.
    sums: [[i32; BLOCK]; 2],
    gates: Gates,
    scales: Scales,
}

impl Shared {
    #[inline(always)]
    fn new(p: &Lstm<'_>) -> Self {
        let rooms = [const { Room::new() }; 2];
        Self { rooms, sums: [[0; BLOCK]; 2], gates: [[0; CELLS]; 4], scales: Scales::new(p) }
    }
}

/// One time step, some cells at a time; `hidden` is the previous output, empty for zeros.
#[inline(never)]
fn step(p: &Lstm<'_>, shared: &mut Shared, x: &[i8], hidden: &[i8], cell: &mut [i16], y: &mut [i8]) {
    let mut input_rows = Rows { weights: p.input_weights, inputs: p.inputs, layout: p.layout };
    let mut recurrent_rows = Rows { weights: p.recurrent_weights, inputs: p.cells, layout: p.layout };
    let Shared { rooms: [input_room, hidden_room], sums, gates, scales } = shared;
    let x = input_room.vector(&input_rows, x, p.input_zero_point);
    let has_hidden = !hidden.is_empty();
    let hidden = hidden_room.vector(&recurrent_rows, hidden, p.hidden_zero_point);
    let blocks = cell.chunks_mut(CELLS).zip(y.chunks_mut(CELLS)).zip(p.biases.chunks(BLOCK));
    for ((cell, y), biases) in blocks {
        let [inputs, recurrents] = &mut *sums;
        input_rows.sums(biases.len(), &x, inputs);
        if has_hidden {
            recurrent_rows.sums(biases.len(), &hidden, recurrents);
        }
        scales.gates(p, sums, biases, gates);
        cells(p, gates, cell, y);
        (input_rows, recurrent_rows) = (input_rows.from(BLOCK), recurrent_rows.from(BLOCK));
    }
}

/// The next states of a block of cells, and their outputs, from what goes into each of their gates.
#[inline(always)]
fn cells(p: &Lstm<'_>, gates: &mut Gates, cell: &mut [i16], y: &mut [i8]) {
    let count = cell.len().min(CELLS);
    for (number, gate) in gates.iter_mut().enumerate() {
        let gate = gate.get_mut(..count).unwrap_or_default();
        if number == 2 { all_tanh(gate, 3) } else { all_sigmoid(gate) }
    }
    update(p, gates, cell);
    let [squashed, ..] = gates;
    all_tanh(squashed.get_mut(..count).unwrap_or_default(), 15u32.saturating_sub(p.cell_fraction));
    outputs(p, gates, y);
}

/// The next states, which take the place of the input gates, too.
#[inline(always)]
fn update(p: &Lstm<'_>, gates: &mut Gates, cell: &mut [i16]) {
    let right = 30u32.saturating_sub(p.cell_fraction);
    #[cfg(thumbnet_dsp)]
    super::dsp_lstm::update(right, p.clip, gates, cell);
    #[cfg(not(thumbnet_dsp))]
    {
        let [input, forget, new, _] = gates;
        for (((c, i), f), g) in cell.iter_mut().zip(input).zip(forget).zip(new) {
            let kept = rounded_right(i32::from(*f) * i32::from(*c), 15);
            let new = rounded_right(i32::from(*i) * i32::from(*g), right);
            *c = saturate(kept + i32::from(new as i16)).min(p.clip).max(p.clip.saturating_neg());
            *i = *c;
        }
    }
}

/// Outputs of the squashed states, in the place of the input gates, and the output gates.
#[inline(always)]
fn outputs(p: &Lstm<'_>, gates: &Gates, y: &mut [i8]) {
    #[cfg(thumbnet_dsp)]
    if super::dsp_lstm::outputs(p.hidden, p.hidden_offset, gates, y) {
        return;
    }
    let [squashed, .., output] = gates;
    for ((y, o), squashed) in y.iter_mut().zip(output).zip(squashed) {
        let out = i32::from(*o) * i32::from(*squashed);
        let out = requantize_accumulator(out, p.hidden.multiplier, p.hidden.shift).saturating_add(p.hidden_offset);
        *y = out.clamp(-128, 127) as i8;
    }
}

#[inline(always)]
fn all_sigmoid(values: &mut [i16]) {
    #[cfg(any(thumbnet_dsp, thumbnet_helium))]
    fast::sigmoid(values);
    #[cfg(not(any(thumbnet_dsp, thumbnet_helium)))]
    values.iter_mut().for_each(|x| *x = sigmoid(*x));
}

#[inline(always)]
fn all_tanh(values: &mut [i16], integer_bits: u32) {
    #[cfg(any(thumbnet_dsp, thumbnet_helium))]
    if (2..=6).contains(&integer_bits) {
        return fast::tanh(values, integer_bits);
    }
    values.iter_mut().for_each(|x| *x = tanh(*x, integer_bits));
}

/// The factors of all gates, as assembly takes them.
#[cfg(thumbnet_asm)]
type Factors = [Gate; 4];

/// The same, if this core has some.
struct Scales {
    /// `None` where one of them needs the long way.
    #[cfg(any(thumbnet_asm, thumbnet_helium))]
    prepared: Option<Factors>,
}

impl Scales {
    #[inline(always)]
    fn new(p: &Lstm<'_>) -> Self {
        #[cfg(not(any(thumbnet_asm, thumbnet_helium)))]
        let _ = p;
        Self {
            #[cfg(any(thumbnet_asm, thumbnet_helium))]
            prepared: prepared(p),
        }
    }

    /// What goes into each gate of a block of cells: `[gate][cell]`.
    #[inline(always)]
    fn gates(&self, p: &Lstm<'_>, sums: &[[i32; BLOCK]; 2], biases: &[i32], gates: &mut Gates) {
        #[cfg(any(thumbnet_asm, thumbnet_helium))]
        if let Some(scales) = &self.prepared {
            return products::activate(scales, sums, biases, gates);
        }
        let [inputs, recurrents] = sums;
        let sums = inputs.as_chunks::<4>().0.iter().zip(recurrents.as_chunks::<4>().0).zip(biases.as_chunks::<4>().0);
        for (cell, ((input, recurrent), biases)) in sums.enumerate() {
            for (k, gate) in gates.iter_mut().enumerate() {
                let (s, r) = (p.input_scales[k], p.recurrent_scales[k]);
                let input = requantize_accumulator(biases[k].wrapping_add(input[k]), s.multiplier, s.shift);
                let recurrent = requantize_accumulator(recurrent[k], r.multiplier, r.shift);
                gate[cell % CELLS] = saturate(i32::from(saturate(input)).saturating_add(recurrent));
            }
        }
    }
}

#[cfg(thumbnet_asm)]
fn prepared(p: &Lstm<'_>) -> Option<Factors> {
    let [i, f, g, o] = p.input_scales;
    let [ri, rf, rg, ro] = p.recurrent_scales;
    Some([Gate::new(i, ri)?, Gate::new(f, rf)?, Gate::new(g, rg)?, Gate::new(o, ro)?])
}

#[cfg(thumbnet_helium)]
fn prepared(p: &Lstm<'_>) -> Option<Factors> {
    Factors::new(&p.input_scales, &p.recurrent_scales)
}
