//! Depthwise 3×3 convolution for Helium (Cortex-M55, M85): a window of sixteen values is multiplied in one instruction.
//!
//! Four rows of sixteen channels are copied to scratch, `[column][channel][row]`, so that the rows of a column and channel
//! are one word, and four columns of them, which one load gathers, a vector. The weights lie alike, with zeros for the fourth row
//! and column. `vmladav` sums the products, and with the weights moved down by one row those of the output below.
//!
//! Values keep their zero point, padding has it, and biases are corrected for it. All rows of sixteen channels are computed
//! before the next ones, so that outputs only ever lie over inputs of the same channels; see `depthwise_planes`. The one row that is
//! needed again after outputs may have been written over it is kept.

use super::Conv2d;

#[cfg(thumbnet_helium)]
mod helium;

#[cfg(thumbnet_helium)]
pub(super) use helium::{depthwise, fits};

/// Channels that are copied at the same time.
const BLOCK: usize = 16;

/// Bytes of a column: four rows of each channel.
const RECORD: usize = 4 * BLOCK;

/// Columns that one load gathers.
const ACROSS: usize = 4;

/// Bytes of scratch: a row of records, and a row of values; `None` where it cannot be computed so.
pub(super) fn scratch_len(p: &Conv2d<'_>) -> Option<usize> {
    let window = &p.window;
    let fits = window.size == [3, 3]
        && matches!(window.stride, [1, 1] | [2, 2])
        && window.dilation == [1, 1]
        && p.input[3] == p.output[3]
        && p.input[3].is_multiple_of(BLOCK);
    let kept = p.input[2].saturating_mul(BLOCK);
    fits.then(|| columns(p).saturating_mul(RECORD).saturating_add(kept))
}

/// Columns of a row of records, padding included.
fn columns(p: &Conv2d<'_>) -> usize {
    p.output[2].saturating_sub(1).saturating_mul(p.window.stride[1]).saturating_add(ACROSS)
}
