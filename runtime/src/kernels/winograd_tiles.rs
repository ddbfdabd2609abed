//! Winograd convolution for any size of tile: where blocks of two tiles are read and written, and the loops that are not assembly.
//!
//! With `n` outputs across, a tile has `n + 2` inputs and as many positions. Weights are `i16`
//! `[pair of outputs][position][group of 4 inputs][8]`, and so are, of two tiles side by side, the transformed inputs:
//! `[position][group][8]`, eight being the inputs 0 and 2 of the first of the two, of the second, inputs 1 and 3 of the first,
//! of the second ([`lane`]). Both are read once from front to back. Missing inputs and outputs have weights of zero.

use super::dot::fill;
use super::strided::{Strided, place_rows};
use super::{Conv2d, Stream, output_i8};

/// A size of tiles.
pub(super) trait Tile {
    /// Outputs of a tile, down and across.
    const SIZE: usize;

    /// `Bᵀ·d·B` of two tiles, for every input channel.
    fn transform_inputs(patch: Patch<'_>, zero_point: i32, tiles: &mut [i16]);

    /// All channels of two tiles; a core's own kernel leaves the clamp to the end of a band. `y` starts with their first pixel
    /// and has room for an even number of channels.
    fn block(p: &Conv2d<'_>, weights: &[i16], tiles: &[i16], y: &mut [i8], to: Distance);
}

/// Inputs and positions of a tile, down and across.
const fn side<T: Tile>() -> usize {
    T::SIZE + 2
}

/// Groups of four input channels.
pub(super) const fn groups(inputs: usize) -> usize {
    inputs.div_ceil(4)
}

/// Bytes of weights with so many positions.
pub(super) fn weights_len(positions: usize, inputs: usize, outputs: usize) -> Option<usize> {
    groups(inputs).checked_mul(positions * 8 * size_of::<i16>())?.checked_mul(outputs.div_ceil(2))
}

/// Where input channel `channel` of a group of 4 lies in its 8 numbers, of the first or the second tile or output.
pub(super) const fn lane(channel: usize, second: bool) -> usize {
    (channel & 1) * 4 + second as usize * 2 + (channel >> 1 & 1)
}

/// Index in the weights of the filter between an input and an output channel at the position that comes as number `place`.
pub(super) const fn weight_index(positions: usize, inputs: usize, output: usize, place: usize, input: usize) -> usize {
    ((output / 2 * positions + place) * groups(inputs) + input / 4) * 8 + lane(input & 3, output & 1 == 1)
}

/// Bytes of the inputs under a block, for channels in whole fours, and of its outputs.
fn patch_len<T: Tile>(p: &Conv2d<'_>) -> usize {
    let patch = groups(p.input[3]).saturating_mul(4 * side::<T>() * (side::<T>() + T::SIZE));
    patch.max(p.output[3].next_multiple_of(2).saturating_mul(2 * T::SIZE * T::SIZE))
}

/// Bytes of the transformed inputs of a block.
fn tiles_len<T: Tile>(p: &Conv2d<'_>) -> usize {
    groups(p.input[3]).saturating_mul(side::<T>() * side::<T>() * 8 * size_of::<i16>())
}

/// Bytes of scratch: the transformed inputs, then the inputs that they come from, to whose place outputs go.
pub(super) fn scratch_len<T: Tile>(p: &Conv2d<'_>) -> usize {
    tiles_len::<T>(p).saturating_add(patch_len::<T>(p))
}

/// Rows of pixels: where the first byte is, how far pixels and rows are apart.
#[derive(Clone, Copy)]
pub(super) struct Patch<'a> {
    pub bytes: &'a [i8],
    pub pixel: usize,
    pub row: usize,
}

impl Patch<'_> {
    fn value(&self, row: usize, column: usize, channel: usize) -> i16 {
        let at = row.wrapping_mul(self.row).wrapping_add(column.wrapping_mul(self.pixel)).wrapping_add(channel);
        self.bytes.get(at).copied().map_or(0, i16::from)
    }
}

/// Memory of a block, cut from the scratch.
struct Scratch<'a> {
    tiles: &'a mut [i16],
    patch: &'a mut [i8],
}

impl<'a> Scratch<'a> {
    fn new<T: Tile>(p: &Conv2d<'_>, scratch: &'a mut [i8]) -> Option<Self> {
        let (tiles, patch) = scratch.split_at_mut_checked(tiles_len::<T>(p))?;
        Some(Self { tiles: bytemuck::try_cast_slice_mut(tiles).ok()?, patch: patch.get_mut(..patch_len::<T>(p))? })
    }
}

/// Convolves. As many output rows are made at a time as a tile has; [`crate::plan::lead`] counts on it.
pub(super) fn conv2d<T: Tile>(p: &Conv2d<'_>, mut io: Stream<'_>, scratch: &mut [i8]) {
    let [batches, height, width, inputs] = p.input;
    let [_, rows, columns, outputs] = p.output;
    let Some(mut scratch) = Scratch::new::<T>(p, scratch) else { return };
    let Ok(weights) = bytemuck::try_cast_slice::<i8, i16>(p.weights) else { return };
    let (pitch, out_pitch) = (width.wrapping_mul(inputs), columns.wrapping_mul(outputs));
    for batch in 0..batches {
        for row in (0..rows).step_by(T::SIZE) {
            let top = p.window.start(0, row);
            let first = (top.max(0) as usize).min(height);
            let from = batch.wrapping_mul(height).wrapping_add(first).wrapping_mul(pitch);
            let start = batch.wrapping_mul(rows).wrapping_add(row).wrapping_mul(out_pitch);
            let len = rows.wrapping_sub(row).min(T::SIZE).wrapping_mul(out_pitch);
            let Some((x, y)) = io.both(from, start, len) else { return };
            band::<T>(p, weights, &Rows { x, top, first, pitch }, y, &mut scratch);
        }
    }
}

/// The input rows under a band of output rows: `x` starts with row `first`, the window with row `top`.
struct Rows<'a> {
    x: &'a [i8],
    top: isize,
    first: usize,
    pitch: usize,
}

/// As many output rows as a tile has, or what is left of them.
fn band<T: Tile>(p: &Conv2d<'_>, weights: &[i16], rows: &Rows<'_>, y: &mut [i8], scratch: &mut Scratch<'_>) {
    let [_, _, columns, outputs] = p.output;
    let out_pitch = columns.wrapping_mul(outputs);
    let is_tall = y.len() > out_pitch.wrapping_mul(T::SIZE - 1) && outputs.is_multiple_of(2);
    for column in (0..columns).step_by(2 * T::SIZE) {
        let patch = match direct::<T>(p, rows, column) {
            Some(patch) => patch,
            None => gather::<T>(p, rows, column, scratch.patch),
        };
        T::transform_inputs(patch, p.input_zero_point, scratch.tiles);
        if is_tall && columns.wrapping_sub(column) >= 2 * T::SIZE {
            let y = y.get_mut(column.wrapping_mul(outputs)..).unwrap_or(&mut []);
            T::block(p, weights, scratch.tiles, y, Distance { pixel: outputs, row: out_pitch });
        } else {
            let pixel = outputs.wrapping_add(1) & !1;
            let to = Distance { pixel, row: pixel.wrapping_mul(2 * T::SIZE) };
            T::block(p, weights, scratch.tiles, scratch.patch, to);
            place_outputs::<T>(p, scratch.patch, pixel, column, y);
        }
    }
    #[cfg(thumbnet_dsp)]
    p.clamp.apply_all(y);
}

/// The patch in the image, where all of it lies there and channels are whole fours.
fn direct<'a, T: Tile>(p: &Conv2d<'_>, rows: &Rows<'a>, column: usize) -> Option<Patch<'a>> {
    let [_, height, width, inputs] = p.input;
    let left = usize::try_from(p.window.start(1, column)).ok()?;
    let is_inside = rows.top >= 0
        && height.checked_sub(rows.first)? >= side::<T>()
        && width.checked_sub(left)? >= side::<T>() + T::SIZE
        && inputs.is_multiple_of(4);
    let bytes = rows.x.get(left.checked_mul(inputs)?..)?;
    is_inside.then_some(Patch { bytes, pixel: inputs, row: rows.pitch })
}

/// A copy of the patch, with the zero point for padding and for missing channels.
#[inline(never)]
fn gather<'s, T: Tile>(p: &Conv2d<'_>, rows: &Rows<'_>, column: usize, patch: &'s mut [i8]) -> Patch<'s> {
    let [_, height, width, inputs] = p.input;
    let (pixel, across) = (groups(inputs).wrapping_mul(4), side::<T>() + T::SIZE);
    let row_len = pixel.wrapping_mul(across);
    let left = p.window.start(1, column);
    let skip = (left.min(0).unsigned_abs()).min(across);
    let first = (left.max(0) as usize).min(width);
    let count = across.wrapping_sub(skip).min(width.wrapping_sub(first));
    // Rows above the image, and those in it.
    let above = (rows.top.min(0).unsigned_abs()).min(side::<T>());
    let inside = side::<T>().wrapping_sub(above).min(height.wrapping_sub(rows.first));
    fill(patch.get_mut(..row_len.wrapping_mul(side::<T>())).unwrap_or(&mut []), p.input_zero_point as i8);
    let x = rows.x.get(first.wrapping_mul(inputs)..).unwrap_or(&[]);
    let to = above.wrapping_mul(row_len).wrapping_add(skip.wrapping_mul(pixel));
    let to = patch.get_mut(to..).unwrap_or(&mut []);
    if inputs == pixel {
        place_rows(Strided { bytes: x, pitch: rows.pitch }, [inside, count.wrapping_mul(inputs)], to, row_len);
    } else {
        let to = to.chunks_mut(row_len.max(1)).take(inside);
        for (to, x) in to.zip(x.chunks(rows.pitch.max(1))) {
            for (to, x) in to.chunks_mut(pixel.max(1)).zip(x.chunks_exact(inputs.max(1))).take(count) {
                to.iter_mut().zip(x).for_each(|(to, &x)| *to = x);
            }
        }
    }
    Patch { bytes: patch, pixel, row: row_len }
}

/// The outputs of a block that there are, to their places.
#[inline(never)]
fn place_outputs<T: Tile>(p: &Conv2d<'_>, block: &[i8], pixel: usize, column: usize, y: &mut [i8]) {
    let [_, _, columns, outputs] = p.output;
    let rows = y.chunks_exact_mut(columns.wrapping_mul(outputs).max(1));
    for (from, to) in block.chunks_exact(pixel.wrapping_mul(2 * T::SIZE).max(1)).zip(rows) {
        let to = to.get_mut(column.wrapping_mul(outputs)..).unwrap_or(&mut []);
        for (from, to) in from.chunks_exact(pixel.max(1)).zip(to.chunks_exact_mut(outputs.max(1))) {
            to.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
        }
    }
}

/// What the plain loops know of tiles with `SIDE` positions and `SIZE` outputs, down and across.
pub(super) struct Transforms<const SIDE: usize, const SIZE: usize> {
    /// `Bᵀ·d`.
    pub along: fn([i16; SIDE]) -> [i16; SIDE],
    /// `Aᵀ·m`.
    pub inverse: fn([i32; SIDE]) -> [i32; SIZE],
    /// What a position comes as.
    pub place: fn(usize, usize) -> usize,
    /// How often a constant input counts at position `(1, 1)`, the only one that it reaches.
    pub constant: i16,
    /// A sum from what the transforms make of it.
    pub sum: fn(i32) -> i32,
}

impl<const SIDE: usize, const SIZE: usize> Transforms<SIDE, SIZE> {
    /// See [`Tile::transform_inputs`].
    pub fn inputs(&self, patch: Patch<'_>, zero_point: i32, tiles: &mut [i16]) {
        let groups = tiles.len() / (SIDE * SIDE * 8);
        for (channel, second) in (0..groups.wrapping_mul(4)).flat_map(|channel| [(channel, false), (channel, true)]) {
            let start = if second { SIZE } else { 0 };
            let column = |j: usize| core::array::from_fn(|i| patch.value(i, start.wrapping_add(j), channel));
            let columns: [[i16; SIDE]; SIDE] = core::array::from_fn(|j| (self.along)(column(j)));
            for i in 0..SIDE {
                let row = columns.map(|column| column.get(i).copied().unwrap_or(0));
                for (j, value) in (self.along)(row).into_iter().enumerate() {
                    let zero = if i == 1 && j == 1 { self.constant.wrapping_mul(zero_point as i16) } else { 0 };
                    let group = (self.place)(i, j).wrapping_mul(groups).wrapping_add(channel / 4);
                    let at = group.wrapping_mul(8).wrapping_add(lane(channel & 3, second));
                    if let Some(to) = tiles.get_mut(at) {
                        *to = value.wrapping_sub(zero);
                    }
                }
            }
        }
    }

    /// The sums of a column of positions, transformed back along it: less to hold than the sums of all.
    #[inline(always)]
    fn column(&self, weights: &[i16], tiles: &[i16], j: usize) -> [[i32; 4]; SIZE] {
        let sums: [[i32; 4]; SIDE] =
            core::array::from_fn(|i| products(weights, tiles, SIDE * SIDE, (self.place)(i, j)));
        let mut rows = [[0; 4]; SIZE];
        for number in 0..4 {
            let of = |sums: &[i32; 4]| sums.get(number).copied().unwrap_or(0);
            for (row, sum) in rows.iter_mut().zip((self.inverse)(sums.each_ref().map(of))) {
                row.iter_mut().skip(number).take(1).for_each(|to| *to = sum);
            }
        }
        rows
    }

    /// See [`Tile::block`], from pair `done` of outputs on, and clamped.
    pub fn block(&self, p: &Conv2d<'_>, weights: &[i16], tiles: &[i16], y: &mut [i8], to: Distance, done: usize) {
        let pairs = weights.chunks_exact(tiles.len().max(1)).zip(p.channels.chunks(2)).enumerate();
        for (number, (weights, channels)) in pairs.skip(done) {
            let columns: [[[i32; 4]; SIZE]; SIDE] = core::array::from_fn(|j| self.column(weights, tiles, j));
            for (tile, (output, channel)) in
                (0..2).flat_map(|tile| channels.iter().enumerate().map(move |channel| (tile, channel)))
            {
                for i in 0..SIZE {
                    let of = |sums: &[i32; 4]| sums.get(output * 2 + tile).copied().unwrap_or(0);
                    let line = (self.inverse)(columns.each_ref().map(|column| column.get(i).map_or(0, of)));
                    for (j, sum) in line.into_iter().enumerate() {
                        let at = i.wrapping_mul(to.row).wrapping_add((tile * SIZE + j).wrapping_mul(to.pixel));
                        let at = at.wrapping_add(number.wrapping_mul(2)).wrapping_add(output);
                        if let Some(y) = y.get_mut(at) {
                            let sum = (self.sum)(sum).wrapping_add(channel.bias);
                            *y = output_i8(sum, channel, p.rounding, p.output_zero_point, p.clamp);
                        }
                    }
                }
            }
        }
    }
}

/// From an output to the next one, across and down.
#[derive(Clone, Copy)]
pub(super) struct Distance {
    pub pixel: usize,
    pub row: usize,
}

/// The sums over inputs at one of the positions: first output with both tiles, second output with both tiles.
#[inline(never)]
fn products(weights: &[i16], tiles: &[i16], positions: usize, place: usize) -> [i32; 4] {
    let len = (tiles.len() / positions.max(1)).max(1);
    let [w, x] = [weights, tiles].map(|of| of.chunks_exact(len).nth(place).unwrap_or(&[]).as_chunks::<4>().0);
    let mut sums = [0i32; 4];
    for (w, x) in w.iter().zip(x) {
        let [[a, b, c, d], [e, f, g, h]] = [w, x].map(|four| four.map(i32::from));
        let product = |w: [i32; 2], x: [i32; 2]| w[0].wrapping_mul(x[0]).wrapping_add(w[1].wrapping_mul(x[1]));
        let new = [product([a, b], [e, f]), product([a, b], [g, h]), product([c, d], [e, f]), product([c, d], [g, h])];
        sums.iter_mut().zip(new).for_each(|(sum, new)| *sum = sum.wrapping_add(new));
    }
    sums
}
