//! Per-channel energy normalization (PCEN): an automatic gain control and a root in the place of the logarithm, for the front end.
//!
//! For the energy `E_t` of a band in frame `t`, a number of up to 59 bits, and the band's own memory `M`, which starts at 0:
//!
//! - `M_t = M_{t−1} + s · (E_t − M_{t−1})`, the smoothing `s` in Q0.16, rounded down,
//! - `G = (log2 E_t − F) − α · (log2 (M_t + ε) − F)` in Q7.16, the gain `α` in Q1.15, `F` the logarithm of a sine of full scale,
//! - `V = 2^(r · log2 (2^G + δ)) − δ^r` in Q14.16, the bias `δ` in Q16.16, the power `r` in Q1.15.
//!
//! That is `(E / (ε + M)^α + δ)^r − δ^r` of energies that a sine of full scale has 1 of. `log2` is that of
//! `energies` before it is rounded, off by at most 2^−12; `2^x` is interpolated in a table of 33 entries, off by at most
//! 2^−13 of its value. So `G` is within 2^−11 (0.0015 dB), `log2 (2^G + δ)` within 2^−10, and `V + δ^r` within
//! `r · ln 2 · 2^−10 + 2^−13` of its value: 0.05 % where `r` is 0.5. From 16-bit samples on, windows and FFT included, `V + δ^r` is
//! 0.004 dB of `(V + δ^r)^(1/r)` from f64 at worst and 0.001 on average, at full scale as 40 dB below it
//! (`host-tests/tests/audio.rs`).
//!
//! Source: Wang et al., "Trainable frontend for robust and far-field keyword spotting", 2016 (arXiv:1607.05666), equations 1 and 2.

use super::energies::log2_fine as log2;
use super::fft::Complex;
use crate::format::PcenParams;

/// A number of 64 bits in two words, the low one first.
#[inline(always)]
pub(super) fn word([low, high]: Complex) -> u64 {
    u64::from(low.cast_unsigned()) | u64::from(high.cast_unsigned()) << 32
}

/// `V` of an energy in Q14.16; the memory becomes that of its frame.
#[inline(always)]
pub(super) fn normalized(p: &PcenParams, memory: &mut Complex, energy: u64) -> i32 {
    let smoothed = smooth(p.smoothing, word(*memory), energy);
    *memory = [smoothed as i32, (smoothed >> 32) as i32];
    let mean = log2(smoothed.wrapping_add(u64::from(p.epsilon) << 16)).wrapping_sub(p.full_scale);
    let gain = log2(energy).wrapping_sub(p.full_scale).wrapping_sub(scaled(mean, p.gain));
    let biased = exp2(gain.wrapping_add(16 << 16)).wrapping_add(p.bias.into());
    let root = exp2(scaled(log2(biased).wrapping_sub(16 << 16), p.power).wrapping_add(16 << 16));
    (root.min(1 << 30) as i32).wrapping_sub(p.start)
}

/// `m + floor(s · (e − m))`: the upper bits of the difference times `s`, then the lower 16.
#[inline(always)]
fn smooth(s: u32, m: u64, e: u64) -> u64 {
    let (s, difference) = (i64::from(s), e.wrapping_sub(m).cast_signed());
    let upper = s.wrapping_mul(difference >> 16);
    let lower = s.wrapping_mul(difference & 0xffff) >> 16;
    m.wrapping_add(upper.wrapping_add(lower).cast_unsigned())
}

/// `round(x · factor)`, the factor in Q1.15.
#[inline(always)]
fn scaled(x: i32, factor: u32) -> i32 {
    (i64::from(x).wrapping_mul(factor.into()).wrapping_add(1 << 14) >> 15) as i32
}

/// `2^16 · 2^(i/32)`, rounded.
static EXP2: [u32; 33] = table();

const fn table() -> [u32; 33] {
    let factor = root_of_two();
    let mut entries = [0; 33];
    let (mut i, mut value) = (0, 65536.0);
    while i < entries.len() {
        entries[i] = (value + 0.5) as u32;
        value *= factor;
        i += 1;
    }
    entries
}

/// `2^(1/32) = e^(ln 2 / 32)` by its series.
const fn root_of_two() -> f64 {
    let x = core::f64::consts::LN_2 / 32.0;
    let (mut sum, mut term, mut n) = (1.0, 1.0, 1);
    while n < 20 {
        term *= x / n as f64;
        sum += term;
        n += 1;
    }
    sum
}

/// `2^x`, rounded, `x` in Q.16; at most 2^63.
#[inline(always)]
fn exp2(x: i32) -> u64 {
    let (whole, fraction) = (x >> 16, x.cast_unsigned() & 0xffff);
    let entry = |index: u32| EXP2.get(index as usize).copied().unwrap_or(1 << 17);
    let (low, high) = (entry(fraction >> 11), entry((fraction >> 11).wrapping_add(1)));
    let between = high.wrapping_sub(low).wrapping_mul(fraction & 2047).wrapping_add(1024) >> 11;
    let mantissa = u64::from(low.wrapping_add(between));
    if whole >= 16 {
        return mantissa << whole.wrapping_sub(16).min(46);
    }
    let shift = 16i32.wrapping_sub(whole).clamp(1, 20);
    mantissa.wrapping_add(1 << shift.wrapping_sub(1)) >> shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_two_are_within_their_bound() {
        for x in ((-4 << 16)..(40 << 16)).step_by(7) {
            let (found, real) = (exp2(x) as f64, (f64::from(x) / 65536.0).exp2());
            // The table's error, its entries' and the interpolation's rounding, and that of the result.
            let bound = real * (2f64.powi(-13) + 2f64.powi(-16)) + 0.5;
            assert!((found - real).abs() <= bound, "{x}: {found} {real}");
        }
        assert_eq!((exp2(-30 << 16), exp2(62 << 16), exp2(200 << 16)), (0, 1 << 62, 1 << 62));
    }

    #[test]
    fn smoothing_is_the_product_rounded_down_for_any_difference() {
        for (s, m, e) in [
            (1638, 0, 1 << 58),
            (1638, 1 << 58, 0),
            (65_535, 12_345, 3),
            (1, 1, 0),
            (65_536, 99, 7_000_000_000),
            (40_000, u64::MAX >> 5, 5),
        ] {
            let exact = i128::from(m) + (i128::from(s) * (i128::from(e) - i128::from(m))).div_euclid(1 << 16);
            assert_eq!(i128::from(smooth(s, m, e)), exact, "{s} {m} {e}");
        }
    }
}
