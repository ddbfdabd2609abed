//! Concatenation along an axis. All inputs share the output's quantization; the exporter brings them there.

/// Copies one input to its place: `x` holds rows of `part` elements, which go to `offset` of rows of `row` elements in `y`.
pub fn concat_part(row: usize, offset: usize, part: usize, x: &[i8], y: &mut [i8]) {
    for (x, y) in x.chunks_exact(part.max(1)).zip(y.chunks_exact_mut(row.max(1))) {
        y.iter_mut().skip(offset).zip(x).for_each(|(y, &x)| *y = x);
    }
}
