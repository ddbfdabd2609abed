//! Dot products of 8-bit weights with 16-bit values: the inner loops.
//!
//! Four elements at a time, from slices cut to the same number of whole groups, so that the compiler needs no bounds check
//! and unrolls. Sums wrap; the exporter has proven that they do not.

#[inline(always)]
fn mac(sum: i32, w: i8, x: i16) -> i32 {
    sum.wrapping_add(i32::from(w).wrapping_mul(i32::from(x)))
}

/// `Σ w · x`.
#[inline(always)]
pub(super) fn dot(w: &[i8], x: &[i16]) -> i32 {
    w.iter().zip(x).fold(0, |sum, (&w, &x)| mac(sum, w, x))
}

/// `[w0·x0, w0·x1, w1·x0, w1·x1]`.
#[inline(always)]
pub(super) fn dot_2x2(w0: &[i8], w1: &[i8], x0: &[i16], x1: &[i16]) -> [i32; 4] {
    let ((w0, w0_rest), (w1, w1_rest)) = (w0.as_chunks::<4>(), w1.as_chunks::<4>());
    let ((x0, x0_rest), (x1, x1_rest)) = (x0.as_chunks::<4>(), x1.as_chunks::<4>());
    let [mut a, mut b, mut c, mut d] = [0; 4];
    let mut step = |w0: i8, w1: i8, x0: i16, x1: i16| {
        (a, b) = (mac(a, w0, x0), mac(b, w0, x1));
        (c, d) = (mac(c, w1, x0), mac(d, w1, x1));
    };
    for (((w0, w1), x0), x1) in w0.iter().zip(w1).zip(x0).zip(x1) {
        for i in 0..4 {
            step(w0[i], w1[i], x0[i], x1[i]);
        }
    }
    for (((&w0, &w1), &x0), &x1) in w0_rest.iter().zip(w1_rest).zip(x0_rest).zip(x1_rest) {
        step(w0, w1, x0, x1);
    }
    [a, b, c, d]
}
