//! How the sequences of a batch lie in memory while a layer runs over them.

use std::ops::Range;

use burn::backend::flex::FlexTensor;
use burn::tensor::TensorData;

use super::super::Mask;

/// Rows that one thread takes at once. The numbers do not depend on how many threads there are, as the parts do not.
const PART: usize = 16;

/// A batch of sequences. The layer takes it in parts of some rows; in a part, the rows of one step lie together, the steps in
/// the order in which the layer takes them.
#[derive(Clone, Debug)]
pub(super) struct Sequences {
    pub batch: usize,
    pub time: usize,
    go_backwards: bool,
    /// Steps that are there.
    lengths: Option<Vec<usize>>,
}

impl Sequences {
    pub fn new([batch, time, _]: [usize; 3], go_backwards: bool, mask: Option<&Mask>) -> Self {
        Self { batch, time, go_backwards, lengths: mask.map(|mask| mask.lengths().to_vec()) }
    }

    /// The rows of each part.
    pub fn parts(&self) -> Vec<Range<usize>> {
        (0..self.batch).step_by(PART).map(|first| first..(first + PART).min(self.batch)).collect()
    }

    /// Where the n-th step that the layer takes has its place.
    fn place(&self, step: usize) -> usize {
        if self.go_backwards { self.time - 1 - step } else { step }
    }

    /// Whether a step of a row is there: steps, rows of a part.
    pub fn is_there(&self, rows: &Range<usize>) -> Option<Vec<bool>> {
        let lengths = &self.lengths.as_ref()?[rows.clone()];
        let of_step = |step| lengths.iter().map(move |&length| self.place(step) < length);
        Some((0..self.time).flat_map(of_step).collect())
    }

    /// From batch, time, width to the steps, rows, width of a part.
    pub fn gather(&self, values: &[f32], width: usize, rows: &Range<usize>) -> Vec<f32> {
        let mut part = Vec::with_capacity(self.time * rows.len() * width);
        for step in 0..self.time {
            for row in rows.clone() {
                part.extend_from_slice(&values[(row * self.time + self.place(step)) * width..][..width]);
            }
        }
        part
    }

    /// From the steps, rows, width of all parts to batch, time, width.
    pub fn scatter<'a>(&self, parts: impl Iterator<Item = &'a [f32]>, width: usize) -> FlexTensor {
        let mut values = vec![0.0; self.batch * self.time * width];
        for (rows, part) in self.parts().into_iter().zip(parts) {
            let mut from = part.chunks_exact(width);
            for step in 0..self.time {
                for row in rows.clone() {
                    let to = &mut values[(row * self.time + self.place(step)) * width..][..width];
                    to.copy_from_slice(from.next().expect("a part has all steps of its rows"));
                }
            }
        }
        tensor(values, &[self.batch, self.time, width])
    }
}

/// A tensor of these numbers.
pub(super) fn tensor(values: Vec<f32>, shape: &[usize]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape.to_vec()))
}

/// The numbers of a tensor that lies in one piece.
pub(super) fn numbers(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("it is made contiguous, and all tensors here are f32")
}
