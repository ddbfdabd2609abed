//! Bands of planes, four channels after four: where values come from and outputs go to.

#[cfg(thumbnet_asm)]
use super::assembly as inner;
#[cfg(not(any(thumbnet_asm, thumbnet_v6m)))]
use super::portable as inner;
#[cfg(thumbnet_v6m)]
use super::v6m as inner;
pub(in super::super) use inner::Kernel;

use super::{BLOCK, Planes};
use crate::kernels::{Conv2d, Stream};

/// Pairs of rows of four channels of an image, and where they go to.
pub(super) struct Source<'a> {
    /// From the first channel of the first pixel on.
    pub x: &'a [i8],
    /// From pixel to pixel: the channels of the image.
    pub step: usize,
    /// From a row to the other one of its pair; 0 repeats the row.
    pub below: usize,
    /// From pair to pair.
    pub down: usize,
    /// Columns and pairs.
    pub columns: usize,
    pub pairs: usize,
}

#[cfg(any(thumbnet_asm, thumbnet_v6m))]
impl Source<'_> {
    /// The words of a plane, where this and `to` have all that is read and written: four bytes of column `i` and pair `k` at
    /// `i·step + k·down`, and `below` further, and words `i·planes.pairs + k` of four planes.
    #[inline(always)]
    pub(super) fn checked(&self, planes: &Planes, to: &[u32]) -> Option<usize> {
        let (right, lowest) = (self.columns.checked_sub(1)?, self.pairs.checked_sub(1)?);
        let last =
            right.checked_mul(self.step)?.checked_add(lowest.checked_mul(self.down)?)?.checked_add(self.below)?;
        let plane = planes.plane();
        let last_to =
            plane.checked_mul(BLOCK - 1)?.checked_add(right.checked_mul(planes.pairs)?)?.checked_add(lowest)?;
        let has_all = last.checked_add(BLOCK)? <= self.x.len() && last_to < to.len();
        has_all.then_some(plane)
    }
}

/// Four channels of a band and how their outputs lie.
pub(super) struct Rows {
    /// The first of them, of all.
    pub first: usize,
    /// Output rows and pixels of a row.
    pub count: usize,
    pub width: usize,
    /// From pixel to pixel: the channels of the image.
    pub step: usize,
}

/// Convolves; `words` has room for the planes.
#[inline(never)]
pub(in super::super) fn depthwise(
    p: &Conv2d<'_>,
    planes: &Planes,
    kernel: Kernel,
    mut io: Stream<'_>,
    words: &mut [u32],
) {
    let [batches, height, width, step] = p.output;
    let Some(words) = words.get_mut(..planes.plane().saturating_mul(BLOCK)) else { return };
    words.fill(padding(p));
    for n in 0..batches {
        for first in (0..step).step_by(BLOCK) {
            for oy in (0..height).step_by(planes.band.max(1)) {
                gather(p, planes, io.x(), [n, oy, first], words);
                let count = planes.band.min(height.wrapping_sub(oy));
                let start = n.wrapping_mul(height).wrapping_add(oy).wrapping_mul(width).wrapping_mul(step);
                let len = count.wrapping_mul(width).wrapping_sub(1).wrapping_mul(step).wrapping_add(BLOCK);
                let Some(y) = io.outputs(start.wrapping_add(first), len) else { return };
                let rows = Rows { first, count, width, step };
                kernel.run(p, planes, words, &rows, y);
            }
        }
    }
    inner::finish(p, io.y());
}

/// Copies what the band at `oy` needs of four channels.
#[inline(always)]
fn gather(p: &Conv2d<'_>, planes: &Planes, x: &[i8], [n, oy, first]: [usize; 3], words: &mut [u32]) {
    let [_, height, width, step] = p.input;
    // What a band shares with the one before moves to the front.
    let kept = if oy == 0 { 0 } else { planes.pairs.saturating_sub(planes.advance()) };
    inner::keep(planes, kept, words);
    // Rows of the plane that are rows of the image: `before..after`; row 0 would be row `start` of the image.
    let start = p.window.start(0, oy);
    let rows = planes.pairs.wrapping_mul(2);
    let before = if start < 0 { start.unsigned_abs() } else { 0 }.min(rows);
    // Not `clamp`, which may panic.
    let after = (height as isize).wrapping_sub(start).max(before as isize).min(rows as isize) as usize;
    let left = p.window.pad[1].min(planes.columns);
    let columns = width.min(planes.columns.wrapping_sub(left));
    let row_len = width.wrapping_mul(step);
    let mut copy = |pair: usize, pairs: usize, below: usize| {
        let row = start.wrapping_add(pair.wrapping_mul(2) as isize).max(0) as usize;
        let from = n.wrapping_mul(height).wrapping_add(row).wrapping_mul(row_len).wrapping_add(first);
        let to = left.wrapping_mul(planes.pairs).wrapping_add(pair);
        let (Some(x), Some(to)) = (x.get(from..), words.get_mut(to..)) else { return };
        let down = row_len.wrapping_mul(2);
        inner::gather(&Source { x, step, below, down, columns, pairs }, planes, to);
    };
    // A pair with one row in the image is that row twice, before the other one is cleared.
    let (whole, end) = (before.div_ceil(2).max(kept), after / 2);
    if before % 2 == 1 && before < after && before / 2 >= kept {
        copy(before / 2, 1, 0);
    }
    if whole < end {
        copy(whole, end.wrapping_sub(whole), row_len);
    }
    if after % 2 == 1 && before < after && end >= kept {
        copy(end, 1, 0);
    }
    let is_whole = planes.band >= p.output[1];
    let is_clear =
        |row: usize| is_whole && if row < before { before - row > before % 2 } else { row - after >= after % 2 };
    for row in (kept.wrapping_mul(2)..before).chain(after.max(kept.wrapping_mul(2))..rows) {
        if !is_clear(row) {
            clear(planes, row, padding(p), words);
        }
    }
}

/// Two values of padding: what is copied still has the zero point, for which biases are corrected.
pub(super) const fn padding(p: &Conv2d<'_>) -> u32 {
    in_pair(p.input_zero_point as i8, p.input_zero_point as i8)
}

/// A value and the one below it.
pub(super) const fn in_pair(upper: i8, lower: i8) -> u32 {
    (upper as u32 & 0xffff) | ((lower as u32) << 16)
}

/// Puts padding into a row of all planes.
fn clear(planes: &Planes, row: usize, padding: u32, words: &mut [u32]) {
    let keep = if row.is_multiple_of(2) { 0xffff_0000 } else { 0xffff };
    let padding = padding & !keep;
    for column in words.chunks_exact_mut(planes.pairs.max(1)) {
        if let Some(word) = column.get_mut(row / 2) {
            *word = *word & keep | padding;
        }
    }
}
