//! Depthwise convolution with one filter per channel: a block of channels at a time over the whole window.

#[cfg(thumbnet_helium)]
use super::depthwise_helium::{LANES, pixel, takes};
#[cfg(thumbnet_dsp)]
use super::dsp::{LANES, pixel, takes};
use super::{Conv2d, Stream};
use crate::fixed::Rounding;

/// How the taps of a window lie: distances in elements.
pub(super) struct Grid {
    /// From tap to tap, in the values and in the weights.
    pub step: [usize; 2],
    /// From row to row, in the values and in the weights.
    pub row: [usize; 2],
    /// Taps across and rows.
    pub taps: [usize; 2],
}

impl Grid {
    /// Elements from the first tap to the end of the `lanes` of the last one.
    pub const fn reach(&self, of: usize, lanes: usize) -> usize {
        let [across, rows] = self.taps;
        let (step, row) = (self.step[of & 1], self.row[of & 1]);
        rows.saturating_sub(1)
            .saturating_mul(row)
            .saturating_add(across.saturating_sub(1).saturating_mul(step))
            .saturating_add(lanes)
    }

    /// From behind the last tap of a row to the next row, in the values and in the weights.
    pub fn skip(&self) -> [usize; 2] {
        [0, 1].map(|of: usize| self.row[of & 1].wrapping_sub(self.taps[0].wrapping_mul(self.step[of & 1])))
    }
}

/// Whether it can be computed in blocks.
pub(super) fn fits(p: &Conv2d<'_>) -> bool {
    p.input[3] == p.output[3]
        && p.input[3].is_multiple_of(LANES)
        && p.rounding == Rounding::Double
        && p.channels.iter().all(takes)
}

/// Convolves pixel by pixel; `sums` has a place for every channel.
#[inline(never)]
pub(super) fn depthwise(p: &Conv2d<'_>, mut io: Stream<'_>, sums: &mut [i32]) {
    let [_, height, width, channels] = p.input;
    let [batches, out_height, out_width, _] = p.output;
    let [dilation_y, dilation_x] = p.window.dilation;
    let taps_across = p.window.size[1];
    let step = [dilation_x.wrapping_mul(channels), channels];
    let row = [dilation_y.wrapping_mul(width).wrapping_mul(channels), taps_across.wrapping_mul(channels)];
    let mut start = 0usize;
    for (n, oy) in (0..batches).flat_map(|n| (0..out_height).map(move |oy| (n, oy))) {
        let rows = p.window.inside(0, oy, height);
        let first = n.wrapping_mul(height).wrapping_add(rows.place).wrapping_mul(width);
        for ox in 0..out_width {
            let columns = p.window.inside(1, ox, width);
            let tap = rows.tap.wrapping_mul(taps_across).wrapping_add(columns.tap);
            let w = p.weights.get(tap.wrapping_mul(channels)..).unwrap_or(&[]);
            let from = first.wrapping_add(columns.place).wrapping_mul(channels);
            let Some((x, y)) = io.both(from, start, channels) else { return };
            pixel(p, x, w, &Grid { step, row, taps: [columns.count, rows.count] }, sums, y);
            start = start.wrapping_add(channels);
        }
    }
}
