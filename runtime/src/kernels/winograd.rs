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
//! of the second ([`lane`]). Both are read once from front to back. Missing inputs and outputs have weights of zero.

use super::dot::copy;
use super::{Conv2d, Stream, output_i8};

/// In which order rows and columns of the 4×4 positions are stored and computed: the sums for both outputs of a column,
/// `m0 + m1 − m2` and `m1 + m2 + m3`, then come from one running sum and its values on the way.
pub const ORDER: [usize; 4] = [1, 2, 3, 0];

/// Outputs of a block: two tiles side by side.
const ROWS: usize = 2;
const COLUMNS: usize = 4;
/// Inputs under a block.
const PATCH: [usize; 2] = [4, 6];

/// Groups of four input channels.
pub(super) const fn groups(inputs: usize) -> usize {
    inputs.div_ceil(4)
}

/// Bytes of weights.
#[must_use]
pub fn weights_len(inputs: usize, outputs: usize) -> Option<usize> {
    groups(inputs).checked_mul(16 * 8 * size_of::<i16>())?.checked_mul(outputs.div_ceil(2))
}

/// Where input channel `channel` of a group of 4 lies in its 8 numbers, of the first or the second tile or output.
#[must_use]
pub const fn lane(channel: usize, second: bool) -> usize {
    (channel & 1) * 4 + second as usize * 2 + (channel >> 1 & 1)
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
    ((output / 2 * 16 + place) * groups(inputs) + input / 4) * 8 + lane(input & 3, output & 1 == 1)
}

/// Bytes of scratch: transformed inputs of a block, its patch, its outputs.
#[must_use]
pub fn scratch_len(p: &Conv2d<'_>) -> usize {
    let pitch = groups(p.input[3]).saturating_mul(4);
    let outputs = p.output[3].next_multiple_of(2);
    pitch.saturating_mul(16 * 2 * 2 + PATCH[0] * PATCH[1]).saturating_add(outputs.saturating_mul(ROWS * COLUMNS))
}

/// Memory of a block, cut from the scratch.
struct Scratch<'a> {
    tiles: &'a mut [i16],
    patch: &'a mut [i8],
    outputs: &'a mut [i8],
}

impl<'a> Scratch<'a> {
    fn new(p: &Conv2d<'_>, scratch: &'a mut [i8]) -> Option<Self> {
        let pitch = groups(p.input[3]).checked_mul(4)?;
        let (tiles, rest) = scratch.split_at_mut_checked(pitch.checked_mul(64)?)?;
        let (patch, outputs) = rest.split_at_mut_checked(pitch.checked_mul(PATCH[0] * PATCH[1])?)?;
        Some(Self { tiles: bytemuck::try_cast_slice_mut(tiles).ok()?, patch, outputs })
    }
}

/// Four rows of six pixels: where the first byte is, how far pixels and rows are apart.
#[derive(Clone, Copy)]
pub(super) struct Patch<'a> {
    pub bytes: &'a [i8],
    pub pixel: usize,
    pub row: usize,
}

/// Convolves. Output rows are made in pairs; [`crate::plan::lead`] counts on it.
pub(super) fn conv2d(p: &Conv2d<'_>, mut io: Stream<'_>, scratch: &mut [i8]) {
    let [batches, height, width, inputs] = p.input;
    let [_, rows, columns, outputs] = p.output;
    let Some(mut scratch) = Scratch::new(p, scratch) else { return };
    let Ok(weights) = bytemuck::try_cast_slice::<i8, i16>(p.weights) else { return };
    let (pitch, out_pitch) = (width.wrapping_mul(inputs), columns.wrapping_mul(outputs));
    for batch in 0..batches {
        let mut row = 0usize;
        while row < rows {
            let top = p.window.start(0, row);
            let first = (top.max(0) as usize).min(height);
            let from = batch.wrapping_mul(height).wrapping_add(first).wrapping_mul(pitch);
            let start = batch.wrapping_mul(rows).wrapping_add(row).wrapping_mul(out_pitch);
            let len = rows.wrapping_sub(row).min(ROWS).wrapping_mul(out_pitch);
            let Some((x, y)) = io.both(from, start, len) else { return };
            two_rows(p, weights, &Rows { x, top, first, pitch }, y, &mut scratch);
            row = row.wrapping_add(ROWS);
        }
    }
}

/// The input rows under two output rows: `x` starts with row `first`, the window with row `top`.
struct Rows<'a> {
    x: &'a [i8],
    top: isize,
    first: usize,
    pitch: usize,
}

fn two_rows(p: &Conv2d<'_>, weights: &[i16], rows: &Rows<'_>, y: &mut [i8], scratch: &mut Scratch<'_>) {
    let [_, _, columns, outputs] = p.output;
    let out_pitch = columns.wrapping_mul(outputs);
    let mut column = 0usize;
    while column < columns {
        let patch = match direct(p, rows, column) {
            Some(patch) => patch,
            None => gather(p, rows, column, scratch.patch),
        };
        transform_inputs(patch, p.input_zero_point, scratch.tiles);
        let is_whole = columns.wrapping_sub(column) >= COLUMNS && y.len() > out_pitch && outputs.is_multiple_of(2);
        if is_whole {
            let y = y.get_mut(column.wrapping_mul(outputs)..).unwrap_or(&mut []);
            block(p, weights, scratch.tiles, y, outputs, out_pitch);
        } else {
            let pixel = outputs.wrapping_add(1) & !1;
            block(p, weights, scratch.tiles, scratch.outputs, pixel, pixel.wrapping_mul(COLUMNS));
            place_outputs(p, scratch.outputs, pixel, column, y);
        }
        column = column.wrapping_add(COLUMNS);
    }
}

/// The patch in the image, where all of it lies there and channels are whole fours.
fn direct<'a>(p: &Conv2d<'_>, rows: &Rows<'a>, column: usize) -> Option<Patch<'a>> {
    let [_, height, width, inputs] = p.input;
    let left = usize::try_from(p.window.start(1, column)).ok()?;
    let is_inside = rows.top >= 0
        && height.checked_sub(rows.first)? >= PATCH[0]
        && width.checked_sub(left)? >= PATCH[1]
        && inputs.is_multiple_of(4);
    let bytes = rows.x.get(left.checked_mul(inputs)?..)?;
    is_inside.then_some(Patch { bytes, pixel: inputs, row: rows.pitch })
}

/// A copy of the patch, with the zero point for padding and for missing channels.
#[inline(never)]
fn gather<'s>(p: &Conv2d<'_>, rows: &Rows<'_>, column: usize, patch: &'s mut [i8]) -> Patch<'s> {
    let [_, height, width, inputs] = p.input;
    let pixel = groups(inputs).wrapping_mul(4);
    let row_len = pixel.wrapping_mul(PATCH[1]);
    let left = p.window.start(1, column);
    let skip = (left.min(0).unsigned_abs()).min(PATCH[1]);
    let first = (left.max(0) as usize).min(width);
    let count = PATCH[1].wrapping_sub(skip).min(width.wrapping_sub(first));
    patch.fill(p.input_zero_point as i8);
    for (i, to) in (0isize..).zip(patch.chunks_exact_mut(row_len.max(1))) {
        let place = rows.top.wrapping_add(i) as usize;
        if place >= height {
            continue;
        }
        let from = place.wrapping_sub(rows.first).wrapping_mul(rows.pitch).wrapping_add(first.wrapping_mul(inputs));
        let from = rows.x.get(from..).unwrap_or(&[]);
        let to = to.get_mut(skip.wrapping_mul(pixel)..).unwrap_or(&mut []);
        if inputs == pixel {
            copy(from.get(..count.wrapping_mul(inputs)).unwrap_or(&[]), to);
            continue;
        }
        for (from, to) in from.chunks_exact(inputs.max(1)).zip(to.chunks_exact_mut(pixel.max(1))).take(count) {
            to.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
        }
    }
    Patch { bytes: patch, pixel, row: row_len }
}

/// The outputs of a block that there are, to their places.
#[inline(never)]
fn place_outputs(p: &Conv2d<'_>, block: &[i8], pixel: usize, column: usize, y: &mut [i8]) {
    let [_, _, columns, outputs] = p.output;
    let rows = y.chunks_exact_mut(columns.wrapping_mul(outputs).max(1));
    for (from, to) in block.chunks_exact(pixel.wrapping_mul(COLUMNS).max(1)).zip(rows) {
        let to = to.get_mut(column.wrapping_mul(outputs)..).unwrap_or(&mut []);
        for (from, to) in from.chunks_exact(pixel.max(1)).zip(to.chunks_exact_mut(outputs.max(1))) {
            to.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
        }
    }
}

/// `Bᵀ·d·B` of two tiles, for every input channel.
#[inline(never)]
fn transform_inputs(patch: Patch<'_>, zero_point: i32, tiles: &mut [i16]) {
    #[cfg(thumbnet_dsp)]
    if super::dsp_winograd::transform_inputs(patch, zero_point, tiles) {
        return;
    }
    let groups = tiles.len() / (16 * 8);
    for channel in 0..groups.wrapping_mul(4) {
        let value = |i: usize, j: usize| {
            let at = i.wrapping_mul(patch.row).wrapping_add(j.wrapping_mul(patch.pixel)).wrapping_add(channel);
            patch.bytes.get(at).copied().map_or(0, i16::from)
        };
        let columns: [[i16; 4]; 6] =
            core::array::from_fn(|j| along([value(0, j), value(1, j), value(2, j), value(3, j)]));
        for (second, start) in [(false, 0), (true, 2)] {
            for i in 0..4 {
                let row = core::array::from_fn(|j| columns.get(start + j).and_then(|c| c.get(i)).copied().unwrap_or(0));
                for (j, value) in along(row).into_iter().enumerate() {
                    let value = if i == 1 && j == 1 { value.wrapping_sub(4 * zero_point as i16) } else { value };
                    let group = place(i, j).wrapping_mul(groups).wrapping_add(channel / 4);
                    let at = group.wrapping_mul(8).wrapping_add(lane(channel & 3, second));
                    if let Some(to) = tiles.get_mut(at) {
                        *to = value;
                    }
                }
            }
        }
    }
}

/// `Bᵀ·d`.
#[inline(always)]
fn along([a, b, c, d]: [i16; 4]) -> [i16; 4] {
    [a.wrapping_sub(c), b.wrapping_add(c), b.wrapping_sub(c), d.wrapping_sub(b)]
}

/// All channels of two tiles: `y` starts with their first pixel, pixels and rows are `pixel` and `row` bytes apart. It has
/// room for an even number of channels.
fn block(p: &Conv2d<'_>, weights: &[i16], tiles: &[i16], y: &mut [i8], pixel: usize, row: usize) {
    #[cfg(thumbnet_dsp)]
    let done = super::dsp_winograd::pairs(p, weights, tiles, y, [pixel, row]);
    #[cfg(not(thumbnet_dsp))]
    let done = 0;
    let per_pair = tiles.len().max(1);
    let pairs = weights.chunks_exact(per_pair).zip(p.channels.chunks(2)).enumerate();
    for (number, (weights, channels)) in pairs.skip(done) {
        let sums = products(weights, tiles);
        for (output, channel) in channels.iter().enumerate() {
            for tile in 0..2 {
                let m: [[i32; 4]; 4] = core::array::from_fn(|j| {
                    core::array::from_fn(|i| {
                        let sums = sums.get(place(i, j)).copied().unwrap_or_default();
                        sums.get(output * 2 + tile).copied().unwrap_or(0)
                    })
                });
                let columns = m.map(inverse);
                for i in 0..2 {
                    let line = inverse(columns.map(|column| column[i]));
                    for (j, sum) in line.into_iter().enumerate() {
                        let at = i.wrapping_mul(row).wrapping_add((tile * 2 + j).wrapping_mul(pixel));
                        let at = at.wrapping_add(number.wrapping_mul(2)).wrapping_add(output);
                        if let Some(y) = y.get_mut(at) {
                            let sum = (sum >> 2).wrapping_add(channel.bias);
                            *y = output_i8(sum, channel, p.rounding, p.output_zero_point, p.clamp);
                        }
                    }
                }
            }
        }
    }
}

/// `Aᵀ·m`.
#[inline(always)]
fn inverse([a, b, c, d]: [i32; 4]) -> [i32; 2] {
    [a.wrapping_add(b).wrapping_sub(c), b.wrapping_add(c).wrapping_add(d)]
}

/// For each position the sums over inputs: first output with both tiles, second output with both tiles.
#[inline(never)]
fn products(weights: &[i16], tiles: &[i16]) -> [[i32; 4]; 16] {
    let mut sums = [[0i32; 4]; 16];
    let len = (tiles.len() / 16).max(1);
    for ((sums, w), x) in sums.iter_mut().zip(weights.chunks_exact(len)).zip(tiles.chunks_exact(len)) {
        for (w, x) in w.as_chunks::<4>().0.iter().zip(x.as_chunks::<4>().0) {
            let [w, x] = [w, x].map(|four| four.map(i32::from));
            let product = |o: usize, t: usize| w[o].wrapping_mul(x[t]).wrapping_add(w[o + 1].wrapping_mul(x[t + 1]));
            let new = [product(0, 0), product(0, 2), product(2, 0), product(2, 2)];
            sums.iter_mut().zip(new).for_each(|(sum, new)| *sum = sum.wrapping_add(new));
        }
    }
    sums
}
