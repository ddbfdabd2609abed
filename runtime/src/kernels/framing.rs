//! Frames of samples that overlap, for the front ends: the samples before a run are silence or a state.

use super::Channel;
use crate::fixed::requantize_double;

/// The `len` samples of a frame that begins `start` samples behind the first of `past` samples that come before `x`. Where
/// there is nothing `before`, silence was.
#[inline(always)]
pub(super) fn frame<'a>(
    before: &'a [i16],
    x: &'a [i16],
    past: usize,
    start: usize,
    len: usize,
) -> impl Iterator<Item = &'a i16> {
    let old = past.saturating_sub(start).min(len);
    let (silent, known) = if before.is_empty() { (old, 0) } else { (0, old) };
    let held = before.get(before.len().saturating_sub(past.saturating_sub(start))..).unwrap_or_default();
    let new = x.get(start.saturating_sub(past)..).unwrap_or_default();
    core::iter::repeat_n(&0, silent).chain(held.iter().take(known)).chain(new).take(len)
}

/// Makes `before` the last samples of itself and `x`.
pub(super) fn remember(before: &mut [i16], x: &[i16]) {
    let leaving = before.len().min(x.len());
    let kept = before.len().saturating_sub(leaving);
    // Not `rotate_left` or `copy_within`: both can panic as far as the compiler sees.
    for index in 0..kept {
        let later = before.get(index.saturating_add(leaving)).copied();
        before.get_mut(index).into_iter().zip(later).for_each(|(to, from)| *to = from);
    }
    let newest = x.get(x.len().saturating_sub(before.len())..).unwrap_or_default();
    before.iter_mut().skip(kept).zip(newest).for_each(|(to, &from)| *to = from);
}

/// `clamp(round(m · (value + offset)) + zero point)`, rounded twice.
#[inline(always)]
pub(super) fn quantized(zero_point: i32) -> impl Fn(i32, &Channel) -> i8 {
    move |value, channel| {
        let scaled = requantize_double(value.wrapping_add(channel.bias), channel.multiplier, channel.shift);
        scaled.wrapping_add(zero_point).clamp(-128, 127) as i8
    }
}
