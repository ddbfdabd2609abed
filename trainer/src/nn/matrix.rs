//! Products of matrices that lie in slices, by the `gemm` crate.

use std::ops::Range;

/// A matrix in a slice: element (i, j) lies at `i · strides[0] + j · strides[1]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matrix<'a> {
    data: &'a [f32],
    size: [usize; 2],
    strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// The whole of a slice, row by row.
    pub fn new(data: &'a [f32], columns: usize) -> Self {
        Self { data, size: [data.len() / columns, columns], strides: [columns, 1] }
    }

    /// Some of its columns.
    pub fn columns(self, columns: Range<usize>) -> Self {
        assert!(columns.start <= columns.end && columns.end <= self.size[1], "{columns:?} of {} columns", self.size[1]);
        let data = &self.data[(columns.start * self.strides[1]).min(self.data.len())..];
        Self { data, size: [self.size[0], columns.len()], ..self }
    }

    /// Rows for columns.
    pub fn transposed(self) -> Self {
        let ([rows, columns], [down, right]) = (self.size, self.strides);
        Self { size: [columns, rows], strides: [right, down], ..self }
    }

    /// Whether every element lies in the slice.
    fn fits(&self) -> bool {
        reach(self.size, self.strides) <= self.data.len()
    }
}

/// How many elements of a slice a matrix reaches over.
fn reach(size: [usize; 2], strides: [usize; 2]) -> usize {
    if size.contains(&0) { 0 } else { (size[0] - 1) * strides[0] + (size[1] - 1) * strides[1] + 1 }
}

/// `out[i, columns.start + j] += Σ_k a[i, k] · b[k, j]`, for `out` of rows of `width` elements.
///
/// Runs in the calling thread alone, and adds up in an order that depends on nothing but the sizes and the CPU.
///
/// # Panics
/// The sizes do not fit each other.
pub(super) fn add_product(a: Matrix, b: Matrix, out: &mut [f32], width: usize, columns: Range<usize>) {
    let ([m, depth], n) = (a.size, columns.len());
    assert_eq!(b.size, [depth, n], "the product of {:?} and {:?} goes into {n} columns", a.size, b.size);
    assert!(columns.end <= width && m * width <= out.len(), "{m} rows of {width} go into {} elements", out.len());
    assert!(a.fits() && b.fits(), "a matrix reaches beyond its slice");
    if m * n * depth == 0 {
        return;
    }
    let strides =
        |strides: [usize; 2]| strides.map(|stride| isize::try_from(stride).expect("a slice's length is an isize"));
    let ([a_down, a_right], [b_down, b_right], [down, right]) =
        (strides(a.strides), strides(b.strides), strides([width, 1]));
    // SAFETY:
    // * every (i, j) with i < m and j < n of `out`, which is exclusively borrowed, lies in it and at a place of its own: rows
    //   are `width` apart, `columns.end <= width` and `m * width <= out.len()`;
    // * all elements of `a` and `b` lie in their slices, as `fits` has found;
    // * all of it is initialized, and f32 is one of the types that the function takes.
    unsafe {
        gemm::gemm(
            m,
            n,
            depth,
            out.as_mut_ptr().add(columns.start),
            right,
            down,
            true,
            a.data.as_ptr(),
            a_right,
            a_down,
            b.data.as_ptr(),
            b_right,
            b_down,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_the_definition() {
        let numbers = |len: usize| (0..len).map(|i| ((i * 37 + 11) % 19) as f32 - 9.0).collect::<Vec<_>>();
        for [m, depth, n] in [[1, 1, 1], [3, 5, 2], [17, 24, 33], [2, 0, 3]] {
            let (a, b) = (numbers(m * (depth + 2)), numbers(n * depth));
            let left = Matrix::new(&a, depth + 2).columns(1..depth + 1);
            let right = Matrix { data: &b, size: [n, depth], strides: [depth, 1] }.transposed();
            let mut out = numbers(m * (n + 3));
            let before = out.clone();
            add_product(left, right, &mut out, n + 3, 2..n + 2);
            for (at, (new, old)) in out.iter().zip(&before).enumerate() {
                let (i, j) = (at / (n + 3), at % (n + 3));
                let sum: f32 = match j {
                    2.. if j < n + 2 => (0..depth).map(|k| a[i * (depth + 2) + 1 + k] * b[(j - 2) * depth + k]).sum(),
                    _ => 0.0,
                };
                // Small whole numbers: no rounding.
                assert_eq!(*new, old + sum, "{m} {depth} {n}: {i}, {j}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "goes into")]
    fn sizes_that_do_not_fit_are_refused() {
        add_product(Matrix::new(&[1.0; 6], 3), Matrix::new(&[1.0; 4], 2), &mut [0.0; 4], 2, 0..2);
    }
}
