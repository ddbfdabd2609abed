//! Dot products of 8-bit weights with 16-bit values: the inner loops.
//!
//! Sums wrap; the exporter has proven that they do not.

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
    let len = w0.len().min(w1.len()).min(x0.len()).min(x1.len());
    // Cut to one length that the compiler knows to be common: one counter then serves all four.
    let (Some(w0), Some(w1), Some(x0), Some(x1)) = (w0.get(..len), w1.get(..len), x0.get(..len), x1.get(..len)) else {
        return [0; 4];
    };
    let mut sums = [0; 4];
    for k in 0..len {
        let (w0, w1, x0, x1) = (w0[k], w1[k], x0[k], x1[k]);
        sums = [mac(sums[0], w0, x0), mac(sums[1], w0, x1), mac(sums[2], w1, x0), mac(sums[3], w1, x1)];
    }
    sums
}
