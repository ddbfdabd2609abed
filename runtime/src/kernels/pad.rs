//! Padding with a constant.

/// `y[i] = x[i − before]` where that lies in the input, otherwise `value`. Shapes have six dimensions, unused ones 1.
pub fn pad(input: [usize; 6], before: [usize; 6], output: [usize; 6], value: i8, x: &[i8], y: &mut [i8]) {
    y.fill(value);
    let [.., row] = input;
    for (index, x) in x.chunks_exact(row.max(1)).enumerate() {
        let start = start(&input, &before, &output, index);
        if let Some(y) = y.get_mut(start..start.saturating_add(row)) {
            y.iter_mut().zip(x).for_each(|(y, &x)| *y = x);
        }
    }
}

/// Where row `index` of the input lies in the output.
fn start(input: &[usize; 6], before: &[usize; 6], output: &[usize; 6], mut index: usize) -> usize {
    let mut start = before[5];
    let mut stride = output[5];
    for ((&size, &before), &output) in input.iter().zip(before).zip(output).rev().skip(1) {
        let position = index.checked_rem(size).unwrap_or(0).wrapping_add(before);
        index = index.checked_div(size).unwrap_or(0);
        start = start.wrapping_add(position.wrapping_mul(stride));
        stride = stride.wrapping_mul(output);
    }
    start
}
