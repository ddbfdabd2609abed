//! The loop over pixels: gathers four windows, and has the assembly compute all channels of them.

use super::super::conv2d::column_len;
use super::super::pairs::{flat, next};
use super::super::{Channel, Conv2d, Stream};
use super::columns::Geometry;
#[cfg(thumbnet_v6m)]
use super::v6m::{CLAMPS, channels, takes};
#[cfg(thumbnet_v7m)]
use super::v7m::{CLAMPS, channels, takes};
use super::{PIXELS, copies_len, scratch_len, words};
use crate::fixed::Rounding;

/// What the assembly reads and advances; it counts on the order of the fields.
#[repr(C)]
pub(super) struct Plan {
    /// Of the next channel.
    weights: *const i8,
    /// Weights of a channel that are computed in eights, pairs behind them, and one that may be left.
    eights: usize,
    pairs: usize,
    single: usize,
    /// The windows.
    column: *const i32,
    /// Of the next channel.
    biases: *const i32,
    channels: *const Channel,
    /// `2·zero_point + 1` of the output; the zero point less the least output where the assembly clamps.
    twice_zero: i32,
    /// The number of the channel, and of channels.
    channel: usize,
    outputs: usize,
    /// Where the output of channel 0 is for each pixel. The last one is written first, so that one that is not there writes where
    /// the first one does.
    y: [*mut i8; PIXELS],
    /// Least minus greatest output, and the greatest.
    range: i32,
    most: i32,
    /// What rounding halves up has added to the sums of a channel, on the M3.
    added: i32,
}

/// Whether the assembly can compute it: rounded twice, by shifts as in `finish`, with windows that fit the scratch, and weights
/// that it can take.
pub(in super::super) fn fits(p: &Conv2d<'_>) -> bool {
    p.rounding == Rounding::Double
        && scratch_len(p) > 0
        && column_len(p) > 0
        && p.channels.iter().all(|channel| (-22..=-1).contains(&channel.shift))
        && p.weights.iter().all(|&w| takes(w))
}

/// Convolves; `scratch` starts at a multiple of 4 bytes.
pub(in super::super) fn conv2d(p: &Conv2d<'_>, mut io: Stream<'_>, scratch: &mut [i8]) {
    let p = &flat(p);
    let Ok(scratch) = bytemuck::try_cast_slice_mut::<i8, i32>(scratch) else { return };
    let Some((columns, rest)) = scratch.split_at_mut_checked(words(p)) else { return };
    let Some((biases, copies)) = rest.split_at_mut_checked(p.output[3]) else { return };
    let copies = bytemuck::cast_slice_mut(copies).get_mut(..copies_len(p)).unwrap_or_default();
    without_zero_point(p, biases);
    let geometry = Geometry::new(p);
    let [batches, height, width, outputs] = p.output;
    let mut left = batches.saturating_mul(height).saturating_mul(width);
    let (mut at, mut start) = ([0; 3], 0usize);
    while left > 0 {
        let count = left.min(PIXELS);
        for pair in 0..count.div_ceil(2) {
            let is_whole = count > pair.wrapping_mul(2).wrapping_add(1);
            let second = if is_whole { next(p, at) } else { at };
            // The pairs take turns after every two words.
            let words = columns.get_mut(pair.wrapping_mul(2)..).unwrap_or_default();
            geometry.gather(p, io.x(), [at, second], copies, words);
            at = next(p, second);
        }
        let len = outputs.saturating_mul(count);
        let Some(y) = io.outputs(start, len) else { return };
        four_pixels(p, columns, biases, count, y);
        start = start.saturating_add(len);
        left = left.wrapping_sub(count);
    }
}

/// Biases for bytes as they are.
#[inline(never)]
fn without_zero_point(p: &Conv2d<'_>, biases: &mut [i32]) {
    let rows = p.weights.chunks_exact(column_len(p).max(1));
    for ((bias, channel), weights) in biases.iter_mut().zip(p.channels).zip(rows) {
        let sum = weights.iter().fold(0i32, |sum, &w| sum.wrapping_add(w.into()));
        *bias = channel.bias.wrapping_sub(sum.wrapping_mul(p.input_zero_point));
    }
}

/// All channels of `count` pixels, into as many rows of `y`.
#[allow(unsafe_code, reason = "assembly")]
fn four_pixels(p: &Conv2d<'_>, columns: &[i32], biases: &[i32], count: usize, y: &mut [i8]) {
    let (taps, outputs) = (column_len(p), p.output[3]);
    let has_weights = outputs.checked_mul(taps).is_some_and(|needed| needed <= p.weights.len());
    let has_outputs = outputs.checked_mul(count).is_some_and(|needed| needed <= y.len());
    let has_channels = outputs <= p.channels.len() && outputs <= biases.len();
    if !(has_weights && has_outputs && has_channels) || columns.len() < words(p) || outputs == 0 || taps == 0 {
        return;
    }
    let [min, max] = [p.clamp.min, p.clamp.max].map(i32::from);
    let place = |pixel: usize| if pixel < count { pixel } else { 0 };
    let places = [0, 1, 2, 3].map(|pixel| y.as_mut_ptr().wrapping_add(place(pixel).wrapping_mul(outputs)));
    let mut plan = Plan {
        weights: p.weights.as_ptr(),
        eights: taps & !7,
        pairs: (taps & 7) / 2,
        single: taps & 1,
        column: columns.as_ptr(),
        biases: biases.as_ptr(),
        channels: p.channels.as_ptr(),
        twice_zero: p.output_zero_point.wrapping_sub(if CLAMPS { min } else { 0 }).wrapping_mul(2).wrapping_add(1),
        channel: 0,
        outputs,
        y: places,
        range: min.wrapping_sub(max),
        most: max,
        added: (taps.div_ceil(2) as i32) << 15,
    };
    // SAFETY: there are `outputs` rows of `taps` weights, biases and channels, as many outputs of each pixel, and the words of four
    // windows of `taps` taps.
    unsafe { channels(&mut plan) };
    if !CLAMPS {
        p.clamp.apply_all(y);
    }
}
