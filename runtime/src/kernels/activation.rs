//! Functions of one element, by table: sigmoid, tanh, leaky relu, hard swish, relu, and changes of scale.
//!
//! `y = table[q + 128]`. The exporter fills the table from the real function, each entry rounded half away from zero once,
//! so the error is half a unit of the output and no other: there is nothing to approximate in 256 values.

/// Looks up each element.
pub fn lookup(table: &[i8; 256], x: &[i8], y: &mut [i8]) {
    x.iter().zip(y).for_each(|(&x, y)| *y = entry(table, x));
}

/// Looks up each element where it lies.
pub fn lookup_in_place(table: &[i8; 256], y: &mut [i8]) {
    y.iter_mut().for_each(|y| *y = entry(table, *y));
}

#[inline(always)]
fn entry(table: &[i8; 256], q: i8) -> i8 {
    // Flipping the sign bit adds 128; a byte cannot leave a table of 256.
    table[usize::from(q.cast_unsigned() ^ 0x80)]
}
