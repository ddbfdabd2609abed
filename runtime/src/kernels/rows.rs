//! Rows of weights times one vector: the inner loop of fully connected and recurrent layers.
//!
//! Rows are stored one after the other, or in pairs ([`Layout::Pairs`]): two rows in one `i16` per tap, with the taps in fours. A
//! core that multiplies pairs of halfwords takes the second row's products from the difference of two sums, which is exact
//! while a sum stays below 2^23; after every 252 taps it is taken, so that it always is: 256 · 128 · 255 < 2^23.

#[cfg(any(thumbnet_dsp, thumbnet_helium))]
use super::Channel;
use super::Layout;
use super::dot::{dot_1, dot_4};
use super::pairs::{padded, weights_len};

/// A matrix of weights.
#[derive(Clone, Copy)]
pub(super) struct Rows<'m> {
    pub weights: &'m [i8],
    /// Weights of a row.
    pub inputs: usize,
    pub layout: Layout,
}

/// Bytes of `rows` rows; `None` where they are too many, or the layout is not one of theirs.
pub(crate) fn len(layout: Layout, inputs: usize, rows: usize) -> Option<usize> {
    match layout {
        Layout::Plain => inputs.checked_mul(rows),
        Layout::Pairs => weights_len(inputs, rows),
        Layout::Winograd | Layout::Winograd4x4 => None,
    }
}

/// What rows are multiplied with: `values − zero_point`.
pub(super) struct Vector<'x> {
    values: &'x [i8],
    zero_point: i32,
    /// The same as [`spread`](super::dsp_rows::spread) leaves it, or empty.
    #[cfg(thumbnet_dsp)]
    spread: &'x [u32],
}

impl<'x> Vector<'x> {
    pub const fn new(values: &'x [i8], zero_point: i32) -> Self {
        Self {
            values,
            zero_point,
            #[cfg(thumbnet_dsp)]
            spread: &[],
        }
    }
}

/// Room for a vector that many blocks of rows are multiplied with, so that its bytes become halfwords only once. Nothing where a core does
/// not multiply halfwords in pairs.
pub(super) struct Room {
    #[cfg(thumbnet_dsp)]
    words: [u32; super::dsp_rows::SPREAD_LEN],
}

impl Room {
    pub const fn new() -> Self {
        Self {
            #[cfg(thumbnet_dsp)]
            words: [0; super::dsp_rows::SPREAD_LEN],
        }
    }

    /// The vector of `rows`, spread where that serves them.
    #[inline(always)]
    pub fn vector<'x>(&'x mut self, rows: &Rows<'_>, values: &'x [i8], zero_point: i32) -> Vector<'x> {
        let values = values.get(..rows.inputs).unwrap_or(&[]);
        Vector {
            #[cfg(thumbnet_dsp)]
            spread: match rows.layout {
                Layout::Pairs => super::dsp_rows::spread(values, zero_point, &mut self.words),
                _ => &[],
            },
            ..Vector::new(values, zero_point)
        }
    }
}

impl<'m> Rows<'m> {
    /// The rows from `first` on, a multiple of 2.
    #[inline(always)]
    pub fn from(self, first: usize) -> Self {
        let row = match self.layout {
            Layout::Pairs => padded(self.inputs),
            _ => self.inputs,
        };
        Self { weights: self.weights.get(first.saturating_mul(row)..).unwrap_or(&[]), ..self }
    }

    /// `Σ w · (x − zero_point)` of the first `count` rows. `sums` has room for a multiple of 4; what it holds beyond is of no meaning.
    /// Always inlined: where the layout is a constant, the other one is not linked.
    #[inline(always)]
    pub fn sums(self, count: usize, x: &Vector<'_>, sums: &mut [i32]) {
        match self.layout {
            // No such step is bound.
            layout if !layout.is_built() => {}
            Layout::Pairs => self.sums_of_pairs(count, x, sums),
            _ => self.sums_of_rows(count, x, sums),
        }
    }

    #[inline(never)]
    fn sums_of_pairs(self, count: usize, x: &Vector<'_>, sums: &mut [i32]) {
        #[cfg(thumbnet_dsp)]
        if !x.spread.is_empty() && super::dsp_rows::spread_pairs(self.weights, count, x.spread, sums) {
            return;
        }
        let values = x.values.get(..self.inputs).unwrap_or(&[]);
        pairs(self.weights, count, values, x.zero_point, sums);
    }

    #[inline(never)]
    fn sums_of_rows(self, count: usize, x: &Vector<'_>, sums: &mut [i32]) {
        let values = x.values.get(..self.inputs).unwrap_or(&[]);
        #[cfg(thumbnet_helium)]
        if super::helium_rows::sums(self.weights, count, values, x.zero_point, sums) {
            return;
        }
        // Without a zero point there is nothing to take away in the inner loop, which the compiler must see.
        if x.zero_point == 0 && !cfg!(any(thumbnet_dsp, thumbnet_halves)) {
            centered(self.weights, count, values, sums);
        } else {
            plain(self.weights, count, values, x.zero_point, sums);
        }
    }
}

/// Makes outputs of sums by `one`, or many by `fast`, which stops in front of a channel that it does not take and tells how many
/// it did.
#[cfg(any(thumbnet_dsp, thumbnet_helium))]
#[inline(always)]
pub(super) fn finish<T>(
    mut sums: &[i32],
    mut channels: &[Channel],
    mut y: &mut [T],
    fast: impl Fn(&[i32], &[Channel], &mut [T]) -> usize,
    one: impl Fn(i32, &Channel) -> T,
) {
    loop {
        let done = fast(sums, channels, y);
        let rest = core::mem::take(&mut y).get_mut(done..).and_then(<[T]>::split_first_mut);
        let Some((first, behind)) = rest else { return };
        let Some((sum, others)) = sums.get(done..).and_then(<[i32]>::split_first) else { return };
        let Some((channel, left)) = channels.get(done..).and_then(<[Channel]>::split_first) else { return };
        *first = one(*sum, channel);
        (y, sums, channels) = (behind, others, left);
    }
}

#[inline(never)]
fn centered(weights: &[i8], count: usize, x: &[i8], sums: &mut [i32]) {
    plain(weights, count, x, 0, sums);
}

#[inline(always)]
fn plain(weights: &[i8], count: usize, x: &[i8], zero_point: i32, sums: &mut [i32]) {
    let Some(sums) = sums.get_mut(..count) else { return };
    let fours = weights.chunks_exact(x.len().saturating_mul(4).max(1));
    let (to, rest) = sums.as_chunks_mut::<4>();
    let behind = weights.get(to.len().saturating_mul(4).saturating_mul(x.len())..).unwrap_or(&[]);
    for (sums, weights) in to.iter_mut().zip(fours) {
        *sums = dot_4(weights, x, zero_point);
    }
    for (sum, weights) in rest.iter_mut().zip(behind.chunks_exact(x.len().max(1))) {
        *sum = dot_1(weights, x, zero_point);
    }
}

#[inline(always)]
fn pairs(weights: &[i8], count: usize, x: &[i8], zero_point: i32, sums: &mut [i32]) {
    #[cfg(thumbnet_dsp)]
    if super::dsp_rows::pairs(weights, count, x, zero_point, sums) {
        return;
    }
    let rows = weights.chunks_exact(padded(x.len()).saturating_mul(2).max(1));
    for (sums, row) in sums.as_chunks_mut::<2>().0.iter_mut().zip(rows).take(count.div_ceil(2)) {
        *sums = pair(row, x, zero_point);
    }
}

/// Both rows of a pair.
fn pair(row: &[i8], x: &[i8], zero_point: i32) -> [i32; 2] {
    let [mut first, mut second] = [0i32; 2];
    for (weights, x) in row.as_chunks::<8>().0.iter().zip(x.chunks(4)) {
        let [a, b, c, d, e, f, g, h] = weights.map(i8::cast_unsigned);
        // Taps 1 and 2 of four have changed places.
        for (pair, &x) in [[a, b], [e, f], [c, d], [g, h]].into_iter().zip(x) {
            let (pair, x) = (i16::from_le_bytes(pair), i32::from(x).wrapping_sub(zero_point));
            let low = i32::from(pair as i8);
            first = first.wrapping_add(x.wrapping_mul(low));
            second = second.wrapping_add(x.wrapping_mul(i32::from(pair).wrapping_sub(low) >> 8));
        }
    }
    [first, second]
}

/// The weight of a row at a tap.
pub(super) fn weight(layout: Layout, weights: &[i8], inputs: usize, row: usize, tap: usize) -> i8 {
    match layout {
        Layout::Pairs => super::pairs::weight(weights, inputs, row, tap),
        _ => weights[row * inputs + tap],
    }
}
