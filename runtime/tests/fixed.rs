//! Fixed-point arithmetic against big integers and f64.

use proptest::prelude::*;
use thumbnet::fixed::{
    doubling_high_mul, exp_of_negative, reciprocal_of_one_plus, requantize_accumulator, requantize_double,
    requantize_single, rounding_shift_right,
};
use thumbnet::fixed16::{sigmoid, tanh};
use thumbnet::kernels::{Scale, Softmax, activation, arg_max, log_softmax, quantize, softmax};

const EDGES: [i32; 13] =
    [i32::MIN, i32::MIN + 1, -(1 << 30), -65_537, -256, -1, 0, 1, 255, 65_536, 1 << 30, i32::MAX - 1, i32::MAX];

/// `floor(a / b + 1/2)`.
fn round_half_up(a: i128, b: i128) -> i128 {
    (2 * a + b).div_euclid(2 * b)
}

/// Half away from zero.
fn round_half_away(a: i128, b: i128) -> i128 {
    (2 * a.abs() + b) / (2 * b) * a.signum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn single_rounding_is_its_definition(x in any::<i32>(), m in 1i32 << 30..=i32::MAX, shift in -31..=0) {
        let exact = round_half_up(i128::from(x) * i128::from(m), 1i128 << (31 - shift));
        prop_assert_eq!(i128::from(requantize_single(x, m, shift)), exact);
    }

    #[test]
    fn double_rounding_is_its_definition(x in any::<i32>(), m in 1i32 << 30..=i32::MAX, shift in -31..=0) {
        // Half up for positive and half toward zero for negative products, as gemmlowp has it; then half away from zero.
        let product = i128::from(x) * i128::from(m);
        let nudge: i128 = if product >= 0 { 1 << 30 } else { 1 - (1 << 30) };
        let high = (product + nudge) / (1 << 31);
        prop_assert_eq!(i128::from(requantize_double(x, m, shift)), round_half_away(high, 1i128 << -shift));
    }

    #[test]
    fn exp_is_close(a in i32::MIN..=0) {
        let real = (f64::from(a) / f64::from(1 << 26)).exp() * 2f64.powi(31);
        // 512 units of 2^−31 are 2^−22. The polynomial leaves out e^(−1/8) · (1/8)^5 / 120 and more, 484 units at the ends of
        // its interval; the eleven roundings to 2^−31 have the rest.
        prop_assert!((f64::from(exp_of_negative(a)) - real).abs() <= 512.0, "{} instead of {real}", exp_of_negative(a));
    }

    #[test]
    fn reciprocal_is_close(a in 0..=i32::MAX) {
        let real = 2f64.powi(31) / (1.0 + f64::from(a) / 2f64.powi(31));
        // 8 units of 2^−31 are 2^−28: each Newton step rounds in Q2.29.
        let found = f64::from(reciprocal_of_one_plus(a));
        prop_assert!((found - real).abs() <= 8.0, "{found} instead of {real}");
    }
}

#[test]
fn shifts_round_half_away_from_zero_at_every_edge() {
    for x in EDGES {
        for exponent in 0..=31 {
            let exact = round_half_away(i128::from(x), 1i128 << exponent);
            assert_eq!(i128::from(rounding_shift_right(x, exponent)), exact, "{x} >> {exponent}");
        }
    }
    for exponent in 1..12 {
        for x in -5000..5000 {
            assert_eq!(i128::from(rounding_shift_right(x, exponent)), round_half_away(x.into(), 1i128 << exponent));
        }
    }
}

#[test]
fn only_one_product_saturates() {
    for a in EDGES {
        for b in EDGES {
            let exact = round_half_away(i128::from(a) * i128::from(b), 1i128 << 31);
            let found = i128::from(doubling_high_mul(a, b));
            if (a, b) == (i32::MIN, i32::MIN) {
                assert_eq!(found, i128::from(i32::MAX));
            } else {
                assert!((found - exact).abs() <= i128::from(exact < 0), "{a} · {b}: {found}, exactly {exact}");
            }
        }
    }
}

/// What the exporter computes for a scale: `scale · 2^26` as multiplier and shift, and the difference that still counts.
fn softmax_of(scale: f64, row: usize) -> Softmax<'static> {
    let real = (scale * 2f64.powi(26)).min(2f64.powi(31) - 1.0);
    let shift = real.log2().floor() as i32 + 1;
    let multiplier = (real / 2f64.powi(shift) * 2f64.powi(31)).round() as i32;
    let diff_min = -(31.0 * 2f64.powi(26) / 2f64.powi(shift)).floor() as i32;
    Softmax { row, scale: Scale { multiplier, shift }, diff_min, exponentials: &[] }
}

#[test]
fn softmax_of_every_pair_is_close_and_in_order() {
    for scale in [1.0 / 256.0, 0.01, 0.05, 0.1, 0.25, 1.0, 8.0] {
        let p = softmax_of(scale, 2);
        for a in i8::MIN..=i8::MAX {
            for b in i8::MIN..=i8::MAX {
                let mut y = [0; 2];
                softmax::softmax(&p, &[a, b], &mut y);
                let real = (256.0 / (1.0 + (scale * f64::from(i32::from(b) - i32::from(a))).exp()) - 128.0).min(127.0);
                assert!((f64::from(y[0]) - real).abs() <= 1.0, "{scale}: {a}, {b}: {} instead of {real}", y[0]);
                assert!(y[0].cmp(&y[1]) == a.cmp(&b) || y[0] == y[1], "{scale}: {a}, {b} become {y:?}");
            }
        }
    }
}

#[test]
fn softmax_is_within_one_unit_of_the_real_one() {
    for scale in [0.004, 0.02, 0.1, 0.25, 1.0] {
        for seed in 0..300i32 {
            let x: Vec<i8> =
                (0..10).map(|i| ((seed * 7919 + i * i * 104_729 + seed * i * 31) % 256 - 128) as i8).collect();
            let p = softmax_of(scale, x.len());
            let mut y = vec![0; x.len()];
            softmax::softmax(&p, &x, &mut y);
            let exps: Vec<f64> = x.iter().map(|&q| (scale * f64::from(q)).exp()).collect();
            let sum: f64 = exps.iter().sum();
            for (&y, exp) in y.iter().zip(&exps) {
                let real = (256.0 * exp / sum - 128.0).min(127.0);
                assert!((f64::from(y) - real).abs() <= 1.0, "scale {scale}, {x:?}: {y} instead of {real}");
            }
            let mut in_place = x;
            softmax::softmax_in_place(&p, &mut in_place);
            assert_eq!(in_place, y);
        }
    }
}

/// The same with its table, and what is in it.
fn with_table<'m>(p: &Softmax<'_>, table: &'m mut Vec<i32>) -> Softmax<'m> {
    table.extend(softmax::exponentials(p.scale, p.diff_min));
    Softmax { row: p.row, scale: p.scale, diff_min: p.diff_min, exponentials: table }
}

#[test]
fn softmax_by_a_table_has_the_same_bits() {
    for scale in [1.0 / 256.0, 0.01, 0.05, 0.1, 0.25, 1.0, 8.0, 1000.0] {
        let (p, mut table) = (softmax_of(scale, 3), Vec::new());
        let by_table = with_table(&p, &mut table);
        assert_eq!(by_table.exponentials.first(), Some(&i32::MAX), "{scale}");
        for (a, b) in (i8::MIN..=i8::MAX).flat_map(|a| (i8::MIN..=i8::MAX).map(move |b| (a, b))) {
            let (x, mut expected, mut found) = ([a, b, 100], [0; 3], [0; 3]);
            softmax::softmax(&p, &x, &mut expected);
            softmax::softmax(&by_table, &x, &mut found);
            assert_eq!(found, expected, "{scale}: {x:?}");
            log_softmax::log_softmax(&p, &x, &mut expected);
            log_softmax::log_softmax(&by_table, &x, &mut found);
            assert_eq!(found, expected, "logarithm, {scale}: {x:?}");
        }
    }
}

#[test]
fn softmax_of_long_rows_by_a_table_has_the_same_bits() {
    for (scale, row) in
        [0.002, 0.03, 0.1, 0.7].into_iter().flat_map(|scale| [1, 12, 17, 300, 9000].map(|row| (scale, row)))
    {
        let (p, mut table) = (softmax_of(scale, row), Vec::new());
        let by_table = with_table(&p, &mut table);
        let x: Vec<i8> =
            (0..2 * row as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8 as i8 >> (i % 3)).collect();
        let (mut expected, mut found) = (vec![0; x.len()], x.clone());
        softmax::softmax(&p, &x, &mut expected);
        softmax::softmax_in_place(&by_table, &mut found);
        assert_eq!(found, expected, "{scale}, {row}");
        log_softmax::log_softmax(&p, &x, &mut expected);
        log_softmax::log_softmax(&by_table, &x, &mut found);
        assert_eq!(found, expected, "logarithm, {scale}, {row}");
    }
}

#[test]
fn lookups_read_entry_q_plus_128() {
    let table: [i8; 256] = std::array::from_fn(|i| (i as u8).wrapping_mul(37) as i8);
    let x: Vec<i8> = (-128..=127).collect();
    let mut y = vec![0; 256];
    activation::lookup(&table, &x, &mut y);
    assert_eq!(y, table);
    let mut in_place = x;
    activation::lookup_in_place(&table, &mut in_place);
    assert_eq!(in_place, table);
}

#[test]
fn arg_max_takes_the_first_of_equals() {
    let mut y = [9; 3];
    arg_max::arg_max(3, &[1, 5, 5, -128, -128, -128, 0, -1, 127], &mut y);
    assert_eq!(y, [1, 0, 2]);
}

#[test]
fn quantizing_rounds_half_away_and_saturates() {
    let x = [0.0, 0.25, -0.25, 0.24, 1e9, -1e9, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
    let mut y = [0; 9];
    quantize::quantize(0.5, 3, &x, &mut y);
    assert_eq!(y, [3, 4, 2, 3, 127, -128, 127, -128, 3]);
    let mut back = [0.0; 2];
    quantize::dequantize(0.5, 3, &[3, -128], &mut back);
    assert_eq!(back, [0.0, -65.5]);
    for half in -300..300 {
        let x = half as f32 / 2.0;
        assert_eq!(i32::from(quantize::round_to_i8(x)), (x.round() as i32).clamp(-128, 127), "{x}");
    }
}

/// The largest distance of a Q0.15 function from the real one over all 65,536 inputs.
fn worst_q15(f: impl Fn(i16) -> i16, real: impl Fn(f64) -> f64, fraction_bits: i32) -> f64 {
    let error = |x: i16| (f64::from(f(x)) / 32768.0 - real(f64::from(x) / f64::from(1 << fraction_bits))).abs();
    (i16::MIN..=i16::MAX).map(error).fold(0.0, f64::max)
}

#[test]
fn sigmoid_of_16_bits_is_close_everywhere() {
    let worst = worst_q15(sigmoid, |x| 1.0 / (1.0 + (-x).exp()), 12);
    assert!(worst < 2f64.powi(-10), "{worst}");
    // The polynomials of neighbouring quarters do not meet exactly: there it steps back, by 8 units of 2^-15 at most, as gemmlowp's does.
    let step_back = (i16::MIN..i16::MAX).map(|x| i32::from(sigmoid(x)) - i32::from(sigmoid(x + 1))).max();
    assert_eq!(step_back, Some(8));
}

#[test]
fn tanh_of_16_bits_is_odd_and_close_everywhere() {
    for integer_bits in 0..=6 {
        let f = |x| tanh(x, integer_bits);
        let worst = worst_q15(f, f64::tanh, 15 - integer_bits as i32);
        assert!(worst < 2f64.powi(-10), "{integer_bits} bits: {worst}");
        assert!((1..=i16::MAX).all(|x| f(-x) == -f(x)));
    }
}

proptest! {
    #[test]
    fn accumulators_are_requantized_as_any_number(x in -(1i32 << 30) + 1..(1i32 << 30), m in 1i32 << 30..=i32::MAX, shift in -31..=4i32) {
        let x: i32 = x >> shift.max(0);
        prop_assert_eq!(requantize_accumulator(x, m, shift), requantize_double(x, m, shift));
    }
}
