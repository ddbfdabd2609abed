//! Logarithms of the energies in bands of a spectrum, for the front ends.
//!
//! - `P[k] = floor((re² + im²) / 2^12)`,
//! - `E[b] = Σ_k f[b][k] · P[k]`, the filters `f` in Q3.12,
//! - `L[b] = max(log2 E[b], floor)` in Q6.10 with `log2 0 = 0`.
//!
//! `log2` is interpolated in a table of 33 entries and off by at most 2^−12 (0.0007 dB), and by its rounding to Q6.10.

use super::fft::Complex;
use super::pcen;
use crate::format::PcenParams;

/// Filters over the bins of a spectrum.
#[derive(Clone, Copy)]
pub(super) struct Filters<'m> {
    /// First bin and number of bins of every band.
    pub bands: &'m [[u16; 2]],
    /// Weights of every band's bins, one band after the other.
    pub weights: &'m [u16],
    /// Least logarithm.
    pub floor: i32,
}

/// The logarithms of a spectrum's energies; the spectrum is used up.
#[inline(always)]
pub(super) fn log_energies(filters: Filters<'_>, spectrum: &mut [Complex], energies: &mut [i32]) {
    powers(spectrum);
    bands(filters, spectrum, energies, |energy| log2(energy).max(filters.floor));
}

/// The normalized energies of a spectrum, with a memory for each band; the spectrum is used up.
#[inline(always)]
pub(super) fn normalized_energies(
    filters: Filters<'_>,
    p: &PcenParams,
    memory: &mut [Complex],
    spectrum: &mut [Complex],
    energies: &mut [i32],
) {
    powers(spectrum);
    let mut memory = memory.iter_mut();
    bands(filters, spectrum, energies, |energy| memory.next().map_or(0, |own| pcen::normalized(p, own, energy)));
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

/// A function of every band's energy.
#[inline(never)]
fn bands(filters: Filters<'_>, powers: &[Complex], energies: &mut [i32], mut function: impl FnMut(u64) -> i32) {
    let mut weights = filters.weights.iter();
    for (energy, &[start, count]) in energies.iter_mut().zip(filters.bands) {
        let mut sum = 0u64;
        let bins = powers.get(usize::from(start)..).unwrap_or_default();
        for (bin, &weight) in bins.iter().zip(weights.by_ref().take(count.into())) {
            sum = sum.wrapping_add(pcen::word(*bin).wrapping_mul(u64::from(weight)));
        }
        *energy = function(sum);
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
pub(super) fn log2(x: u64) -> i32 {
    log2_fine(x).wrapping_add(32) >> 6
}

/// The same in Q6.16.
#[inline(always)]
pub(super) fn log2_fine(x: u64) -> i32 {
    let whole = 63u32.saturating_sub(x.leading_zeros());
    // 21 bits behind the leading one: 5 choose the entry, 16 lie between two.
    let behind = ((x << (63 - whole) << 1) >> 43) as u32;
    let entry = |index: u32| LOG2.get(index as usize).copied().unwrap_or(1 << 16);
    let (low, high) = (entry(behind >> 16), entry((behind >> 16).wrapping_add(1)));
    let between = (u64::from(high.wrapping_sub(low)) * u64::from(behind & 0xffff)) >> 16;
    (whole << 16).wrapping_add(low).wrapping_add(between as u32).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::log2;

    #[test]
    fn the_logarithm_is_within_its_bound_and_monotone() {
        let mut before = 0;
        // Every number of 20 bits, and of each octave behind them every mantissa of 16 bits.
        let octaves = (20..64u32).flat_map(|bit| (1u64 << 16..1 << 17).map(move |mantissa| mantissa << (bit - 16)));
        for x in (1..1u64 << 20).chain(octaves) {
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
