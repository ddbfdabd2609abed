//! 2-D convolution.
//!
//! `y[n,oy,ox,c] = clamp(zp_y + requantize(bias[c] + Σ_i Σ_j Σ_k (x[n,iy,ix,k] − zp_x) · w[c,i,j,k]))` with
//! `iy = oy·stride − pad + i·dilation`, `ix` likewise; taps outside of the image contribute nothing. Accumulators are 32 bits
//! and cannot overflow: the exporter proves it from the weights. Rounded twice in models of ours, as the TensorFlow Lite
//! specification's reference kernel does; [`Conv2d::rounding`] says.

use core::num::NonZeroUsize;

use super::dot::{copy, dot, dot_2x2, fill, spread, widen_arranged};
use super::strided::{Strided, copy_rows, place_rows};
use super::winograd::Tile2x2;
use super::winograd_4x4::Tile4x4;
use super::{Channel, Conv2d, Layout, Stream, Window, halves, output_i8, pairs, winograd_tiles};

/// Pixels that are computed at the same time: each weight that is loaded serves as many products.
const PIXELS: usize = 2;

/// Bytes of scratch: one column of 16-bit values for each of two pixels, or more where a core computes four of them, or what the
/// kernels of other layouts need.
#[must_use]
pub fn scratch_len(p: &Conv2d<'_>) -> usize {
    match p.layout {
        Layout::Plain => stride(p).saturating_mul(PIXELS * size_of::<i16>()).max(halves::scratch_len(p)),
        Layout::Pairs => pairs::scratch_len(p),
        Layout::Winograd => winograd_tiles::scratch_len::<Tile2x2>(p),
        Layout::Winograd4x4 => winograd_tiles::scratch_len::<Tile4x4>(p),
    }
}

pub(super) const fn column_len(p: &Conv2d<'_>) -> usize {
    let [height, width] = p.window.size;
    height.saturating_mul(width).saturating_mul(p.input[3])
}

/// Distance between the columns: even, so that both are aligned to 4 bytes.
fn stride(p: &Conv2d<'_>) -> usize {
    column_len(p).saturating_add(1) & !1
}

/// Convolves, by the kernel of the weights' layout. `scratch` starts at a multiple of 4 bytes. Always inlined: where the layout
/// is a constant, the other kernels are not linked.
#[inline(always)]
pub fn conv2d(p: &Conv2d<'_>, io: Stream<'_>, scratch: &mut [i8]) {
    match p.layout {
        // No such step is bound.
        layout if !layout.is_built() => {}
        Layout::Plain => plain(p, io, scratch),
        Layout::Pairs => pairs::conv2d(p, io, scratch),
        Layout::Winograd => winograd_tiles::conv2d::<Tile2x2>(p, io, scratch),
        Layout::Winograd4x4 => winograd_tiles::conv2d::<Tile4x4>(p, io, scratch),
    }
}

/// Gathers the windows of two pixels into `scratch`, widened and without their zero point, so that padding is zero and the
/// inner loop is the same for every geometry.
fn plain(p: &Conv2d<'_>, mut io: Stream<'_>, scratch: &mut [i8]) {
    #[cfg(thumbnet_helium)]
    if super::conv_helium::fits(p) {
        super::conv_helium::conv2d(p, io, scratch);
        return;
    }
    #[cfg(thumbnet_halves)]
    if halves::fits(p) {
        halves::conv2d(p, io, scratch);
        return;
    }
    let len = column_len(p);
    let Ok(columns) = bytemuck::try_cast_slice_mut::<i8, i16>(scratch) else { return };
    let Some((first, rest)) = columns.split_at_mut_checked(stride(p)) else { return };
    let Some(first) = first.get_mut(..len) else { return };
    let Some(second) = rest.get_mut(..len) else { return };
    if is_pointwise(p) {
        pointwise(p, io, first, second);
        return;
    }
    let outputs = p.output[3];
    let mut pixels = p.window.outputs(p.output);
    let mut start = 0usize;
    while let Some(a) = pixels.next() {
        gather(p, io.x(), a, first);
        let Some(b) = pixels.next() else {
            let Some(y) = io.outputs(start, outputs) else { return };
            one_pixel(p, first, y);
            return;
        };
        gather(p, io.x(), b, second);
        let Some(pair) = io.outputs(start, outputs.saturating_mul(PIXELS)) else { return };
        let Some((y0, y1)) = pair.split_at_mut_checked(outputs) else { return };
        two_pixels(p, first, second, y0, y1);
        start = start.saturating_add(outputs.saturating_mul(PIXELS));
    }
}

/// Whether every output pixel sees the input pixel of the same place and nothing else, and its values are whole fours.
fn is_pointwise(p: &Conv2d<'_>) -> bool {
    let ([n, height, width, channels], [batches, rows, columns, _]) = (p.input, p.output);
    let (window, is_whole) = (&p.window, channels.is_multiple_of(4) && channels > 0);
    (window.size, window.stride, window.pad) == ([1, 1], [1, 1], [0, 0])
        && [n, height, width] == [batches, rows, columns]
        && is_whole
}

/// The same without geometry: pixels are the input's, one behind the other. A pair is read before it is written.
fn pointwise(p: &Conv2d<'_>, mut io: Stream<'_>, first: &mut [i16], second: &mut [i16]) {
    let [batches, height, width, outputs] = p.output;
    let (zero_point, channels) = (p.input_zero_point as i16, first.len());
    let mut left = batches.saturating_mul(height).saturating_mul(width);
    let (mut from, mut to) = (0usize, 0usize);
    while left >= PIXELS {
        let Some((a, b)) = io.x().get(from..).and_then(|x| x.split_at_checked(channels)) else { return };
        widen_arranged(a, first, zero_point);
        widen_arranged(b, second, zero_point);
        let Some(pair) = io.outputs(to, outputs.saturating_mul(PIXELS)) else { return };
        let Some((y0, y1)) = pair.split_at_mut_checked(outputs) else { return };
        two_pixels(p, first, second, y0, y1);
        from = from.saturating_add(channels.saturating_mul(PIXELS));
        to = to.saturating_add(outputs.saturating_mul(PIXELS));
        left -= PIXELS;
    }
    if left > 0 {
        widen_arranged(io.x().get(from..).unwrap_or(&[]), first, zero_point);
        let Some(y) = io.outputs(to, outputs) else { return };
        one_pixel(p, first, y);
    }
}

/// Copies the window of one output pixel, `kh · kw · channels` values, with zeros for padding.
#[inline(always)]
fn gather(p: &Conv2d<'_>, x: &[i8], pixel: [usize; 3], column: &mut [i16]) {
    if !gather_inner(p, x, pixel, column) {
        gather_any(p, x, pixel, column);
    }
}

/// The same where no tap lies in the padding and rows are whole fours that follow one another: most windows.
#[inline(never)]
fn gather_inner(p: &Conv2d<'_>, x: &[i8], pixel: [usize; 3], column: &mut [i16]) -> bool {
    let [_, _, width, channels] = p.input;
    let row_len = p.window.size[1].wrapping_mul(channels);
    let Some(mut start) = corner(p, pixel).filter(|_| row_len.is_multiple_of(4)) else { return false };
    let mut to = column;
    for _ in 0..p.window.size[0] {
        let Some((row, rest)) = core::mem::take(&mut to).split_at_mut_checked(row_len) else { break };
        widen_arranged(x.get(start..).unwrap_or(&[]), row, p.input_zero_point as i16);
        start = start.wrapping_add(width.wrapping_mul(channels));
        to = rest;
    }
    true
}

/// Where the window of an output pixel starts in the input, if all of it lies in the image and its taps follow one another.
#[inline(always)]
fn corner(p: &Conv2d<'_>, pixel: [usize; 3]) -> Option<usize> {
    corner_up_to(p, last_corner(p)?, pixel)
}

/// The last row and column where a window may start to lie in the image whole; `None` where none does or taps are spread out.
#[inline(always)]
pub(super) fn last_corner(p: &Conv2d<'_>) -> Option<[usize; 2]> {
    let ([_, height, width, _], [rows, columns]) = (p.input, p.window.size);
    let last = [height.checked_sub(rows)?, width.checked_sub(columns)?];
    (p.window.dilation == [1, 1]).then_some(last)
}

/// [`corner`] for many pixels, with what [`last_corner`] gave.
#[inline(always)]
pub(super) fn corner_up_to(p: &Conv2d<'_>, last: [usize; 2], [batch, oy, ox]: [usize; 3]) -> Option<usize> {
    let [_, height, width, channels] = p.input;
    // In the padding in front they wrap to huge numbers.
    let (top, left) = (p.window.start(0, oy) as usize, p.window.start(1, ox) as usize);
    let row = batch.wrapping_mul(height).wrapping_add(top);
    let start = row.wrapping_mul(width).wrapping_add(left).wrapping_mul(channels);
    (top <= last[0] && left <= last[1]).then_some(start)
}

/// The same of any window: bytes first, into the upper half of the column; then they spread over all of it.
#[inline(never)]
fn gather_any(p: &Conv2d<'_>, x: &[i8], pixel: [usize; 3], column: &mut [i16]) {
    let len = column.len();
    let Some((_, bytes)) = bytemuck::cast_slice_mut::<i16, i8>(column).split_at_mut_checked(len) else { return };
    gather_bytes(p, x, pixel, bytes);
    spread(column, p.input_zero_point as i16);
}

/// Copies the window of one output pixel as it is, with the zero point for padding.
#[inline(always)]
pub(super) fn gather_bytes(p: &Conv2d<'_>, x: &[i8], pixel: [usize; 3], bytes: &mut [i8]) {
    let [_, _, width, channels] = p.input;
    match corner(p, pixel).and_then(|start| x.get(start..)) {
        Some(bytes_in) => {
            let window = Strided { bytes: bytes_in, pitch: width.wrapping_mul(channels) };
            copy_rows(window, [p.window.size[0], p.window.size[1].wrapping_mul(channels)], bytes);
        }
        None => gather_padded(p, x, pixel, bytes),
    }
}

/// The same of any window.
#[inline(never)]
pub(super) fn gather_padded(p: &Conv2d<'_>, x: &[i8], pixel: [usize; 3], bytes: &mut [i8]) {
    gather_window(p, &p.window, x, pixel, bytes);
}

/// The same of a window that may be wider than the convolution's.
pub(super) fn gather_window(p: &Conv2d<'_>, window: &Window, x: &[i8], pixel: [usize; 3], bytes: &mut [i8]) {
    let ([_, height, width, channels], [batch, oy, ox]) = (p.input, pixel);
    let (down, across) = (window.inside(0, oy, height), window.inside(1, ox, width));
    let (row_len, pitch) = (window.size[1].wrapping_mul(channels), width.wrapping_mul(channels));
    let first = batch.wrapping_mul(height).wrapping_add(down.place).wrapping_mul(width).wrapping_add(across.place);
    fill(bytes, p.input_zero_point as i8);
    let to = down.tap.wrapping_mul(row_len).wrapping_add(across.tap.wrapping_mul(channels));
    let (Some(x), Some(to)) = (x.get(first.wrapping_mul(channels)..), bytes.get_mut(to..)) else { return };
    let (pitch, len) = (pitch.wrapping_mul(window.dilation[0]), across.count.wrapping_mul(channels));
    if window.dilation[1] == 1 {
        place_rows(Strided { bytes: x, pitch }, [down.count, len], to, row_len);
        return;
    }
    for (x, to) in x.chunks(pitch.max(1)).zip(to.chunks_mut(row_len.max(1))).take(down.count) {
        copy_taps(p, x, to.get_mut(..len).unwrap_or_default());
    }
}

/// Copies the taps of one row, which are spread out, all of them within the image; the first one is the first of `x`.
fn copy_taps(p: &Conv2d<'_>, x: &[i8], taps: &mut [i8]) {
    let [_, _, _, channels] = p.input;
    let step = channels.wrapping_mul(p.window.dilation[1]);
    for (to, from) in taps.chunks_exact_mut(channels.max(1)).zip(x.chunks(step.max(1))) {
        copy(from, to);
    }
}

/// Two pixels by two channels: four products for four loads.
#[inline(never)]
fn two_pixels(p: &Conv2d<'_>, x0: &[i16], x1: &[i16], y0: &mut [i8], y1: &mut [i8]) {
    let len = x0.len();
    #[cfg(thumbnet_dsp)]
    let done = super::conv_2x2::two_pixels(p, [x0, x1], y0, y1);
    #[cfg(not(thumbnet_dsp))]
    let done = 0;
    if done == y0.len() {
        return;
    }
    let (Some(y0), Some(y1)) = (y0.get_mut(done..), y1.get_mut(done..)) else { return };
    let (Some(weights), Some(channels)) = (p.weights.get(done.saturating_mul(len)..), p.channels.get(done..)) else {
        return;
    };
    let Some(two) = NonZeroUsize::new(len.saturating_mul(2)) else { return };
    let pairs = weights.chunks_exact(two.get());
    let odd = pairs.remainder();
    let mut outputs = y0.iter_mut().zip(y1).zip(channels);
    for weights in pairs {
        let Some((w0, w1)) = weights.split_at_checked(len) else { return };
        let [a, b, c, d] = dot_2x2(w0, w1, x0, x1);
        if let Some(((y0, y1), channel)) = outputs.next() {
            (*y0, *y1) = (finish(p, channel, a), finish(p, channel, b));
        }
        if let Some(((y0, y1), channel)) = outputs.next() {
            (*y0, *y1) = (finish(p, channel, c), finish(p, channel, d));
        }
    }
    if let Some(((y0, y1), channel)) = outputs.next() {
        (*y0, *y1) = (finish(p, channel, dot(odd, x0)), finish(p, channel, dot(odd, x1)));
    }
}

#[inline(never)]
fn one_pixel(p: &Conv2d<'_>, x: &[i16], y: &mut [i8]) {
    #[cfg(thumbnet_dsp)]
    let done = super::conv_2x2::one_pixel(p, x, y);
    #[cfg(not(thumbnet_dsp))]
    let done = 0;
    if done == y.len() {
        return;
    }
    let outputs = y.iter_mut().zip(p.channels).zip(p.weights.chunks_exact(x.len().max(1)));
    for ((y, channel), w) in outputs.skip(done) {
        *y = finish(p, channel, dot(w, x));
    }
}

#[inline(always)]
fn finish(p: &Conv2d<'_>, channel: &Channel, products: i32) -> i8 {
    output_i8(channel.bias.wrapping_add(products), channel, p.rounding, p.output_zero_point, p.clamp)
}
