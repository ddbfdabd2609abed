//! Fully connected layer: a matrix times a vector, for each row.
//!
//! `y[r,c] = clamp(zp_y + requantize(bias[c] + Σ_k (x[r,k] − zp_x) · w[c,k]))`. Rounded once in models of ours, as the
//! TensorFlow Lite specification's reference kernel does; [`FullyConnected::rounding`] says.

use core::mem::MaybeUninit;

use super::dot::zeros;
use super::rows::{Rows, Vector};
use super::{Channel, FullyConnected, output_i8};
#[cfg(any(thumbnet_dsp, thumbnet_helium))]
use crate::fixed::Rounding;

/// Outputs that are computed at a time.
const BLOCK: usize = 16;

/// Bytes of scratch: none.
#[must_use]
pub const fn scratch_len(_: &FullyConnected<'_>) -> usize {
    0
}

/// Multiplies each row of `x` into a row of `y`, some outputs at a time.
pub fn fully_connected(p: &FullyConnected<'_>, mut x: &[i8], mut y: &mut [i8], _scratch: &mut [i8]) {
    // Split by hand: how many chunks there are takes divisions, which count where a layer is small.
    for _ in 0..p.rows {
        let Some((values, more)) = x.split_at_checked(p.inputs) else { return };
        let Some((outputs, behind)) = y.split_at_mut_checked(p.outputs) else { return };
        row(p, values, outputs);
        (x, y) = (more, behind);
    }
}

#[inline(always)]
fn row(p: &FullyConnected<'_>, x: &[i8], mut y: &mut [i8]) {
    let mut rows = Rows { weights: p.weights, inputs: p.inputs, layout: p.layout };
    let (mut channels, x) = (p.channels, Vector::new(x, p.input_zero_point));
    let mut room = MaybeUninit::<[i32; BLOCK]>::uninit();
    let sums = zeros(&mut room);
    while !y.is_empty() {
        let count = y.len().min(BLOCK);
        let Some((now, later)) = core::mem::take(&mut y).split_at_mut_checked(count) else { return };
        let Some((own, others)) = channels.split_at_checked(count) else { return };
        rows.sums(count, &x, sums);
        finish(p, sums, own, now);
        (rows, y, channels) = (rows.from(BLOCK), later, others);
    }
}

/// Makes outputs of sums.
#[inline(never)]
fn finish(p: &FullyConnected<'_>, sums: &[i32], channels: &[Channel], y: &mut [i8]) {
    let one = |sum: i32, channel: &Channel| {
        output_i8(channel.bias.wrapping_add(sum), channel, p.rounding, p.output_zero_point, p.clamp)
    };
    #[cfg(thumbnet_dsp)]
    if p.rounding == Rounding::Single {
        let single = |sums: &[i32], channels: &[Channel], y: &mut [i8]| {
            super::dsp_rows::finish_single(p.output_zero_point, sums, channels, y)
        };
        super::rows::finish(sums, channels, y, single, one);
        p.clamp.apply_all(y);
        return;
    }
    #[cfg(thumbnet_helium)]
    {
        let ends = (p.output_zero_point, p.clamp);
        match p.rounding {
            Rounding::Single => {
                let single = |sums: &[i32], channels: &[Channel], y: &mut [i8]| {
                    super::helium_rows::finish_single(ends, sums, channels, y)
                };
                super::rows::finish(sums, channels, y, single, one);
            }
            Rounding::Double => super::helium_rows::finish_double(ends, sums, channels, y),
        }
    }
    #[cfg(not(thumbnet_helium))]
    y.iter_mut().zip(channels).zip(sums).for_each(|((y, channel), &sum)| *y = one(sum, channel));
}
