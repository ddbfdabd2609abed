//! The convolution that sums over all channels of its input, and its gradients; images are NHWC, kernels OIHW.

use rayon::prelude::*;

use super::gather::{Correlate, Multiply, Panels, width};
use super::window::{Class, Padded, Window};

/// Numbers of padded images that are worked on at once: what the second cache holds.
const CHUNK: usize = 1 << 16;

/// Parts of a batch at least, so that threads share it evenly. Sums over a batch are sums over these parts in their order,
/// however many threads there are, so that the bytes are always the same.
pub(super) const SHARDS: usize = 8;

/// `y[n, oy, ox, o] = bias[o] + Σ_{ky, kx, i} x[n, oy·s + ky·d − pad, ox·s + kx·d − pad, i] · kernel[o, i, ky, kx]`.
/// `shape` is that of `x`.
pub(super) fn forward(x: &[f32], shape: [usize; 4], kernel: &[f32], bias: &[f32], window: &Window) -> Vec<f32> {
    let [_, height, width, inputs] = shape;
    let input = window.padded([height, width], inputs);
    let class = window.forward(&input, inputs);
    let rows = rows(kernel, [bias.len(), inputs], &class.taps, false);
    let weights = Panels::new(&rows, Some(bias), bias.len());
    sweep(x, &input, &[(class, weights)], window.output([height, width]), bias.len())
}

/// The gradient of `x` from that of `y`.
pub(super) fn input_gradient(gradient: &[f32], shape: [usize; 4], kernel: &[f32], window: &Window) -> Vec<f32> {
    let [count, height, width, inputs] = shape;
    let outputs = gradient.len() / (count * window.output([height, width]).iter().product::<usize>());
    let padded = window.padded_gradient([height, width], outputs);
    let classes = window.backward([height, width], &padded, outputs).into_iter().map(|class| {
        let weights = Panels::new(&rows(kernel, [outputs, inputs], &class.taps, true), None, inputs);
        (class, weights)
    });
    sweep(gradient, &padded, &classes.collect::<Vec<_>>(), [height, width], inputs)
}

/// The gradients of kernel and bias.
pub(super) fn weight_gradient(
    x: &[f32],
    gradient: &[f32],
    shape: [usize; 4],
    outputs: usize,
    window: &Window,
) -> (Vec<f32>, Vec<f32>) {
    let [count, height, across, inputs] = shape;
    let input = window.padded([height, across], inputs);
    let class = window.forward(&input, inputs);
    let (rows, pixels) = (class.offsets.len(), class.bases.len());
    let columns = outputs.next_multiple_of(width() / 2);
    let chunk = (CHUNK / input.outer()).clamp(1, count.div_ceil(SHARDS));
    let bases = Class::repeat(&class.bases, input.outer(), chunk);
    let shard = count.div_ceil(SHARDS);
    let of_shard = |(x, gradient): (&[f32], &[f32])| {
        let (mut sums, mut bias, mut room) = (vec![0.0; rows * columns], vec![0.0; outputs], Vec::new());
        gradient.chunks_exact(outputs).for_each(|row| add(&mut bias, row));
        let parts = x.chunks(chunk * input.inner()).zip(gradient.chunks(chunk * pixels * outputs));
        for (x, gradient) in parts {
            let bases = &bases[..gradient.len() / outputs];
            let (x, gradient) = (input.fill(x, &mut room), widened(gradient, outputs, columns));
            Correlate { x, bases, offsets: &class.offsets, gradient: &gradient, columns, sums: &mut sums }.run();
        }
        (sums, bias)
    };
    let parts = x.par_chunks(shard * input.inner()).zip(gradient.par_chunks(shard * pixels * outputs)).map(of_shard);
    let (sums, bias) = total(parts.collect());
    let taps = class.taps.len();
    let at = |index: usize| {
        let (output, input, tap) = (index / taps / inputs, index / taps % inputs, index % taps);
        sums[(tap * inputs + input) * columns + output]
    };
    ((0..outputs * inputs * taps).map(at).collect(), bias)
}

/// Sums of parts, in their order.
pub(super) fn total(parts: Vec<(Vec<f32>, Vec<f32>)>) -> (Vec<f32>, Vec<f32>) {
    let both = |mut all: (Vec<f32>, Vec<f32>), part: (Vec<f32>, Vec<f32>)| {
        add(&mut all.0, &part.0);
        add(&mut all.1, &part.1);
        all
    };
    parts.into_iter().reduce(both).unwrap_or_default()
}

/// `sums += numbers`.
pub(super) fn add(sums: &mut [f32], numbers: &[f32]) {
    sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
}

/// Rows with zeros behind them, where they are not as long as that.
fn widened(rows: &[f32], from: usize, to: usize) -> std::borrow::Cow<'_, [f32]> {
    if from == to {
        return rows.into();
    }
    let mut wide = vec![0.0; rows.len() / from * to];
    rows.chunks_exact(from).zip(wide.chunks_exact_mut(to)).for_each(|(row, wide)| wide[..from].copy_from_slice(row));
    wide.into()
}

/// A kernel's numbers (outputs, inputs, taps) as a matrix: a row for each of these taps and each input, a column for each
/// output; turned, a row for each output and a column for each input.
fn rows(kernel: &[f32], [outputs, inputs]: [usize; 2], taps: &[usize], turned: bool) -> Vec<f32> {
    let all = kernel.len() / (outputs * inputs);
    let (rows, columns) = if turned { (outputs, inputs) } else { (inputs, outputs) };
    let mut matrix = Vec::with_capacity(taps.len() * outputs * inputs);
    for &tap in taps {
        for row in 0..rows {
            let at = |column: usize| if turned { row * inputs + column } else { column * inputs + row };
            matrix.extend((0..columns).map(|column| kernel[at(column) * all + tap]));
        }
    }
    matrix
}

/// Computes `columns` numbers for every pixel of `size` from the windows of all images.
fn sweep<'a>(
    images: &[f32],
    padded: &Padded,
    jobs: &'a [(Class, Panels)],
    size: [usize; 2],
    columns: usize,
) -> Vec<f32> {
    let (count, pixels) = (images.len() / padded.inner(), size[0] * size[1]);
    let chunk = (CHUNK / padded.outer()).clamp(1, count.div_ceil(SHARDS));
    let repeat = |(class, weights): &'a (Class, Panels)| {
        let bases = Class::repeat(&class.bases, padded.outer(), chunk);
        (bases, Class::repeat(&class.places, pixels, chunk), &class.offsets, weights)
    };
    let jobs: Vec<_> = jobs.iter().map(repeat).collect();
    let mut y = vec![0.0; count * pixels * columns];
    let parts = y.par_chunks_mut(chunk * pixels * columns).zip(images.par_chunks(chunk * padded.inner()));
    parts.for_each_init(Vec::new, |room, (y, images)| {
        let images_here = images.len() / padded.inner();
        let x = padded.fill(images, room);
        for (bases, places, offsets, weights) in &jobs {
            let windows = bases.len() / chunk * images_here;
            Multiply { x, bases: &bases[..windows], offsets, weights, places: &places[..windows], y }.run();
        }
    });
    y
}
