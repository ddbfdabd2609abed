//! Sigmoid and tanh in 16 bits by a table, for the gates of the recurrent layers that are trained here.
//!
//! One table of `tanh` at multiples of 1/64 from 0 to 8 serves both, because `σ(x) = 1/2 + tanh(x/2) / 2`; between its
//! entries the value is interpolated linearly, which is off by at most `h²/8 · max|tanh''|`, that is 2^−15.4. With the
//! rounding of the table and of the result the error stays below 2^−14 for tanh and 2^−15 for the sigmoid (tested on
//! every input). Both are odd around their middle, and monotone.
//!
//! Layers that come from TensorFlow Lite keep its polynomials, [`crate::fixed16`], because their bits are given.

/// Entries per unit of `x`, as a power of two.
const STEPS: u32 = 6;

/// `round(2^15 · tanh(i / 64))`, at most 2^15 − 1; one entry behind 8, which −2^15 reaches.
pub(crate) static TANH: [i16; 514] = table();

const fn table() -> [i16; 514] {
    let factor = step_factor();
    let mut entries = [0; 514];
    // e^(−2·i/64), so that tanh = (1 − e) / (1 + e).
    let mut e = 1.0f64;
    let mut i = 0;
    while i < entries.len() {
        let value = ((1.0 - e) / (1.0 + e) * 32768.0 + 0.5) as i32;
        entries[i] = if value > i16::MAX as i32 { i16::MAX } else { value as i16 };
        e *= factor;
        i += 1;
    }
    entries
}

/// `e^(−1/32)` by its series.
const fn step_factor() -> f64 {
    let (mut sum, mut term, mut n) = (1.0f64, 1.0f64, 1);
    while n < 20 {
        term *= -1.0 / 32.0 / n as f64;
        sum += term;
        n += 1;
    }
    sum
}

/// `tanh` of `magnitude / 2^(STEPS + bits)` in Q0.15.
#[inline(always)]
fn interpolate(magnitude: u32, bits: u32) -> i32 {
    let index = (magnitude >> bits) as usize;
    let (Some(&low), Some(&high)) = (TANH.get(index), TANH.get(index + 1)) else { return i32::from(i16::MAX) };
    let (low, high) = (i32::from(low), i32::from(high));
    let fraction = (magnitude & ((1 << bits) - 1)) as i32;
    low + (((high - low) * fraction + (1 << (bits - 1))) >> bits)
}

/// `tanh x` in Q0.15, `x` in Q3.12.
#[must_use]
#[inline(always)]
pub fn tanh(x: i16) -> i16 {
    let magnitude = interpolate(u32::from(x.unsigned_abs()), 12 - STEPS);
    (if x < 0 { -magnitude } else { magnitude }) as i16
}

/// `1 / (1 + e^−x)` in Q0.15, `x` in Q3.12.
#[must_use]
#[inline(always)]
pub fn sigmoid(x: i16) -> i16 {
    // Half of x has one more bit behind the point.
    let half = (interpolate(u32::from(x.unsigned_abs()), 13 - STEPS) + 1) >> 1;
    (16384 + if x < 0 { -half } else { half }).min(i16::MAX as i32) as i16
}

#[cfg(test)]
mod tests {
    use super::{sigmoid, tanh};

    /// The bounds that the module's doc promises; the worst found are 2^−14.39 and 2^−15.05.
    #[test]
    fn errors_are_bounded_on_every_input() {
        let mut worst = [0f64; 2];
        for x in i16::MIN..=i16::MAX {
            let real = f64::from(x) / 4096.0;
            let error = |found: i16, expected: f64| (f64::from(found) / 32768.0 - expected).abs();
            let (t, s) = (error(tanh(x), real.tanh()), error(sigmoid(x), 1.0 / (1.0 + (-real).exp())));
            worst = [worst[0].max(t), worst[1].max(s)];
        }
        assert!(worst[0] < 2f64.powf(-14.0) && worst[1] < 2f64.powf(-15.0), "{:?}", worst.map(f64::log2));
    }

    #[test]
    fn both_are_monotone_and_odd_around_their_middle() {
        for x in i16::MIN..i16::MAX {
            assert!(tanh(x) <= tanh(x + 1) && sigmoid(x) <= sigmoid(x + 1), "{x}");
        }
        for x in 0..=i16::MAX {
            assert_eq!(tanh(x), -tanh(-x));
            assert!((i32::from(sigmoid(x)) + i32::from(sigmoid(-x)) - 32768).abs() <= 1, "{x}");
        }
    }
}
