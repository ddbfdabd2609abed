//! Reading a classifier's output.

/// A class and its score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Class<'m> {
    /// Its number: the position in the output.
    pub index: usize,
    /// Its name; empty where the model carries none.
    pub label: &'m str,
    /// The quantized score, larger is better.
    pub score: i8,
}

/// The `N` best classes of `scores`, best first, the lower number first among equals.
#[cfg(feature = "heapless")]
#[must_use]
pub fn top_k<'m, const N: usize>(model: &crate::Model<'m>, scores: &[i8]) -> heapless::Vec<Class<'m>, N> {
    let mut best = heapless::Vec::<Class<'m>, N>::new();
    for (index, (&score, label)) in
        scores.iter().zip(model.info().labels.iter().chain(core::iter::repeat(""))).enumerate()
    {
        let place = best.iter().take_while(|class| class.score >= score).count();
        if place == N {
            continue;
        }
        if best.is_full() {
            best.pop();
        }
        // There is room and `place` is within it, so this cannot be refused.
        let _ = best.insert(place, Class { index, label, score });
    }
    best
}

/// `probabilities[i] = e^(x_i − max x) / Σ e^(x_j − max x)` with `x = scale · q`, in f32.
///
/// With the feature `libm` each is within 10^−6 of the real value; with `micromath` alone within 2^−12. Values
/// beyond the shorter of both slices are ignored.
#[cfg(any(feature = "libm", feature = "micromath"))]
pub fn softmax(scale: f32, scores: &[i8], probabilities: &mut [f32]) {
    let max = scores.iter().copied().max().unwrap_or(0);
    let mut sum = 0.0;
    for (p, &q) in probabilities.iter_mut().zip(scores) {
        *p = exp(scale * (f32::from(q) - f32::from(max)));
        sum += *p;
    }
    for (p, _) in probabilities.iter_mut().zip(scores) {
        *p /= sum;
    }
}

#[cfg(feature = "libm")]
fn exp(x: f32) -> f32 {
    libm::expf(x)
}

#[cfg(all(feature = "micromath", not(feature = "libm")))]
fn exp(x: f32) -> f32 {
    micromath::F32Ext::exp(x)
}
