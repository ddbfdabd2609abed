//! A layer with its weights, as its steps read them.

use burn::backend::flex::FlexTensor;

use super::super::matrix::Matrix;
use super::sequences::numbers;
use crate::graph::Recurrence;

/// All of it contiguous.
#[derive(Clone, Debug)]
pub(super) struct Weights {
    pub layer: Recurrence,
    input: FlexTensor,
    recurrent: FlexTensor,
    bias: FlexTensor,
    recurrent_bias: Option<FlexTensor>,
}

impl Weights {
    pub fn new(
        layer: Recurrence,
        input: FlexTensor,
        recurrent: FlexTensor,
        bias: FlexTensor,
        recurrent_bias: Option<FlexTensor>,
    ) -> Self {
        let of = |tensor: FlexTensor| tensor.to_contiguous();
        Self {
            layer,
            input: of(input),
            recurrent: of(recurrent),
            bias: of(bias),
            recurrent_bias: recurrent_bias.map(of),
        }
    }

    /// Channels of the input.
    pub fn channels(&self) -> usize {
        numbers(&self.input).len() / self.layer.rows()
    }

    /// Channels, gates · units.
    pub fn input(&self) -> Matrix<'_> {
        Matrix::new(numbers(&self.input), self.layer.rows())
    }

    /// Units, gates · units.
    pub fn recurrent(&self) -> Matrix<'_> {
        Matrix::new(numbers(&self.recurrent), self.layer.rows())
    }

    /// The bias, for each row anew.
    pub fn spread_bias(&self, rows: &mut [f32]) {
        spread(&self.bias, rows);
    }

    /// The bias of the recurrent product, zero where there is none, for each row anew.
    pub fn spread_recurrent_bias(&self, rows: &mut [f32]) {
        match &self.recurrent_bias {
            Some(bias) => spread(bias, rows),
            None => rows.fill(0.0),
        }
    }
}

fn spread(bias: &FlexTensor, rows: &mut [f32]) {
    let bias = numbers(bias);
    rows.chunks_exact_mut(bias.len()).for_each(|row| row.copy_from_slice(bias));
}
