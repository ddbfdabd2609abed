//! Convolutions with gradients as operations of burn.

mod depthwise;
mod gather;
mod standard;
mod window;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;

use super::slices::{Array, array, contiguous, dims, numbers};
pub use window::Window;

/// Convolves images, batch · height · width · channels, with a kernel of outputs · inputs · height · width. A kernel with one
/// input for images with more channels convolves each channel by itself, to the same number of outputs for each.
pub(in crate::nn) fn conv2d(x: Tensor<4>, kernel: Tensor<4>, bias: Option<Tensor<1>>, window: Window) -> Tensor<4> {
    let [outputs, inputs, ..] = kernel.dims();
    let bias = bias.unwrap_or_else(|| Tensor::zeros([outputs], &x.device()));
    let channels = x.dims()[3];
    let x = if inputs == 1 && channels > 1 && outputs > channels { multiplied(x, outputs / channels) } else { x };
    let y = Dispatch::convolve(x.into_dispatch(), kernel.into_dispatch(), bias.into_dispatch(), window);
    Tensor::from_dispatch(y)
}

/// Each channel as many times in a row.
fn multiplied(x: Tensor<4>, times: usize) -> Tensor<4> {
    let [batch, height, width, channels] = x.dims();
    let copies = x.reshape([batch, height, width, channels, 1]).repeat_dim(4, times);
    copies.reshape([batch, height, width, channels * times])
}

/// Convolutions of a backend.
#[backend_extension(Flex, Autodiff)]
trait Convolve: Backend {
    fn convolve(
        x: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        window: Window,
    ) -> FloatTensor<Self>;
}

/// What a convolution is of, in memory.
#[derive(Clone, Debug)]
struct Operands {
    x: Array,
    kernel: Array,
    window: Window,
}

impl Operands {
    fn new(x: Array, kernel: Array, window: Window) -> Self {
        Self { x: contiguous(x), kernel: contiguous(kernel), window }
    }

    fn is_depthwise(&self) -> bool {
        dims::<4>(&self.x)[3] != dims::<4>(&self.kernel)[1]
    }

    fn forward(&self, bias: Array) -> Array {
        let (x, kernel, bias) = (numbers(&self.x), numbers(&self.kernel), contiguous(bias));
        let shape = dims::<4>(&self.x);
        let compute = if self.is_depthwise() { depthwise::forward } else { standard::forward };
        let [height, width] = self.window.output([shape[1], shape[2]]);
        let size = [shape[0], height, width, dims::<4>(&self.kernel)[0]];
        array(compute(x, shape, kernel, numbers(&bias), &self.window), size)
    }

    fn input_gradient(&self, gradient: &Array) -> Array {
        let shape = dims::<4>(&self.x);
        let compute = if self.is_depthwise() { depthwise::input_gradient } else { standard::input_gradient };
        array(compute(numbers(gradient), shape, numbers(&self.kernel), &self.window), shape)
    }

    fn weight_gradient(&self, gradient: &Array) -> (Array, Array) {
        let (x, gradient, shape) = (numbers(&self.x), numbers(gradient), dims::<4>(&self.x));
        let size = dims::<4>(&self.kernel);
        let (kernel, bias) = if self.is_depthwise() {
            depthwise::weight_gradient(x, gradient, shape, &self.window)
        } else {
            standard::weight_gradient(x, gradient, shape, size[0], &self.window)
        };
        (array(kernel, size), array(bias, [size[0]]))
    }
}

impl Convolve for Flex {
    fn convolve(x: Array, kernel: Array, bias: Array, window: Window) -> Array {
        Operands::new(x, kernel, window).forward(bias)
    }
}

#[derive(Debug)]
struct Convolution;

impl Backward<Flex, 3> for Convolution {
    type State = Operands;

    fn backward(self, ops: Ops<Operands, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = contiguous(grads.consume::<Flex>(&ops.node));
        let [x, kernel, bias] = ops.parents;
        if let Some(x) = x {
            grads.register::<Flex>(x.id, ops.state.input_gradient(&gradient));
        }
        if kernel.is_none() && bias.is_none() {
            return;
        }
        let (of_kernel, of_bias) = ops.state.weight_gradient(&gradient);
        if let Some(kernel) = kernel {
            grads.register::<Flex>(kernel.id, of_kernel);
        }
        if let Some(bias) = bias {
            grads.register::<Flex>(bias.id, of_bias);
        }
    }
}

impl<C: CheckpointStrategy> Convolve for Autodiff<Flex, C> {
    fn convolve(
        x: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        window: Window,
    ) -> FloatTensor<Self> {
        let [(x, of_x), (kernel, of_kernel), (bias, of_bias)] = [x, kernel, bias].map(|tensor| tensor.into_parts());
        let operands = Operands::new(x, kernel, window);
        let y = operands.forward(bias);
        match Convolution.prepare::<C>([of_x, of_kernel, of_bias]).compute_bound().stateful() {
            OpsKind::Tracked(step) => step.finish(operands, y),
            OpsKind::UnTracked(step) => step.finish(y),
        }
    }
}
