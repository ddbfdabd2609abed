//! Every operation against burn's own: results and gradients, over shapes with borders of all kinds.

use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::module::{conv2d, max_pool2d};
use burn::tensor::ops::{ConvOptions, MaxPoolOptions};
use burn::tensor::{Tensor, TensorData, activation};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::Window;
use crate::nn::params::read;
use crate::nn::training_device;

/// Sums of up to some thousand products of numbers below 1, in f32 and in another order: their rounding errors add up to less
/// than this share of the largest.
const TOLERANCE: f32 = 2e-5;

/// What an operation is given.
struct Leaves {
    x: Tensor<4>,
    kernel: Tensor<4>,
    vectors: [Tensor<1>; 2],
}

impl Leaves {
    fn new(x: [usize; 4], kernel: [usize; 4], seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let vector = [kernel[0]];
        Self { x: leaf(x, &mut rng), kernel: leaf(kernel, &mut rng), vectors: [0, 1].map(|_| leaf(vector, &mut rng)) }
    }

    /// The result, then the gradients of `Σ y · r` with numbers r drawn at random.
    fn run(&self, operation: impl Fn(&Self) -> Tensor<4>) -> Vec<Vec<f32>> {
        let y = operation(self);
        let factors: Tensor<4> = leaf(y.dims(), &mut StdRng::seed_from_u64(9));
        let gradients = (y.clone() * factors.detach()).sum().backward();
        let mut all = vec![read(y).data];
        all.extend([&self.x, &self.kernel].into_iter().filter_map(|leaf| Some(floats(leaf.grad(&gradients)?))));
        all.extend(self.vectors.iter().filter_map(|leaf| Some(floats(leaf.grad(&gradients)?))));
        all
    }
}

fn leaf<const D: usize>(shape: [usize; D], rng: &mut StdRng) -> Tensor<D> {
    let numbers: Vec<f32> = (0..shape.iter().product()).map(|_| rng.random_range(-1.0..1.0)).collect();
    Tensor::from_data(TensorData::new(numbers, shape), &training_device()).require_grad()
}

fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    read(tensor).data
}

fn assert_close(ours: &[Vec<f32>], theirs: &[Vec<f32>], what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}: gradients");
    for (number, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        assert_eq!(ours.len(), theirs.len(), "{what}, {number}");
        let largest = theirs.iter().fold(1.0, |most: f32, x| most.max(x.abs()));
        let error = ours.iter().zip(theirs).fold(0.0, |most: f32, (a, b)| most.max((a - b).abs()));
        assert!(error <= TOLERANCE * largest, "{what}, {number}: {error} of {largest}");
    }
}

fn nchw(x: Tensor<4>) -> Tensor<4> {
    x.permute([0, 3, 1, 2])
}

fn nhwc(x: Tensor<4>) -> Tensor<4> {
    x.permute([0, 2, 3, 1])
}

/// Windows with and without stride, dilation and padding, the same on both sides or not, and images that they do not fill.
fn windows() -> Vec<(Window, [usize; 2])> {
    let mut all = Vec::new();
    for kernel in [[1, 1], [3, 3], [2, 3], [5, 1], [4, 4]] {
        for stride in [[1, 1], [2, 2], [1, 3], [3, 2]] {
            for dilation in [[1, 1], [2, 1], [1, 3]] {
                for padding in [[(0, 0), (0, 0)], [(0, 1), (0, 1)], [(1, 1), (2, 0)]] {
                    let reach = [0, 1].map(|axis| (kernel[axis] - 1) * dilation[axis] + 1);
                    // Zeros alone in a window have no maximum.
                    if padding.iter().zip(kernel).any(|(sides, size)| sides.0.max(sides.1) >= size) {
                        continue;
                    }
                    let size = [reach[0] + 4, reach[1] + 3];
                    all.push((Window { kernel, stride, dilation, padding }, size));
                }
            }
        }
    }
    all
}

fn options(window: &Window, groups: usize) -> ConvOptions<2> {
    let Window { stride, dilation, padding, .. } = *window;
    ConvOptions { stride, padding, dilation, groups }
}

fn check_convolution(x: [usize; 4], kernel: [usize; 4], window: &Window) {
    let groups = if kernel[1] == x[3] { 1 } else { x[3] };
    let leaves = Leaves::new(x, kernel, 1);
    let ours = leaves
        .run(|leaves| super::conv2d(leaves.x.clone(), leaves.kernel.clone(), Some(leaves.vectors[0].clone()), *window));
    let theirs = leaves.run(|leaves| {
        let (x, bias) = (nchw(leaves.x.clone()), Some(leaves.vectors[0].clone()));
        nhwc(conv2d(x, leaves.kernel.clone(), bias, options(window, groups)))
    });
    assert_close(&ours, &theirs, &format!("{x:?} with {kernel:?} by {window:?}"));
}

#[test]
fn convolutions_are_those_of_burn() {
    for (window, [height, width]) in windows() {
        let [down, across] = window.kernel;
        check_convolution([3, height, width, 2], [5, 2, down, across], &window);
        check_convolution([2, height, width, 3], [3, 1, down, across], &window);
    }
    // Counts of channels around a vector, and batches around the number of parts that they are summed in.
    let same = Window { kernel: [3, 3], stride: [1, 1], dilation: [1, 1], padding: [(1, 1), (1, 1)] };
    for (batch, inputs, outputs) in [(1, 1, 32), (7, 16, 16), (9, 17, 33), (17, 3, 48), (8, 31, 1)] {
        check_convolution([batch, 7, 9, inputs], [outputs, inputs, 3, 3], &same);
    }
    for (batch, channels, times) in [(9, 16, 1), (2, 33, 1), (3, 5, 2)] {
        check_convolution([batch, 7, 9, channels], [channels * times, 1, 3, 3], &same);
    }
}

#[test]
fn maxima_are_those_of_burn() {
    for (window, [height, width]) in windows() {
        let leaves = Leaves::new([3, height, width, 5], [1, 1, 1, 1], 2);
        let ours = leaves.run(|leaves| super::max_pool2d(leaves.x.clone(), window));
        let Window { kernel, stride, dilation, padding } = window;
        let options = MaxPoolOptions { stride, dilation, padding, ..MaxPoolOptions::new(kernel) };
        let theirs = leaves.run(|leaves| nhwc(max_pool2d(nchw(leaves.x.clone()), options.clone())));
        assert_close(&ours, &theirs, &format!("{window:?}"));
    }
}

#[test]
fn rectifiers_are_those_of_burn() {
    let leaves = Leaves::new([3, 5, 7, 9], [1, 1, 1, 1], 3);
    let ours = leaves.run(|leaves| super::relu(leaves.x.clone()));
    let theirs = leaves.run(|leaves| activation::relu(leaves.x.clone()));
    assert_close(&ours, &theirs, "relu");
    let nothing = Tensor::<4>::full([1, 1, 1, 2], f32::NAN, &training_device());
    assert!(floats(super::relu(nothing)).iter().all(|x| x.is_nan()));
}

#[test]
fn normalizations_are_those_of_burn() {
    for shape in [[1, 1, 2, 1], [3, 5, 7, 3], [4, 9, 9, 130], [40, 8, 8, 16]] {
        let leaves = Leaves::new(shape, [shape[3], 1, 1, 1], 4);
        let layer = |leaves: &Leaves| -> BatchNorm {
            let mut norm = BatchNormConfig::new(shape[3]).with_momentum(0.1).init(&training_device());
            norm.gamma = norm.gamma.map(|_| leaves.vectors[0].clone());
            norm.beta = norm.beta.map(|_| leaves.vectors[1].clone());
            norm
        };
        // Far from zero, where sums of squares would cancel.
        let x = |leaves: &Leaves| leaves.x.clone() * 0.5 + 20.0;
        let [ours, theirs] = [layer(&leaves), layer(&leaves)];
        let found = leaves.run(|leaves| super::batch_norm(&ours, x(leaves)));
        let expected = leaves.run(|leaves| nhwc(theirs.forward(nchw(x(leaves)))));
        assert_close(&found, &expected, &format!("{shape:?}"));
        let running =
            |norm: &BatchNorm| vec![floats(norm.running_mean.value_sync()), floats(norm.running_var.value_sync())];
        assert_close(&running(&ours), &running(&theirs), &format!("running moments of {shape:?}"));
    }
}

#[test]
fn bytes_do_not_depend_on_the_number_of_threads() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let window = Window { kernel: [3, 3], stride: [2, 1], dilation: [1, 1], padding: [(1, 1), (0, 1)] };
        let leaves = Leaves::new([37, 12, 13, 9], [20, 9, 3, 3], 5);
        let norm = BatchNormConfig::new(20).init(&training_device());
        pool.install(|| {
            leaves.run(|leaves| {
                let y = super::conv2d(leaves.x.clone(), leaves.kernel.clone(), None, window);
                super::relu(super::batch_norm(&norm, y))
            })
        })
    };
    assert_eq!(run(1), run(3));
}
