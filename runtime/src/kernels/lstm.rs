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
use super::dot::dot_4;
use crate::fixed::{requantize_accumulator, rounding_shift_right};
use crate::fixed16::{saturate, sigmoid, tanh};

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
    for x in x.chunks_exact(p.inputs.max(1)) {
        let Some((now, later)) = rest.split_at_mut_checked(p.cells) else { return };
        step(p, x, hidden, cell, now);
        (hidden, rest) = (now, later);
    }
}

/// One time step; `hidden` is the previous output, empty for zeros.
#[inline(never)]
fn step(p: &Lstm<'_>, x: &[i8], hidden: &[i8], cell: &mut [i16], y: &mut [i8]) {
    let input_weights = p.input_weights.chunks_exact(p.inputs.saturating_mul(4).max(1));
    let recurrent_weights = p.recurrent_weights.chunks_exact(p.cells.saturating_mul(4).max(1));
    let weights = input_weights.zip(recurrent_weights).zip(p.biases.as_chunks::<4>().0);
    for (((input, recurrent), biases), (c, y)) in weights.zip(cell.iter_mut().zip(y)) {
        let inputs = dot_4(input, x, p.input_zero_point);
        let recurrents = dot_4(recurrent, hidden, p.hidden_zero_point);
        let mut gates = [0i16; 4];
        for (k, gate) in gates.iter_mut().enumerate() {
            let (s, r) = (p.input_scales[k], p.recurrent_scales[k]);
            let input = requantize_accumulator(biases[k].wrapping_add(inputs[k]), s.multiplier, s.shift);
            let recurrent = requantize_accumulator(recurrents[k], r.multiplier, r.shift);
            *gate = saturate(i32::from(saturate(input)).saturating_add(recurrent));
        }
        let [i, f, g, o] = gates;
        let [i, f, g, o] = [sigmoid(i), sigmoid(f), tanh(g, 3), sigmoid(o)].map(i32::from);
        let kept = rounding_shift_right(f * i32::from(*c), 15);
        let new = rounding_shift_right(i * g, 30u32.saturating_sub(p.cell_fraction));
        *c = saturate(kept + i32::from(new as i16)).min(p.clip).max(p.clip.saturating_neg());
        let out = o * i32::from(tanh(*c, 15u32.saturating_sub(p.cell_fraction)));
        let out = requantize_accumulator(out, p.hidden.multiplier, p.hidden.shift).saturating_add(p.hidden_offset);
        *y = out.clamp(-128, 127) as i8;
    }
}
