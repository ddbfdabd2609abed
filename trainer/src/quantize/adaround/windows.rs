//! The windows of a layer's input, one for each output pixel.

use super::super::spread::stride;
use crate::graph::{Node, Op, Pair};

/// Windows that are looked at.
const WINDOWS: usize = 4096;

/// What a layer reads for an output.
pub(super) struct Windows {
    /// Height, width, channels of the input.
    input: [usize; 3],
    /// Height and width of the output.
    output: [usize; 2],
    kernel: Pair,
    stride: Pair,
    dilation: Pair,
    /// Padding above and to the left.
    before: [usize; 2],
}

impl Windows {
    /// Of a convolution; a dense layer is one of 1×1.
    pub(super) fn new(node: &Node, input: &[usize], output: &[usize]) -> Self {
        let (input, [height, width, _]) = (image(input), image(output));
        let one = Pair::one();
        let (kernel, stride, dilation, before) = match node.op {
            Op::Conv2d { kernel, stride, dilation, padding, .. }
            | Op::DepthwiseConv2d { kernel, stride, dilation, padding, .. } => {
                let before = [0, 1].map(|axis| {
                    let reach = (kernel.0[axis] - 1) * dilation.0[axis] + 1;
                    padding.along(axis, input[axis], reach, stride.0[axis])[0]
                });
                (kernel, stride, dilation, before)
            }
            _ => (one, one, one, [0, 0]),
        };
        Self { input, output: [height, width], kernel, stride, dilation, before }
    }

    /// `E[x xᵀ]` of windows spread over all samples: of all channels, or of one.
    pub(super) fn moments(&self, values: &[f32], channel: Option<usize>) -> Vec<f32> {
        let [height, width, channels] = self.input;
        let per_sample = self.output[0] * self.output[1];
        let all = values.len() / (height * width * channels).max(1) * per_sample;
        let stride = stride(all, WINDOWS);
        let taps = self.kernel.0[0] * self.kernel.0[1] * channel.map_or(channels, |_| 1);
        let mut moments = vec![0f32; taps * taps];
        let mut window = Vec::with_capacity(taps);
        let mut count = 0;
        for at in (0..all).step_by(stride) {
            self.window(&values[at / per_sample * height * width * channels..], at % per_sample, channel, &mut window);
            for (row, &x) in moments.chunks_exact_mut(taps).zip(&window).filter(|(_, x)| **x != 0.0) {
                row.iter_mut().zip(&window).for_each(|(sum, &y)| *sum += x * y);
            }
            count += 1;
        }
        moments.iter_mut().for_each(|sum| *sum /= count.max(1) as f32);
        moments
    }

    /// The values of one window, in the order of the kernel's.
    fn window(&self, sample: &[f32], pixel: usize, channel: Option<usize>, window: &mut Vec<f32>) {
        let [height, width, channels] = self.input;
        let start = [pixel / self.output[1], pixel % self.output[1]];
        window.clear();
        for row in 0..self.kernel.0[0] {
            for column in 0..self.kernel.0[1] {
                let tap = [row, column];
                let at = [0, 1].map(|axis| {
                    (start[axis] * self.stride.0[axis] + tap[axis] * self.dilation.0[axis])
                        .checked_sub(self.before[axis])
                });
                let pixel = match at {
                    [Some(y), Some(x)] if y < height && x < width => Some((y * width + x) * channels),
                    _ => None,
                };
                let own = channel.map_or(0..channels, |channel| channel..channel + 1);
                window.extend(own.map(|channel| pixel.map_or(0.0, |pixel| sample[pixel + channel])));
            }
        }
    }
}

/// Height, width, channels; a sequence is one pixel wide, a vector one pixel.
fn image(shape: &[usize]) -> [usize; 3] {
    match *shape {
        [h, w, c] => [h, w, c],
        [time, c] => [time, 1, c],
        _ => [1, 1, shape.iter().product()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Padding;

    #[test]
    fn a_window_is_what_the_convolution_reads() {
        let (kernel, stride) = (Pair([2, 3]), Pair([2, 2]));
        let op = Op::Conv2d { filters: 1, kernel, stride, dilation: Pair([1, 2]), padding: Padding::Same, bias: false };
        let node = Node { name: "c".into(), inputs: vec!["x".into()], op };
        // Three rows of four pixels of two channels: pixel p has 2p and 2p + 1. Reach 2×5, padding of 0, 1 and 1, 2.
        let windows = Windows::new(&node, &[3, 4, 2], &[2, 2, 1]);
        let sample: Vec<f32> = (0..24u8).map(f32::from).collect();
        let mut window = Vec::new();
        windows.window(&sample, 1, None, &mut window);
        assert_eq!(window, [2.0, 3.0, 6.0, 7.0, 0.0, 0.0, 10.0, 11.0, 14.0, 15.0, 0.0, 0.0]);
        windows.window(&sample, 2, Some(1), &mut window);
        assert_eq!(window, [0.0, 19.0, 23.0, 0.0, 0.0, 0.0]);
        let dense = Node { op: Op::Dense { units: 1, bias: false }, ..node };
        let moments = Windows::new(&dense, &[2], &[1]).moments(&[1.0, 2.0, 3.0, -1.0], None);
        assert_eq!(moments, [5.0, -0.5, -0.5, 2.5]);
    }
}
