//! The two loops that nearly all of the training time of a convolution goes into, over numbers that are gathered from where they lie.
//!
//! Nothing is copied into columns first. A window of an image is a base and a list of offsets from it, the same list for every
//! window, so a convolution is `y[p] = Σ_k x[base(p) + offset(k)] · w[k]`, with a row of `w` for each tap and input channel and
//! a column for each output channel. A tile of windows times a few vectors of output channels stays in registers.
//!
//! This file is a fence: it alone in the trainer reads without checking each index. That every base plus every offset
//! lies within the image is checked before, once for each block.

use pulp::{Arch, Simd, WithSimd};

/// Windows that are worked on while their numbers are in the first cache.
const BLOCK: usize = 256;

/// Distances of a window's numbers from its base.
#[derive(Clone, Debug)]
pub(super) struct Offsets {
    list: Vec<u32>,
    /// The largest of them and one more.
    reach: usize,
}

impl Offsets {
    pub fn new(list: Vec<u32>) -> Self {
        let reach = list.iter().max().map_or(0, |&most| most as usize + 1);
        Self { list, reach }
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = usize> {
        self.list.iter().map(|&offset| offset as usize)
    }

    /// Panics unless every window lies within `len` numbers.
    fn check(&self, bases: &[u32], len: usize) {
        let last = bases.iter().max().map_or(0, |&base| base as usize);
        assert!(last + self.reach <= len, "a window ends at {} of {len} numbers", last + self.reach);
    }
}

/// Weights in the order in which the loops read them: vector after vector of columns, each with all its rows.
#[derive(Clone, Debug)]
pub(super) struct Panels {
    /// For each panel of [`width`] columns its bias, then its rows.
    data: Vec<f32>,
    rows: usize,
    columns: usize,
}

impl Panels {
    /// From `rows × columns` numbers, row by row, and what is added to every sum.
    pub fn new(weights: &[f32], bias: Option<&[f32]>, columns: usize) -> Self {
        let (rows, width, zeros) = (weights.len() / columns, width(), vec![0.0; columns]);
        let mut data = Vec::with_capacity((rows + 1) * columns.next_multiple_of(width));
        for first in (0..columns).step_by(width) {
            let count = width.min(columns - first);
            for row in std::iter::once(bias.unwrap_or(&zeros)).chain(weights.chunks_exact(columns)) {
                data.extend_from_slice(&row[first..first + count]);
                data.resize(data.len().next_multiple_of(width), 0.0);
            }
        }
        Self { data, rows, columns }
    }
}

/// Columns that are computed at once: two vectors.
pub(super) fn width() -> usize {
    struct Width;
    impl WithSimd for Width {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            2 * S::F32_LANES
        }
    }
    Arch::new().dispatch(Width)
}

/// `y[place(p)] = bias + Σ_k x[base(p) + offset(k)] · w[k]`, a row of `y` for each place.
pub(super) struct Multiply<'a> {
    pub x: &'a [f32],
    pub bases: &'a [u32],
    pub offsets: &'a Offsets,
    pub weights: &'a Panels,
    pub places: &'a [u32],
    pub y: &'a mut [f32],
}

impl Multiply<'_> {
    pub fn run(self) {
        Arch::new().dispatch(self);
    }

    /// A block of windows for one panel, in tiles of `P` windows.
    #[inline(always)]
    fn panel<S: Simd, const P: usize, const V: usize>(
        &mut self,
        simd: S,
        block: [&[u32]; 2],
        panel: &[f32],
        column: usize,
    ) {
        let (bias, rows) = S::as_simd_f32s(panel).0.split_at(2);
        let bias: [S::f32s; V] = std::array::from_fn(|v| bias[v]);
        let columns = self.weights.columns;
        let count = (columns - column).min(V * S::F32_LANES);
        for (bases, places) in block[0].chunks(P).zip(block[1].chunks(P)) {
            // The last tile computes its last window several times.
            let bases: [u32; P] = std::array::from_fn(|p| bases[p.min(bases.len() - 1)]);
            // SAFETY: `with_simd` has checked all bases of the block with these offsets.
            let sums = unsafe { tile::<S, P, V>(simd, self.x, bases, &self.offsets.list, rows, bias) };
            for (&place, sums) in places.iter().zip(&sums) {
                let row = &mut self.y[place as usize * columns + column..][..count];
                for (part, &sum) in row.chunks_mut(S::F32_LANES).zip(sums) {
                    simd.partial_store_f32s(part, sum);
                }
            }
        }
    }
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let Panels { data, rows, columns } = self.weights;
        assert_eq!(*rows, self.offsets.len(), "rows of the weights");
        let width = 2 * S::F32_LANES;
        for block in self.bases.chunks(BLOCK).zip(self.places.chunks(BLOCK)) {
            self.offsets.check(block.0, self.x.len());
            for (number, panel) in data.chunks_exact((rows + 1) * width).enumerate() {
                let (column, block) = (number * width, [block.0, block.1]);
                let is_narrow = columns - column <= S::F32_LANES;
                // As many sums as there are registers for, beside a row of weights and a number of each window.
                match (S::REGISTER_COUNT >= 32, is_narrow) {
                    (true, true) => self.panel::<S, 12, 1>(simd, block, panel, column),
                    (true, false) => self.panel::<S, 10, 2>(simd, block, panel, column),
                    (false, true) => self.panel::<S, 8, 1>(simd, block, panel, column),
                    (false, false) => self.panel::<S, 6, 2>(simd, block, panel, column),
                }
            }
        }
    }
}

/// `bias[v] + Σ_k x[bases[p] + offsets[k]] · rows[k][v]`. A row is two vectors long, of which the first `V` are used.
///
/// # Safety
/// Every base plus every offset is less than `x.len()`.
#[allow(clippy::needless_range_loop, reason = "constant indices let the compiler keep the sums in registers")]
#[inline(always)]
unsafe fn tile<S: Simd, const P: usize, const V: usize>(
    simd: S,
    x: &[f32],
    bases: [u32; P],
    offsets: &[u32],
    rows: &[S::f32s],
    bias: [S::f32s; V],
) -> [[S::f32s; V]; P] {
    // SAFETY: a base alone is not past the end either.
    let windows: [*const f32; P] = bases.map(|base| unsafe { x.as_ptr().add(base as usize) });
    let mut sums = [bias; P];
    for (&offset, row) in offsets.iter().zip(rows.as_chunks::<2>().0) {
        for p in 0..P {
            // SAFETY: the caller has promised that this index is within `x`.
            let number = simd.splat_f32s(unsafe { *windows[p].add(offset as usize) });
            for v in 0..V {
                sums[p][v] = simd.mul_add_e_f32s(number, row[v], sums[p][v]);
            }
        }
    }
    sums
}

/// `sums[k] += Σ_p x[base(p) + offset(k)] · g[p]`, with rows of `g` and `sums` of `columns` numbers, a multiple of the vectors' length.
pub(super) struct Correlate<'a> {
    pub x: &'a [f32],
    pub bases: &'a [u32],
    pub offsets: &'a Offsets,
    pub gradient: &'a [f32],
    pub columns: usize,
    pub sums: &'a mut [f32],
}

impl Correlate<'_> {
    pub fn run(self) {
        Arch::new().dispatch(self);
    }

    /// All rows of `sums` in tiles of `R`, for `V` vectors of columns.
    #[inline(always)]
    fn panel<S: Simd, const R: usize, const V: usize>(
        &mut self,
        simd: S,
        bases: &[u32],
        gradient: &[f32],
        column: usize,
    ) {
        let tiles = self.offsets.list.chunks(R).zip(self.sums.chunks_mut(R * self.columns));
        for (offsets, sums) in tiles {
            // The last tile computes its last row several times.
            let offsets: [u32; R] = std::array::from_fn(|r| offsets[r.min(offsets.len() - 1)]);
            // SAFETY: `with_simd` has checked these bases with all offsets.
            let found = unsafe { outer::<S, R, V>(simd, self.x, bases, offsets, gradient, self.columns, column) };
            for (row, found) in sums.chunks_exact_mut(self.columns).zip(found) {
                let row = S::as_mut_simd_f32s(&mut row[column..]).0;
                for (sum, found) in row.iter_mut().zip(found) {
                    *sum = simd.add_f32s(*sum, found);
                }
            }
        }
    }
}

impl WithSimd for Correlate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (columns, lanes) = (self.columns, S::F32_LANES);
        assert!(columns.is_multiple_of(lanes), "{columns} columns in vectors of {lanes}");
        for (bases, gradient) in self.bases.chunks(BLOCK).zip(self.gradient.chunks(BLOCK * columns)) {
            self.offsets.check(bases, self.x.len());
            let mut column = 0;
            while column < columns {
                let vectors = ((columns - column) / lanes).min(2);
                match (S::REGISTER_COUNT >= 32, vectors) {
                    (true, 1) => self.panel::<S, 12, 1>(simd, bases, gradient, column),
                    (true, _) => self.panel::<S, 8, 2>(simd, bases, gradient, column),
                    (false, 1) => self.panel::<S, 8, 1>(simd, bases, gradient, column),
                    (false, _) => self.panel::<S, 6, 2>(simd, bases, gradient, column),
                }
                column += vectors * lanes;
            }
        }
    }
}

/// `Σ_p x[bases[p] + offsets[r]] · gradient[p][column + v]`.
///
/// # Safety
/// Every base plus every offset is less than `x.len()`.
#[allow(clippy::needless_range_loop, reason = "constant indices let the compiler keep the sums in registers")]
#[inline(always)]
unsafe fn outer<S: Simd, const R: usize, const V: usize>(
    simd: S,
    x: &[f32],
    bases: &[u32],
    offsets: [u32; R],
    gradient: &[f32],
    columns: usize,
    column: usize,
) -> [[S::f32s; V]; R] {
    // SAFETY: an offset alone is not past the end either.
    let rows: [*const f32; R] = offsets.map(|offset| unsafe { x.as_ptr().add(offset as usize) });
    let mut sums = [[simd.splat_f32s(0.0); V]; R];
    for (&base, gradient) in bases.iter().zip(gradient.chunks_exact(columns)) {
        let gradient = &S::as_simd_f32s(&gradient[column..]).0[..V];
        for r in 0..R {
            // SAFETY: the caller has promised that this index is within `x`.
            let number = simd.splat_f32s(unsafe { *rows[r].add(base as usize) });
            for v in 0..V {
                sums[r][v] = simd.mul_add_e_f32s(number, gradient[v], sums[r][v]);
            }
        }
    }
    sums
}
