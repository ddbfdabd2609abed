//! Log energies in bands of the short-time spectrum: from samples of a microphone or another sensor to features.
//!
//! Per frame of `F` samples, every `hop` samples, as if `F − hop` zeros came before the first:
//!
//! - `v[n] = round(x[n] · w[n] / 2^(log2 N + 1))`, `x` in 16 bits, the window `w` in Q0.15, zeros from `F` to `N`,
//! - `X = FFT(v)` ([`super::fft`]), `P[k] = floor((re² + im²) / 2^12)`,
//! - `E[b] = Σ_k f[b][k] · P[k]`, the filters `f` in Q3.12, most often triangles on the mel scale,
//! - `L[b] = max(log2 E[b], floor)` in Q6.10 with `log2 0 = 0`,
//! - with coefficients `L'[c] = round(Σ_b d[c][b] · L[b] / 2^15)`, half up: cepstral coefficients where `d` is the DCT-II,
//! - `y[b] = clamp(round(m · (L[b] + offset[b])) + zero point)`, rounded twice as in [`super::conv2d`].
//!
//! A sine of full scale in the middle of a filter of weight 1 gives `L = 54 + 2·log2(F/N)` behind a Hann window. `log2` is
//! interpolated in a table of 33 entries and off by at most 2^−12 (0.0007 dB).
//!
//! Source of the definitions: Davis and Mermelstein, "Comparison of parametric representations for monosyllabic word
//! recognition", 1980.

use super::fft::{self, Complex};
use super::{Channel, Spectrogram};
use crate::fixed::requantize_double;

/// Bytes of scratch: the spectrum, then the energies of the bands.
#[must_use]
pub const fn scratch_len(p: &Spectrogram<'_>) -> usize {
    fft_len(p).saturating_add(p.bands.len()).saturating_mul(4)
}

const fn fft_len(p: &Spectrogram<'_>) -> usize {
    p.twiddles.len().saturating_mul(2)
}

/// Computes the frames of every row of `x`, `[batch, samples]`, into `y`, `[batch, frames, features]`.
pub fn spectrogram(p: &Spectrogram<'_>, x: &[i16], y: &mut [i8], scratch: &mut [i8]) {
    let rows = x.chunks_exact(p.samples.max(1)).zip(y.chunks_exact_mut(p.frames.saturating_mul(p.features()).max(1)));
    rows.for_each(|(x, y)| frames(p, &[], x, y, scratch, quantized(p)));
}

/// What [`spectrogram`] computes before it quantizes, in Q6.10: what a network is trained on.
pub fn features(p: &Spectrogram<'_>, x: &[i16], y: &mut [i32], scratch: &mut [i8]) {
    frames(p, &[], x, y, scratch, |value, _| value);
}

/// The same for one row, from the samples `before` it, `F − hop` of them, which become the last ones.
pub fn spectrogram_from(p: &Spectrogram<'_>, x: &[i16], before: &mut [i16], y: &mut [i8], scratch: &mut [i8]) {
    frames(p, before, x, y, scratch, quantized(p));
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

fn quantized(p: &Spectrogram<'_>) -> impl Fn(i32, &Channel) -> i8 + use<> {
    let zero_point = p.zero_point;
    move |value, channel| {
        let scaled = requantize_double(value.wrapping_add(channel.bias), channel.multiplier, channel.shift);
        scaled.wrapping_add(zero_point).clamp(-128, 127) as i8
    }
}

/// Where there is nothing `before`, silence was.
fn frames<T>(
    p: &Spectrogram<'_>,
    before: &[i16],
    x: &[i16],
    y: &mut [T],
    scratch: &mut [i8],
    emit: impl Fn(i32, &Channel) -> T,
) {
    let Some((spectrum, energies)) = scratch.split_at_mut_checked(fft_len(p).saturating_mul(4)) else { return };
    let Ok(spectrum) = bytemuck::try_cast_slice_mut::<i8, Complex>(spectrum) else { return };
    let Ok(energies) = bytemuck::try_cast_slice_mut::<i8, i32>(energies) else { return };
    let past = p.window.len().saturating_sub(p.hop);
    for (number, y) in y.chunks_exact_mut(p.features().max(1)).enumerate() {
        // The first sample of the frame, counted from `past` samples before `x`.
        let start = number.saturating_mul(p.hop);
        let old = past.saturating_sub(start).min(p.window.len());
        let (silent, known) = if before.is_empty() { (old, 0) } else { (0, old) };
        let held = before.get(before.len().saturating_sub(past.saturating_sub(start))..).unwrap_or_default();
        let new = x.get(start.saturating_sub(past)..).unwrap_or_default();
        let samples = core::iter::repeat_n(&0, silent).chain(held.iter().take(known)).chain(new);
        load(p, samples, spectrum);
        fft::real(spectrum, p.twiddles);
        powers(spectrum);
        bands(p, spectrum, energies);
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

/// Each bin's `re² + im²` without its 12 lowest bits, in two words; the real bin that stands beside bin 0 is dropped.
#[inline(never)]
fn powers(spectrum: &mut [Complex]) {
    if let Some(first) = spectrum.first_mut() {
        first[1] = 0;
    }
    for bin in spectrum {
        let square = |x: i32| (i64::from(x) * i64::from(x)) as u64;
        let power = square(bin[0]).wrapping_add(square(bin[1])) >> 12;
        *bin = [power as i32, (power >> 32) as i32];
    }
}

/// The logarithm of every band's energy, in Q6.10.
#[inline(never)]
fn bands(p: &Spectrogram<'_>, powers: &[Complex], energies: &mut [i32]) {
    let mut weights = p.weights.iter();
    for (energy, &[start, count]) in energies.iter_mut().zip(p.bands) {
        let mut sum = 0u64;
        let bins = powers.get(usize::from(start)..).unwrap_or_default();
        for (bin, &weight) in bins.iter().zip(weights.by_ref().take(count.into())) {
            let power = u64::from(bin[0] as u32) | u64::from(bin[1] as u32) << 32;
            sum = sum.wrapping_add(power.wrapping_mul(u64::from(weight)));
        }
        *energy = log2(sum).max(p.floor);
    }
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

/// `2^16 · log2(1 + i/32)`, rounded.
static LOG2: [u32; 33] = table();

const fn table() -> [u32; 33] {
    let ln_2 = ln(2.0);
    let mut entries = [0; 33];
    let mut i = 0;
    while i < entries.len() {
        entries[i] = (ln(1.0 + i as f64 / 32.0) / ln_2 * 65536.0 + 0.5) as u32;
        i += 1;
    }
    entries
}

/// `2·artanh((x − 1)/(x + 1))` by its series, for `x` of 1 to 2.
const fn ln(x: f64) -> f64 {
    let ratio = (x - 1.0) / (x + 1.0);
    let (mut sum, mut power, mut n) = (0.0, ratio, 1);
    while n < 60 {
        sum += power / n as f64;
        power *= ratio * ratio;
        n += 2;
    }
    2.0 * sum
}

/// `log2 x` in Q6.10, 0 for 0.
#[inline(always)]
fn log2(x: u64) -> i32 {
    let whole = 63u32.saturating_sub(x.leading_zeros());
    // 21 bits behind the leading one: 5 choose the entry, 16 lie between two.
    let behind = ((x << (63 - whole) << 1) >> 43) as u32;
    let entry = |index: u32| LOG2.get(index as usize).copied().unwrap_or(1 << 16);
    let (low, high) = (entry(behind >> 16), entry((behind >> 16).wrapping_add(1)));
    let between = (u64::from(high.wrapping_sub(low)) * u64::from(behind & 0xffff)) >> 16;
    let fraction = low.wrapping_add(between as u32);
    ((whole << 10) + ((fraction + 32) >> 6)) as i32
}

#[cfg(test)]
mod tests {
    use super::log2;

    #[test]
    fn the_logarithm_is_within_its_bound_and_monotone() {
        let mut before = 0;
        for x in (1..1u64 << 20)
            .chain((20..64).flat_map(|bit| (0..999).map(move |i| (1 << bit) + ((i << bit) / 999u128) as u64)))
        {
            let found = log2(x);
            // Half a unit of Q6.10, and the table's error.
            let error = f64::from(found) / 1024.0 - (x as f64).log2();
            assert!(error.abs() < 1.0 / 2048.0 + 1.0 / 4096.0, "{x}: {error}");
            assert!(found >= before, "{x}");
            before = found;
        }
        assert_eq!((log2(0), log2(1), log2(u64::MAX)), (0, 0, 64 << 10));
    }
}
