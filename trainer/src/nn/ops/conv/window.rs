//! Where the windows of a convolution lie, as bases and offsets into padded images.

use super::gather::Offsets;

/// A sliding window, down and across.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Taps.
    pub kernel: [usize; 2],
    /// Step between outputs.
    pub stride: [usize; 2],
    /// Step between taps.
    pub dilation: [usize; 2],
    /// Zeros before and after.
    pub padding: [(usize, usize); 2],
}

/// An image of `size` pixels with zeros around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Padded {
    pub size: [usize; 2],
    pub before: [usize; 2],
    pub after: [usize; 2],
    pub channels: usize,
}

impl Padded {
    pub fn height(&self) -> usize {
        self.size[0] + self.before[0] + self.after[0]
    }

    pub fn width(&self) -> usize {
        self.size[1] + self.before[1] + self.after[1]
    }

    /// Numbers of an image without its padding.
    pub fn inner(&self) -> usize {
        self.size[0] * self.size[1] * self.channels
    }

    /// Numbers of an image with its padding.
    pub fn outer(&self) -> usize {
        self.height() * self.width() * self.channels
    }

    /// Index of a number of a padded image.
    fn at(&self, y: usize, x: usize) -> usize {
        (y * self.width() + x) * self.channels
    }

    /// The images with zeros around them, in `room` unless there is nothing to add.
    pub fn fill<'a>(&self, images: &'a [f32], room: &'a mut Vec<f32>) -> &'a [f32] {
        if self.inner() == self.outer() {
            return images;
        }
        room.clear();
        room.resize(images.len() / self.inner() * self.outer(), 0.0);
        let row = self.size[1] * self.channels;
        for (image, to) in images.chunks_exact(self.inner()).zip(room.chunks_exact_mut(self.outer())) {
            for (y, from) in image.chunks_exact(row).enumerate() {
                to[self.at(y + self.before[0], self.before[1])..][..row].copy_from_slice(from);
            }
        }
        room
    }
}

/// Windows that see the same taps.
pub(super) struct Class {
    /// Of every window of an image.
    pub bases: Vec<u32>,
    /// The number of the pixel that each is summed into.
    pub places: Vec<u32>,
    /// Of every tap that they see, and its channels.
    pub offsets: Offsets,
    /// Numbers of those taps, row by row.
    pub taps: Vec<usize>,
}

impl Class {
    /// The bases or places of several images in a row, `step` apart.
    pub fn repeat(indices: &[u32], step: usize, images: usize) -> Vec<u32> {
        (0..images).flat_map(|image| indices.iter().map(move |&index| index + (image * step) as u32)).collect()
    }
}

impl Window {
    /// Size of the output.
    pub fn output(&self, size: [usize; 2]) -> [usize; 2] {
        std::array::from_fn(|axis| {
            let reach = (self.kernel[axis] - 1) * self.dilation[axis] + 1;
            (size[axis] + self.padding[axis].0 + self.padding[axis].1 - reach) / self.stride[axis] + 1
        })
    }

    /// The padded input.
    pub(super) fn padded(&self, size: [usize; 2], channels: usize) -> Padded {
        let [top, left] = self.padding;
        Padded { size, before: [top.0, left.0], after: [top.1, left.1], channels }
    }

    /// The windows of the input, one for each output. Offsets are those of `channels` numbers for each tap.
    pub(super) fn forward(&self, input: &Padded, channels: usize) -> Class {
        let [height, width] = self.output(input.size);
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| [y, x]));
        let bases = pixels.map(|[y, x]| input.at(y * self.stride[0], x * self.stride[1]) as u32).collect();
        let taps: Vec<usize> = (0..self.kernel[0] * self.kernel[1]).collect();
        let place = |&tap: &usize| {
            let [y, x] = [tap / self.kernel[1], tap % self.kernel[1]];
            input.at(y * self.dilation[0], x * self.dilation[1])
        };
        let offsets = spread(taps.iter().map(place), channels);
        Class { bases, places: (0..(height * width) as u32).collect(), offsets, taps }
    }

    /// The gradient of the output, with as many zeros around it as windows of the input's gradient reach.
    pub(super) fn padded_gradient(&self, size: [usize; 2], channels: usize) -> Padded {
        let output = self.output(size);
        let ends = |axis: usize| {
            let stride = self.stride[axis] as isize;
            let first = self.padding[axis].0 as isize - ((self.kernel[axis] - 1) * self.dilation[axis]) as isize;
            let last = (size[axis] - 1 + self.padding[axis].0) as isize / stride;
            [-first.div_euclid(stride), last - (output[axis] as isize - 1)].map(|count| count.max(0) as usize)
        };
        let [down, across] = [ends(0), ends(1)];
        Padded { size: output, before: [down[0], across[0]], after: [down[1], across[1]], channels }
    }

    /// The windows of the output's gradient, one for each pixel of the input: those outputs that the pixel went into. With a
    /// stride, neighbours went in by different taps, so there is a class for each place within a step.
    pub(super) fn backward(&self, size: [usize; 2], gradient: &Padded, channels: usize) -> Vec<Class> {
        let steps = (0..self.stride[0]).flat_map(|y| (0..self.stride[1]).map(move |x| [y, x]));
        steps
            .map(|step| self.backward_class(size, gradient, channels, step))
            .filter(|class| !class.taps.is_empty())
            .collect()
    }

    fn backward_class(&self, size: [usize; 2], gradient: &Padded, channels: usize, step: [usize; 2]) -> Class {
        // A pixel i that lies `step` behind a multiple of the stride went by tap k into output
        // (i + padding − k · dilation) / stride, where that is whole.
        let along = |axis: usize| {
            let (stride, before) = (self.stride[axis], self.padding[axis].0);
            let pixels = (0..size[axis]).filter(move |i| (i + before) % stride == step[axis]);
            let outputs: Vec<[usize; 2]> = pixels.map(|i| [i, (i + before) / stride]).collect();
            let distance = |k: usize| step[axis] as isize - (k * self.dilation[axis]) as isize;
            let taps = (0..self.kernel[axis]).filter(|&k| distance(k).rem_euclid(stride as isize) == 0);
            let taps: Vec<(usize, isize)> = taps.map(|k| (k, distance(k).div_euclid(stride as isize))).collect();
            (outputs, taps)
        };
        let [(rows, taps_down), (columns, taps_across)] = [along(0), along(1)];
        let lowest = |taps: &[(usize, isize)]| taps.iter().map(|tap| tap.1).min().unwrap_or(0);
        let low = [lowest(&taps_down), lowest(&taps_across)];
        let from = |output: usize, axis: usize| (output as isize + gradient.before[axis] as isize + low[axis]) as usize;
        let (mut bases, mut places) = (Vec::new(), Vec::new());
        for [row, y] in rows {
            for &[column, x] in &columns {
                bases.push(gradient.at(from(y, 0), from(x, 1)) as u32);
                places.push((row * size[1] + column) as u32);
            }
        }
        let (mut taps, mut starts) = (Vec::new(), Vec::new());
        for &(y, down) in &taps_down {
            for &(x, across) in &taps_across {
                taps.push(y * self.kernel[1] + x);
                starts.push(gradient.at((down - low[0]) as usize, (across - low[1]) as usize));
            }
        }
        Class { bases, places, offsets: spread(starts.into_iter(), channels), taps }
    }
}

/// The offsets of all channels of taps.
fn spread(taps: impl Iterator<Item = usize>, channels: usize) -> Offsets {
    Offsets::new(taps.flat_map(|tap| (tap..tap + channels).map(|offset| offset as u32)).collect())
}
