//! Some of many things, spread over all of them.

/// The step by which about `most` of `len` things are met. It has no factor in common with `len`: things that lie in rows, such as
/// the pixels of channels, are met in every place of a row, not always in the same.
pub(super) fn stride(len: usize, most: usize) -> usize {
    (len.div_ceil(most).max(1)..).find(|&stride| greatest_common_divisor(stride, len) == 1).unwrap_or(1)
}

const fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::stride;

    #[test]
    fn every_place_of_a_row_is_met() {
        // 4,096 of 64 images of 64 channels of 11×11: the plain quotient is 121.
        let len = 64 * 64 * 121;
        let met: BTreeSet<usize> = (0..len).step_by(stride(len, 4096)).map(|at| at % 121).collect();
        assert_eq!(met.len(), 121);
        assert_eq!(stride(7, 100), 1);
        assert_eq!(stride(0, 100), 1);
    }
}
