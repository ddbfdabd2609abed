//! The windows of two pixels, side by side in halves of words.

use super::super::Conv2d;
use super::super::conv2d::{column_len, corner_up_to, gather_padded};
use super::super::strided::Strided;
#[cfg(thumbnet_v6m)]
use super::v6m::join;
#[cfg(thumbnet_v7m)]
use super::v7m::join;

/// What gathering needs to know of a convolution.
pub(super) struct Geometry {
    /// Rows of a window and bytes of one of them.
    shape: [usize; 2],
    /// Bytes of an image's row.
    pitch: usize,
    /// See [`super::super::conv2d::last_corner`].
    last: Option<[usize; 2]>,
}

impl Geometry {
    pub(super) fn new(p: &Conv2d<'_>) -> Self {
        let ([_, _, width, channels], [rows, columns]) = (p.input, p.window.size);
        let last = super::super::conv2d::last_corner(p);
        Self { shape: [rows, columns.wrapping_mul(channels)], pitch: width.wrapping_mul(channels), last }
    }

    /// Gathers the windows of two pixels into a pair of `words`; those that reach out of the image go through `copies`.
    #[inline(always)]
    pub(super) fn gather(
        &self,
        p: &Conv2d<'_>,
        x: &[i8],
        pixels: [[usize; 3]; 2],
        copies: &mut [i8],
        words: &mut [i32],
    ) {
        let len = if copies.is_empty() { 0 } else { column_len(p) };
        let Some((copy, other)) = copies.split_at_mut_checked(len) else { return };
        let [first, second] = pixels;
        let windows = [self.window(p, x, first, copy), self.window(p, x, second, other)];
        join_rows(windows, self.shape, words);
    }

    /// The window of a pixel: where it is, or a copy.
    fn window<'a>(&self, p: &Conv2d<'_>, x: &'a [i8], pixel: [usize; 3], copy: &'a mut [i8]) -> Strided<'a> {
        let inside = self.last.and_then(|last| corner_up_to(p, last, pixel)).and_then(|start| x.get(start..));
        if let Some(bytes) = inside {
            return Strided { bytes, pitch: self.pitch };
        }
        let copy = copy.get_mut(..column_len(p)).unwrap_or_default();
        gather_padded(p, x, pixel, copy);
        Strided { bytes: copy, pitch: self.shape[1] }
    }
}

/// Joins the rows of two windows.
#[inline(never)]
fn join_rows([a, b]: [Strided<'_>; 2], shape: [usize; 2], words: &mut [i32]) {
    let mut tap = 0usize;
    for (mut a, mut b) in a.rows(shape).zip(b.rows(shape)) {
        // The second tap of two, where the row in front was odd.
        if tap % 2 == 1
            && let (Some((&one, behind)), Some((&other, behind_other))) = (a.split_first(), b.split_first())
        {
            set(words, tap, one, other);
            (tap, a, b) = (tap.wrapping_add(1), behind, behind_other);
        }
        let ((twos, rest), (other_twos, other_rest)) = (a.as_chunks::<2>(), b.as_chunks::<2>());
        join(twos, other_twos, words.get_mut(tap.wrapping_mul(2)..).unwrap_or_default());
        tap = tap.wrapping_add(twos.len().wrapping_mul(2));
        if let ([one], [other]) = (rest, other_rest) {
            set(words, tap, *one, *other);
            tap = tap.wrapping_add(1);
        }
    }
}

/// Puts the values of two pixels at a tap together.
fn set(words: &mut [i32], tap: usize, a: i8, b: i8) {
    // Behind two taps are those of the other pair.
    if let Some(word) = words.get_mut((tap & !1).wrapping_add(tap)) {
        *word = i32::from(a).wrapping_add(i32::from(b) << 16).wrapping_neg();
    }
}
