//! Dot products of 8-bit weights with 8-bit and 16-bit values: the inner loops.
//!
//! Sums wrap; the exporter has proven that they do not.

use core::mem::MaybeUninit;

#[inline(always)]
fn mac(sum: i32, w: i8, x: i16) -> i32 {
    sum.wrapping_add(i32::from(w).wrapping_mul(i32::from(x)))
}

/// Brings a column into the order that [`dot`] and [`dot_2x2`] read on this core.
#[inline(always)]
fn arrange(column: &mut [i16]) {
    #[cfg(thumbnet_dsp)]
    super::dsp::arrange(column);
    let _ = column;
}

/// `x − zero_point` in 16 bits.
#[inline(always)]
fn widen(from: &[i8], to: &mut [i16], zero_point: i16) {
    to.iter_mut().zip(from).for_each(|(to, &from)| *to = i16::from(from).wrapping_sub(zero_point));
}

/// [`widen`] and [`arrange`] of a part of a column that starts at a multiple of 4 values and has one.
#[inline(always)]
pub(super) fn widen_arranged(from: &[i8], to: &mut [i16], zero_point: i16) {
    #[cfg(thumbnet_dsp)]
    if super::dsp::widen_arranged(from, to, zero_point.into()) {
        return;
    }
    widen(from, to, zero_point);
    arrange(to);
}

/// The bytes in the upper half of a column, less the zero point, in 16 bits over all of it, arranged.
#[inline(always)]
pub(super) fn spread(column: &mut [i16], zero_point: i16) {
    #[cfg(thumbnet_dsp)]
    if super::dsp::spread(column, zero_point.into()) {
        return;
    }
    let len = column.len();
    let bytes: &mut [i8] = bytemuck::cast_slice_mut(column);
    // Each value lies behind what was written before it.
    for at in 0..len {
        let Some(&byte) = bytes.get(len.wrapping_add(at)) else { return };
        let wide = i16::from(byte).wrapping_sub(zero_point).to_le_bytes();
        let Some(to) = bytes.get_mut(at.wrapping_mul(2)..).and_then(<[i8]>::first_chunk_mut) else { return };
        *to = wide.map(u8::cast_signed);
    }
    arrange(column);
}

/// The larger of each two, in the second.
#[inline(always)]
pub(super) fn max_into(x: &[i8], max: &mut [i8]) {
    #[cfg(thumbnet_dsp)]
    let done = super::dsp::max_into(x, max);
    #[cfg(not(thumbnet_dsp))]
    let done = 0;
    max.iter_mut().zip(x).skip(done).for_each(|(max, &x)| *max = x.max(*max));
}

/// Sixteen zeros.
#[inline(always)]
pub(super) fn zeros(room: &mut MaybeUninit<[i32; 16]>) -> &mut [i32; 16] {
    #[cfg(thumbnet_dsp)]
    return super::dsp::zeros(room);
    #[cfg(not(thumbnet_dsp))]
    room.write([0; 16])
}

/// Fills with one value.
#[inline(always)]
pub(super) fn fill(to: &mut [i8], value: i8) {
    #[cfg(thumbnet_dsp)]
    super::dsp::fill(to, value);
    #[cfg(not(thumbnet_dsp))]
    to.fill(value);
}

/// Copies as many bytes as `to` has, few as a rule.
#[inline(always)]
pub(super) fn copy(from: &[i8], to: &mut [i8]) {
    #[cfg(thumbnet_dsp)]
    super::dsp::copy(from, to);
    #[cfg(not(thumbnet_dsp))]
    to.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
}

/// `Σ w · x`, `x` arranged.
#[inline(always)]
pub(super) fn dot(w: &[i8], x: &[i16]) -> i32 {
    if cfg!(thumbnet_dsp) {
        let [sum, ..] = dot_2x2(w, w, x, x);
        return sum;
    }
    w.iter().zip(x).fold(0, |sum, (&w, &x)| mac(sum, w, x))
}

/// `[w0·x0, w0·x1, w1·x0, w1·x1]`, the columns arranged.
#[inline(always)]
pub(super) fn dot_2x2(w0: &[i8], w1: &[i8], x0: &[i16], x1: &[i16]) -> [i32; 4] {
    let len = w0.len().min(w1.len()).min(x0.len()).min(x1.len());
    // Cut to one length that the compiler knows to be common: one counter then serves all four.
    let (Some(w0), Some(w1), Some(x0), Some(x1)) = (w0.get(..len), w1.get(..len), x0.get(..len), x1.get(..len)) else {
        return [0; 4];
    };
    let (start, mut sums) = fours_2x2(w0, w1, x0, x1);
    for k in start..len {
        let (w0, w1, x0, x1) = (w0[k], w1[k], x0[k], x1[k]);
        sums = [mac(sums[0], w0, x0), mac(sums[1], w0, x1), mac(sums[2], w1, x0), mac(sums[3], w1, x1)];
    }
    sums
}

/// `Σ w · (x − zero_point)`.
#[inline(always)]
pub(super) fn dot_1(w: &[i8], x: &[i8], zero_point: i32) -> i32 {
    let product = |(&w, &x): (&i8, &i8)| i32::from(w).wrapping_mul(i32::from(x).wrapping_sub(zero_point));
    w.iter().zip(x).map(product).fold(0, i32::wrapping_add)
}

/// `Σ w · (x − zero_point)` of four rows of weights that follow one another.
#[inline(always)]
pub(super) fn dot_4(weights: &[i8], x: &[i8], zero_point: i32) -> [i32; 4] {
    let row_len = x.len();
    let (start, [mut a, mut b, mut c, mut d]) = fours_4(weights, x, zero_point);
    if start == row_len {
        return [a, b, c, d];
    }
    let mut rows = weights.chunks_exact(row_len.max(1)).map(|row| row.get(start..).unwrap_or(&[]));
    let mut row = || rows.next().unwrap_or(&[]);
    let (w0, w1, w2, w3) = (row(), row(), row(), row());
    let rest = x.get(start..).unwrap_or(&[]);
    for ((((&x, &w0), &w1), &w2), &w3) in rest.iter().zip(w0).zip(w1).zip(w2).zip(w3) {
        let x = i32::from(x).wrapping_sub(zero_point);
        a = a.wrapping_add(x.wrapping_mul(i32::from(w0)));
        b = b.wrapping_add(x.wrapping_mul(i32::from(w1)));
        c = c.wrapping_add(x.wrapping_mul(i32::from(w2)));
        d = d.wrapping_add(x.wrapping_mul(i32::from(w3)));
    }
    [a, b, c, d]
}

/// What the core does of [`dot_2x2`] by itself: how many values, and their sums.
#[inline(always)]
fn fours_2x2(w0: &[i8], w1: &[i8], x0: &[i16], x1: &[i16]) -> (usize, [i32; 4]) {
    #[cfg(thumbnet_dsp)]
    {
        let len = w0.len() / 4 * 4;
        (len, super::dsp::dot_2x2(w0.get(..len).unwrap_or(&[]), w1, x0, x1))
    }
    #[cfg(not(thumbnet_dsp))]
    {
        let _ = (w0, w1, x0, x1);
        (0, [0; 4])
    }
}

/// What the core does of [`dot_4`] by itself: how many values, and their sums.
#[inline(always)]
fn fours_4(weights: &[i8], x: &[i8], zero_point: i32) -> (usize, [i32; 4]) {
    #[cfg(thumbnet_dsp)]
    {
        let len = x.len() / 4 * 4;
        (len, super::dsp::dot_4(weights, x.len(), x.get(..len).unwrap_or(&[]), zero_point))
    }
    #[cfg(thumbnet_v6m)]
    {
        (x.len(), super::v6m::dot_4(weights, x, zero_point))
    }
    #[cfg(thumbnet_v7m)]
    {
        (x.len(), super::v7m::dot_4(weights, x, zero_point))
    }
    #[cfg(not(any(thumbnet_dsp, thumbnet_halves)))]
    {
        let _ = (weights, x, zero_point);
        (0, [0; 4])
    }
}
