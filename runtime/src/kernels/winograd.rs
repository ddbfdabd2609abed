//! 3×3 convolution with stride 1 by Winograd's minimal filtering F(2×2, 3×3): 16 products instead of 36 for four outputs.
//!
//! For a tile of 2×2 outputs, `d` the 4×4 inputs under it and `g` the filter of a pair of channels,
//!
//! `4·Y = Aᵀ · [Σ_k (4·G·g·Gᵀ) ⊙ (Bᵀ·d·B)] · A`
//!
//! ```text
//!      ⎡ 1  0 −1  0 ⎤        ⎡ 2  0  0 ⎤        ⎡ 1  1 −1  0 ⎤
//! Bᵀ = ⎢ 0  1  1  0 ⎥   2G = ⎢ 1  1  1 ⎥   Aᵀ = ⎣ 0  1  1  1 ⎦
//!      ⎢ 0  1 −1  0 ⎥        ⎢ 1 −1  1 ⎥
//!      ⎣ 0 −1  0  1 ⎦        ⎣ 0  0  2 ⎦
//! ```
//!
//! (the signs of the last two rows are moved from A to B, so that A adds where an accumulator can go on). Source: S. Winograd,
//! "Arithmetic Complexity of Computations", 1980; A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks",
//! 2016, arXiv:1509.09308.
//!
//! # Exact in integers
//!
//! `2G` is whole, so the transformed filter is `2G·g·(2G)ᵀ` without rounding: |g'| ≤ 9·127 < 2^11. Inputs less their zero
//! point are at most 255, sums of four of them below 2^10. Both fit 16 bits. What follows are sums of products in 32 bits,
//! that is in the ring of integers modulo 2^32, where it does not matter whether an intermediate sum wraps: the result is
//! `4·Y` modulo 2^32, and equal to it where |4·Y| < 2^31. So all that must be proven is |Y| < 2^29 of the accumulator that
//! the direct convolution has as well; the exporter does, from the actual weights, before it takes this layout. `4·Y` is a
//! multiple of 4, and shifting it to the right loses nothing.
//!
//! The zero point is taken off where it counts: every row of Bᵀ but the second sums to zero, so a constant input reaches one
//! position alone, four times.
//!
//! # Order
//!
//! Positions go column by column, in each direction in the order 1, 2, 3, 0 ([`ORDER`]). Weights are `i16`
//! `[pair of outputs][position][group of 4 inputs][8]`, and so are, of two tiles side by side, the transformed inputs:
//! `[position][group][8]`, eight being the inputs 0 and 2 of the first of the two, of the second, inputs 1 and 3 of the first,
//! of the second. Both are read once from front to back. Missing inputs and outputs have weights of zero.

use super::Conv2d;
use super::winograd_tiles::{self, Distance, Patch, Tile, Transforms};

/// In which order rows and columns of the 4×4 positions are stored and computed: the sums for both outputs of a column,
/// `m0 + m1 − m2` and `m1 + m2 + m3`, then come from one running sum and its values on the way.
pub const ORDER: [usize; 4] = [1, 2, 3, 0];

/// Bytes of weights.
#[must_use]
pub fn weights_len(inputs: usize, outputs: usize) -> Option<usize> {
    winograd_tiles::weights_len(16, inputs, outputs)
}

/// `2G·g·(2G)ᵀ`, at most 9·127 in magnitude.
#[must_use]
pub fn transform(g: [[i8; 3]; 3]) -> [[i16; 4]; 4] {
    let along = |[a, b, c]: [i16; 3]| [2 * a, a + b + c, a - b + c, 2 * c];
    let rows = g.map(|row| along(row.map(i16::from)));
    let columns = [0, 1, 2, 3].map(|j| along([rows[0][j], rows[1][j], rows[2][j]]));
    [0, 1, 2, 3].map(|i| [0, 1, 2, 3].map(|j| columns[j][i]))
}

/// The filter that [`transform`] has made these from.
#[must_use]
pub fn restore(positions: [[i16; 4]; 4]) -> [[i32; 3]; 3] {
    let along = |[a, b, c, d]: [i32; 4]| [a / 2, (b - c) / 2, d / 2];
    let rows = positions.map(|row| along(row.map(i32::from)));
    let columns = [0, 1, 2].map(|j| along([rows[0][j], rows[1][j], rows[2][j], rows[3][j]]));
    [0, 1, 2].map(|i| [0, 1, 2].map(|j| columns[j][i]))
}

/// Where position `(i, j)` comes in [`ORDER`].
#[must_use]
pub const fn place(i: usize, j: usize) -> usize {
    ((j + 3) & 3) * 4 + ((i + 3) & 3)
}

/// Index in the weights of the filter between an input and an output channel at a place in the order.
#[must_use]
pub const fn weight_index(inputs: usize, output: usize, place: usize, input: usize) -> usize {
    winograd_tiles::weight_index(16, inputs, output, place, input)
}

/// Tiles of 2×2 outputs.
pub(super) struct Tile2x2;

const TRANSFORMS: Transforms<4, 2> = Transforms { along, inverse, place, constant: 4, sum: |sum| sum >> 2 };

impl Tile for Tile2x2 {
    const SIZE: usize = 2;

    #[inline(never)]
    fn transform_inputs(patch: Patch<'_>, zero_point: i32, tiles: &mut [i16]) {
        #[cfg(thumbnet_dsp)]
        if super::dsp_winograd::transform_inputs(patch, zero_point, tiles) {
            return;
        }
        TRANSFORMS.inputs(patch, zero_point, tiles);
    }

    fn block(p: &Conv2d<'_>, weights: &[i16], tiles: &[i16], y: &mut [i8], to: Distance) {
        #[cfg(thumbnet_dsp)]
        let done = super::dsp_winograd::pairs(p, weights, tiles, y, to);
        #[cfg(not(thumbnet_dsp))]
        let done = 0;
        TRANSFORMS.block(p, weights, tiles, y, to, done);
    }
}

/// `Bᵀ·d`.
fn along([a, b, c, d]: [i16; 4]) -> [i16; 4] {
    [a.wrapping_sub(c), b.wrapping_add(c), b.wrapping_sub(c), d.wrapping_sub(b)]
}

/// `Aᵀ·m`.
fn inverse([a, b, c, d]: [i32; 4]) -> [i32; 2] {
    [a.wrapping_add(b).wrapping_sub(c), b.wrapping_add(c).wrapping_add(d)]
}
