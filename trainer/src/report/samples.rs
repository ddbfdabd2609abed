//! Some test samples with their answers, wrong ones first.

use anyhow::Result;
use serde::Serialize;

use super::run::Run;
use crate::data::{Dataset, Source, Targets};
use crate::train::argmax;

mod picture;

pub use picture::Picture;

/// Some test samples.
#[derive(Clone, Debug, Serialize)]
pub struct Samples {
    /// What answered: `int8`, or `float` where the model file cannot be asked.
    pub network: &'static str,
    /// How many of the test set are answered wrong; `None` for regression.
    pub wrong: Option<usize>,
    /// Samples of the test set.
    pub total: usize,
    /// Those that are shown: the surest of the wrong answers, then the least sure of the right ones; for
    /// regression the largest errors; the fewest right steps where each step has an answer.
    pub shown: Vec<Sample>,
}

/// A test sample.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// Its number in the test set.
    pub index: usize,
    /// What it is.
    pub truth: String,
    /// What the network says.
    pub answer: String,
    /// How sure it is, if it says a class; the error if it says numbers; the share of right steps if it says one for each.
    pub score: Answer,
    /// Whether it is right; `None` for regression.
    pub is_right: Option<bool>,
    /// What it looks like.
    #[serde(skip)]
    pub pictures: Vec<Picture>,
}

/// How good an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// What the output of the class says: a probability behind a softmax.
    Output(f32),
    /// Largest absolute error of its values.
    Error(f32),
    /// Share of its steps that are right.
    Steps(f64),
}

/// Most samples that are shown, and most wrong ones of them.
const SHOWN: usize = 24;
const WRONG: usize = 16;

/// An answer before it is shown.
struct Judged {
    index: usize,
    is_right: Option<bool>,
    /// The smaller, the sooner it is shown among its like.
    order: f32,
    answer: Answer,
}

pub(super) fn collect(run: &Run) -> Result<Samples> {
    let data = &run.data()?.test;
    let (network, outputs) = match run.integer_outputs() {
        Ok(outputs) => ("int8", outputs),
        Err(_) => ("float", run.float_outputs()?),
    };
    let width = data.target_width().max(1);
    let row = |index: usize| &outputs[index * width..][..width];
    let mut all: Vec<Judged> = (0..data.len()).map(|index| judge(data, index, row(index))).collect();
    let wrong = all.iter().filter(|one| one.is_right == Some(false)).count();
    all.sort_by(|a, b| a.is_right.cmp(&b.is_right).then(a.order.total_cmp(&b.order)));
    let is_wrong = |one: &Judged| one.is_right == Some(false);
    let (mut shown, right): (Vec<Judged>, Vec<Judged>) = all.into_iter().partition(is_wrong);
    shown.truncate(if right.is_empty() { SHOWN } else { WRONG });
    shown.extend(right.into_iter().take(SHOWN - shown.len()));
    let is_stroke = matches!(run.recipe()?.data, Source::Strokes { .. });
    let sample = |one: &Judged| -> Result<Sample> {
        let (truth, answer) = words(data, one.index, row(one.index));
        let pictures = picture::pictures(data, one.index, run.model().ok().map(|model| &model.meta), is_stroke)?;
        Ok(Sample { index: one.index, truth, answer, score: one.answer, is_right: one.is_right, pictures })
    };
    Ok(Samples {
        network,
        wrong: (!data.classes.is_empty()).then_some(wrong),
        total: data.len(),
        shown: shown.iter().map(sample).collect::<Result<_>>()?,
    })
}

fn judge(data: &Dataset, index: usize, output: &[f32]) -> Judged {
    match &data.targets {
        Targets::Classes(labels) => {
            let answer = argmax(output);
            let is_right = answer == labels[index];
            // Surest first where it is wrong, least sure first where it is right.
            let others = (0..output.len()).filter(|&class| class != answer).map(|class| output[class]);
            let margin = output[answer] - others.fold(f32::MIN, f32::max);
            let order = if is_right { margin } else { output[labels[index]] - output[answer] };
            Judged { index, is_right: Some(is_right), order, answer: Answer::Output(output[answer]) }
        }
        Targets::Steps(all) => {
            let answers = output.chunks(data.classes.len().max(1)).zip(&all[index]);
            let right = answers.filter(|(answer, label)| argmax(answer) == **label).count();
            let share = right as f64 / all[index].len().max(1) as f64;
            Judged {
                index,
                is_right: Some(right == all[index].len()),
                order: share as f32,
                answer: Answer::Steps(share),
            }
        }
        Targets::Values { .. } => {
            let errors = output.iter().zip(data.target(index)).map(|(y, t)| (y - t).abs());
            let error = errors.fold(0.0, f32::max);
            Judged { index, is_right: None, order: -error, answer: Answer::Error(error) }
        }
    }
}

/// Truth and answer in words.
fn words(data: &Dataset, index: usize, output: &[f32]) -> (String, String) {
    let class = |class: usize| data.classes.get(class).cloned().unwrap_or_default();
    match &data.targets {
        Targets::Classes(labels) => (class(labels[index]), class(argmax(output))),
        Targets::Steps(all) => {
            let answers: Vec<usize> =
                output.chunks(data.classes.len().max(1)).take(all[index].len()).map(argmax).collect();
            (runs(&all[index], class), runs(&answers, class))
        }
        Targets::Values { .. } => (numbers(&data.target(index)), numbers(output)),
    }
}

/// Classes of steps with how often each comes in a row: `rest ×12, walk ×3`.
fn runs(labels: &[usize], class: impl Fn(usize) -> String) -> String {
    let runs: Vec<&[usize]> = labels.chunk_by(|a, b| a == b).collect();
    let text = |run: &&[usize]| format!("{} ×{}", class(run[0]), run.len());
    let more = if runs.len() > MORE { ", …" } else { "" };
    runs.iter().take(MORE).map(text).collect::<Vec<_>>().join(", ") + more
}

/// Numbers or runs of steps that are shown.
const MORE: usize = 4;

fn numbers(values: &[f32]) -> String {
    let more = if values.len() > MORE { ", …" } else { "" };
    values.iter().take(MORE).map(|value| format!("{value:.4}")).collect::<Vec<_>>().join(", ") + more
}
