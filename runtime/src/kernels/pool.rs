//! Pooling: the maximum or the average over a window. Padding is never counted. Input and output share their quantization.
//!
//! Channels are taken in blocks whose accumulators stay in registers or on the stack, so that a global pool, whose window is the
//! whole image, reads memory in order and needs no scratch.

use super::dot::max_into;
use super::{Pool, Stream};

/// `y = clamp(max x)`.
pub fn max_pool2d(p: &Pool, io: Stream<'_>) {
    pool(p, io, |x, taps, y| {
        #[cfg(thumbnet_dsp)]
        let done = super::dsp_pool::max(x, &taps, y);
        #[cfg(not(thumbnet_dsp))]
        let done = 0;
        for (x, y) in taps.pixels(x, y) {
            #[cfg(thumbnet_helium)]
            if super::helium_pool::max(x, &taps, y) {
                continue;
            }
            for first in (done..y.len()).step_by(MAX_BLOCK) {
                let max = fold(x, taps, first, [i8::MIN; MAX_BLOCK], max_into);
                y.iter_mut().skip(first).zip(max).for_each(|(y, max)| *y = max);
            }
        }
        p.clamp.apply_all(y);
    });
}

/// `y = clamp(round(Σ x / n))`, half away from zero, `n` being the taps inside of the image.
pub fn average_pool2d(p: &Pool, io: Stream<'_>) {
    pool(p, io, |x, taps, y| {
        #[cfg(thumbnet_dsp)]
        let done = super::dsp_pool::average(x, &taps, y);
        #[cfg(not(any(thumbnet_dsp, thumbnet_helium)))]
        let done = 0;
        let [across, down] = taps.count;
        let count = across.wrapping_mul(down) as i32;
        let half = count / 2;
        for (x, y) in taps.pixels(x, y) {
            #[cfg(thumbnet_helium)]
            let done = super::helium_pool::average(x, &taps, p.clamp, y);
            for first in (done..y.len()).step_by(SUM_BLOCK) {
                let sums = fold(x, taps, first, [0i32; SUM_BLOCK], add_into);
                for (y, sum) in y.iter_mut().skip(first).zip(sums) {
                    let sum = sum.wrapping_add(if sum > 0 { half } else { -half });
                    *y = sum.checked_div(count).unwrap_or(0) as i8;
                }
            }
        }
        p.clamp.apply_all(y);
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
    /// Bytes from a pixel to the next one, which are its channels, and from the end of a row of taps to the next row.
    pub step: [usize; 2],
    /// Bytes from a window to the next one that has as many taps.
    pub advance: usize,
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

    /// Input from the first tap on, and output, of each window.
    #[inline(always)]
    fn pixels<'a>(&self, x: &'a [i8], y: &'a mut [i8]) -> impl Iterator<Item = (&'a [i8], &'a mut [i8])> + use<'a> {
        let advance = self.advance;
        let input = move |number: usize| x.get(number.wrapping_mul(advance)..).unwrap_or(&[]);
        y.chunks_exact_mut(self.step[0].max(1)).enumerate().map(move |(number, y)| (input(number), y))
    }
}

/// Gives `windows` the input from a first tap on, the taps, and the outputs of one window or of some side by side that lie in the image
/// in the same way.
#[inline(always)]
fn pool(p: &Pool, mut io: Stream<'_>, windows: impl Fn(&[i8], Taps, &mut [i8])) {
    let [_, height, width, channels] = p.input;
    let [batches, rows, columns, _] = p.output;
    let pitch = width.wrapping_mul(channels);
    let [stride, size] = [p.window.stride[1], p.window.size[1]];
    let mut outputs = 0usize;
    for (n, oy) in (0..batches).flat_map(|n| (0..rows).map(move |oy| (n, oy))) {
        let down = p.window.inside(0, oy, height);
        let row = n.wrapping_mul(height).wrapping_add(down.place).wrapping_mul(pitch);
        let mut ox = 0usize;
        while ox < columns {
            let across = p.window.inside(1, ox, width);
            // Behind a whole window come others, as far as the image goes.
            let left = width.wrapping_sub(across.place).checked_sub(size).filter(|_| across.count == size);
            let others = left.and_then(|left| left.checked_div(stride)).unwrap_or(0);
            let count = others.saturating_add(1).min(columns.wrapping_sub(ox));
            let taps = Taps {
                count: [across.count, down.count],
                step: [channels, pitch.wrapping_sub(across.count.wrapping_mul(channels))],
                advance: stride.wrapping_mul(channels),
            };
            let corner = row.wrapping_add(across.place.wrapping_mul(channels));
            let len = count.wrapping_mul(channels);
            let Some((x, y)) = io.both(corner, outputs, len) else { return };
            windows(x, taps, y);
            outputs = outputs.wrapping_add(len);
            ox = ox.wrapping_add(count);
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

#[inline(always)]
fn add_into(x: &[i8], sums: &mut [i32]) {
    sums.iter_mut().zip(x).for_each(|(sum, &x)| *sum = sum.wrapping_add(i32::from(x)));
}
