//! The maximum of sliding windows, with its gradient, which goes to the first of the largest.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;
use rayon::prelude::*;

use super::Window;
use super::slices::{Array, array, contiguous, dims, numbers};
use super::vectorized::vectorized;

/// The maximum of each window of images, batch · height · width · channels; zeros around them do not count.
pub(in crate::nn) fn max_pool2d(x: Tensor<4>, window: Window) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::pool(x.into_dispatch(), window))
}

/// Pools of a backend.
#[backend_extension(Flex, Autodiff)]
trait Pool: Backend {
    fn pool(x: FloatTensor<Self>, window: Window) -> FloatTensor<Self>;
}

impl Pool for Flex {
    fn pool(x: Array, window: Window) -> Array {
        let x = contiguous(x);
        forward(&x, &window).0
    }
}

#[derive(Debug)]
struct MaxPool;

/// What the gradient needs.
#[derive(Clone, Debug)]
struct Pooled {
    /// The tap that every output came by.
    taps: Vec<u32>,
    shape: [usize; 4],
    window: Window,
}

impl Backward<Flex, 1> for MaxPool {
    type State = Pooled;

    fn backward(self, ops: Ops<Pooled, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = contiguous(grads.consume::<Flex>(&ops.node));
        if let [Some(node)] = ops.parents {
            grads.register::<Flex>(node.id, ops.state.backward(&gradient));
        }
    }
}

impl<C: CheckpointStrategy> Pool for Autodiff<Flex, C> {
    fn pool(x: FloatTensor<Self>, window: Window) -> FloatTensor<Self> {
        let (x, of_x) = x.into_parts();
        let x = contiguous(x);
        let (y, taps) = forward(&x, &window);
        match MaxPool.prepare::<C>([of_x]).compute_bound().stateful() {
            OpsKind::Tracked(step) => step.finish(Pooled { taps, shape: dims(&x), window }, y),
            OpsKind::UnTracked(step) => step.finish(y),
        }
    }
}

/// The maxima, and by which tap each came.
fn forward(x: &Array, window: &Window) -> (Array, Vec<u32>) {
    let [count, height, width, channels] = dims::<4>(x);
    let output = window.output([height, width]);
    let (input, out) = (height * width * channels, output[0] * output[1] * channels);
    let steps = steps([height, width], window);
    let (mut y, mut taps) = (vec![f32::NEG_INFINITY; count * out], vec![0; count * out]);
    let outputs = y.par_chunks_exact_mut(out).zip(taps.par_chunks_exact_mut(out));
    let images = outputs.zip(numbers(x).par_chunks_exact(input));
    images.for_each(|((y, taps), x)| largest(y, taps, x, &steps, channels));
    (array(y, [count, output[0], output[1], channels]), taps)
}

impl Pooled {
    fn backward(&self, gradient: &Array) -> Array {
        let [_, height, width, channels] = self.shape;
        let pixels: usize = self.window.output([height, width]).iter().product();
        let (input, out) = (height * width * channels, pixels * channels);
        let steps = steps([height, width], &self.window);
        let mut of_x = vec![0.0; self.shape.iter().product()];
        let gradients = numbers(gradient).par_chunks_exact(out).zip(self.taps.par_chunks_exact(out));
        let images = of_x.par_chunks_exact_mut(input).zip(gradients);
        images.for_each(|(of_x, (gradient, taps))| send_back(of_x, gradient, taps, &steps, channels));
        array(of_x, self.shape)
    }
}

vectorized! {
    /// The maxima of an image.
    fn largest(y: &mut [f32], taps: &mut [u32], x: &[f32], steps: &[Step], channels: usize) {
        for &Step { output, tap, input } in steps {
            let (at, from) = (output * channels, input * channels);
            let best = y[at..][..channels].iter_mut().zip(&mut taps[at..][..channels]);
            for ((best, best_tap), &x) in best.zip(&x[from..][..channels]) {
                let (old, old_tap) = (*best, *best_tap);
                // No `||`: a branch for each number would keep this from becoming vectors.
                let is_better = (x > old) | x.is_nan();
                *best = if is_better { x } else { old };
                *best_tap = if is_better { tap } else { old_tap };
            }
        }
    }
}

vectorized! {
    /// Adds the gradient of each output of an image to where it came from.
    fn send_back(of_x: &mut [f32], gradient: &[f32], taps: &[u32], steps: &[Step], channels: usize) {
        for &Step { output, tap, input } in steps {
            let (at, to) = (output * channels, input * channels);
            let from = gradient[at..][..channels].iter().zip(&taps[at..][..channels]);
            for (sum, (&g, &by)) in of_x[to..][..channels].iter_mut().zip(from) {
                *sum += if by == tap { g } else { 0.0 };
            }
        }
    }
}

/// A pixel of the input that a pixel of the output sees by a tap.
struct Step {
    output: usize,
    tap: u32,
    input: usize,
}

/// Every pixel of an output with each tap that lies within the image.
fn steps(size: [usize; 2], window: &Window) -> Vec<Step> {
    let &Window { kernel, stride, dilation, padding } = window;
    let [height, width] = window.output(size);
    let along = |axis: usize, output: usize, tap: usize| {
        let place = (output * stride[axis] + tap * dilation[axis]).checked_sub(padding[axis].0)?;
        (place < size[axis]).then_some(place)
    };
    let mut steps = Vec::new();
    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
        for tap in 0..kernel[0] * kernel[1] {
            let places = (along(0, y, tap / kernel[1]), along(1, x, tap % kernel[1]));
            if let (Some(down), Some(across)) = places {
                steps.push(Step { output: y * width + x, tap: tap as u32, input: down * size[1] + across });
            }
        }
    }
    steps
}
