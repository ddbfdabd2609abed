//! Rows of bytes that lie apart, as those of a window in an image do.

/// The first row starts with the first of `bytes`, the next one `pitch` bytes behind, and so on.
#[derive(Clone, Copy)]
pub(super) struct Strided<'a> {
    pub bytes: &'a [i8],
    pub pitch: usize,
}

#[cfg(any(thumbnet_dsp, thumbnet_helium))]
impl Strided<'_> {
    /// Whether so many rows of so many bytes are there.
    #[inline(always)]
    pub(super) fn have(&self, [rows, row]: [usize; 2]) -> bool {
        let last = rows.wrapping_sub(1).checked_mul(self.pitch);
        rows > 0 && last.and_then(|last| last.checked_add(row)).is_some_and(|needed| needed <= self.bytes.len())
    }

    /// Whether there is something to copy, all of it is there, and `to` has room for it at places that are `pitch` apart.
    #[cfg(thumbnet_dsp)]
    #[inline(always)]
    pub(super) fn fit_apart(&self, [rows, row]: [usize; 2], to: &[i8], pitch: usize) -> bool {
        let last = rows.wrapping_sub(1).checked_mul(pitch);
        let end = last.and_then(|last| last.checked_add(row));
        row > 0 && self.have([rows, row]) && end.is_some_and(|needed| needed <= to.len())
    }
}

#[cfg(not(thumbnet_dsp))]
impl<'a> Strided<'a> {
    /// So many rows of so many bytes, which may overlap; empty where they are not there.
    #[inline(always)]
    pub(super) fn rows(self, [rows, row]: [usize; 2]) -> impl Iterator<Item = &'a [i8]> {
        let start = move |number: usize| number.wrapping_mul(self.pitch);
        (0..rows).map(move |number| self.bytes.get(start(number)..).and_then(|bytes| bytes.get(..row)).unwrap_or(&[]))
    }
}

/// Copies so many rows of so many bytes to places that are `pitch` apart.
#[inline(always)]
pub(super) fn place_rows(from: Strided<'_>, [rows, row]: [usize; 2], to: &mut [i8], pitch: usize) {
    #[cfg(thumbnet_dsp)]
    super::dsp::place_rows(from, [rows, row], to, pitch);
    #[cfg(not(thumbnet_dsp))]
    for (to, from) in to.chunks_mut(pitch.max(1)).zip(from.rows([rows, row])) {
        super::dot::copy(from, to);
    }
}

/// Copies so many rows of so many bytes behind one another.
#[inline(always)]
pub(super) fn copy_rows(from: Strided<'_>, [rows, row]: [usize; 2], to: &mut [i8]) {
    #[cfg(thumbnet_dsp)]
    super::dsp::place_rows(from, [rows, row], to, row);
    #[cfg(thumbnet_helium)]
    super::helium_columns::copy_rows(from, [rows, row], to, row);
    #[cfg(not(any(thumbnet_dsp, thumbnet_helium)))]
    for (to, from) in to.chunks_exact_mut(row.max(1)).zip(from.rows([rows, row])) {
        to.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
    }
}
