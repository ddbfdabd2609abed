//! Depthwise 3×3 convolution with stride 1, two output rows at a time, four channels after four.

use super::dsp_depthwise::{COLUMN, Row, Target, arrange, rows};
use super::{Conv2d, Stream};
use crate::fixed::Rounding;

/// Whether it can be computed so, beyond [`super::depthwise::in_pairs`].
pub(super) fn fits(p: &Conv2d<'_>) -> bool {
    p.rounding == Rounding::Double && p.channels.iter().all(|channel| (-22..=-1).contains(&channel.shift))
}

/// Convolves; `columns` has room for an output row and two columns more.
pub(super) fn depthwise(p: &Conv2d<'_>, mut io: Stream<'_>, columns: &mut [u32]) {
    let [batches, height, width, channels] = p.output;
    let Some(columns) = columns.get_mut(..width.saturating_add(2).saturating_mul(COLUMN)) else { return };
    let row_len = width.wrapping_mul(channels);
    for n in 0..batches {
        for oy in (0..height).step_by(2) {
            let is_pair = oy.wrapping_add(1) < height;
            let start = n.wrapping_mul(height).wrapping_add(oy).wrapping_mul(row_len);
            let len = if is_pair { row_len.wrapping_mul(2) } else { row_len };
            for (first, of_channels) in (0..channels).step_by(4).zip(p.channels.chunks_exact(4)) {
                gather(p, io.x(), [n, oy, first], columns);
                let Some(outputs) = io.outputs(start, len).and_then(|y| y.get_mut(first..)) else { return };
                let weights = p.weights.get(first..).unwrap_or(&[]);
                let y = Target { outputs, width, step: channels, is_pair };
                rows(columns, weights, of_channels, y, p.output_zero_point, p.clamp);
            }
        }
    }
}

/// Arranges what two output rows need of four channels; padding is zero.
#[inline(always)]
fn gather(p: &Conv2d<'_>, x: &[i8], [n, oy, first]: [usize; 3], columns: &mut [u32]) {
    let [_, height, width, channels] = p.input;
    let left = p.window.pad[1].wrapping_mul(COLUMN).min(columns.len());
    let (before, inside) = columns.split_at_mut(left);
    let (inside, behind) = inside.split_at_mut(width.wrapping_mul(COLUMN).min(inside.len()));
    for padding in [before, behind] {
        padding.iter_mut().for_each(|word| *word = 0);
    }
    // A row in the padding is one pixel of zero points again and again.
    let zeros = [p.input_zero_point as i8; 4];
    let top = p.window.start(0, oy) as usize;
    let row = |index: usize| {
        let iy = top.wrapping_add(index);
        if iy >= height {
            return Row { pixels: &zeros, step: 0 };
        }
        let start =
            n.wrapping_mul(height).wrapping_add(iy).wrapping_mul(width).wrapping_mul(channels).wrapping_add(first);
        Row { pixels: x.get(start..).unwrap_or(&[]), step: channels }
    };
    arrange(row(0), row(1), p.input_zero_point, 0, inside);
    arrange(row(2), row(3), p.input_zero_point, 1, inside);
}
