//! A sum of two tensors that rounds once instead of three times, to the same bytes.
//!
//! What the reference kernel computes of two bytes rises with each of them, and nearly as a plane does. So there are factors and a
//! constant with which [`Affine`] gives the same for all 65,536 pairs; which ones is tried out. For given factors the constants
//! that give one pair its byte are an interval, and one is right that lies in all of them.

use thumbnet::kernels::{Add, Affine, Broadcast, Clamp, Sum, eltwise};

/// Bits behind the point of the sum.
const FRACTION: u32 = 20;
/// The same of a factor.
const FACTOR_FRACTION: i32 = 28;

/// The first that gives every pair of bytes what `sum` does without one, before its clamp; `ratios` are both operands' scales by the
/// output's. `None`: one of them is too large, or none of the factors next to them does.
pub fn affine(sum: &Add, ratios: [f64; 2]) -> Option<Affine> {
    let expected = all_pairs(sum);
    candidates().find_map(|bends| {
        let factor = |index: usize| {
            let factor = (ratios[index] * (1.0 + bends[index]) * 2f64.powi(FACTOR_FRACTION)).round();
            (factor < 2f64.powi(31)).then_some(factor as i32)
        };
        let factors = [factor(0)?, factor(1)?];
        let constant = constant(factors, &expected)?;
        Some(Affine { factors, constant })
    })
}

/// By how much the factors differ from the ratios: not at all, or by 2^−16 at most. Where ratios are simple, many sums lie in the
/// middle between two bytes and are rounded away from zero, for which it takes factors that are a little larger.
fn candidates() -> impl Iterator<Item = [f64; 2]> {
    let bends = (16..=32).rev().flat_map(|power| {
        let bend = 2f64.powi(-power);
        [[1.0, 1.0], [-1.0, -1.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0], [1.0, -1.0], [-1.0, 1.0]]
            .map(|signs| signs.map(|sign| sign * bend))
    });
    std::iter::once([0.0; 2]).chain(bends)
}

/// The reference's bytes, `[a][b]`.
fn all_pairs(sum: &Add) -> Vec<i8> {
    let bytes: Vec<i8> = (i8::MIN..=i8::MAX).collect();
    let a: Vec<i8> = bytes.iter().flat_map(|&byte| [byte; 256]).collect();
    let b = bytes.repeat(256);
    let shape = [1, 1, 1, 1, 256, 256];
    let mut pairs = vec![0; 256 * 256];
    let sum = Sum { args: Add { clamp: Clamp::NONE, ..*sum }, affine: None };
    eltwise::add(&sum, &Broadcast { output: shape, inputs: [shape; 2] }, &a, &b, &mut pairs);
    pairs
}

/// One that is right for every pair.
fn constant(factors: [i32; 2], expected: &[i8]) -> Option<i32> {
    let products = |factor: i32| {
        std::array::from_fn::<i64, 256, _>(|entry| {
            (i64::from(factor) * (entry as i64 - 128)) >> (FACTOR_FRACTION - FRACTION as i32)
        })
    };
    let [a, b] = factors.map(products);
    let (mut least, mut most) = (i64::from(i32::MIN), i64::from(i32::MAX));
    for (a, row) in a.iter().zip(expected.chunks_exact(256)) {
        for (b, &byte) in b.iter().zip(row) {
            let (product, byte) = (a + b, i64::from(byte));
            // What is saturated may be anything beyond.
            if byte > i64::from(i8::MIN) {
                least = least.max((byte << FRACTION) - product);
            }
            if byte < i64::from(i8::MAX) {
                most = most.min(((byte + 1) << FRACTION) - 1 - product);
            }
        }
        if least > most {
            return None;
        }
    }
    // All sums fit 32 bits: the extremes are those of the corners.
    let fits = |number: i64| i32::try_from(number).is_ok();
    let constant = least.midpoint(most);
    let corners = [a[0] + b[0], a[0] + b[255], a[255] + b[0], a[255] + b[255]];
    corners.iter().all(|corner| fits(corner + constant)).then_some(constant as i32)
}

#[cfg(test)]
mod tests {
    use thumbnet::format::SumParams;

    use super::*;
    use crate::quantize::{Quant, sum_params};

    /// A rectified sum: the shorter way is to what its clamp is applied to.
    fn sum(scales: [f32; 3], zero_points: [i32; 3]) -> Sum {
        let [a, b, output] = [0, 1, 2].map(|i| Quant { scale: scales[i], zero_point: zero_points[i] });
        let clamp = Clamp { min: output.zero_point as i8, max: i8::MAX };
        let SumParams { args, affine } = sum_params([a, b], output, clamp).unwrap();
        Sum { args: args.bound([a.zero_point, b.zero_point], output.zero_point), affine }
    }

    /// Ratios at random, and simple ones, with which many sums lie in the middle.
    #[test]
    fn every_pair_of_bytes_has_the_sum_of_the_reference() {
        let simple = [
            [0.5, 0.5, 0.5],
            [0.5, 0.5, 1.0],
            [0.5, 0.25, 0.5],
            [0.5, 0.25, 1.0],
            [1.0, 0.0078125, 1.0],
            [3.0, 2.0, 3.0],
        ];
        let odd = [[0.0213, 0.0191, 0.0307], [0.11, 0.0347, 0.0731], [0.0021, 0.0137, 0.0141], [0.077, 0.0761, 0.0303]];
        for scales in simple.into_iter().chain(odd) {
            for zero_points in [[0; 3], [-128; 3], [5, -17, 88]] {
                let sum = sum(scales, zero_points);
                let affine = sum.affine.unwrap_or_else(|| panic!("none for {scales:?}, {zero_points:?}"));
                let expected = all_pairs(&sum.args);
                for (number, &expected) in expected.iter().enumerate() {
                    let [a, b] = [number / 256, number % 256].map(|entry| entry as i64 - 128);
                    let [f, g] = affine.factors.map(i64::from);
                    let found = (((f * a) >> 8) + ((g * b) >> 8) + i64::from(affine.constant)) >> 20;
                    assert_eq!(found.clamp(-128, 127), i64::from(expected), "{scales:?} {zero_points:?} {a} + {b}");
                }
            }
        }
    }

    #[test]
    fn an_operand_that_is_much_coarser_than_the_output_has_none() {
        assert_eq!(sum([1.0, 1.0, 0.1], [0; 3]).affine, None);
        assert!(sum([1.0, 1.0, 0.13], [0; 3]).affine.is_some());
    }
}
