//! Sums over the pixels of a batch, and maps of them, for each channel: images are rows of channels one after the other.

use rayon::prelude::*;

use crate::nn::ops::vectorized::vectorized;

/// Numbers of a row: some pixels, so that the loops over a row are long.
fn row(channels: usize) -> usize {
    channels * (128 / channels).max(1)
}

/// Numbers of a block, of which the sums are added to those of the others in their order.
fn block(channels: usize) -> usize {
    row(channels) * (8192 / row(channels)).max(1)
}

/// As many times one after the other as a row has pixels.
fn repeated(numbers: &[f32]) -> Vec<f32> {
    numbers.repeat(row(numbers.len()) / numbers.len())
}

/// The sums over the pixels of a row.
fn folded(row: &[f32], channels: usize) -> Vec<f32> {
    (0..channels).map(|channel| row.iter().skip(channel).step_by(channels).sum()).collect()
}

/// Means, then variances. Blocks are summed around their own means, and put together by Chan, Golub and LeVeque 1979.
pub(super) fn moments(x: &[f32], channels: usize) -> Vec<f32> {
    let blocks: Vec<_> = x.par_chunks(block(channels)).map(|block| block_moments(block, channels)).collect();
    let (mut count, mut mean, mut squares) = (0.0, vec![0.0; channels], vec![0.0; channels]);
    for (pixels, means, sums) in blocks {
        let all = count + pixels;
        for ((mean, squares), (of_block, sum)) in mean.iter_mut().zip(&mut squares).zip(means.into_iter().zip(sums)) {
            let step = f64::from(of_block) - *mean;
            *mean += step * pixels / all;
            *squares += f64::from(sum) + step * step * count * pixels / all;
        }
        count = all;
    }
    mean.iter().copied().chain(squares.iter().map(|squares| squares / count)).map(|moment| moment as f32).collect()
}

/// Pixels of a block, their means, and the sums of the squares of their distances from those.
fn block_moments(block: &[f32], channels: usize) -> (f64, Vec<f32>, Vec<f32>) {
    let pixels = block.len() as f32 / channels as f32;
    let mut sums = vec![0.0; row(channels)];
    add_rows(&mut sums, block);
    let means: Vec<f32> = folded(&sums, channels).into_iter().map(|sum| sum / pixels).collect();
    let (centers, mut squares) = (repeated(&means), vec![0.0; row(channels)]);
    add_squares(&mut squares, block, &centers);
    (f64::from(pixels), means, folded(&squares, channels))
}

vectorized! {
    /// Adds all rows to `sums`.
    fn add_rows(sums: &mut [f32], block: &[f32]) {
        for row in block.chunks(sums.len()) {
            for (sum, x) in sums.iter_mut().zip(row) {
                *sum += x;
            }
        }
    }
}

vectorized! {
    /// Adds the squares of the distances of all rows from their means.
    fn add_squares(sums: &mut [f32], block: &[f32], means: &[f32]) {
        for row in block.chunks(sums.len()) {
            for ((sum, x), mean) in sums.iter_mut().zip(row).zip(means) {
                *sum += (x - mean) * (x - mean);
            }
        }
    }
}

/// `Σ g` and `Σ g · (x − mean)` of each channel.
pub(super) fn gradient_sums(x: &[f32], gradient: &[f32], mean: &[f32]) -> [Vec<f32>; 2] {
    let (channels, centers) = (mean.len(), repeated(mean));
    let of_block = |(x, gradient): (&[f32], &[f32])| {
        let (mut sums, mut products) = (vec![0.0; centers.len()], vec![0.0; centers.len()]);
        add_gradients(&mut sums, &mut products, x, gradient, &centers);
        [folded(&sums, channels), folded(&products, channels)]
    };
    let blocks: Vec<_> =
        x.par_chunks(block(channels)).zip(gradient.par_chunks(block(channels))).map(of_block).collect();
    [0, 1].map(|which| {
        let sum = |channel: usize| blocks.iter().map(|block| f64::from(block[which][channel])).sum::<f64>();
        (0..channels).map(|channel| sum(channel) as f32).collect()
    })
}

vectorized! {
    /// Adds all rows of `gradient` to `sums`, and to `products` those times the distances from the means.
    fn add_gradients(sums: &mut [f32], products: &mut [f32], x: &[f32], gradient: &[f32], means: &[f32]) {
        for (x, gradient) in x.chunks(means.len()).zip(gradient.chunks(means.len())) {
            let sums = sums.iter_mut().zip(products.iter_mut());
            for (((sum, product), (x, g)), mean) in sums.zip(x.iter().zip(gradient)).zip(means) {
                *sum += g;
                *product += g * (x - mean);
            }
        }
    }
}

/// `x · scale + shift` for each channel.
pub(super) fn affine(x: &[f32], scale: &[f32], shift: &[f32]) -> Vec<f32> {
    let size = block(scale.len());
    let (scale, shift) = (repeated(scale), repeated(shift));
    let mut y = vec![0.0; x.len()];
    y.par_chunks_mut(size).zip(x.par_chunks(size)).for_each(|(y, x)| map_rows(y, x, &scale, &shift));
    y
}

vectorized! {
    /// `y = x · scale + shift`, row by row.
    fn map_rows(y: &mut [f32], x: &[f32], scale: &[f32], shift: &[f32]) {
        for (y, x) in y.chunks_mut(scale.len()).zip(x.chunks(scale.len())) {
            for ((y, x), (scale, shift)) in y.iter_mut().zip(x).zip(scale.iter().zip(shift)) {
                *y = x * scale + shift;
            }
        }
    }
}

/// `a · scale + b · slope + shift` for each channel.
pub(super) fn affine_pair([a, b]: [&[f32]; 2], [scale, slope]: [&[f32]; 2], shift: &[f32]) -> Vec<f32> {
    let size = block(scale.len());
    let [scale, slope, shift] = [scale, slope, shift].map(repeated);
    let mut y = vec![0.0; a.len()];
    let parts = y.par_chunks_mut(size).zip(a.par_chunks(size).zip(b.par_chunks(size)));
    parts.for_each(|(y, (a, b))| map_pairs(y, a, b, &scale, &slope, &shift));
    y
}

vectorized! {
    /// `y = a · scale + b · slope + shift`, row by row.
    fn map_pairs(y: &mut [f32], a: &[f32], b: &[f32], scale: &[f32], slope: &[f32], shift: &[f32]) {
        let width = scale.len();
        for (y, (a, b)) in y.chunks_mut(width).zip(a.chunks(width).zip(b.chunks(width))) {
            let map = scale.iter().zip(slope).zip(shift);
            for ((y, (a, b)), ((scale, slope), shift)) in y.iter_mut().zip(a.iter().zip(b)).zip(map) {
                *y = a * scale + b * slope + shift;
            }
        }
    }
}
