//! 3×3 convolution with stride 1 by Winograd's minimal filtering F(4×4, 3×3): 36 products instead of 144 for sixteen outputs.
//!
//! As [`winograd`](super::winograd), with larger tiles: fewer products, and more weights. Interpolated at 0, ±1, ±2 and ∞,
//!
//! `576·Y = Aᵀ · [Σ_k (G·g·Gᵀ) ⊙ (Bᵀ·d·B)] · A`
//!
//! ```text
//!      ⎡ 4  0 −5  0  1  0 ⎤       ⎡  6  0  0 ⎤
//!      ⎢ 0 −4 −4  1  1  0 ⎥       ⎢ −4 −4 −4 ⎥       ⎡ 1  1  1  1  1  0 ⎤
//! Bᵀ = ⎢ 0  4 −4 −1  1  0 ⎥   G = ⎢ −4  4 −4 ⎥  Aᵀ = ⎢ 0  1 −1  2 −2  0 ⎥
//!      ⎢ 0 −2 −1  2  1  0 ⎥       ⎢  1  2  4 ⎥       ⎢ 0  1  1  4  4  0 ⎥
//!      ⎢ 0  2 −1 −2  1  0 ⎥       ⎢  1 −2  4 ⎥       ⎣ 0  1 −1  8 −8  4 ⎦
//!      ⎣ 0  4  0 −5  0  1 ⎦       ⎣  0  0  6 ⎦
//! ```
//!
//! Source: A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks", 2016, arXiv:1509.09308; the rows of G are scaled so
//! that all factors are whole.
//!
//! # Exact in integers
//!
//! Transformed filters are at most 12·12·127 < 2^15, transformed inputs at most 10·10·255 < 2^15. What follows is computed
//! modulo 2^32. There 9 has an inverse, which makes `64·Y` of `576·Y`, and that is the number itself where |Y| < 2^25: the exporter
//! proves it from the weights, before it takes this layout. Shifting it to the right loses nothing.
//!
//! A constant input reaches position `(1, 1)` alone, 36 times.
//!
//! # Order
//!
//! Positions go column by column, down each in the order 1, 2, 0, 3, 4, 5: there too, sums that are needed come from a running
//! one. Otherwise weights and inputs are those of [`winograd`](super::winograd).

use super::Conv2d;
use super::winograd_tiles::{self, Distance, Patch, Tile, Transforms};

/// Bytes of weights.
#[must_use]
pub fn weights_len(inputs: usize, outputs: usize) -> Option<usize> {
    winograd_tiles::weights_len(36, inputs, outputs)
}

/// `G·g·Gᵀ`.
#[must_use]
pub fn transform(g: [[i8; 3]; 3]) -> [[i16; 6]; 6] {
    let along =
        |[a, b, c]: [i16; 3]| [6 * a, -4 * (a + b + c), -4 * (a - b + c), a + 2 * b + 4 * c, a - 2 * b + 4 * c, 6 * c];
    let rows = g.map(|row| along(row.map(i16::from)));
    let columns = [0, 1, 2, 3, 4, 5].map(|j| along([rows[0][j], rows[1][j], rows[2][j]]));
    [0, 1, 2, 3, 4, 5].map(|i| columns.map(|column| column[i]))
}

/// The filter that [`transform`] has made these from.
#[must_use]
pub fn restore(positions: [[i16; 6]; 6]) -> [[i32; 3]; 3] {
    let along = |[a, b, c, _, _, d]: [i32; 6]| [a / 6, (c - b) / 8, d / 6];
    let rows = positions.map(|row| along(row.map(i32::from)));
    let columns = [0, 1, 2].map(|j| along(rows.map(|row| row[j])));
    [0, 1, 2].map(|i| columns.map(|column| column[i]))
}

/// As which number position `(i, j)` comes.
#[must_use]
pub const fn place(i: usize, j: usize) -> usize {
    let down = match i {
        0 => 2,
        1 | 2 => i - 1,
        _ => i,
    };
    j * 6 + down
}

/// Index in the weights of the filter between an input and an output channel at a place in the order.
#[must_use]
pub const fn weight_index(inputs: usize, output: usize, place: usize, input: usize) -> usize {
    winograd_tiles::weight_index(36, inputs, output, place, input)
}

/// Modulo 2^32.
pub(super) const INVERSE_OF_9: i32 = 0x38e3_8e39;

/// Tiles of 4×4 outputs.
pub(super) struct Tile4x4;

const TRANSFORMS: Transforms<6, 4> =
    Transforms { along, inverse, place, constant: 36, sum: |sum| sum.wrapping_mul(INVERSE_OF_9) >> 6 };

impl Tile for Tile4x4 {
    const SIZE: usize = 4;

    #[inline(never)]
    fn transform_inputs(patch: Patch<'_>, zero_point: i32, tiles: &mut [i16]) {
        #[cfg(thumbnet_dsp)]
        if super::dsp_winograd_4x4::transform_inputs(patch, zero_point, tiles) {
            return;
        }
        TRANSFORMS.inputs(patch, zero_point, tiles);
    }

    fn block(p: &Conv2d<'_>, weights: &[i16], tiles: &[i16], y: &mut [i8], to: Distance) {
        #[cfg(thumbnet_dsp)]
        let done = super::dsp_winograd_4x4::pairs(p, weights, tiles, y, to);
        #[cfg(not(thumbnet_dsp))]
        let done = 0;
        TRANSFORMS.block(p, weights, tiles, y, to, done);
    }
}

/// `Bᵀ·d`.
fn along(d: [i16; 6]) -> [i16; 6] {
    let add = i16::wrapping_add;
    let times = |factor: i16, d: i16| d.wrapping_mul(factor);
    let [zero, one, two, three, four, five] = d;
    let (a, b) = (add(four, times(-4, two)), add(three, times(-4, one)));
    let (c, e) = (four.wrapping_sub(two), times(2, three.wrapping_sub(one)));
    [
        add(add(times(4, zero), times(-5, two)), four),
        add(a, b),
        a.wrapping_sub(b),
        add(c, e),
        c.wrapping_sub(e),
        add(add(times(4, one), times(-5, three)), five),
    ]
}

/// `Aᵀ·m`.
fn inverse([zero, one, two, three, four, five]: [i32; 6]) -> [i32; 4] {
    let add = i32::wrapping_add;
    let times = |factor: i32, m: i32| m.wrapping_mul(factor);
    let (a, b) = (add(one, two), one.wrapping_sub(two));
    let (c, d) = (add(three, four), three.wrapping_sub(four));
    [add(zero, add(a, c)), add(b, times(2, d)), add(a, times(4, c)), add(add(b, times(8, d)), times(4, five))]
}
