//! The convolution of each channel by itself, and its gradients; images are NHWC, kernels have a row of taps for each channel.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::standard::{SHARDS, add, total};
use super::window::{Class, Padded, Window};

/// `y[n, oy, ox, c] = bias[c] + Σ_{ky, kx} x[n, oy·s + ky·d − pad, ox·s + kx·d − pad, c] · kernel[c, ky, kx]`.
/// `shape` is that of `x`.
pub(super) fn forward(x: &[f32], shape: [usize; 4], kernel: &[f32], bias: &[f32], window: &Window) -> Vec<f32> {
    let [_, height, width, channels] = shape;
    let input = window.padded([height, width], channels);
    let class = window.forward(&input, 1);
    sweep(x, &input, &[class], window.output([height, width]), kernel, bias)
}

/// The gradient of `x` from that of `y`.
pub(super) fn input_gradient(gradient: &[f32], shape: [usize; 4], kernel: &[f32], window: &Window) -> Vec<f32> {
    let [_, height, width, channels] = shape;
    let padded = window.padded_gradient([height, width], channels);
    let classes = window.backward([height, width], &padded, 1);
    sweep(gradient, &padded, &classes, [height, width], kernel, &vec![0.0; channels])
}

/// The gradients of kernel and bias.
pub(super) fn weight_gradient(x: &[f32], gradient: &[f32], shape: [usize; 4], window: &Window) -> (Vec<f32>, Vec<f32>) {
    let [count, height, width, channels] = shape;
    let input = window.padded([height, width], channels);
    let class = window.forward(&input, 1);
    let (taps, out) = (class.taps.len(), class.bases.len() * channels);
    let of_shard = |(x, gradient): (&[f32], &[f32])| {
        let (mut sums, mut bias, mut room) = (vec![0.0; taps * channels], vec![0.0; channels], Vec::new());
        for (x, gradient) in x.chunks_exact(input.inner()).zip(gradient.chunks_exact(out)) {
            gradient.chunks_exact(channels).for_each(|row| add(&mut bias, row));
            let x = input.fill(x, &mut room);
            Arch::new().dispatch(Correlate { x, class: &class, gradient, channels, sums: &mut sums });
        }
        (sums, bias)
    };
    let shard = count.div_ceil(SHARDS);
    let parts = x.par_chunks(shard * input.inner()).zip(gradient.par_chunks(shard * out)).map(of_shard);
    let (sums, bias) = total(parts.collect());
    ((0..channels * taps).map(|index| sums[index % taps * channels + index / taps]).collect(), bias)
}

/// Computes every pixel of `size` from the windows of all images.
fn sweep(
    images: &[f32],
    padded: &Padded,
    classes: &[Class],
    size: [usize; 2],
    kernel: &[f32],
    bias: &[f32],
) -> Vec<f32> {
    let channels = padded.channels;
    let (count, all) = (images.len() / padded.inner(), kernel.len() / channels);
    let of_taps = |class: &Class| {
        let taps = class.taps.iter();
        taps.flat_map(|tap| (0..channels).map(move |channel| kernel[channel * all + tap])).collect::<Vec<f32>>()
    };
    let weights: Vec<Vec<f32>> = classes.iter().map(of_taps).collect();
    let out = size[0] * size[1] * channels;
    let mut y = vec![0.0; count * out];
    let parts = y.par_chunks_exact_mut(out).zip(images.par_chunks_exact(padded.inner()));
    parts.for_each_init(Vec::new, |room, (y, image)| {
        let x = padded.fill(image, room);
        for (class, weights) in classes.iter().zip(&weights) {
            Arch::new().dispatch(Multiply { x, class, weights, bias, y });
        }
    });
    y
}

/// `y[place(p)] = bias + Σ_k x[base(p) + offset(k)] · w[k]`, for each channel.
struct Multiply<'a> {
    x: &'a [f32],
    class: &'a Class,
    weights: &'a [f32],
    bias: &'a [f32],
    y: &'a mut [f32],
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, class, weights, bias, y } = self;
        let channels = bias.len();
        for (&base, &place) in class.bases.iter().zip(&class.places) {
            let row = &mut y[place as usize * channels..][..channels];
            for (number, (part, bias)) in row.chunks_mut(S::F32_LANES).zip(bias.chunks(S::F32_LANES)).enumerate() {
                let (first, count) = (number * S::F32_LANES, part.len());
                let mut sum = simd.partial_load_f32s(bias);
                for (offset, weights) in class.offsets.iter().zip(weights.chunks_exact(channels)) {
                    let x = load(simd, &x[base as usize + offset + first..][..count]);
                    sum = simd.mul_add_e_f32s(x, load(simd, &weights[first..][..count]), sum);
                }
                simd.partial_store_f32s(part, sum);
            }
        }
    }
}

/// `sums[k] += Σ_p x[base(p) + offset(k)] · g[p]`, for each channel.
struct Correlate<'a> {
    x: &'a [f32],
    class: &'a Class,
    gradient: &'a [f32],
    channels: usize,
    sums: &'a mut [f32],
}

impl WithSimd for Correlate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, class, gradient, channels, sums } = self;
        for (offset, sums) in class.offsets.iter().zip(sums.chunks_exact_mut(channels)) {
            for (number, part) in sums.chunks_mut(S::F32_LANES).enumerate() {
                let (first, count) = (number * S::F32_LANES, part.len());
                let mut sum = simd.partial_load_f32s(part);
                for (&base, gradient) in class.bases.iter().zip(gradient.chunks_exact(channels)) {
                    let x = load(simd, &x[base as usize + offset + first..][..count]);
                    sum = simd.mul_add_e_f32s(x, load(simd, &gradient[first..][..count]), sum);
                }
                simd.partial_store_f32s(part, sum);
            }
        }
    }
}

/// A vector, with zeros behind the end.
#[inline(always)]
fn load<S: Simd>(simd: S, numbers: &[f32]) -> S::f32s {
    match S::as_simd_f32s(numbers).0 {
        [whole] => *whole,
        _ => simd.partial_load_f32s(numbers),
    }
}
