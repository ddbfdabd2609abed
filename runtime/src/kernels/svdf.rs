//! Singular value decomposition filter (SVDF): a layer of rank-limited filters over time, fed one frame a run.
//!
//! Per filter `f`, with the state `s_f` in 16 bits, oldest first: the state moves by one place and takes in
//! `sat16(requantize(Σ v_f·(x − zp_x)))`; unit `u` is
//! `clamp(zp_y + requantize(b_u + Σ_{f in unit u} Σ_t α_{f,t}·s_{f,t}))`. Every product by a scale is rounded twice.
//!
//! Source: Nakkiran et al., "Compressing deep neural networks using a rank-constrained topology" (2015); arithmetic of
//! TensorFlow Lite's reference kernel of `SVDF`, `EvalIntegerSVDF`.

use super::Svdf;
use super::dot::dot_1;
use crate::fixed::requantize_double;
use crate::fixed16::saturate;

/// Feeds `x`, `[batch, inputs]`, to the state, `[batch, filters, memory]`, and writes `y`, `[batch, units]`.
pub fn svdf(p: &Svdf<'_>, x: &[i8], state: &mut [i16], y: &mut [i8]) {
    let per_batch = p.units.saturating_mul(p.rank).saturating_mul(p.memory).max(1);
    let batches = x.chunks_exact(p.inputs.max(1)).zip(state.chunks_exact_mut(per_batch));
    for ((x, state), y) in batches.zip(y.chunks_exact_mut(p.units.max(1))) {
        remember(p, x, state);
        respond(p, state, y);
    }
}

/// Moves every filter's state by one place and appends what it makes of the frame.
fn remember(p: &Svdf<'_>, x: &[i8], state: &mut [i16]) {
    let filters = state.chunks_exact_mut(p.memory.max(1)).zip(p.feature_weights.chunks_exact(p.inputs.max(1)));
    for (state, weights) in filters {
        let sum = dot_1(weights, x, p.input_zero_point);
        state.rotate_left(1);
        if let Some(newest) = state.last_mut() {
            *newest = saturate(requantize_double(sum, p.feature.multiplier, p.feature.shift));
        }
    }
}

/// Weighs the states over time and sums the filters of each unit.
fn respond(p: &Svdf<'_>, state: &[i16], y: &mut [i8]) {
    let per_unit = p.rank.saturating_mul(p.memory).max(1);
    let units = state.chunks_exact(per_unit).zip(p.time_weights.chunks_exact(per_unit));
    for (((state, weights), &bias), y) in units.zip(p.biases).zip(y) {
        let product = |(&w, &s): (&i16, &i16)| i32::from(w).wrapping_mul(i32::from(s));
        let sum = weights.iter().zip(state).map(product).fold(bias, i32::wrapping_add);
        let out = requantize_double(sum, p.output.multiplier, p.output.shift).saturating_add(p.output_zero_point);
        *y = out.clamp(-128, 127) as i8;
    }
}
