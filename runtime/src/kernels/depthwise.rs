//! Depthwise 2-D convolution: every input channel has `multiplier = outputs / inputs` filters of its own.
//!
//! `y[n,oy,ox,k·m+j] = clamp(zp_y + requantize(bias + Σ (x[n,iy,ix,k] − zp_x) · w[i,j',k·m+j]))` over the taps inside of the
//! image. Rounded twice in models of ours, as the TensorFlow Lite specification's reference kernel does.

use core::num::NonZeroUsize;

use super::depthwise_planes::{self, Kernel, Planes};
use super::depthwise_records;
use super::window::taps;
use super::{Conv2d, Stream, output_i8};

/// Bytes of scratch: a 32-bit accumulator for each output channel, or what cores need that copy several rows.
#[must_use]
pub fn scratch_len(p: &Conv2d<'_>) -> usize {
    let planes = Planes::of(p).map_or(0, |planes| planes.bytes());
    let records = depthwise_records::scratch_len(p).unwrap_or(0);
    p.output[3].saturating_mul(size_of::<i32>()).max(planes).max(records)
}

/// Whether the output may lie exactly over an input of the same shape: all kernels for it, on every core, have read what they need of
/// a channel's input, or have copied it, before they write over it. `top` is the padding above, `channels` are those of both.
#[must_use]
pub const fn may_overwrite(size: [u32; 2], stride: [u32; 2], dilation: [u32; 2], top: u32, channels: u32) -> bool {
    matches!((size, stride, dilation), ([3, 3], [1, 1], [1, 1])) && top <= 1 && channels.is_multiple_of(16)
}

/// Convolves, with sums in registers where the core has instructions for it. Always inlined: where the convolution is a constant, other
/// kernels than its own are not linked.
#[inline(always)]
pub fn depthwise(p: &Conv2d<'_>, io: Stream<'_>, scratch: &mut [i8]) {
    if let Some(planes) = Planes::of(p)
        && io.is_shifted_by_multiple_of(p.output[3])
    {
        #[cfg(thumbnet_helium)]
        if depthwise_records::fits(p, scratch) {
            depthwise_records::depthwise(p, io, scratch);
            return;
        }
        if !cfg!(thumbnet_helium) || io.is_in_place() {
            let Ok(words) = bytemuck::try_cast_slice_mut(scratch) else { return };
            depthwise_planes::depthwise(p, &planes, Kernel::of(p, &planes), io, words);
            return;
        }
    }
    let Ok(sums) = bytemuck::try_cast_slice_mut::<i8, i32>(scratch) else { return };
    let Some(sums) = sums.get_mut(..p.output[3]) else { return };
    #[cfg(any(thumbnet_dsp, thumbnet_helium))]
    if super::depthwise_blocks::fits(p) {
        super::depthwise_blocks::depthwise(p, io, sums);
        return;
    }
    tap_by_tap(p, io, sums);
}

/// Convolves pixel by pixel, all channels of a tap at once: input, weights and accumulators are then read in
/// the order they lie in memory.
#[inline(never)]
fn tap_by_tap(p: &Conv2d<'_>, mut io: Stream<'_>, sums: &mut [i32]) {
    // The compiler must see that they are not zero, or a panic stays in `chunks_exact`.
    let row_len = NonZeroUsize::new(p.window.size[1].saturating_mul(p.output[3]));
    let Some((row_len, outputs)) = row_len.zip(NonZeroUsize::new(p.output[3])) else { return };
    for (index, [n, oy, ox]) in p.window.outputs(p.output).enumerate() {
        sums.iter_mut().zip(p.channels).for_each(|(sum, channel)| *sum = channel.bias);
        let rows = taps(&p.window, 0, oy, p.input[1]);
        for (iy, weights) in rows.zip(p.weights.chunks_exact(row_len.get())) {
            let Some(iy) = iy else { continue };
            let columns = taps(&p.window, 1, ox, p.input[2]);
            for (ix, weights) in columns.zip(weights.chunks_exact(outputs.get())) {
                if let Some(ix) = ix {
                    accumulate(p, pixel(p, io.x(), [n, iy, ix]), weights, sums);
                }
            }
        }
        let Some(y) = io.outputs(index.saturating_mul(p.output[3]), p.output[3]) else { return };
        for ((y, &sum), channel) in y.iter_mut().zip(&*sums).zip(p.channels) {
            *y = output_i8(sum, channel, p.rounding, p.output_zero_point, p.clamp);
        }
    }
}

/// The channels of one input pixel.
#[inline(always)]
fn pixel<'x>(p: &Conv2d<'_>, x: &'x [i8], [n, iy, ix]: [usize; 3]) -> &'x [i8] {
    let [_, height, width, channels] = p.input;
    let index = n.wrapping_mul(height).wrapping_add(iy).wrapping_mul(width).wrapping_add(ix);
    let start = index.wrapping_mul(channels);
    x.get(start..start.saturating_add(channels)).unwrap_or(&[])
}

/// Adds the products of one tap.
#[inline(always)]
fn accumulate(p: &Conv2d<'_>, x: &[i8], weights: &[i8], sums: &mut [i32]) {
    let value = |x: i8| i32::from(x).wrapping_sub(p.input_zero_point);
    let add = |sum: &mut i32, x: i32, w: i8| *sum = sum.wrapping_add(x.wrapping_mul(i32::from(w)));
    if x.len() == weights.len() {
        sums.iter_mut().zip(x).zip(weights).for_each(|((sum, &x), &w)| add(sum, value(x), w));
        return;
    }
    let multiplier = weights.len().checked_div(x.len()).unwrap_or(0);
    let (mut sums, mut weights) = (sums, weights);
    for &x in x {
        let (Some((own, others)), Some((w, behind))) =
            (core::mem::take(&mut sums).split_at_mut_checked(multiplier), weights.split_at_checked(multiplier))
        else {
            return;
        };
        own.iter_mut().zip(w).for_each(|(sum, &w)| add(sum, value(x), w));
        (sums, weights) = (others, behind);
    }
}
