//! Log energies in bands of the short-time spectrum: from samples of a microphone or another sensor to features.
//!
//! Per frame of `F` samples, every `hop` samples, as if `F − hop` zeros came before the first:
//!
//! - `v[n] = round(x[n] · w[n] / 2^(log2 N + 1))`, `x` in 16 bits, the window `w` in Q0.15, zeros from `F` to `N`,
//! - `X = FFT(v)` ([`super::fft`]), `P[k] = floor((re² + im²) / 2^12)`,
//! - `E[b] = Σ_k f[b][k] · P[k]`, the filters `f` in Q3.12, most often triangles on the mel scale,
//! - `L[b] = max(log2 E[b], floor)` in Q6.10 with `log2 0 = 0`,
//! - with normalization `L` is `V` of [`super::pcen`] in Q14.16 instead, from a memory of each band,
//! - with coefficients `L'[c] = round(Σ_b d[c][b] · L[b] / 2^15)`, half up: cepstral coefficients where `d` is the DCT-II,
//! - `y[b] = clamp(round(m · (L[b] + offset[b])) + zero point)`, rounded twice as in [`super::conv2d`].
//!
//! A sine of full scale in the middle of a filter of weight 1 gives `L = 54 + 2·log2(F/N)` behind a Hann window.
//!
//! Source of the definitions: Davis and Mermelstein, "Comparison of parametric representations for monosyllabic word
//! recognition", 1980.

use super::energies::{Filters, log_energies, normalized_energies};
use super::fft::{self, Complex};
use super::{Channel, Spectrogram, framing};

/// Bytes of scratch: the memories of the bands where they are no state, the spectrum, then the energies of the bands.
#[must_use]
pub const fn scratch_len(p: &Spectrogram<'_>, has_states: bool) -> usize {
    let memories = if has_states { 0 } else { memory_len(p) };
    memories.saturating_add(fft_len(p)).saturating_add(p.bands.len()).saturating_mul(4)
}

/// Words of the memories of all bands.
const fn memory_len(p: &Spectrogram<'_>) -> usize {
    if p.pcen.is_some() { p.bands.len().saturating_mul(2) } else { 0 }
}

const fn fft_len(p: &Spectrogram<'_>) -> usize {
    p.twiddles.len().saturating_mul(2)
}

/// Computes the frames of every row of `x`, `[batch, samples]`, into `y`, `[batch, frames, features]`.
pub fn spectrogram(p: &Spectrogram<'_>, x: &[i16], y: &mut [i8], scratch: &mut [i8]) {
    let rows = x.chunks_exact(p.samples.max(1)).zip(y.chunks_exact_mut(p.frames.saturating_mul(p.features()).max(1)));
    rows.for_each(|(x, y)| afresh(p, x, y, scratch, framing::quantized(p.zero_point)));
}

/// What [`spectrogram`] computes before it quantizes, in Q6.10, or Q14.16 where energies are normalized: what a network is trained on.
pub fn features(p: &Spectrogram<'_>, x: &[i16], y: &mut [i32], scratch: &mut [i8]) {
    afresh(p, x, y, scratch, |value, _| value);
}

/// The same for one row, from the samples `before` it, `F − hop` of them, which become the last ones, and with the memories
/// of the bands, where the energies are normalized.
pub fn spectrogram_from(
    p: &Spectrogram<'_>,
    x: &[i16],
    before: &mut [i16],
    memories: &mut [Complex],
    y: &mut [i8],
    scratch: &mut [i8],
) {
    frames(p, before, memories, x, y, scratch, framing::quantized(p.zero_point));
    framing::remember(before, x);
}

/// Computes one row as if silence had been before.
fn afresh<T>(p: &Spectrogram<'_>, x: &[i16], y: &mut [T], scratch: &mut [i8], emit: impl Fn(i32, &Channel) -> T) {
    let Some((memories, scratch)) = scratch.split_at_mut_checked(memory_len(p).saturating_mul(4)) else { return };
    let Ok(memories) = bytemuck::try_cast_slice_mut::<i8, Complex>(memories) else { return };
    memories.fill([0; 2]);
    frames(p, &[], memories, x, y, scratch, emit);
}

/// Where there is nothing `before`, silence was.
fn frames<T>(
    p: &Spectrogram<'_>,
    before: &[i16],
    memories: &mut [Complex],
    x: &[i16],
    y: &mut [T],
    scratch: &mut [i8],
    emit: impl Fn(i32, &Channel) -> T,
) {
    let Some((spectrum, energies)) = scratch.split_at_mut_checked(fft_len(p).saturating_mul(4)) else { return };
    let Ok(spectrum) = bytemuck::try_cast_slice_mut::<i8, Complex>(spectrum) else { return };
    let Ok(energies) = bytemuck::try_cast_slice_mut::<i8, i32>(energies) else { return };
    let past = p.window.len().saturating_sub(p.hop);
    let filters = Filters { bands: p.bands, weights: p.weights, floor: p.floor };
    for (number, y) in y.chunks_exact_mut(p.features().max(1)).enumerate() {
        let start = number.saturating_mul(p.hop);
        load(p, framing::frame(before, x, past, start, p.window.len()), spectrum);
        fft::real(spectrum, p.twiddles);
        match &p.pcen {
            Some(pcen) => normalized_energies(filters, pcen, memories, spectrum, energies),
            None => log_energies(filters, spectrum, energies),
        }
        put(p, energies, y, &emit);
    }
}

/// Windows the samples into the order that the transform takes.
#[inline(never)]
fn load<'a>(p: &Spectrogram<'_>, samples: impl Iterator<Item = &'a i16>, spectrum: &mut [Complex]) {
    let count = spectrum.len();
    let shift = p.log2.clamp(1, 10) + 1;
    spectrum.fill([0; 2]);
    let windowed = p.window.iter().zip(samples).map(|(&w, &x)| {
        let product = i32::from(w) * i32::from(x);
        (product + (1 << (shift - 1))) >> shift
    });
    let mut index = 0;
    windowed.for_each(|value| {
        if let Some(slot) = spectrum.get_mut(fft::reversed(index >> 1, count)) {
            slot[index & 1] = value;
        }
        index = index.wrapping_add(1);
    });
}

/// The features of one frame.
fn put<T>(p: &Spectrogram<'_>, energies: &[i32], y: &mut [T], emit: &impl Fn(i32, &Channel) -> T) {
    let outputs = y.iter_mut().zip(p.channels);
    if p.coefficients.is_empty() {
        outputs.zip(energies).for_each(|((y, channel), &energy)| *y = emit(energy, channel));
        return;
    }
    for ((y, channel), row) in outputs.zip(p.coefficients.chunks_exact(energies.len().max(1))) {
        let product = |(&d, &energy): (&i16, &i32)| i64::from(d) * i64::from(energy);
        let sum = row.iter().zip(energies).map(product).fold(1 << 14, i64::wrapping_add);
        *y = emit((sum >> 15) as i32, channel);
    }
}
