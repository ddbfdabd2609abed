//! The curves of [`crate::gates`] over slices, in place. Where two slices do not have the same length, the shorter one counts.

#[cfg(thumbnet_dsp)]
pub(super) use super::dsp_gates::{sigmoid_of_sums, tanh_of, tanh_of_reset, tanh_of_sums};
#[cfg(thumbnet_helium)]
pub(super) use super::helium_gates::{sigmoid_of_sums, tanh_of, tanh_of_reset, tanh_of_sums};
use crate::fixed16::saturate;
#[cfg(not(any(thumbnet_dsp, thumbnet_helium)))]
use crate::gates::{sigmoid, tanh};

/// `sat16(a + b)`.
#[inline(always)]
pub(super) fn sum(a: i16, b: i16) -> i16 {
    saturate(i32::from(a) + i32::from(b))
}

/// `round(a · b / 2^15)`, half up.
#[inline(always)]
pub(super) fn product(a: i16, b: i16) -> i32 {
    (i32::from(a) * i32::from(b) + (1 << 14)) >> 15
}

/// `a = σ(sat16(a + b))`.
#[cfg(not(any(thumbnet_dsp, thumbnet_helium)))]
pub(super) fn sigmoid_of_sums(a: &mut [i16], b: &[i16]) {
    a.iter_mut().zip(b).for_each(|(a, &b)| *a = sigmoid(sum(*a, b)));
}

/// `a = tanh(sat16(a + b))`.
#[cfg(not(any(thumbnet_dsp, thumbnet_helium)))]
pub(super) fn tanh_of_sums(a: &mut [i16], b: &[i16]) {
    a.iter_mut().zip(b).for_each(|(a, &b)| *a = tanh(sum(*a, b)));
}

/// `a = tanh(a)`.
#[cfg(not(any(thumbnet_dsp, thumbnet_helium)))]
pub(super) fn tanh_of(a: &mut [i16]) {
    a.iter_mut().for_each(|a| *a = tanh(*a));
}

/// `a = tanh(sat16(a + round(b·c / 2^15)))`.
#[cfg(not(any(thumbnet_dsp, thumbnet_helium)))]
pub(super) fn tanh_of_reset(a: &mut [i16], b: &[i16], c: &[i16]) {
    a.iter_mut().zip(b).zip(c).for_each(|((a, &b), &c)| *a = tanh(saturate(i32::from(*a) + product(b, c))));
}
