//! Convolution for cores that multiply 32 bits by 32 and nothing smaller (Cortex-M0, M3): two products in one multiplication, four
//! pixels at a time.
//!
//! # Arithmetic
//!
//! The values `a`, `b` of two pixels at one tap lie in one word, `X = −(a + 2^16·b)`. A product by a weight has both products in it,
//! and so does the sum `P` of two of them, whose lower half is exact: `|a·w + a'·w'| ≤ 2·128·128`, and −2^15 where it is that much.
//! So after every two taps the upper half, put right by the sign of the lower one, is added to `B`, and all of `P` to `T`:
//! `T = −(Σ a·w + 2^16·Σ b·w)` and `B = −Σ b·w`, modulo 2^32, give `Σ a·w = 2^16·B − T`.
//!
//! This holds for bytes as they are: `Σ (x − zp)·w = Σ x·w − zp·Σ w`, of which the second sum goes into the bias, once per channel.
//!
//! # Scratch
//!
//! The windows of four pixels, taps in twos: `X(0, 1)` at tap 0 and 1, `X(2, 3)` at tap 0 and 1, and so on. Behind them one bias for
//! each channel, and copies of two windows where some reach out of the image.

use super::Conv2d;
use super::conv2d::column_len;
use super::pairs::is_inside;

#[cfg(thumbnet_halves)]
mod columns;
#[cfg(thumbnet_halves)]
mod conv;
#[cfg(thumbnet_v6m)]
mod v6m;
#[cfg(thumbnet_v7m)]
mod v7m;

#[cfg(thumbnet_halves)]
pub(super) use conv::{conv2d, fits};

/// Pixels that are computed at the same time.
const PIXELS: usize = 4;

/// Larger windows are computed the slow way, with half of the scratch.
const MOST: usize = 16 << 10;

/// Words of the windows.
const fn words(p: &Conv2d<'_>) -> usize {
    (column_len(p).saturating_add(1) / 2).saturating_mul(PIXELS)
}

/// Bytes of copies: two windows, where some reach out of the image.
fn copies_len(p: &Conv2d<'_>) -> usize {
    if is_inside(p) { 0 } else { column_len(p).saturating_mul(2) }
}

/// Bytes of scratch, the same on every core; 0 where it would be too much.
pub(super) fn scratch_len(p: &Conv2d<'_>) -> usize {
    let words = words(p).saturating_add(p.output[3]);
    let bytes = words.saturating_mul(size_of::<i32>()).saturating_add(copies_len(p)).saturating_add(3) & !3;
    if bytes <= MOST { bytes } else { 0 }
}
