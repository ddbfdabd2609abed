//! Depthwise convolution with one filter per channel: four channels at a time over the whole window.

use super::dsp::{Grid, finish, windows};
use super::{Conv2d, Stream};
use crate::fixed::Rounding;

/// Whether it can be computed in blocks.
pub(super) fn fits(p: &Conv2d<'_>) -> bool {
    p.input[3] == p.output[3] && p.input[3].is_multiple_of(4) && p.rounding == Rounding::Double
}

/// Convolves pixel by pixel; `sums` has a place for every channel.
pub(super) fn depthwise(p: &Conv2d<'_>, mut io: Stream<'_>, sums: &mut [i32]) {
    let [_, height, width, channels] = p.input;
    let [dilation_y, dilation_x] = p.window.dilation;
    let taps_across = p.window.size[1];
    for (index, [n, oy, ox]) in p.window.outputs(p.output).enumerate() {
        let (rows, columns) = (p.window.inside(0, oy, height), p.window.inside(1, ox, width));
        let pixel = n.wrapping_mul(height).wrapping_add(rows.place).wrapping_mul(width).wrapping_add(columns.place);
        let tap = rows.tap.wrapping_mul(taps_across).wrapping_add(columns.tap);
        let grid = Grid {
            step: [dilation_x.wrapping_mul(channels), channels],
            row: [dilation_y.wrapping_mul(width).wrapping_mul(channels), taps_across.wrapping_mul(channels)],
            taps: [columns.count, rows.count],
        };
        let x = io.x().get(pixel.wrapping_mul(channels)..).unwrap_or(&[]);
        let w = p.weights.get(tap.wrapping_mul(channels)..).unwrap_or(&[]);
        windows(x, w, &grid, p.input_zero_point, sums);
        let Some(y) = io.outputs(index.wrapping_mul(channels), channels) else { return };
        finish(sums, p.channels, p.output_zero_point, p.clamp, y);
    }
}
