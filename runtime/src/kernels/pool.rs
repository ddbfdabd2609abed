//! Pooling: the maximum or the average over a window. Padding is never counted. Input and output share their quantization.
//!
//! Channels are taken in blocks of 16 whose accumulators stay on the stack, so that a global pool, whose window is the whole
//! image, reads memory in order and needs no scratch.

use super::dot::max_into;
use super::{Pool, Stream};

const BLOCK: usize = 16;

/// `y = clamp(max x)`.
pub fn max_pool2d(p: &Pool, io: Stream<'_>) {
    pool(p, io, [i8::MIN; BLOCK], |max, x| max_into(x, max), |max, _| i32::from(max));
}

/// `y = clamp(round(Σ x / n))`, half away from zero, `n` being the taps inside of the image.
pub fn average_pool2d(p: &Pool, io: Stream<'_>) {
    let add = |sums: &mut [i32; BLOCK], x: &[i8]| {
        sums.iter_mut().zip(x).for_each(|(sum, &x)| *sum = sum.wrapping_add(i32::from(x)));
    };
    let average = |sum: i32, count: i32| {
        let half = if sum > 0 { count / 2 } else { -(count / 2) };
        sum.wrapping_add(half).checked_div(count).unwrap_or(0)
    };
    pool(p, io, [0i32; BLOCK], add, average);
}

/// Folds every tap of every window with `fold` from `zero`, and makes an output of the result and the number of taps.
#[inline(always)]
fn pool<T: Copy>(
    p: &Pool,
    mut io: Stream<'_>,
    zero: [T; BLOCK],
    fold: impl Fn(&mut [T; BLOCK], &[i8]),
    finish: impl Fn(T, i32) -> i32,
) {
    let [_, height, width, channels] = p.input;
    let pitch = width.wrapping_mul(channels);
    for (index, [n, oy, ox]) in p.window.outputs(p.output).enumerate() {
        let (down, across) = (p.window.inside(0, oy, height), p.window.inside(1, ox, width));
        let count = down.count.wrapping_mul(across.count) as i32;
        let corner = n.wrapping_mul(height).wrapping_add(down.place).wrapping_mul(width).wrapping_add(across.place);
        for first in (0..channels).step_by(BLOCK) {
            let len = channels.saturating_sub(first).min(BLOCK);
            let mut sums = zero;
            let mut row = corner.wrapping_mul(channels).wrapping_add(first);
            for _ in 0..down.count {
                let mut tap = row;
                for _ in 0..across.count {
                    fold(&mut sums, io.x().get(tap..tap.saturating_add(len)).unwrap_or(&[]));
                    tap = tap.wrapping_add(channels);
                }
                row = row.wrapping_add(pitch);
            }
            let Some(y) = io.outputs(index.saturating_mul(channels).saturating_add(first), len) else { return };
            y.iter_mut().zip(sums).for_each(|(y, sum)| *y = p.clamp.apply(finish(sum, count)));
        }
    }
}
