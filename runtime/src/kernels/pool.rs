//! Pooling: the maximum or the average over a window. Padding is never counted. Input and output share their quantization.
//!
//! Channels are taken in blocks whose accumulators stay in registers or on the stack, so that a global pool, whose window is the
//! whole image, reads memory in order and needs no scratch.

use super::dot::max_into;
use super::{Clamp, Pool, Stream};

/// `y = clamp(max x)`.
pub fn max_pool2d(p: &Pool, io: Stream<'_>) {
    pool(p, io, |x, taps, y| {
        #[cfg(thumbnet_dsp)]
        let done = super::dsp_pool::max(x, &taps, y);
        #[cfg(thumbnet_helium)]
        let done = if super::helium_pool::max(x, &taps, y) { y.len() } else { 0 };
        #[cfg(not(any(thumbnet_dsp, thumbnet_helium)))]
        let done = 0;
        for first in (done..y.len()).step_by(MAX_BLOCK) {
            let max = fold(x, taps, first, [i8::MIN; MAX_BLOCK], max_into);
            y.iter_mut().skip(first).zip(max).for_each(|(y, max)| *y = max);
        }
        if p.clamp != Clamp::NONE {
            y.iter_mut().for_each(|y| *y = p.clamp.apply((*y).into()));
        }
    });
}

/// `y = clamp(round(Σ x / n))`, half away from zero, `n` being the taps inside of the image.
pub fn average_pool2d(p: &Pool, io: Stream<'_>) {
    pool(p, io, |x, taps, y| {
        #[cfg(thumbnet_helium)]
        let done = super::helium_pool::average(x, &taps, p.clamp, y);
        #[cfg(not(thumbnet_helium))]
        let done = 0;
        let [across, down] = taps.count;
        let count = across.wrapping_mul(down) as i32;
        let half = count / 2;
        let blocks = y.get_mut(done..).unwrap_or_default().chunks_mut(SUM_BLOCK);
        for (first, y) in (done..).step_by(SUM_BLOCK).zip(blocks) {
            let sums = sums(x, taps, first, y.len());
            for (y, sum) in y.iter_mut().zip(sums) {
                let sum = sum.wrapping_add(if sum > 0 { half } else { -half });
                *y = p.clamp.apply(sum.checked_div(count).unwrap_or(0));
            }
        }
    });
}

/// Channels that are taken at the same time.
const MAX_BLOCK: usize = 16;
const SUM_BLOCK: usize = 8;

/// The taps of a window that lie in the image.
#[derive(Clone, Copy)]
pub(super) struct Taps {
    /// Columns and rows.
    pub count: [usize; 2],
    /// Bytes from a pixel to the next one, and from the end of a row of taps to the next row.
    pub step: [usize; 2],
}

impl Taps {
    /// Bytes from the first tap to behind `len` channels of the last one; `None` where there are none.
    #[cfg(any(thumbnet_dsp, thumbnet_helium))]
    pub(super) fn reach(&self, len: usize) -> Option<usize> {
        let [across, down] = self.count;
        let [step, skip] = self.step;
        let row = across.checked_mul(step)?;
        let rows = row.checked_add(skip)?.checked_mul(down.checked_sub(1)?)?;
        rows.checked_add(step.checked_mul(across.checked_sub(1)?)?)?.checked_add(len)
    }
}

/// Gives `pixel` the input from the first tap of each window on, its taps, and the output's channels.
#[inline(always)]
fn pool(p: &Pool, mut io: Stream<'_>, pixel: impl Fn(&[i8], Taps, &mut [i8])) {
    let [_, height, width, channels] = p.input;
    let [batches, rows, columns, _] = p.output;
    let pitch = width.wrapping_mul(channels);
    let mut outputs = 0usize;
    for (n, oy) in (0..batches).flat_map(|n| (0..rows).map(move |oy| (n, oy))) {
        let down = p.window.inside(0, oy, height);
        let row = n.wrapping_mul(height).wrapping_add(down.place).wrapping_mul(pitch);
        for ox in 0..columns {
            let across = p.window.inside(1, ox, width);
            let skip = pitch.wrapping_sub(across.count.wrapping_mul(channels));
            let taps = Taps { count: [across.count, down.count], step: [channels, skip] };
            let corner = row.wrapping_add(across.place.wrapping_mul(channels));
            let Some((x, y)) = io.both(corner, outputs, channels) else { return };
            pixel(x, taps, y);
            outputs = outputs.wrapping_add(channels);
        }
    }
}

/// Folds every tap of the channels from `first` on, as many as `zero` has or there are.
#[inline(always)]
fn fold<T, const N: usize>(x: &[i8], taps: Taps, first: usize, zero: [T; N], add: impl Fn(&[i8], &mut [T])) -> [T; N] {
    let mut all = zero;
    let len = taps.step[0].saturating_sub(first).min(N);
    let mut at = first;
    for _ in 0..taps.count[1] {
        for _ in 0..taps.count[0] {
            add(x.get(at..at.saturating_add(len)).unwrap_or(&[]), &mut all);
            at = at.wrapping_add(taps.step[0]);
        }
        at = at.wrapping_add(taps.step[1]);
    }
    all
}

/// The sums of the `len` channels from `first` on.
#[inline(always)]
fn sums(x: &[i8], taps: Taps, first: usize, len: usize) -> [i32; SUM_BLOCK] {
    #[cfg(thumbnet_dsp)]
    if len == SUM_BLOCK {
        let mut sums = [0; SUM_BLOCK];
        if super::dsp_pool::sum(x.get(first..).unwrap_or(&[]), &taps, &mut sums) {
            return sums;
        }
    }
    let _ = len;
    fold(x, taps, first, [0i32; SUM_BLOCK], |x, sums| {
        sums.iter_mut().zip(x).for_each(|(sum, &x)| *sum = sum.wrapping_add(i32::from(x)));
    })
}
