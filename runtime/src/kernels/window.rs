//! The geometry of a sliding window.

use super::Window;

/// The output pixels of an image: batch, row and column, in the order they are stored.
pub(super) struct Outputs {
    size: [usize; 3],
    next: [usize; 3],
}

impl Iterator for Outputs {
    type Item = [usize; 3];

    #[inline(always)]
    fn next(&mut self) -> Option<[usize; 3]> {
        let ([batches, height, width], [n, y, x]) = (self.size, self.next);
        if n >= batches {
            return None;
        }
        self.next = match (x.wrapping_add(1) < width, y.wrapping_add(1) < height) {
            (true, _) => [n, y, x.wrapping_add(1)],
            (false, true) => [n, y.wrapping_add(1), 0],
            (false, false) => [n.wrapping_add(1), 0, 0],
        };
        Some([n, y, x])
    }
}

impl Window {
    /// Batch, row and column of every output pixel.
    #[inline(always)]
    pub(super) const fn outputs(&self, [batches, height, width, _]: [usize; 4]) -> Outputs {
        let batches = if height == 0 || width == 0 { 0 } else { batches };
        Outputs { size: [batches, height, width], next: [0; 3] }
    }

    /// The row (axis 0) or column (axis 1) of the first tap for output `at`; negative in the padding.
    #[inline(always)]
    pub(super) fn start(&self, axis: usize, at: usize) -> isize {
        let [stride, pad] = if axis == 0 { [self.stride[0], self.pad[0]] } else { [self.stride[1], self.pad[1]] };
        at.wrapping_mul(stride).wrapping_sub(pad) as isize
    }
}

/// The taps that lie in the image, along one axis: the first one's place in the image and in the window, and how many.
pub(super) struct Inside {
    pub place: usize,
    pub tap: usize,
    pub count: usize,
}

impl Window {
    /// The taps along axis 0 or 1 for output `at` that lie in the `len` rows or columns of the image.
    #[inline(always)]
    pub(super) fn inside(&self, axis: usize, at: usize, len: usize) -> Inside {
        let [size, dilation] =
            if axis == 0 { [self.size[0], self.dilation[0]] } else { [self.size[1], self.dilation[1]] };
        let start = self.start(axis, at);
        // Most windows have no dilation, and not every core can divide.
        let taps_in = |distance: usize| if dilation == 1 { distance } else { distance.div_ceil(dilation.max(1)) };
        let before = if start < 0 { taps_in(start.unsigned_abs()) } else { 0 }.min(size);
        let end = if start < len as isize { taps_in((len as isize).wrapping_sub(start) as usize) } else { 0 }.min(size);
        let place = start.wrapping_add(before.wrapping_mul(dilation) as isize) as usize;
        Inside { place, tap: before, count: end.saturating_sub(before) }
    }
}

/// The row or column of each tap for output `at`: `None` where it lies in the padding.
#[inline(always)]
pub(super) fn taps(window: &Window, axis: usize, at: usize, len: usize) -> impl Iterator<Item = Option<usize>> + use<> {
    let [size, dilation] =
        if axis == 0 { [window.size[0], window.dilation[0]] } else { [window.size[1], window.dilation[1]] };
    let start = window.start(axis, at);
    (0..size).map(move |tap| {
        // In the padding in front the position wraps to a huge number, which is outside as well.
        let position = start.wrapping_add(tap.wrapping_mul(dilation) as isize) as usize;
        (position < len).then_some(position)
    })
}
