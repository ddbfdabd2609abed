//! Convolution with the weights of two output channels in one halfword: four pixels at a time.
//!
//! # Layout
//!
//! Channels go in pairs, the taps of a window in fours, a missing channel and missing taps being zero. A pair `a, b` stores one
//! `i16` per tap, `256·w_b + w_a`, and four taps `0 1 2 3` in the order `0 2 1 3`: see [`Layout::Pairs`].
//!
//! # Arithmetic
//!
//! With `s_a = Σ x·w_a` and `raw = Σ x·(256·w_b + w_a)`, which is `256·s_b + s_a`, the second sum is `s_b = (raw − s_a) >> 8`. All of it may
//! wrap: the difference is right modulo 2^32, so that `s_b` is exact while `|s_b| < 2^23`. The exporter proves that
//! from the weights, or keeps the plain layout. A core that multiplies pairs of halfwords need not unpack `w_b` at all.
//!
//! The windows of four pixels lie in `scratch`, in 16 bits and without the zero point, in the same order: for two taps one halfword
//! of each, for pixel 0, then 1, 2, 3.

use super::conv2d::{column_len, corner, gather_bytes};
use super::{Conv2d, Stream, output_i8};

/// Pixels that are computed at the same time.
const PIXELS: usize = 4;

/// Which pixel each of the four is where fewer are left; the assembly writes through two distances, see `dsp_pairs`.
const SLOTS: [[usize; PIXELS]; PIXELS] = [[0, 0, 0, 0], [0, 0, 0, 1], [0, 1, 2, 2], [0, 1, 2, 3]];

/// Taps of a window in whole fours.
pub(super) const fn padded(taps: usize) -> usize {
    taps.saturating_add(3) & !3
}

/// Bytes of the weights of `outputs` channels over `taps` taps in this layout.
pub(crate) const fn weights_len(taps: usize, outputs: usize) -> Option<usize> {
    match outputs.div_ceil(2).checked_mul(2) {
        Some(channels) => channels.checked_mul(padded(taps)),
        None => None,
    }
}

/// The weight of a channel at a tap.
pub(super) fn weight(weights: &[i8], taps: usize, channel: usize, tap: usize) -> i8 {
    // Taps 1 and 2 of four have changed places.
    let place = [0, 2, 1, 3][tap % 4] + tap / 4 * 4;
    let at = 2 * (channel / 2 * padded(taps) + place);
    let pair = i16::from_le_bytes([weights[at].cast_unsigned(), weights[at + 1].cast_unsigned()]);
    let [first, second] = unpack(pair);
    if channel.is_multiple_of(2) { first } else { second }
}

/// Both weights of a halfword.
#[inline(always)]
const fn unpack(pair: i16) -> [i8; 2] {
    let first = pair as i8;
    [first, (pair.wrapping_sub(first as i16) >> 8) as i8]
}

/// Bytes of scratch: four columns of 16-bit values, and of the bytes that they come from.
pub(super) fn scratch_len(p: &Conv2d<'_>) -> usize {
    padded(column_len(p)).saturating_mul(PIXELS * (size_of::<i16>() + 1))
}

/// Convolves; `scratch` starts at a multiple of 4 bytes.
pub(super) fn conv2d(p: &Conv2d<'_>, mut io: Stream<'_>, scratch: &mut [i8]) {
    let p = &flat(p);
    let (taps, outputs) = (padded(column_len(p)), p.output[3]);
    let Some((quad, bytes)) = scratch.split_at_mut_checked(taps.saturating_mul(PIXELS * size_of::<i16>())) else {
        return;
    };
    let Ok(quad) = bytemuck::try_cast_slice_mut::<i8, i16>(quad) else { return };
    let Some(bytes) = bytes.get_mut(..taps.saturating_mul(PIXELS)) else { return };
    // What a column has beyond the window stays zero.
    bytes.fill(p.input_zero_point as i8);
    let channels = Channels::new(p);
    let [batches, height, width, _] = p.output;
    let mut left = batches.saturating_mul(height).saturating_mul(width);
    let (mut at, mut start) = ([0; 3], 0usize);
    while left > 0 {
        let count = left.min(PIXELS);
        let (pixels, next) = four(p, at, count);
        gather(p, io.x(), pixels, bytes, quad);
        let len = outputs.saturating_mul(count);
        let Some(y) = io.outputs(start, len) else { return };
        channels.four_pixels(p, quad, count, y);
        at = next;
        start = start.saturating_add(len);
        left = left.wrapping_sub(count);
    }
}

/// The same convolution; one that looks at single pixels sees all of them in one row, where a window has no neighbours.
fn flat<'m>(p: &Conv2d<'m>) -> Conv2d<'m> {
    let [_, _, width, channels] = p.input;
    let is_pointwise = (p.window.size, p.window.stride, p.window.pad) == ([1, 1], [1, 1], [0, 0]);
    let [n, rows, columns, outputs] = p.output;
    if !is_pointwise || width != columns {
        return *p;
    }
    let pixels = n.saturating_mul(rows).saturating_mul(columns);
    Conv2d { input: [1, 1, pixels, channels], output: [1, 1, pixels, outputs], ..*p }
}

/// The four output pixels from `at` on, as [`SLOTS`] says where only `count` are left, and the one behind them.
#[inline(always)]
fn four(p: &Conv2d<'_>, at: [usize; 3], count: usize) -> ([[usize; 3]; PIXELS], [usize; 3]) {
    let [n, y, x] = at;
    if count == PIXELS && x.wrapping_add(PIXELS) < p.output[2] {
        let pixel = |k: usize| [n, y, x.wrapping_add(k)];
        return ([at, pixel(1), pixel(2), pixel(3)], pixel(PIXELS));
    }
    let mut pixels = [at; PIXELS];
    let mut at = at;
    for pixel in pixels.iter_mut().take(count) {
        *pixel = at;
        at = next(p, at);
    }
    let slots = SLOTS.get(count.wrapping_sub(1)).copied().unwrap_or_default();
    (slots.map(|slot| pixels.get(slot).copied().unwrap_or(at)), at)
}

/// The output pixel behind another one.
#[inline(always)]
fn next(p: &Conv2d<'_>, [n, y, x]: [usize; 3]) -> [usize; 3] {
    let [_, height, width, _] = p.output;
    match (x.wrapping_add(1) < width, y.wrapping_add(1) < height) {
        (true, _) => [n, y, x.wrapping_add(1)],
        (false, true) => [n, y.wrapping_add(1), 0],
        (false, false) => [n.wrapping_add(1), 0, 0],
    }
}

/// Rows of a window: the first one's taps are the first of `bytes`, the next one's `pitch` bytes behind.
#[derive(Clone, Copy)]
struct Source<'a> {
    bytes: &'a [i8],
    pitch: usize,
}

/// Gathers the windows of four pixels: from the input where a window lies there whole and has rows of whole fours, else by way of
/// a copy in `bytes`.
#[inline(always)]
fn gather(p: &Conv2d<'_>, x: &[i8], pixels: [[usize; 3]; PIXELS], bytes: &mut [i8], quad: &mut [i16]) {
    let (len, row) = (column_len(p), p.window.size[1].wrapping_mul(p.input[3]));
    let (taps, pitch) = (padded(len), p.input[2].wrapping_mul(p.input[3]));
    let is_whole = row.is_multiple_of(4);
    if is_whole && let Some(starts) = corners(p, pixels) {
        let sources = starts.map(|start| Source { bytes: x.get(start..).unwrap_or(&[]), pitch });
        widen_rows(sources, [p.window.size[0], row], quad, p.input_zero_point);
        return;
    }
    let mut columns = bytes.chunks_exact_mut(taps.max(1));
    let sources = pixels.map(|pixel| {
        if is_whole && let Some(start) = corner(p, pixel) {
            return Source { bytes: x.get(start..).unwrap_or(&[]), pitch };
        }
        let Some(column) = columns.next() else { return Source { bytes: &[], pitch: 0 } };
        if let Some(window) = column.get_mut(..len) {
            gather_bytes(p, x, pixel, window);
        }
        Source { bytes: column, pitch: row }
    });
    // Without whole rows all sources are copies, whose taps follow one another.
    let shape = if is_whole { [p.window.size[0], row] } else { [1, taps] };
    widen_rows(sources, shape, quad, p.input_zero_point);
}

/// Where the windows of four pixels start in the input, if all of them lie in the image whole and their taps follow one another.
#[inline(always)]
fn corners(p: &Conv2d<'_>, pixels: [[usize; 3]; PIXELS]) -> Option<[usize; PIXELS]> {
    let [a, b, c, d] = pixels;
    let first = corner(p, a)?;
    let last = corner(p, d)?;
    if a[..2] == d[..2] {
        // Those between them lie between them.
        let step = p.window.stride[1].wrapping_mul(p.input[3]);
        let start = |pixel: [usize; 3]| first.wrapping_add(pixel[2].wrapping_sub(a[2]).wrapping_mul(step));
        return Some([first, start(b), start(c), last]);
    }
    Some([first, corner(p, b)?, corner(p, c)?, last])
}

/// Widens windows of so many rows of so many bytes, a multiple of 4.
#[inline(always)]
fn widen_rows(mut sources: [Source<'_>; PIXELS], [rows, row]: [usize; 2], quad: &mut [i16], zero_point: i32) {
    let mut to = quad;
    for _ in 0..rows {
        let Some((part, rest)) = core::mem::take(&mut to).split_at_mut_checked(row.wrapping_mul(PIXELS)) else {
            return;
        };
        widen(sources.map(|source| source.bytes.get(..row).unwrap_or(&[])), part, zero_point);
        sources = sources.map(|from| Source { bytes: from.bytes.get(from.pitch..).unwrap_or(&[]), ..from });
        to = rest;
    }
}

/// As many bytes, a multiple of 4, from each of four places, widened and put side by side as the module says.
#[inline(always)]
fn widen(sources: [&[i8]; PIXELS], quad: &mut [i16], zero_point: i32) {
    #[cfg(thumbnet_dsp)]
    super::dsp_pairs::widen(sources, quad, zero_point);
    #[cfg(not(thumbnet_dsp))]
    for (pixel, source) in sources.into_iter().enumerate() {
        for (to, from) in quad.as_chunks_mut::<16>().0.iter_mut().zip(source.as_chunks::<4>().0) {
            let [a, b, c, d] = from.map(|x| i16::from(x).wrapping_sub(zero_point as i16));
            for (place, x) in [0, 1, 8, 9].into_iter().zip([a, c, b, d]) {
                if let Some(to) = to.get_mut(2 * pixel + place) {
                    *to = x;
                }
            }
        }
    }
}

/// What computes the channels of four pixels: the core's own kernel where it has one, and plain loops for what that leaves.
struct Channels<'m> {
    #[cfg(thumbnet_dsp)]
    kernel: Option<super::dsp_pairs::Kernel<'m>>,
    #[cfg(not(thumbnet_dsp))]
    kernel: core::marker::PhantomData<&'m ()>,
}

impl<'m> Channels<'m> {
    fn new(p: &Conv2d<'m>) -> Self {
        #[cfg(thumbnet_dsp)]
        let kernel = super::dsp_pairs::Kernel::new(p);
        #[cfg(not(thumbnet_dsp))]
        let (kernel, _) = (core::marker::PhantomData, p);
        Self { kernel }
    }

    /// All channels of `count` pixels, into as many rows of `y`.
    #[inline(always)]
    fn four_pixels(&self, p: &Conv2d<'_>, quad: &[i16], count: usize, y: &mut [i8]) {
        #[cfg(thumbnet_dsp)]
        let done = self.kernel.as_ref().map_or(0, |kernel| kernel.run(quad, count, y));
        #[cfg(not(thumbnet_dsp))]
        let done = 0;
        if done < p.output[3] {
            plain(p, quad, count, y, done / 2);
        }
    }
}

/// The channels from pair `done` on.
#[inline(never)]
fn plain(p: &Conv2d<'_>, quad: &[i16], count: usize, y: &mut [i8], done: usize) {
    let row = padded(column_len(p)).saturating_mul(2);
    let slots = SLOTS.get(count.wrapping_sub(1)).copied().unwrap_or_default();
    let pairs = p.weights.chunks_exact(row.max(1)).zip(p.channels.chunks(2)).enumerate();
    for (pair, (weights, channels)) in pairs.skip(done) {
        let sums = four_by_pair(weights, quad);
        for (slot, sums) in slots.into_iter().zip(sums) {
            let first = slot.wrapping_mul(p.output[3]).wrapping_add(2 * pair);
            let to = y.get_mut(first..).unwrap_or(&mut []);
            for ((y, channel), sum) in to.iter_mut().zip(channels).zip(sums) {
                let sum = channel.bias.wrapping_add(sum);
                *y = output_i8(sum, channel, p.rounding, p.output_zero_point, p.clamp);
            }
        }
    }
}

/// The sums of both channels of a pair, for each of four pixels.
fn four_by_pair(weights: &[i8], quad: &[i16]) -> [[i32; 2]; PIXELS] {
    let (mut first, mut raw) = ([0i32; PIXELS], [0i32; PIXELS]);
    let taps = weights.as_chunks::<4>().0.iter().zip(quad.as_chunks::<8>().0);
    for (weights, [a, b, c, d, e, f, g, h]) in taps {
        let [low, high, low_2, high_2] = weights.map(i8::cast_unsigned);
        let (even, odd) = (i16::from_le_bytes([low, high]), i16::from_le_bytes([low_2, high_2]));
        let pixels = [[a, b], [c, d], [e, f], [g, h]];
        for ((first, raw), [x, x_2]) in first.iter_mut().zip(&mut raw).zip(pixels) {
            let (x, x_2) = (i32::from(*x), i32::from(*x_2));
            *first = mac(mac(*first, x, (even as i8).into()), x_2, (odd as i8).into());
            *raw = mac(mac(*raw, x, even.into()), x_2, odd.into());
        }
    }
    let [a, b, c, d] = first;
    let [e, f, g, h] = raw;
    [[a, e], [b, f], [c, g], [d, h]].map(|[first, raw]| [first, raw.wrapping_sub(first) >> 8])
}

#[inline(always)]
fn mac(sum: i32, x: i32, w: i32) -> i32 {
    sum.wrapping_add(x.wrapping_mul(w))
}
