//! Pooling: the maximum or the average over a window. Padding is never counted. Input and output share their quantization.
//!
//! Channels are taken in blocks of 16 whose accumulators stay on the stack, so that a global pool, whose window is the whole
//! image, reads memory in order and needs no scratch.

use super::window::taps;
use super::{Pool, Stream};

const BLOCK: usize = 16;

/// `y = clamp(max x)`.
pub fn max_pool2d(p: &Pool, io: Stream<'_>) {
    pool(p, io, [i8::MIN; BLOCK], |max, x| *max = x.max(*max), |max, _| i32::from(max));
}

/// `y = clamp(round(Σ x / n))`, half away from zero, `n` being the taps inside of the image.
pub fn average_pool2d(p: &Pool, io: Stream<'_>) {
    let average = |sum: i32, count: i32| {
        let half = if sum > 0 { count / 2 } else { -(count / 2) };
        sum.wrapping_add(half).checked_div(count).unwrap_or(0)
    };
    pool(p, io, [0i32; BLOCK], |sum, x| *sum = sum.wrapping_add(i32::from(x)), average);
}

/// Folds every window with `fold` from `zero`, and makes an output of the result and the number of taps.
#[inline(always)]
fn pool<T: Copy>(
    p: &Pool,
    mut io: Stream<'_>,
    zero: [T; BLOCK],
    fold: impl Fn(&mut T, i8),
    finish: impl Fn(T, i32) -> i32,
) {
    let [_, height, width, channels] = p.input;
    for (index, [n, oy, ox]) in p.window.outputs(p.output).enumerate() {
        for first in (0..channels).step_by(BLOCK) {
            let len = channels.saturating_sub(first).min(BLOCK);
            let mut sums = zero;
            let mut count = 0i32;
            for iy in taps(&p.window, 0, oy, height).flatten() {
                for ix in taps(&p.window, 1, ox, width).flatten() {
                    let pixel = n.wrapping_mul(height).wrapping_add(iy).wrapping_mul(width).wrapping_add(ix);
                    let start = pixel.wrapping_mul(channels).wrapping_add(first);
                    let x = io.x().get(start..start.saturating_add(len)).unwrap_or(&[]);
                    sums.iter_mut().zip(x).for_each(|(sum, &x)| fold(sum, x));
                    count = count.wrapping_add(1);
                }
            }
            let Some(y) = io.outputs(index.saturating_mul(channels).saturating_add(first), len) else { return };
            y.iter_mut().zip(sums).for_each(|(y, sum)| *y = p.clamp.apply(finish(sum, count)));
        }
    }
}
