//! What `depthwise_planes` shares where there is no assembly, and its inner loops for what assembly cannot do: little code, since few
//! layers need it.

use super::Planes;
#[cfg(any(thumbnet_asm, thumbnet_v6m))]
use super::{BLOCK, bands::Rows};
use crate::kernels::Conv2d;
#[cfg(any(thumbnet_asm, thumbnet_v6m))]
use crate::kernels::output_i8;

/// Computes four channels of a band, output by output.
#[cfg(any(thumbnet_asm, thumbnet_v6m))]
#[inline(never)]
pub(super) fn rows(p: &Conv2d<'_>, planes: &Planes, words: &[u32], rows: &Rows, y: &mut [i8]) {
    let planes_of_channels = words.chunks_exact(planes.plane().max(1)).zip(rows.first..);
    let column_len = planes.pairs.wrapping_mul(2);
    for ((plane, number), first) in planes_of_channels.zip(0..BLOCK) {
        let Some(channel) = p.channels.get(number) else { return };
        let plane: &[i16] = bytemuck::cast_slice(plane);
        let mut at = first;
        for oy in 0..rows.count {
            for ox in 0..rows.width {
                let from = [ox.wrapping_mul(column_len), oy].map(|place| place.wrapping_mul(planes.stride));
                let window = plane.get(from[0].wrapping_add(from[1])..).unwrap_or(&[]);
                let mut weights = p.weights.iter().skip(number).step_by(rows.step.max(1));
                let mut sum = channel.bias;
                for row in 0..planes.size {
                    let values = window.iter().skip(row).step_by(column_len.max(1));
                    for (&x, &w) in values.take(planes.size).zip(&mut weights) {
                        let x = i32::from(x).wrapping_sub(p.input_zero_point);
                        sum = sum.wrapping_add(x.wrapping_mul(w.into()));
                    }
                }
                if let Some(y) = y.get_mut(at) {
                    *y = output_i8(sum, channel, p.rounding, p.output_zero_point, p.clamp);
                }
                at = at.wrapping_add(rows.step);
            }
        }
    }
}

#[cfg(not(thumbnet_asm))]
pub(super) const fn finish(_: &Conv2d<'_>, _: &mut [i8]) {}

/// Moves words of every column to the front, from [`Planes::advance`] behind.
#[cfg(not(thumbnet_asm))]
pub(super) fn keep(planes: &Planes, kept: usize, words: &mut [u32]) {
    for column in words.chunks_exact_mut(planes.pairs.max(1)) {
        for pair in 0..kept {
            let Some(&word) = column.get(pair.wrapping_add(planes.advance())) else { break };
            if let Some(to) = column.get_mut(pair) {
                *to = word;
            }
        }
    }
}
