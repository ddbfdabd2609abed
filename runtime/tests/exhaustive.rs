//! The fixed-point primitives on every input that 8 and 16 bits have, at every shift and with the multipliers at the edges,
//! each against its definition in wide integers or f64: exact where it claims to be, otherwise within its bound; monotone where
//! it claims to be. This profile checks overflow, so that none is there. `THUMBNET_FULL=1` takes all 2^31 arguments of the
//! exponential and the reciprocal, where otherwise every 4,099th is taken.
//!
//! | primitive | inputs | here |
//! |---|---|---|
//! | requantize, one and two roundings | 16 bits × 62 shifts × 7 multipliers, and 16 high bits | exact, monotone |
//! | requantize an accumulator (`SMMULR`) | 31 bits by their 16 highest, and 16 bits × shifts × multipliers | as two roundings |
//! | doubling high multiply, rounding shift | 16 bits × edges, 16 bits × 32 exponents | exact |
//! | exponential, Q5.26 | 2^31 | within 2^−22; no more can it step back where its polynomials meet |
//! | reciprocal, Q0.31 | 2^31 | within 2^−28, rises by 8 units of 2^−31 at most |
//! | quantize from f32 | the 16 highest bits of f32 | exact |
//!
//! Elsewhere: softmax on every pair of 8 bits (`fixed.rs`), sigmoid and tanh on every input of 16 bits (`fixed.rs`, `saturating.rs`, `src/gates.rs`), the butterflies'
//! product on every factor, the transform at full scale (`src/kernels/fft.rs`), the logarithm on 16 bits of mantissa in every
//! octave (`src/kernels/energies.rs`), the square root (`src/kernels/motion.rs`); the assembly of every core on every
//! accumulator of 15 bits at every shift (`host-tests/tests/roundings.rs`).

use thumbnet::fixed::{
    doubling_high_mul, exp_of_negative, reciprocal_of_one_plus, requantize_accumulator, requantize_double,
    requantize_single, rounding_shift_right,
};
use thumbnet::kernels::quantize;

/// Constant channels, both ends of the range, and patterns that carry far.
const MULTIPLIERS: [i32; 7] = [0, 1 << 30, (1 << 30) + 1, 0x5555_5555, 0x6aaa_aaab, i32::MAX - 1, i32::MAX];

/// Every number of 16 bits, and those with 16 high bits.
fn sixteen_bits() -> impl Iterator<Item = i32> {
    (i32::from(i16::MIN)..=i32::from(i16::MAX)).flat_map(|x| [x, x << 16, x << 16 | 0xffff])
}

/// `round(a / 2^n)`, half up.
fn half_up(a: i128, n: u32) -> i128 {
    if n == 0 { a } else { (a + (1 << (n - 1))) >> n }
}

/// `round(a / 2^n)`, half away from zero.
fn half_away(a: i128, n: u32) -> i128 {
    half_up(a.abs(), n) * a.signum()
}

/// What gemmlowp calls `SaturatingRoundingDoublingHighMul`.
fn high_mul(a: i128, b: i128) -> i128 {
    let product = a * b;
    let nudge = if product >= 0 { 1 << 30 } else { 1 - (1 << 30) };
    ((product + nudge) / (1 << 31)).min(i32::MAX.into())
}

#[test]
fn one_rounding_is_its_definition() {
    for multiplier in MULTIPLIERS {
        for shift in -31..=30 {
            for x in sixteen_bits() {
                let exact = half_up(i128::from(x) * i128::from(multiplier), (31 - shift) as u32);
                assert_eq!(requantize_single(x, multiplier, shift), exact as i32, "{x} · {multiplier} · 2^{shift}");
            }
        }
    }
}

#[test]
fn two_roundings_are_their_definition() {
    for multiplier in MULTIPLIERS {
        for shift in -31..=30i32 {
            for x in sixteen_bits() {
                let left = x.wrapping_shl(shift.max(0) as u32);
                let exact = half_away(high_mul(left.into(), multiplier.into()), (-shift).max(0) as u32);
                let found = requantize_double(x, multiplier, shift);
                assert_eq!(i128::from(found), exact, "{x} · {multiplier} · 2^{shift}");
                // Accumulators stay below 2^30, also when they are shifted to the left.
                if i64::from(x).abs() << shift.max(0) < 1 << 30 {
                    assert_eq!(requantize_accumulator(x, multiplier, shift), found, "{x} · {multiplier} · 2^{shift}");
                }
            }
        }
    }
}

#[test]
fn requantizing_is_monotone() {
    let rises = |f: &dyn Fn(i32) -> i32| (-(1 << 15)..1 << 15).all(|x| f(x) <= f(x + 1));
    for multiplier in MULTIPLIERS {
        for shift in -31..=0 {
            assert!(rises(&|x| requantize_single(x, multiplier, shift)), "once, {multiplier}, {shift}");
            assert!(rises(&|x| requantize_double(x, multiplier, shift)), "twice, {multiplier}, {shift}");
        }
    }
}

#[test]
fn products_and_shifts_are_their_definitions() {
    let edges = [i32::MIN, i32::MIN + 1, -(1 << 30), -65_537, -1, 0, 1, 65_536, 1 << 30, i32::MAX];
    for x in sixteen_bits() {
        for factor in edges {
            let exact = high_mul(x.into(), factor.into());
            assert_eq!(i128::from(doubling_high_mul(x, factor)), exact, "{x} · {factor}");
        }
        for exponent in 0..32 {
            let exact = half_away(x.into(), exponent);
            assert_eq!(i128::from(rounding_shift_right(x, exponent)), exact, "{x} >> {exponent}");
        }
    }
}

/// How far apart the arguments are that functions of 31 bits are tried on.
fn stride() -> usize {
    if std::env::var_os("THUMBNET_FULL").is_some() { 1 } else { 4099 }
}

#[test]
fn the_exponential_is_within_its_bound() {
    let mut worst = 0f64;
    for a in (i32::MIN..=0).step_by(stride()).chain((0..1 << 16).map(|x: i32| -(x << 15))) {
        let found = exp_of_negative(a);
        let real = (f64::from(a) / f64::from(1 << 26)).exp() * 2f64.powi(31);
        let error = (f64::from(found) - real).abs();
        assert!(error <= 512.0 && found >= 0, "{a}: {found} instead of {real}");
        worst = worst.max(error);
    }
    println!("exponential: {worst:.1} units of 2^-31 at worst");
    assert_eq!(exp_of_negative(0), i32::MAX);
}

#[test]
fn the_reciprocal_is_within_its_bound_and_hardly_rises() {
    let (mut worst, mut rise, mut least) = (0f64, 0, i32::MAX);
    for a in (0..=i32::MAX).step_by(stride()) {
        let found = reciprocal_of_one_plus(a);
        let real = 2f64.powi(31) / (1.0 + f64::from(a) / 2f64.powi(31));
        worst = worst.max((f64::from(found) - real).abs());
        rise = rise.max(found - least);
        least = least.min(found);
    }
    println!("reciprocal: {worst:.1} units of 2^-31 at worst, rises by {rise}");
    assert!(worst <= 8.0, "{worst}");
    // The last Newton step is a multiple of 8 units: where the result should hardly fall, it may rise by one of those.
    assert!(rise <= 8, "{rise}");
}

#[test]
fn floats_of_every_magnitude_are_quantized() {
    for bits in (0..=u32::from(u16::MAX)).map(|high| high << 16) {
        let x = f32::from_bits(bits);
        let expected = if x.is_nan() { 0 } else { x.round().clamp(-128.0, 127.0) as i8 };
        assert_eq!(quantize::round_to_i8(x), expected, "{x}");
        let mut y = [0];
        quantize::quantize(0.5, -3, &[x], &mut y);
        let doubled = if x.is_nan() { 0.0 } else { (x / 0.5).round() };
        assert_eq!(y[0], (f64::from(doubled) - 3.0).clamp(-128.0, 127.0) as i8, "{x}");
    }
}
