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

use super::conv2d::{column_len, corner_up_to, gather_bytes, gather_window, last_corner};
use super::strided::{Strided, copy_rows};
use super::{Conv2d, Stream, Window, output_i8};

/// Pixels that are computed at the same time.
const PIXELS: usize = 4;

/// Which pixel each of the four is where fewer are left; the assembly writes through two distances, see `dsp_pairs`.
const SLOTS: [[usize; PIXELS]; PIXELS] = [[0, 0, 0, 0], [0, 1, 1, 1], [0, 1, 2, 2], [0, 1, 2, 3]];

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

/// Bytes of scratch: four columns of 16-bit values, and of the bytes that they come from where some are copied.
pub(super) fn scratch_len(p: &Conv2d<'_>) -> usize {
    let taps = padded(column_len(p));
    taps.saturating_mul(PIXELS * size_of::<i16>()).saturating_add(copies_len(p))
}

/// Bytes of copied columns: none where every window lies in the image whole, with rows of whole fours.
fn copies_len(p: &Conv2d<'_>) -> usize {
    let has_whole_rows = p.window.size[1].saturating_mul(p.input[3]).is_multiple_of(4);
    if is_inside(p) && has_whole_rows { 0 } else { padded(column_len(p)).saturating_mul(PIXELS) }
}

/// Whether every window lies in the image whole.
pub(super) fn is_inside(p: &Conv2d<'_>) -> bool {
    let ([_, rows, columns, _], [down, across]) = (p.output, p.window.stride);
    let starts = [(rows, down), (columns, across)].map(|(count, step)| count.saturating_sub(1).saturating_mul(step));
    p.window.pad == [0, 0] && last_corner(p).is_some_and(|[row, column]| starts[0] <= row && starts[1] <= column)
}

/// Convolves; `scratch` starts at a multiple of 4 bytes.
pub(super) fn conv2d(p: &Conv2d<'_>, mut io: Stream<'_>, scratch: &mut [i8]) {
    let p = &flat(p);
    let (taps, outputs) = (padded(column_len(p)), p.output[3]);
    let Some((quad, bytes)) = scratch.split_at_mut_checked(taps.saturating_mul(PIXELS * size_of::<i16>())) else {
        return;
    };
    let Ok(quad) = bytemuck::try_cast_slice_mut::<i8, i16>(quad) else { return };
    let Some(bytes) = bytes.get_mut(..copies_len(p)) else { return };
    // What a column has beyond the window stays zero.
    bytes.fill(p.input_zero_point as i8);
    let (geometry, channels) = (Geometry::new(p), Channels::new(p));
    let [batches, height, width, _] = p.output;
    let mut left = batches.saturating_mul(height).saturating_mul(width);
    let (mut at, mut start) = ([0; 3], 0usize);
    while left > 0 {
        let count = left.min(PIXELS);
        at = geometry.gather(p, io.x(), at, count, bytes, quad);
        let len = outputs.saturating_mul(count);
        let Some(y) = io.outputs(start, len) else { return };
        channels.four_pixels(p, quad, count, y);
        start = start.saturating_add(len);
        left = left.wrapping_sub(count);
    }
}

/// The same convolution; one that looks at single pixels sees all of them in one row, where a window has no neighbours.
pub(super) fn flat<'m>(p: &Conv2d<'m>) -> Conv2d<'m> {
    let [_, _, width, channels] = p.input;
    let is_pointwise = (p.window.size, p.window.stride, p.window.pad) == ([1, 1], [1, 1], [0, 0]);
    let [n, rows, columns, outputs] = p.output;
    if !is_pointwise || width != columns {
        return *p;
    }
    let pixels = n.saturating_mul(rows).saturating_mul(columns);
    Conv2d { input: [1, 1, pixels, channels], output: [1, 1, pixels, outputs], ..*p }
}

/// The output pixel behind another one.
#[inline(always)]
pub(super) fn next(p: &Conv2d<'_>, [n, y, x]: [usize; 3]) -> [usize; 3] {
    let [_, height, width, _] = p.output;
    match (x.wrapping_add(1) < width, y.wrapping_add(1) < height) {
        (true, _) => [n, y, x.wrapping_add(1)],
        (false, true) => [n, y.wrapping_add(1), 0],
        (false, false) => [n.wrapping_add(1), 0, 0],
    }
}

/// What gathering needs to know of a convolution, computed once.
struct Geometry {
    /// Rows of a window and bytes of one of them.
    shape: [usize; 2],
    /// Bytes of an image's row.
    pitch: usize,
    /// From the window of a pixel to the next one's.
    step: usize,
    /// See [`last_corner`].
    last: Option<[usize; 2]>,
    /// Whether rows of windows are whole fours.
    is_whole: bool,
    /// Whether a window has three columns of whole fours, and the next one two of them.
    #[cfg(thumbnet_dsp)]
    is_sliding: bool,
}

impl Geometry {
    fn new(p: &Conv2d<'_>) -> Self {
        let ([_, _, width, channels], [rows, columns]) = (p.input, p.window.size);
        let row = columns.wrapping_mul(channels);
        Self {
            shape: [rows, row],
            pitch: width.wrapping_mul(channels),
            step: p.window.stride[1].wrapping_mul(channels),
            last: last_corner(p),
            is_whole: row.is_multiple_of(4),
            #[cfg(thumbnet_dsp)]
            is_sliding: (columns, p.window.stride[1]) == (3, 1) && channels.is_multiple_of(4),
        }
    }

    /// Gathers the windows of the four output pixels from `at` on, the same ones again where only `count` are left (see
    /// [`SLOTS`]), and tells which pixel comes behind them.
    #[inline(always)]
    fn gather(
        &self,
        p: &Conv2d<'_>,
        x: &[i8],
        at: [usize; 3],
        count: usize,
        bytes: &mut [i8],
        quad: &mut [i16],
    ) -> [usize; 3] {
        let [n, oy, ox] = at;
        let end = ox.wrapping_add(PIXELS);
        if count == PIXELS
            && end < p.output[2]
            && let Some(last) = self.last
            && let Some(start) = corner_up_to(p, last, at)
            && corner_up_to(p, last, [n, oy, end.wrapping_sub(1)]).is_some()
            && let Some(x) = x.get(start..)
        {
            self.side_by_side(Strided { bytes: x, pitch: self.pitch }, bytes, quad, p.input_zero_point);
            return [n, oy, end];
        }
        self.apart(p, x, at, count, bytes, quad)
    }

    /// Four windows, each `step` behind the one before.
    #[inline(always)]
    fn side_by_side(&self, window: Strided<'_>, bytes: &mut [i8], quad: &mut [i16], zero_point: i32) {
        #[cfg(thumbnet_dsp)]
        if self.is_sliding {
            super::dsp_pairs::widen_sliding(window, [self.shape[0], self.step], quad, zero_point);
            return;
        }
        let places = [0, self.step, self.step.wrapping_mul(2), self.step.wrapping_mul(3)];
        let sources = places.map(|place| Strided { bytes: window.bytes.get(place..).unwrap_or(&[]), ..window });
        if self.is_whole {
            widen_rows(sources, self.shape, quad, zero_point);
            return;
        }
        let taps = bytes.len() / PIXELS;
        for (source, place) in sources.into_iter().zip([0, 1, 2, 3]) {
            copy_rows(source, self.shape, bytes.get_mut(taps.wrapping_mul(place)..).unwrap_or_default());
        }
        self.widen_copies(bytes, quad, zero_point);
    }

    /// Columns that were copied, one behind the other.
    fn widen_copies(&self, bytes: &[i8], quad: &mut [i16], zero_point: i32) {
        let taps = bytes.len() / PIXELS;
        let places = [0, taps, taps.wrapping_mul(2), taps.wrapping_mul(3)];
        let sources = places.map(|place| Strided { bytes: bytes.get(place..).unwrap_or(&[]), pitch: taps });
        widen_rows(sources, [1, taps], quad, zero_point);
    }

    /// Four windows anywhere.
    #[inline(never)]
    fn apart(
        &self,
        p: &Conv2d<'_>,
        x: &[i8],
        mut at: [usize; 3],
        count: usize,
        bytes: &mut [i8],
        quad: &mut [i16],
    ) -> [usize; 3] {
        if !self.is_whole || self.last.is_none() {
            return self.one_by_one(p, x, at, count, bytes, quad);
        }
        // Windows with gaps in between take less room one by one.
        let most = if p.window.stride[1] > p.window.size[1] { 1 } else { PIXELS };
        let [n, oy, ox] = at;
        if count.min(most) == PIXELS && ox.wrapping_add(PIXELS) <= p.output[2] {
            let (run, _) = self.run(p, x, at, PIXELS, bytes);
            self.side_by_side(run, &mut [], quad, p.input_zero_point);
            return next(p, [n, oy, ox.wrapping_add(PIXELS - 1)]);
        }
        let nothing = Strided { bytes: &[], pitch: 0 };
        let (mut sources, mut rest) = ([nothing; PIXELS], bytes);
        let mut found = 0usize;
        while found < count {
            let [n, oy, ox] = at;
            let len = p.output[2].wrapping_sub(ox).min(count.wrapping_sub(found)).min(most);
            let (run, behind) = self.run(p, x, at, len, core::mem::take(&mut rest));
            rest = behind;
            for (number, source) in sources.iter_mut().skip(found).take(len).enumerate() {
                *source = Strided { bytes: run.bytes.get(number.wrapping_mul(self.step)..).unwrap_or(&[]), ..run };
            }
            found = found.wrapping_add(len.max(1));
            at = next(p, [n, oy, ox.wrapping_add(len).wrapping_sub(1)]);
        }
        let slots = SLOTS.get(count.wrapping_sub(1)).copied().unwrap_or_default();
        let sources = slots.map(|slot| sources.get(slot).copied().unwrap_or(nothing));
        widen_rows(sources, self.shape, quad, p.input_zero_point);
        at
    }

    /// The windows of `len` pixels side by side, of one row: in the image where all of them lie there, otherwise copied to
    /// `bytes` together, which takes no more than their columns would. Gives what is left of `bytes`.
    #[inline(always)]
    fn run<'s>(
        &self,
        p: &Conv2d<'_>,
        x: &'s [i8],
        at: [usize; 3],
        len: usize,
        bytes: &'s mut [i8],
    ) -> (Strided<'s>, &'s mut [i8]) {
        let ([n, oy, ox], [rows, across]) = (at, p.window.size);
        let before = len.wrapping_sub(1);
        if let Some(last) = self.last
            && let Some(start) = corner_up_to(p, last, at)
            && corner_up_to(p, last, [n, oy, ox.wrapping_add(before)]).is_some()
        {
            return (Strided { bytes: x.get(start..).unwrap_or(&[]), pitch: self.pitch }, bytes);
        }
        let across = before.wrapping_mul(p.window.stride[1]).wrapping_add(across);
        let window = Window { size: [rows, across], ..p.window };
        let pitch = across.wrapping_mul(p.input[3]);
        let (patch, behind) = bytes.split_at_mut_checked(rows.wrapping_mul(pitch)).unwrap_or_default();
        gather_window(p, &window, x, at, patch);
        (Strided { bytes: patch, pitch }, behind)
    }

    /// The same one by one: each is copied.
    fn one_by_one(
        &self,
        p: &Conv2d<'_>,
        x: &[i8],
        mut at: [usize; 3],
        count: usize,
        bytes: &mut [i8],
        quad: &mut [i16],
    ) -> [usize; 3] {
        let (len, taps) = (column_len(p), bytes.len() / PIXELS);
        let slots = SLOTS.get(count.wrapping_sub(1)).copied().unwrap_or_default();
        let mut of = 0;
        for (slot, column) in slots.into_iter().zip(bytes.chunks_exact_mut(taps.max(1))) {
            if slot > of {
                (at, of) = (next(p, at), slot);
            }
            gather_bytes(p, x, at, column.get_mut(..len).unwrap_or_default());
        }
        self.widen_copies(bytes, quad, p.input_zero_point);
        next(p, at)
    }
}

/// Widens windows of so many rows of so many bytes, a multiple of 4, and puts them side by side as the module says.
#[inline(always)]
fn widen_rows(sources: [Strided<'_>; PIXELS], [rows, row]: [usize; 2], quad: &mut [i16], zero_point: i32) {
    #[cfg(thumbnet_dsp)]
    super::dsp_pairs::widen_rows(sources, [rows, row], quad, zero_point);
    #[cfg(not(thumbnet_dsp))]
    for (pixel, source) in sources.into_iter().enumerate() {
        let fours = source.rows([rows, row]).flat_map(|bytes| bytes.as_chunks::<4>().0);
        for (to, from) in quad.as_chunks_mut::<16>().0.iter_mut().zip(fours) {
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
