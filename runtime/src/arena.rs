//! The memory of a session, and how it is cut into the slices that a step works on.

use core::ops::{Deref, DerefMut};

/// `N` bytes aligned to 16, for a session's arena: `static` in firmware, on the stack or heap elsewhere.
#[derive(Debug)]
#[repr(C, align(16))]
pub struct Arena<const N: usize>([u8; N]);

impl<const N: usize> Arena<N> {
    /// All zeros.
    #[must_use]
    pub const fn new() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> Default for Arena<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Deref for Arena<N> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const N: usize> DerefMut for Arena<N> {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// A range of bytes in the arena or the data section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where it starts.
    pub start: usize,
    /// Number of bytes.
    pub len: usize,
}

impl Span {
    /// `len` bytes from `start` on.
    #[must_use]
    pub const fn new(start: u32, len: u32) -> Self {
        Self { start: start as usize, len: len as usize }
    }

    pub(crate) fn end(self) -> Option<usize> {
        self.start.checked_add(self.len)
    }

    /// Whether both hold a common byte. A range past the end of memory overlaps everything.
    pub(crate) fn overlaps(self, other: Self) -> bool {
        let (Some(end), Some(other_end)) = (self.end(), other.end()) else { return true };
        self.len != 0 && other.len != 0 && self.start < other_end && other.start < end
    }

    /// Both where they have a byte in common and this one starts first, otherwise this one.
    pub(crate) fn joined(self, other: Self) -> Self {
        match (self.end(), other.end()) {
            (Some(end), Some(other_end)) if self.overlaps(other) && self.start <= other.start => {
                Self { start: self.start, len: end.max(other_end).saturating_sub(self.start) }
            }
            _ => self,
        }
    }

    pub(crate) fn of(self, bytes: &[u8]) -> Option<&[u8]> {
        bytes.get(self.start..self.end()?)
    }
}

/// The arena during one step: what it writes, its scratch, and everything else to read from.
pub(crate) struct Carved<'a> {
    pub state: &'a mut [u8],
    pub output: &'a mut [u8],
    pub scratch: &'a mut [u8],
    pub rest: Rest<'a>,
}

/// The parts of the arena that a step may only read, each with the offset it starts at.
pub(crate) struct Rest<'a>([(usize, &'a [u8]); 3]);

impl<'a> Carved<'a> {
    /// Cuts the first `held` bytes, `output` and `scratch` out of the arena. `None` where they overlap or leave it.
    #[inline(always)]
    pub fn new(arena: &'a mut [u8], held: usize, output: Span, scratch: Span) -> Option<Self> {
        let (state, arena) = arena.split_at_mut_checked(held)?;
        let from_there = |span: Span| Some(Span { start: span.start.checked_sub(held)?, ..span });
        let behind = |start: usize| start.saturating_add(held);
        let output = from_there(output)?;
        if scratch.len == 0 {
            let (before, output_bytes, after) = cut(arena, output)?;
            let rest = Rest([(held, before), (behind(output.end()?), after), (0, &[])]);
            return Some(Self { state, output: output_bytes, scratch: &mut [], rest });
        }
        let scratch = from_there(scratch)?;
        let output_first = output.start < scratch.start;
        let (first, second) = if output_first { (output, scratch) } else { (scratch, output) };
        let (before, first_bytes, after) = cut(arena, first)?;
        let start = first.end()?;
        let second_in_after = Span { start: second.start.checked_sub(start)?, len: second.len };
        let (between, second_bytes, after) = cut(after, second_in_after)?;
        let rest = Rest([(held, before), (behind(start), between), (behind(second.end()?), after)]);
        let (output, scratch) = if output_first { (first_bytes, second_bytes) } else { (second_bytes, first_bytes) };
        Some(Self { state, output, scratch, rest })
    }
}

impl<'a> Rest<'a> {
    /// A range that neither the output nor the scratch touches.
    #[inline(always)]
    pub fn get(&self, span: Span) -> Option<&'a [u8]> {
        self.0
            .iter()
            .find_map(|&(start, bytes)| Span { start: span.start.checked_sub(start)?, len: span.len }.of(bytes))
    }
}

fn cut(bytes: &mut [u8], span: Span) -> Option<(&mut [u8], &mut [u8], &mut [u8])> {
    let (before, rest) = bytes.split_at_mut_checked(span.start)?;
    let (middle, after) = rest.split_at_mut_checked(span.len)?;
    Some((before, middle, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carves_output_and_scratch_in_any_order() {
        for (output, scratch) in [(4, 12), (12, 4)] {
            let mut arena: [u8; 20] = core::array::from_fn(|i| i as u8);
            let carved = Carved::new(&mut arena, 0, Span::new(output, 4), Span::new(scratch, 4)).unwrap();
            assert_eq!(usize::from(carved.output[0]), output as usize);
            assert_eq!(usize::from(carved.scratch[0]), scratch as usize);
            assert_eq!(carved.rest.get(Span::new(0, 4)), Some([0, 1, 2, 3].as_slice()));
            assert_eq!(carved.rest.get(Span::new(8, 4)), Some([8, 9, 10, 11].as_slice()));
            assert_eq!(carved.rest.get(Span::new(16, 4)), Some([16, 17, 18, 19].as_slice()));
            assert_eq!(carved.rest.get(Span::new(3, 2)), None, "touches a cut");
        }
    }

    #[test]
    fn holds_the_state_back() {
        let mut arena: [u8; 20] = core::array::from_fn(|i| i as u8);
        let carved = Carved::new(&mut arena, 4, Span::new(12, 4), Span::new(8, 4)).unwrap();
        assert_eq!(carved.state, [0, 1, 2, 3]);
        assert_eq!((carved.output[0], carved.scratch[0]), (12, 8));
        assert_eq!(carved.rest.get(Span::new(4, 4)), Some([4, 5, 6, 7].as_slice()));
        assert_eq!(carved.rest.get(Span::new(16, 4)), Some([16, 17, 18, 19].as_slice()));
        assert_eq!(carved.rest.get(Span::new(0, 4)), None, "the state");
        assert!(Carved::new(&mut arena, 8, Span::new(4, 4), Span::new(0, 0)).is_none(), "an output in the state");
    }

    #[test]
    fn refuses_what_overlaps_or_leaves_the_arena() {
        let mut arena = [0u8; 16];
        for (output, scratch) in [((0, 8), (4, 8)), ((0, 8), (12, 8)), ((12, 8), (0, 4)), ((u32::MAX, 8), (0, 0))] {
            let (output, scratch) = (Span::new(output.0, output.1), Span::new(scratch.0, scratch.1));
            assert!(Carved::new(&mut arena, 0, output, scratch).is_none(), "{output:?} {scratch:?}");
        }
    }
}
