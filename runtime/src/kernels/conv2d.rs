//! 2-D convolution.
//!
//! `y[n,oy,ox,c] = clamp(zp_y + requantize(bias[c] + Σ_i Σ_j Σ_k (x[n,iy,ix,k] − zp_x) · w[c,i,j,k]))` with
//! `iy = oy·stride − pad + i·dilation`, `ix` likewise; taps outside of the image contribute nothing. Accumulators are 32 bits
//! and cannot overflow: the exporter proves it from the weights. Rounded twice in models of ours, as the TensorFlow Lite
//! specification's reference kernel does; [`Conv2d::rounding`] says.

use core::num::NonZeroUsize;

use super::dot::{arrange, dot, dot_2x2, widen, widen_arranged};
use super::window::taps;
use super::{Channel, Conv2d, Stream, output_i8};

/// Pixels that are computed at the same time: each weight that is loaded serves as many products.
const PIXELS: usize = 2;

/// Bytes of scratch: one column of 16-bit values for each of two pixels.
#[must_use]
pub fn scratch_len(p: &Conv2d<'_>) -> usize {
    stride(p).saturating_mul(PIXELS * size_of::<i16>())
}

fn column_len(p: &Conv2d<'_>) -> usize {
    let [height, width] = p.window.size;
    height.saturating_mul(width).saturating_mul(p.input[3])
}

/// Distance between the columns: even, so that both are aligned to 4 bytes.
fn stride(p: &Conv2d<'_>) -> usize {
    column_len(p).saturating_add(1) & !1
}

/// Convolves. Gathers the windows of two pixels into `scratch`, widened and without their zero point, so that padding is
/// zero and the inner loop is the same for every geometry. `scratch` starts at a multiple of 4 bytes.
pub fn conv2d(p: &Conv2d<'_>, mut io: Stream<'_>, scratch: &mut [i8]) {
    let len = column_len(p);
    let Ok(columns) = bytemuck::try_cast_slice_mut::<i8, i16>(scratch) else { return };
    let Some((first, rest)) = columns.split_at_mut_checked(stride(p)) else { return };
    let Some(first) = first.get_mut(..len) else { return };
    let Some(second) = rest.get_mut(..len) else { return };
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

/// Copies the window of one output pixel, `kh · kw · channels` values, with zeros for padding.
#[inline(never)]
fn gather(p: &Conv2d<'_>, x: &[i8], pixel: [usize; 3], column: &mut [i16]) {
    let [_, _, width, channels] = p.input;
    let taps_across = p.window.size[1];
    let zero_point = p.input_zero_point as i16;
    let row_len = taps_across.saturating_mul(channels).max(1);
    // Rows that are multiples of 4 can be arranged one by one.
    let by_row = row_len.is_multiple_of(4);
    let [batch, oy, ox] = pixel;
    let left = p.window.start(1, ox);
    let is_plain = p.window.dilation[1] == 1 && left >= 0 && (left as usize).saturating_add(taps_across) <= width;
    for (row, tap) in column.chunks_exact_mut(row_len).zip(taps(&p.window, 0, oy, p.input[1])) {
        let Some(iy) = tap else {
            row.fill(0);
            continue;
        };
        let image_row = batch.wrapping_mul(p.input[1]).wrapping_add(iy).wrapping_mul(width);
        let at = |ix: usize| x.get(image_row.wrapping_add(ix).wrapping_mul(channels)..).unwrap_or(&[]);
        if is_plain {
            let from = at(left as usize);
            if by_row {
                widen_arranged(from, row, zero_point)
            } else {
                widen(from, row, zero_point)
            }
            continue;
        }
        for (to, tap) in row.chunks_exact_mut(channels.max(1)).zip(taps(&p.window, 1, ox, width)) {
            match tap {
                Some(ix) => widen(at(ix), to, zero_point),
                None => to.fill(0),
            }
        }
        if by_row {
            arrange(row);
        }
    }
    if !by_row {
        arrange(column);
    }
}

/// Two pixels by two channels: four products for four loads.
#[inline(never)]
fn two_pixels(p: &Conv2d<'_>, x0: &[i16], x1: &[i16], y0: &mut [i8], y1: &mut [i8]) {
    let len = x0.len();
    #[cfg(thumbnet_dsp)]
    let done = super::dsp_conv::two_pixels(p, [x0, x1], y0, y1);
    #[cfg(not(thumbnet_dsp))]
    let done = 0;
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
    let done = super::dsp_conv::one_pixel(p, x, y);
    #[cfg(not(thumbnet_dsp))]
    let done = 0;
    let outputs = y.iter_mut().zip(p.channels).zip(p.weights.chunks_exact(x.len().max(1)));
    for ((y, channel), w) in outputs.skip(done) {
        *y = finish(p, channel, dot(w, x));
    }
}

#[inline(always)]
fn finish(p: &Conv2d<'_>, channel: &Channel, products: i32) -> i8 {
    output_i8(channel.bias.wrapping_add(products), channel, p.rounding, p.output_zero_point, p.clamp)
}
