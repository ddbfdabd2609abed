//! Statistics and spectra of windows of a motion sensor's axes: from samples of an accelerometer or gyroscope to features.
//!
//! Per window of `W` rows, every `hop` rows, as if `W − hop` rows of zeros came before the first, for each axis `x` of 16 bits,
//! with `S = Σ x`, `Q = Σ x²`, `V = W·Q − S²`, which are exact, and `s = 10 − ceil(log2 W)`:
//!
//! | feature | integer | unit |
//! |---|---|---|
//! | mean | `S · 2^s` | `1/(W·2^s)`, from 1/1024 to 1/512 |
//! | deviation | `round(sqrt(V · 4^s))` | the same |
//! | variance | `log2 V − 2·log2 W`, the constant in the offset; `log2 0 = 0` | Q6.10 |
//! | root mean square | `round(sqrt(W·Q · 4^s))` | as the mean |
//! | zero crossings | neighbours of whom one has `W·x ≥ S` and the other has not | 1/1024 |
//! | bands | `L` of [`super::spectrogram`] from `v[n] = round((2^8·x[n] − round(2^8·S/W)) · w[n] / 2^(log2 N + 9))` | Q6.10 |
//!
//! So the mean and the crossings are exact, deviation and root mean square are within 2^−10 of a unit of `x`, and the logarithm
//! of the variance within 2^−11 + 2^−12. Features follow one another by axis, then in the order of the table, the bands last;
//! `y = clamp(round(m · (feature + offset)) + zero point)`, rounded twice as in [`super::conv2d`].
//!
//! Source of the features: Bao and Intille, "Activity recognition from user-annotated acceleration data", 2004.

use super::energies::{Filters, log_energies, log2};
use super::fft::{self, Complex};
use super::{Channel, Motion, framing};

/// Bit of the mean among [`Motion::statistics`].
pub const MEAN: u32 = 1;
/// Bit of the standard deviation.
pub const DEVIATION: u32 = 1 << 1;
/// Bit of the variance's logarithm.
pub const VARIANCE: u32 = 1 << 2;
/// Bit of the root mean square.
pub const RMS: u32 = 1 << 3;
/// Bit of the number of crossings of the mean.
pub const ZERO_CROSSINGS: u32 = 1 << 4;
/// All of them.
pub const ALL: u32 = (1 << 5) - 1;

/// Bytes of scratch: the window, its spectrum, then the energies of the bands.
#[must_use]
pub const fn scratch_len(p: &Motion<'_>) -> usize {
    p.window.saturating_add(fft_len(p)).saturating_add(p.bands.len()).saturating_mul(4)
}

const fn fft_len(p: &Motion<'_>) -> usize {
    p.twiddles.len().saturating_mul(2)
}

/// `s`: bits that bring a sum over the window to units of 1/512 or less.
#[must_use]
pub const fn fraction(window: usize) -> u32 {
    10u32.saturating_sub(usize::BITS - window.saturating_sub(1).leading_zeros())
}

/// Computes the windows of every batch of `x`, `[batch, rows, axes]`, into `y`, `[batch, frames, features]`.
pub fn motion(p: &Motion<'_>, x: &[i16], y: &mut [i8], scratch: &mut [i8]) {
    let batches = x.chunks_exact(p.rows.saturating_mul(p.axes).max(1));
    let outputs = y.chunks_exact_mut(p.frames.saturating_mul(p.features()).max(1));
    batches.zip(outputs).for_each(|(x, y)| frames(p, &[], x, y, scratch, framing::quantized(p.zero_point)));
}

/// What [`motion`] computes of one batch before it quantizes, in the units of the table: what a network is trained on.
pub fn features(p: &Motion<'_>, x: &[i16], y: &mut [i32], scratch: &mut [i8]) {
    frames(p, &[], x, y, scratch, |value, _| value);
}

/// The same for one batch, from the rows `before` it, `W − hop` of them, which become the last ones.
pub fn motion_from(p: &Motion<'_>, x: &[i16], before: &mut [i16], y: &mut [i8], scratch: &mut [i8]) {
    frames(p, before, x, y, scratch, framing::quantized(p.zero_point));
    framing::remember(before, x);
}

fn frames<T>(
    p: &Motion<'_>,
    before: &[i16],
    x: &[i16],
    y: &mut [T],
    scratch: &mut [i8],
    emit: impl Fn(i32, &Channel) -> T,
) {
    let Ok(scratch) = bytemuck::try_cast_slice_mut::<i8, i32>(scratch) else { return };
    let Some((window, scratch)) = scratch.split_at_mut_checked(p.window) else { return };
    let Some((spectrum, energies)) = scratch.split_at_mut_checked(fft_len(p)) else { return };
    let Ok(spectrum) = bytemuck::try_cast_slice_mut::<i32, Complex>(spectrum) else { return };
    let axes = p.axes.max(1);
    let len = p.window.saturating_mul(axes);
    let past = p.window.saturating_sub(p.hop).saturating_mul(axes);
    for (number, y) in y.chunks_exact_mut(p.features().max(1)).enumerate() {
        let start = number.saturating_mul(p.hop).saturating_mul(axes);
        let mut outputs = y.iter_mut().zip(p.channels);
        for axis in 0..axes {
            let samples = framing::frame(before, x, past, start, len).skip(axis).step_by(axes);
            window.iter_mut().zip(samples).for_each(|(to, &from)| *to = from.into());
            let sums = Sums::of(window);
            let statistics = sums.statistics(window).into_iter().enumerate();
            let chosen = statistics.filter(|(bit, _)| p.statistics >> bit & 1 == 1).map(|(_, value)| value);
            if !p.bands.is_empty() {
                load(p, sums.mean_in_256ths(), window, spectrum);
                fft::real(spectrum, p.twiddles);
                log_energies(Filters { bands: p.bands, weights: p.weights, floor: p.floor }, spectrum, energies);
            }
            let values = chosen.chain(energies.iter().copied());
            values.zip(&mut outputs).for_each(|(value, (y, channel))| *y = emit(value, channel));
        }
    }
}

/// Of one axis in one window: its length, `Σ x`, `Σ x²`.
struct Sums {
    len: usize,
    sum: i32,
    squares: u64,
}

impl Sums {
    fn of(window: &[i32]) -> Self {
        let sum = window.iter().fold(0i32, |sum, &x| sum.wrapping_add(x));
        let squares = window.iter().fold(0u64, |sum, &x| sum.wrapping_add(x.wrapping_mul(x) as u32 as u64));
        Self { len: window.len(), sum, squares }
    }

    /// In the order of their bits.
    #[inline(never)]
    fn statistics(&self, window: &[i32]) -> [i32; 5] {
        let shift = fraction(self.len);
        let power = (self.len as u64).wrapping_mul(self.squares);
        let variance = power.wrapping_sub(i64::from(self.sum).wrapping_mul(self.sum.into()) as u64);
        [
            self.sum.wrapping_shl(shift),
            root(variance.wrapping_shl(2 * shift)),
            log2(variance),
            root(power.wrapping_shl(2 * shift)),
            self.crossings(window).wrapping_shl(10),
        ]
    }

    fn crossings(&self, window: &[i32]) -> i32 {
        let is_above = |x: i32| x.wrapping_mul(self.len as i32) >= self.sum;
        let pairs = window.iter().zip(window.iter().skip(1));
        pairs.filter(|&(&before, &after)| is_above(before) != is_above(after)).count() as i32
    }

    /// `round(2^8 · S / W)`, half up.
    fn mean_in_256ths(&self) -> i32 {
        let len = self.len as i64;
        (i64::from(self.sum) << 8).wrapping_add(len >> 1).checked_div_euclid(len).unwrap_or(0) as i32
    }
}

/// `round(sqrt x)` of what is below 2^62 − 2^31; powers of a window are below 2^50.
fn root(x: u64) -> i32 {
    let floor = x.isqrt();
    floor.wrapping_add(u64::from(x.wrapping_sub(floor.wrapping_mul(floor)) > floor)) as i32
}

/// Windows the samples without their mean, in the order that the transform takes.
#[inline(never)]
fn load(p: &Motion<'_>, mean: i32, window: &[i32], spectrum: &mut [Complex]) {
    let count = spectrum.len();
    let shift = p.log2.clamp(1, 10) + 9;
    spectrum.fill([0; 2]);
    for (index, (&x, &factor)) in window.iter().zip(p.factors).enumerate() {
        let product = i64::from(x.wrapping_shl(8).wrapping_sub(mean)).wrapping_mul(factor.into());
        if let Some(slot) = spectrum.get_mut(fft::reversed(index >> 1, count)) {
            slot[index & 1] = (product.wrapping_add(1 << (shift - 1)) >> shift) as i32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::root;

    /// Half a unit of error at most, on both sides of every border of 16 bits and of those at the end of the range.
    #[test]
    fn the_root_is_the_nearest_integer() {
        for y in (0..=1u64 << 16).chain((1 << 31) - 1000..(1 << 31) - 1) {
            // Between y and y + 1 lies no square of a half: (y + 1/2)^2 = y^2 + y + 1/4.
            assert_eq!((root(y * y) as u64, root(y * y + y) as u64), (y, y));
            assert_eq!(root(y * y + y + 1) as u64, y + 1, "{y}");
        }
        assert!((0..1 << 16).all(|x| root(x) <= root(x + 1)));
    }
}
