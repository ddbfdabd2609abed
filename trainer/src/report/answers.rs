//! Answers on the test set: accuracy, the confusion matrix, precision, recall and F1 of each class.

use std::cmp::Reverse;

use anyhow::Result;
use serde::Serialize;

use super::Part;
use super::run::Run;
use crate::metrics::{Confusion, Scores};
use crate::train::Evaluation;

/// How a network answers on the test set.
#[derive(Clone, Debug, Serialize)]
pub struct Answers {
    /// In float, as training measured it.
    pub float: Judged,
    /// The model file, on the same samples.
    pub integer: Part<Judged>,
    /// What does not fit together, in a sentence.
    pub note: Option<String>,
}

/// An evaluation with all that follows from its counts.
#[derive(Clone, Debug, Serialize)]
pub struct Judged {
    /// Share of right answers; `None` for regression.
    pub accuracy: Option<f64>,
    /// Mean square error of the outputs.
    pub mean_squared_error: f64,
    /// Counts; `None` for regression.
    pub confusion: Option<Confusion>,
    /// Measures of each class, in their order.
    pub classes: Vec<Scores>,
    /// Their unweighted means.
    pub mean: Option<Scores>,
    /// The pairs of classes that are taken for one another most often.
    pub confused: Vec<Confused>,
}

/// Samples of one class that are taken for another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Confused {
    /// What they are.
    pub truth: String,
    /// What they are taken for.
    pub prediction: String,
    /// How many.
    pub count: usize,
}

impl Answers {
    /// What is to be shown in detail: the integers, if they could be judged.
    #[must_use]
    pub fn shown(&self) -> &Judged {
        self.integer.found().unwrap_or(&self.float)
    }
}

/// Pairs that a report names.
const PAIRS: usize = 5;

impl From<&Evaluation> for Judged {
    fn from(evaluation: &Evaluation) -> Self {
        let confusion = evaluation.confusion.clone();
        let scores =
            |confusion: &Confusion| (0..confusion.classes.len()).map(|class| confusion.scores(class)).collect();
        Self {
            accuracy: evaluation.accuracy(),
            mean_squared_error: evaluation.mean_squared_error,
            classes: confusion.as_ref().map_or_else(Vec::new, scores),
            mean: confusion.as_ref().map(Confusion::macro_average),
            confused: confusion.as_ref().map_or_else(Vec::new, confused),
            confusion,
        }
    }
}

fn confused(confusion: &Confusion) -> Vec<Confused> {
    let name = |class: usize| confusion.classes[class].clone();
    let cells =
        confusion.matrix.iter().enumerate().flat_map(|(truth, row)| {
            row.iter().enumerate().map(move |(prediction, &count)| (truth, prediction, count))
        });
    let mut wrong: Vec<_> = cells.filter(|&(truth, prediction, count)| truth != prediction && count > 0).collect();
    wrong.sort_by_key(|&(.., count)| Reverse(count));
    wrong.truncate(PAIRS);
    let pair = |(truth, prediction, count)| Confused { truth: name(truth), prediction: name(prediction), count };
    wrong.into_iter().map(pair).collect()
}

pub(super) fn collect(run: &Run) -> Result<Answers> {
    let float = &run.metrics()?.test;
    let judge = |outputs| -> Result<_> { Ok(Evaluation::of(outputs, &run.data()?.test)) };
    let integer = run.integer_outputs().and_then(judge);
    let here = run.float_outputs().and_then(judge);
    let is_other = here.is_ok_and(|here| here.confusion != float.confusion);
    let note = "The float network answers otherwise here than at the end of training: other data, or another machine.";
    Ok(Answers {
        float: float.into(),
        integer: integer.map(|integer| Judged::from(&integer)).into(),
        note: is_other.then(|| note.to_owned()),
    })
}
