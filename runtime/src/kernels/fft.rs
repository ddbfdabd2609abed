//! Real fast Fourier transform in 32-bit fixed point.
//!
//! `X[k] = Σ_n x[n] · e^(−2πi·k·n/N)` for `N = 2^4 … 2^10` real numbers, by a transform of N/2 complex ones whose even and odd
//! halves are taken apart at the end (Cooley and Tukey 1965; Sorensen et al., "Real-valued fast Fourier transform
//! algorithms", 1987). Nothing is scaled on the way: with `|x| < 2^(29 − log2 N)` no intermediate number reaches 2^31. A
//! product with a twiddle factor in Q0.15 is `floor(b·w / 2^15)`, which is where all its error comes from.

/// A complex number: real part, imaginary part.
pub type Complex = [i32; 2];

/// Where pair `index` of the samples goes before [`real`], of `count` pairs, a power of two: its bits from end to end.
#[inline(always)]
#[must_use]
pub const fn reversed(index: usize, count: usize) -> usize {
    // In two steps: a shift by all bits is not defined.
    (index.reverse_bits() >> 1) >> ((usize::BITS - 1).wrapping_sub(count.trailing_zeros()) % usize::BITS)
}

/// Transforms `z`, pairs of samples in the order of [`reversed`], into bins 0 to N/2 − 1. Bin 0 is real; beside it stands
/// the real bin N/2. `twiddles` are `e^(−2πi·k/N)` for `k` of 0 to N/2 − 1 in Q0.15.
pub fn real(z: &mut [Complex], twiddles: &[[i16; 2]]) {
    for stage in 0..9 {
        let (half, stride) = (1 << stage, z.len() >> stage);
        if half < z.len() {
            z.chunks_exact_mut(2 << stage).for_each(|block| butterflies(block, half, twiddles, stride.max(1)));
        }
    }
    unravel(z, twiddles);
}

/// `a, b = a + w·b, a − w·b` over the two halves of a block.
#[inline(always)]
fn butterflies(block: &mut [Complex], half: usize, twiddles: &[[i16; 2]], stride: usize) {
    let Some((low, high)) = block.split_at_mut_checked(half) else { return };
    let mut pairs = low.iter_mut().zip(high);
    // The first factor is 1, which Q0.15 does not have.
    if let Some((a, b)) = pairs.next() {
        butterfly(a, b, *b);
    }
    for ((a, b), &w) in pairs.zip(twiddles.iter().step_by(stride).skip(1)) {
        let product = multiply(*b, w);
        butterfly(a, b, product);
    }
}

#[inline(always)]
fn butterfly(a: &mut Complex, b: &mut Complex, [re, im]: Complex) {
    *b = [a[0].wrapping_sub(re), a[1].wrapping_sub(im)];
    *a = [a[0].wrapping_add(re), a[1].wrapping_add(im)];
}

/// From the transform of `x[2n] + i·x[2n + 1]` to that of `x`, from both ends at once.
fn unravel(z: &mut [Complex], twiddles: &[[i16; 2]]) {
    let Some((first, rest)) = z.split_first_mut() else { return };
    *first = [first[0].wrapping_add(first[1]), first[0].wrapping_sub(first[1])];
    let Some((low, high)) = rest.split_at_mut_checked(rest.len() / 2) else { return };
    let Some((middle, high)) = high.split_first_mut() else { return };
    middle[1] = middle[1].wrapping_neg();
    for ((a, b), &w) in low.iter_mut().zip(high.iter_mut().rev()).zip(twiddles.iter().skip(1)) {
        let even = [a[0].wrapping_add(b[0]), a[1].wrapping_sub(b[1])];
        let odd = multiply([a[1].wrapping_add(b[1]), b[0].wrapping_sub(a[0])], w);
        *a = [even[0].wrapping_add(odd[0]) >> 1, even[1].wrapping_add(odd[1]) >> 1];
        *b = [even[0].wrapping_sub(odd[0]) >> 1, odd[1].wrapping_sub(even[1]) >> 1];
    }
}

#[inline(always)]
fn multiply([re, im]: Complex, [cos, sin]: [i16; 2]) -> Complex {
    [scaled(re, cos).wrapping_sub(scaled(im, sin)), scaled(re, sin).wrapping_add(scaled(im, cos))]
}

/// `floor(a·w / 2^15)` for `|a| < 2^30`.
#[inline(always)]
fn scaled(a: i32, w: i16) -> i32 {
    let a = a << 1;
    if cfg!(any(thumbnet_asm, thumbnet_helium)) {
        // One instruction with the DSP extension.
        return ((i64::from(a) * i64::from(w)) >> 16) as i32;
    }
    // Without a long multiplication: the upper half, and what the lower one carries into it.
    let (high, low) = (a >> 16, (a & 0xffff) * i32::from(w));
    high.wrapping_mul(i32::from(w)).wrapping_add(low >> 16)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::f64::consts::PI;
    use std::vec::Vec;

    use super::{Complex, butterfly, multiply, real, reversed, scaled};

    fn twiddles(len: usize) -> Vec<[i16; 2]> {
        let factor = |x: f64| (32768.0 * x).round().clamp(-32768.0, 32767.0) as i16;
        (0..len / 2).map(|k| 2.0 * PI * k as f64 / len as f64).map(|a| [factor(a.cos()), factor(-a.sin())]).collect()
    }

    /// Both ends of the range and zero, and what a rounding could turn.
    const LOUD: [i32; 8] = [1 - (1 << 30), -(1 << 29), -32_769, -1, 0, 32_768, 1 << 29, (1 << 30) - 1];

    #[test]
    fn products_with_every_factor_are_their_definition() {
        let floor = |a: i32, w: i16| ((i64::from(a) * i64::from(w)) >> 15) as i32;
        for w in i16::MIN..=i16::MAX {
            assert!(LOUD.iter().all(|&a| scaled(a, w) == floor(a, w)), "{w}");
        }
        for a in (i16::MIN..=i16::MAX).flat_map(|a| [i32::from(a), i32::from(a) << 14]) {
            for w in [i16::MIN, -32_767, -23_170, -1, 0, 1, 23_170, i16::MAX] {
                assert_eq!(scaled(a, w), floor(a, w), "{a} · {w}");
            }
        }
    }

    /// In 64 bits the same comes out: neither product nor sum of a butterfly has wrapped.
    #[test]
    fn butterflies_do_not_overflow() {
        let wide = |a: i32, w: i16| (i64::from(a) * i64::from(w)) >> 15;
        let numbers = LOUD.map(|x| x / 2);
        for [cos, sin] in twiddles(1024) {
            for re in numbers {
                for im in numbers {
                    // A number of this magnitude keeps it when it is turned.
                    if f64::from(re).hypot(f64::from(im)) >= 2f64.powi(29) {
                        continue;
                    }
                    let product = multiply([re, im], [cos, sin]);
                    let exact = [wide(re, cos) - wide(im, sin), wide(re, sin) + wide(im, cos)];
                    assert_eq!(product.map(i64::from), exact);
                    let (mut a, mut b) = ([re, im], [0; 2]);
                    butterfly(&mut a, &mut b, product);
                    let sums = [i64::from(re) + exact[0], i64::from(im) + exact[1]];
                    assert_eq!(a.map(i64::from), sums);
                    assert_eq!(b.map(i64::from), [i64::from(re) - exact[0], i64::from(im) - exact[1]]);
                }
            }
        }
    }

    /// Loud noise and a tone through every length; against the sum of the definition. The factors' 16 bits bound the
    /// error at about 90 dB below the loudest bin.
    #[test]
    fn bins_are_those_of_the_definition() {
        for log2 in 4..=10u32 {
            let len = 1usize << log2;
            let most = f64::from(1 << (29 - log2)) - 1.0;
            let mut seed = 7u32;
            let signal: Vec<i32> = (0..len)
                .map(|n| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let noise = f64::from(seed) / f64::from(u32::MAX) - 0.5;
                    (most * (0.8 * (2.0 * PI * 3.3 * n as f64 / len as f64).sin() + 0.2 * noise)) as i32
                })
                .collect();
            let mut z: Vec<Complex> = std::vec![[0; 2]; len / 2];
            signal.chunks(2).enumerate().for_each(|(n, pair)| z[reversed(n, len / 2)] = [pair[0], pair[1]]);
            real(&mut z, &twiddles(len));
            let bin = |k: usize| {
                signal.iter().enumerate().fold([0f64; 2], |[re, im], (n, &x)| {
                    let angle = -2.0 * PI * (k * n % len) as f64 / len as f64;
                    [re + f64::from(x) * angle.cos(), im + f64::from(x) * angle.sin()]
                })
            };
            let loudest = (0..len / 2).map(|k| bin(k)[0].hypot(bin(k)[1])).fold(0.0, f64::max);
            assert!((f64::from(z[0][0]) - bin(0)[0]).abs() < 1e-4 * loudest);
            assert!((f64::from(z[0][1]) - bin(len / 2)[0]).abs() < 1e-4 * loudest);
            for (k, found) in z.iter().enumerate().skip(1) {
                let [re, im] = bin(k);
                let error = (f64::from(found[0]) - re).hypot(f64::from(found[1]) - im);
                assert!(error < 1e-4 * loudest, "{len}, bin {k}: off by {error}, loudest {loudest}");
            }
        }
    }
}
