//! The operation against burn's own ones and against finite differences.

use burn::tensor::{Device, Gradients, Tensor, TensorData};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use thumbnet::kernels::Cell;

use super::super::{Mask, device, training_device};
use super::{Answer, Kernels, recurrent, steps};
use crate::graph::Recurrence;

const CELLS: [Cell; 4] = [Cell::Elman, Cell::Lstm, Cell::Gru, Cell::GruResetBefore];

/// Batch, time, channels, units: less than a part of a batch, just one, and some with a rest.
const SIZES: [[usize; 4]; 4] = [[1, 1, 1, 1], [16, 5, 2, 7], [5, 9, 3, 8], [37, 4, 5, 24]];

/// A layer with its weights and inputs, as numbers.
struct Case {
    layer: Recurrence,
    size: [usize; 4],
    /// Input, kernel, recurrent kernel, bias, recurrent bias.
    numbers: [Vec<f32>; 5],
    /// What the answer's elements are multiplied by for the loss.
    factors: Vec<f32>,
    lengths: Option<Vec<usize>>,
}

/// One way to compute a layer.
type Layer = fn(Recurrence, Kernels, Tensor<3>, Option<&Mask>) -> (Answer, Option<Tensor<3>>);

fn by_burn(layer: Recurrence, kernels: Kernels, x: Tensor<3>, mask: Option<&Mask>) -> (Answer, Option<Tensor<3>>) {
    steps::recurrent(layer, &kernels, x, mask)
}

impl Case {
    fn new(layer: Recurrence, [batch, time, channels]: [usize; 3], is_masked: bool, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let (units, width) = (layer.units, layer.rows());
        let mut draw = |len: usize| (0..len).map(|_| rng.random_range(-1.0f32..1.0)).collect::<Vec<_>>();
        let numbers = [batch * time * channels, channels * width, units * width, width, width].map(&mut draw);
        let factors = draw(batch * time * units);
        let lengths = is_masked.then(|| (0..batch).map(|_| rng.random_range(0..=time)).collect());
        Self { layer, size: [batch, time, channels, units], numbers, factors, lengths }
    }

    /// Every cell in every way of reading and answering.
    fn all() -> Vec<Self> {
        let mut cases = Vec::new();
        for ([batch, time, channels, units], cell) in SIZES.into_iter().flat_map(|size| CELLS.map(|cell| (size, cell)))
        {
            for way in 0..8u32 {
                let [return_sequences, go_backwards, is_masked] = [1, 2, 4].map(|bit| way & bit != 0);
                let layer = Recurrence { cell, units, return_sequences, go_backwards };
                let seed = u64::from(way) + 8 * cases.len() as u64;
                cases.push(Self::new(layer, [batch, time, channels], is_masked, seed));
            }
        }
        cases
    }

    fn name(&self) -> String {
        format!("{:?}, batch, time, channels, units {:?}, lengths {:?}", self.layer, self.size, self.lengths)
    }

    fn mask(&self, device: &Device) -> Option<Mask> {
        self.lengths.as_ref().map(|lengths| Mask::new(lengths, self.size[1], device))
    }

    fn inputs(&self, device: &Device) -> (Tensor<3>, [Tensor<2>; 2], [Tensor<1>; 2]) {
        let [batch, time, channels, units] = self.size;
        let width = self.layer.rows();
        let [x, input, recurrent, bias, recurrent_bias] = &self.numbers;
        (
            tensor(x, [batch, time, channels], device),
            [tensor(input, [channels, width], device), tensor(recurrent, [units, width], device)],
            [tensor(bias, [width], device), tensor(recurrent_bias, [width], device)],
        )
    }

    /// The loss and its derivatives by each of the numbers.
    fn derivatives(&self, run: Layer) -> (f32, Vec<Vec<f32>>) {
        let device = training_device();
        let (x, matrices, vectors) = self.inputs(&device);
        let (x, matrices, vectors) =
            (x.require_grad(), matrices.map(Tensor::require_grad), vectors.map(Tensor::require_grad));
        let loss = self.loss(run, x.clone(), matrices.clone(), vectors.clone());
        let gradients = loss.backward();
        let mut derivatives = vec![derivative(&x, &gradients)];
        derivatives.extend(matrices.iter().map(|matrix| derivative(matrix, &gradients)));
        let with_bias = if self.layer.has_recurrent_bias() { 2 } else { 1 };
        derivatives.extend(vectors[..with_bias].iter().map(|vector| derivative(vector, &gradients)));
        (loss.into_scalar(), derivatives)
    }

    fn loss(&self, run: Layer, x: Tensor<3>, matrices: [Tensor<2>; 2], vectors: [Tensor<1>; 2]) -> Tensor<1> {
        let [input, recurrent] = matrices;
        let [bias, recurrent_bias] = vectors;
        let recurrent_bias = self.layer.has_recurrent_bias().then_some(recurrent_bias);
        let device = x.device();
        let kernels = Kernels { input, recurrent, bias, recurrent_bias, state: None };
        let (answer, _) = run(self.layer, kernels, x, self.mask(&device).as_ref());
        let answer = flat(answer);
        let len = answer.dims()[0];
        (answer * tensor(&self.factors[..len], [len], &device)).sum()
    }
}

fn tensor<const D: usize>(numbers: &[f32], shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(numbers.to_vec(), shape), device)
}

fn flat(answer: Answer) -> Tensor<1> {
    match answer {
        Answer::States(states) => states.flatten(0, 2),
        Answer::Last(last) => last.flatten(0, 1),
    }
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

fn derivative<const D: usize>(of: &Tensor<D>, gradients: &Gradients) -> Vec<f32> {
    numbers(of.grad(gradients).expect("a derivative was asked for"))
}

/// The largest difference, by the largest number (or 1).
fn difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(1.0f32, |largest, x| largest.max(x.abs()));
    found.iter().zip(expected).fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs())) / largest
}

/// Two orders of adding up products in f32 and activations that are up to 4 units in the last place apart (2.4e-7), carried on
/// over up to nine steps by weights of order one: 1.6e-6 was measured over all cases below.
const TOLERANCE: f32 = 5e-6;

#[test]
fn answers_and_memories_are_those_of_burns_operations() {
    let mut worst = 0.0f32;
    for case in Case::all() {
        let answer = |run: Layer| {
            let (x, [input, recurrent], [bias, recurrent_bias]) = case.inputs(&device());
            let recurrent_bias = case.layer.has_recurrent_bias().then_some(recurrent_bias);
            let kernels = Kernels { input, recurrent, bias, recurrent_bias, state: None };
            let (answer, memories) = run(case.layer, kernels, x, case.mask(&device()).as_ref());
            (numbers(flat(answer)), memories.map(numbers))
        };
        let ((found, memories), (expected, expected_memories)) = (answer(recurrent), answer(by_burn));
        let mut pairs = vec![(found, expected)];
        assert_eq!(memories.is_some(), case.layer.cell == Cell::Lstm);
        pairs.extend(memories.zip(expected_memories));
        for (found, expected) in pairs {
            let difference = difference(&found, &expected);
            assert!(difference < TOLERANCE, "{difference}: {}", case.name());
            worst = worst.max(difference);
        }
    }
    println!("answers: at most {worst:e} from burn's");
}

#[test]
fn derivatives_are_those_of_burns_operations() {
    let mut worst = 0.0f32;
    for case in Case::all() {
        let ((_, found), (_, expected)) = (case.derivatives(recurrent), case.derivatives(by_burn));
        for (part, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let difference = difference(found, expected);
            assert!(difference < TOLERANCE, "{difference} of part {part}: {}", case.name());
            worst = worst.max(difference);
        }
    }
    println!("derivatives: at most {worst:e} from burn's");
}

#[test]
fn derivatives_are_those_of_finite_differences() {
    const STEP: f32 = 1.0 / 64.0;
    let mut worst = 0.0f32;
    for cell in CELLS {
        let layer = Recurrence { cell, units: 6, return_sequences: true, go_backwards: true };
        let case = Case::new(layer, [3, 5, 4], true, 11);
        let (_, derivatives) = case.derivatives(recurrent);
        for (part, derivatives) in derivatives.iter().enumerate() {
            for (at, derivative) in derivatives.iter().enumerate() {
                let loss = |by: f32| {
                    let mut numbers = case.numbers.clone();
                    numbers[part][at] += by;
                    let (lengths, factors) = (case.lengths.clone(), case.factors.clone());
                    Case { layer, size: case.size, numbers, factors, lengths }.derivatives(recurrent).0
                };
                let slope = (loss(STEP) - loss(-STEP)) / (2.0 * STEP);
                worst = worst.max((slope - derivative).abs() / derivative.abs().max(1.0));
            }
        }
    }
    println!("derivatives: at most {worst:e} from differences");
    // STEP² times a third derivative of order one, over six, plus the rounding of losses of order one over STEP.
    assert!(worst < 1e-3, "{worst}");
}

#[test]
fn threads_do_not_change_a_bit() {
    for cell in CELLS {
        let layer = Recurrence { cell, units: 24, return_sequences: false, go_backwards: false };
        let case = Case::new(layer, [50, 20, 9], true, 3);
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| case.derivatives(recurrent))
        };
        assert!(with(1) == with(3) && with(1) == with(2), "{cell:?}");
    }
}

#[test]
fn what_is_behind_an_end_has_no_part_in_anything() {
    for case in Case::all().into_iter().filter(|case| case.lengths.is_some()) {
        let [_, time, channels, _] = case.size;
        let lengths = case.lengths.clone().unwrap();
        let is_behind = |at: usize| at / channels % time >= lengths[at / channels / time];
        let (loss, derivatives) = case.derivatives(recurrent);
        let mut numbers = case.numbers.clone();
        numbers[0].iter_mut().enumerate().filter(|(at, _)| is_behind(*at)).for_each(|(_, x)| *x += 3.0);
        let (other, _) = Case { numbers, lengths: case.lengths.clone(), factors: case.factors.clone(), ..case }
            .derivatives(recurrent);
        assert_eq!(loss, other);
        assert!(derivatives[0].iter().enumerate().all(|(at, &d)| d == 0.0 || !is_behind(at)));
    }
}
