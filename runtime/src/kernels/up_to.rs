//! Sequences that end before their place does: layers over time that stop at a length of each run's own (masking).
//!
//! `n = clamp(length, 1, time)`, and the layer computes what it computes of the first `n` steps alone, bit for bit: a recurrent
//! layer gives the state behind step `n`, in both directions, and zeros in the place of the states behind it; a global pool takes
//! the maximum or the average of `n` steps. It is Keras's Masking where padding stands at the end. What lies behind is not read.

use super::recurrent::recurrent;
use super::{Pool, Recurrent, Stream, pool};

/// Steps that are there.
#[inline(always)]
fn steps(length: &[i32], time: usize) -> usize {
    let length = length.first().copied().unwrap_or(0);
    usize::try_from(length).unwrap_or(0).max(1).min(time)
}

/// As [`recurrent`] for one sequence.
pub fn recurrent_up_to(p: &Recurrent<'_>, length: &[i32], x: &[i8], y: &mut [i8], scratch: &mut [i8]) {
    let time = steps(length, p.time);
    let answers = if p.last_only { 1 } else { time };
    let Some(x) = x.get(..time.saturating_mul(p.inputs)) else { return };
    let Some((y, behind)) = y.split_at_mut_checked(answers.saturating_mul(p.cells)) else { return };
    recurrent(&Recurrent { time, ..*p }, x, y, scratch);
    behind.fill(0);
}

/// As [`pool::max_pool2d`] over one whole image, or the upper rows of it.
pub fn max_pool_up_to(p: &Pool, length: &[i32], x: &[i8], y: &mut [i8]) {
    pool::max_pool2d(&cut(p, length), Stream::apart(x, y));
}

/// As [`pool::average_pool2d`] over one whole image, or the upper rows of it.
pub fn average_pool_up_to(p: &Pool, length: &[i32], x: &[i8], y: &mut [i8]) {
    pool::average_pool2d(&cut(p, length), Stream::apart(x, y));
}

fn cut(p: &Pool, length: &[i32]) -> Pool {
    let mut p = *p;
    p.input[1] = steps(length, p.input[1]);
    p.window.size[0] = p.input[1];
    p
}
