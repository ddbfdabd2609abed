//! Tables of a transform and of filters over its bins, as the chip reads them.

use std::f64::consts::PI;

use anyhow::Result;

/// What is equal about neighbouring bands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// Their width in Hz.
    Linear,
    /// Their width in mel.
    Mel,
}

/// `x` in Q0.15.
pub(super) fn q15(x: f64) -> i16 {
    (x * 32768.0).round() as i16
}

fn turn(k: usize, len: usize) -> f64 {
    2.0 * PI * k as f64 / len as f64
}

/// A periodic Hann window.
pub(super) fn hann(len: usize) -> Vec<i16> {
    (0..len).map(|n| q15(0.5 - 0.5 * turn(n, len).cos())).collect()
}

/// `e^(−2πi·k/N)` for `k` of 0 to N/2 − 1.
pub(super) fn twiddles(len: usize) -> Vec<[i16; 2]> {
    (0..len / 2).map(|k| [q15(turn(k, len).cos()), q15(-turn(k, len).sin())]).collect()
}

/// First bin and number of bins of every band, and the weights of all of them in Q4.12.
pub(super) type Filters = (Vec<[u16; 2]>, Vec<u16>);

/// Triangular filters of height 1 over the bins of a spectrum of `len` samples, so many per second, between two frequencies.
///
/// # Errors
/// A band holds no bin.
pub(super) fn filters(scale: Scale, count: usize, [low, high]: [f64; 2], rate: f64, len: usize) -> Result<Filters> {
    let is_linear = scale == Scale::Linear;
    let to_scale = |hz: f64| if is_linear { hz } else { 2595.0 * (1.0 + hz / 700.0).log10() };
    let to_hz = |x: f64| if is_linear { x } else { 700.0 * (10f64.powf(x / 2595.0) - 1.0) };
    let (first, width) = (to_scale(low), to_scale(high) - to_scale(low));
    let point = |index: usize| to_hz(first + width * index as f64 / (count + 1) as f64);
    let (mut bands, mut all) = (Vec::new(), Vec::new());
    for band in 0..count {
        let [left, middle, right] = [0, 1, 2].map(|offset| point(band + offset));
        let weight = |bin: usize| {
            let hz = bin as f64 * rate / len as f64;
            let height = ((hz - left) / (middle - left)).min((right - hz) / (right - middle));
            (height.max(0.0) * 4096.0).round() as u16
        };
        let bins: Vec<usize> = (0..len / 2).filter(|&bin| weight(bin) > 0).collect();
        let (Some(&first), Some(&last)) = (bins.first(), bins.last()) else {
            anyhow::bail!(
                "front_end: band {band}, {left:.3} to {right:.3} Hz, holds no bin of a spectrum of {len} samples: take fewer \
                 bands, or a longer fft"
            )
        };
        bands.push([first as u16, (last - first + 1) as u16]);
        all.extend((first..=last).map(weight));
    }
    Ok((bands, all))
}
