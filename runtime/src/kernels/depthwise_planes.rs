//! Depthwise convolution in planes: 3×3 and 5×5 windows with stride 1 or 2, one filter per channel, four channels after four.
//!
//! Four channels of a band of rows are copied to scratch as 16 bits, `[channel][column][row]`, with
//! padding around them. There, what a channel needs lies side by side, rows in pairs of one word, and no window has an edge.
//! A band is the whole height where that fits into [`FEW`] bytes; otherwise the next band keeps the rows that both share.
//!
//! All rows of four channels are computed before the next four, so that outputs only ever lie over inputs of the same
//! channels, which are in scratch: the distance between input and output is a multiple of their number.

use super::{Conv2d, Window};

mod any;
#[cfg(thumbnet_asm)]
mod assembly;
mod bands;
#[cfg(thumbnet_dsp)]
mod dsp;
#[cfg(not(any(thumbnet_asm, thumbnet_v6m)))]
mod portable;
#[cfg(thumbnet_v6m)]
mod v6m;
#[cfg(thumbnet_v7m)]
mod v7m;

pub(super) use bands::{Kernel, depthwise};

/// Channels that are copied at the same time.
const BLOCK: usize = 4;

/// A band may have more rows while the planes are not larger than this, in bytes.
const FEW: usize = 1600;

/// A band has four rows rather than two while the planes are not larger than this.
const MANY: usize = 4096;

/// The planes of four channels.
#[derive(Clone, Copy)]
pub(super) struct Planes {
    /// Taps down and across.
    size: usize,
    /// Step between outputs, down and across.
    stride: usize,
    /// Output rows of a band: all of them, or an even number.
    band: usize,
    /// Columns, padding included.
    columns: usize,
    /// Pairs of rows, padding included.
    pairs: usize,
}

impl Planes {
    /// The planes of a convolution that can be computed in them.
    #[inline(always)]
    pub fn of(p: &Conv2d<'_>) -> Option<Self> {
        let Window { size, stride, dilation, .. } = p.window;
        let fits = matches!(size, [3, 3] | [5, 5])
            && matches!(stride, [1, 1] | [2, 2])
            && dilation == [1, 1]
            && p.input[3] == p.output[3]
            && p.input[3].is_multiple_of(BLOCK);
        if !fits {
            return None;
        }
        let ([size, _], [stride, _]) = (size, stride);
        let [_, height, width, _] = p.output;
        let columns = width.saturating_sub(1).saturating_mul(stride).saturating_add(size);
        let with = |band: usize| {
            let even = band.saturating_add(1) & !1;
            let rows = even.saturating_sub(1).saturating_mul(stride).saturating_add(size);
            Self { size, stride, band, columns, pairs: rows.saturating_add(1) / 2 }
        };
        if with(height).bytes() <= FEW {
            return Some(with(height));
        }
        let rows = (FEW / (BLOCK * size_of::<i16>())).checked_div(columns)?;
        let band = rows.saturating_sub(size).checked_div(stride)?.saturating_add(1) & !3;
        Some(with(match band {
            0 if with(4).bytes() <= MANY => 4,
            0 => 2,
            band => band,
        }))
    }

    /// Bytes of all four.
    pub const fn bytes(&self) -> usize {
        self.plane().saturating_mul(BLOCK * size_of::<u32>())
    }

    /// Words of one.
    const fn plane(&self) -> usize {
        self.columns.saturating_mul(self.pairs)
    }

    /// Pairs of rows from a band to the next one.
    const fn advance(&self) -> usize {
        self.band.saturating_mul(self.stride) / 2
    }
}
