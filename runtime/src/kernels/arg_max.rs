//! The position of the largest element.

/// For each `row` elements of `x` the index of the largest, the first one among equals.
pub fn arg_max(row: usize, x: &[i8], y: &mut [i32]) {
    for (x, y) in x.chunks_exact(row.max(1)).zip(y) {
        let mut best = (0, i8::MIN);
        for (index, &x) in x.iter().enumerate() {
            if x > best.1 {
                best = (index as i32, x);
            }
        }
        *y = best.0;
    }
}
