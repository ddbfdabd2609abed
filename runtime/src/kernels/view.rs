//! Moving elements: strided views (transpose, slice, depth to space, ...) and selection along an axis (gather, resize to
//! the nearest, mirrored padding, ...).

use super::View;

/// `y[i0..i5] = x[offset + Σ i_k · stride_k]`.
pub fn view(p: &View, x: &[i8], y: &mut [i8]) {
    let [.., row] = p.shape;
    let [.., step] = p.strides;
    if step == 1 {
        return runs(p, x, y);
    }
    for (index, y) in y.chunks_exact_mut(row.max(1)).enumerate() {
        let mut at = start(p, 1, index);
        for y in y {
            *y = x.get(at as usize).copied().unwrap_or(0);
            at = at.wrapping_add(step);
        }
    }
}

/// Copies what lies together at once, over as many of the last dimensions as do.
fn runs(p: &View, x: &[i8], y: &mut [i8]) {
    let (mut run, mut dims) = (1usize, 0usize);
    for (&size, &stride) in p.shape.iter().zip(&p.strides).rev() {
        if size > 1 && stride != run as isize {
            break;
        }
        run = run.saturating_mul(size);
        dims = dims.saturating_add(1);
    }
    for (index, y) in y.chunks_exact_mut(run.max(1)).enumerate() {
        let from = start(p, dims, index) as usize;
        if let Some((x, _)) = x.get(from..).and_then(|x| x.split_at_checked(y.len())) {
            y.copy_from_slice(x);
        }
    }
}

/// Where the first element of block `index` lies, a block being all of the last `dims` dimensions.
fn start(p: &View, dims: usize, mut index: usize) -> isize {
    let mut start = p.offset;
    for (&size, &stride) in p.shape.iter().zip(&p.strides).rev().skip(dims) {
        let position = index.checked_rem(size).unwrap_or(0);
        index = index.checked_div(size).unwrap_or(0);
        start = start.wrapping_add(stride.wrapping_mul(position as isize));
    }
    start
}

/// `y[outer, k, inner] = x[outer, indices[k], inner]`, `x` having `len` elements along the middle; an index outside is taken
/// as the nearest one inside.
pub fn take(len: usize, inner: usize, indices: &[i32], x: &[i8], y: &mut [i8]) {
    // Numbers that were computed are nobody's proof: each is brought inside here.
    let outer_y = indices.len().saturating_mul(inner).max(1);
    for (x, y) in x.chunks_exact(len.saturating_mul(inner).max(1)).zip(y.chunks_exact_mut(outer_y)) {
        for (&index, y) in indices.iter().zip(y.chunks_exact_mut(inner.max(1))) {
            let index = index.min(len.saturating_sub(1) as i32).max(0) as usize;
            let x = x.get(index.saturating_mul(inner)..).unwrap_or(&[]);
            y.iter_mut().zip(x).for_each(|(y, &x)| *y = x);
        }
    }
}
