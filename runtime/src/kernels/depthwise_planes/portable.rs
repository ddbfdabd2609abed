//! The inner loops of `depthwise_planes` for cores that have none of their own in assembly.

pub(super) use super::any::{finish, keep};
use super::bands::{Rows, Source, in_pair};
use super::{BLOCK, Planes};
use crate::kernels::{Channel, Conv2d, output_i8};

/// What computes four channels of a band.
#[derive(Clone, Copy)]
pub(in super::super) struct Kernel;

impl Kernel {
    pub const fn of(_: &Conv2d<'_>, _: &Planes) -> Self {
        Self
    }

    #[inline(always)]
    pub(super) fn run(self, p: &Conv2d<'_>, planes: &Planes, words: &[u32], rows_of: &Rows, y: &mut [i8]) {
        rows(p, planes, words, rows_of, y);
    }
}

/// Copies pairs of rows; `to` starts with the first pair of the first column of the first plane.
pub(super) fn gather(from: &Source<'_>, planes: &Planes, to: &mut [u32]) {
    for column in 0..from.columns {
        for pair in 0..from.pairs {
            let at = column.wrapping_mul(from.step).wrapping_add(pair.wrapping_mul(from.down));
            let row = |at: usize| from.x.get(at..)?.first_chunk::<BLOCK>();
            let (Some(upper), Some(lower)) = (row(at), row(at.wrapping_add(from.below))) else { return };
            let to = to.iter_mut().skip(column.wrapping_mul(planes.pairs).wrapping_add(pair));
            for (to, (&upper, &lower)) in to.step_by(planes.plane().max(1)).zip(upper.iter().zip(lower)) {
                *to = in_pair(upper, lower);
            }
        }
    }
}

/// Computes four channels of a band.
pub(super) fn rows(p: &Conv2d<'_>, planes: &Planes, words: &[u32], rows: &Rows, y: &mut [i8]) {
    let planes_of_channels = words.chunks_exact(planes.plane().max(1)).zip(rows.first..);
    for ((plane, number), first) in planes_of_channels.zip(0..BLOCK) {
        let (Some(channel), Some(weights)) = (p.channels.get(number), p.weights.get(number..)) else { return };
        let Some(y) = y.get_mut(first..) else { return };
        let plane = bytemuck::cast_slice(plane);
        match (planes.size, planes.stride) {
            (3, 1) => convolve::<3, 1, 4>(p, planes, (channel, weights), plane, rows, y),
            (3, _) => convolve::<3, 2, 5>(p, planes, (channel, weights), plane, rows, y),
            (_, 1) => convolve::<5, 1, 6>(p, planes, (channel, weights), plane, rows, y),
            (_, _) => convolve::<5, 2, 7>(p, planes, (channel, weights), plane, rows, y),
        }
    }
}

/// Computes one channel, two rows at the same time; without the second one where it would be below the band. `REACH` is
/// `SIZE + STRIDE`, the values of a column that two windows need.
fn convolve<const SIZE: usize, const STRIDE: usize, const REACH: usize>(
    p: &Conv2d<'_>,
    planes: &Planes,
    (channel, weights): (&Channel, &[i8]),
    plane: &[i16],
    rows: &Rows,
    y: &mut [i8],
) {
    // `[column][row]`, as values lie.
    let mut columns = [[0i32; SIZE]; SIZE];
    let mut in_rows = weights.iter().step_by(rows.step.max(1));
    for row in 0..SIZE {
        for (column, &w) in columns.iter_mut().zip(&mut in_rows) {
            column[row] = w.into();
        }
    }
    let all = columns.as_flattened().iter().sum::<i32>();
    let bias = channel.bias.wrapping_sub(all.wrapping_mul(p.input_zero_point));
    let column_len = planes.pairs.wrapping_mul(2);
    let output = |sum: i32| output_i8(sum, channel, p.rounding, p.output_zero_point, p.clamp);
    for oy in (0..rows.count).step_by(2) {
        for ox in 0..rows.width {
            let mut at = ox.wrapping_mul(column_len).wrapping_add(oy).wrapping_mul(STRIDE);
            let (mut upper, mut lower) = (bias, bias);
            for weights in &columns {
                let Some(values) = plane.get(at..).and_then(|column| column.first_chunk::<REACH>()) else { return };
                for ((&w, &x), &next) in weights.iter().zip(values).zip(values.iter().skip(STRIDE)) {
                    upper = upper.wrapping_add(w.wrapping_mul(x.into()));
                    lower = lower.wrapping_add(w.wrapping_mul(next.into()));
                }
                at = at.wrapping_add(column_len);
            }
            let at = oy.wrapping_mul(rows.width).wrapping_add(ox).wrapping_mul(rows.step);
            if let Some(y) = y.get_mut(at) {
                *y = output(upper);
            }
            let next = at.wrapping_add(rows.width.wrapping_mul(rows.step));
            if let Some(y) = y.get_mut(next) {
                *y = output(lower);
            }
        }
    }
}
