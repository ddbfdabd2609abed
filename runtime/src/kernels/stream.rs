//! Input and output of a kernel that reads ahead of what it writes, so that both may lie over one another.

/// Where a streaming kernel reads and writes.
///
/// It reads all that an output pixel needs before it writes that pixel, and pixels are in the order of memory. So the output
/// may start in front of the input and grow into what was read: [`crate::plan::lead`] says how far in front.
#[derive(Debug)]
pub struct Stream<'a> {
    /// The input, where it lies apart.
    apart: Option<&'a [i8]>,
    /// The output at the start, and the input from `input` on where it is not apart.
    memory: &'a mut [i8],
    input: usize,
    outputs: usize,
}

impl<'a> Stream<'a> {
    /// Two places that share nothing.
    #[inline(always)]
    pub fn apart(x: &'a [i8], y: &'a mut [i8]) -> Self {
        let outputs = y.len();
        Self { apart: Some(x), memory: y, input: 0, outputs }
    }

    /// `outputs` elements at the start of `memory`, and the input from element `input` on.
    #[inline(always)]
    pub fn over(memory: &'a mut [i8], input: usize, outputs: usize) -> Self {
        Self { apart: None, memory, input, outputs }
    }

    /// Whether the input lies apart, or as many times `step` elements behind the output: elements that do not differ in their place
    /// modulo `step` then share no memory.
    pub(super) const fn is_shifted_by_multiple_of(&self, step: usize) -> bool {
        self.apart.is_some() || self.input.is_multiple_of(step)
    }

    /// Whether the output lies exactly over the input.
    pub(super) const fn is_in_place(&self) -> bool {
        self.apart.is_none() && self.input == 0
    }

    /// What has not been overwritten of the input, at its old place.
    #[inline(always)]
    pub(super) fn x(&self) -> &[i8] {
        match self.apart {
            Some(x) => x,
            None => self.memory.get(self.input..).unwrap_or(&[]),
        }
    }

    #[inline(always)]
    pub(super) fn y(&mut self) -> &mut [i8] {
        self.memory.get_mut(..self.outputs).unwrap_or(&mut [])
    }

    /// The input from element `from` on, and `len` outputs from `start` on; `None` where they share memory, which the distance
    /// between input and output rules out for the rows of one output row.
    #[inline(always)]
    pub(super) fn both(&mut self, from: usize, start: usize, len: usize) -> Option<(&[i8], &mut [i8])> {
        let end = start.checked_add(len).filter(|&end| end <= self.outputs)?;
        let (written, behind) = self.memory.split_at_mut_checked(end)?;
        let x = match self.apart {
            Some(x) => x.get(from..)?,
            None => behind.get(self.input.checked_add(from)?.checked_sub(end)?..)?,
        };
        Some((x, written.get_mut(start..)?))
    }

    /// `len` outputs from `start` on.
    #[inline(always)]
    pub(super) fn outputs(&mut self, start: usize, len: usize) -> Option<&mut [i8]> {
        self.y().get_mut(start..start.checked_add(len)?)
    }
}
