//! How good a classifier is: accuracy, precision, recall, F1 and the confusion matrix.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Counts of predictions: `matrix[truth][prediction]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// Names of the classes.
    pub classes: Vec<String>,
    /// One row per true class.
    pub matrix: Vec<Vec<usize>>,
}

/// The measures of one class. A measure without a sample to speak of is 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Scores {
    /// `TP / (TP + FP)`.
    pub precision: f64,
    /// `TP / (TP + FN)`.
    pub recall: f64,
    /// `2 · precision · recall / (precision + recall)`.
    pub f1: f64,
    /// Samples of the class.
    pub support: usize,
}

impl Confusion {
    /// No prediction yet.
    #[must_use]
    pub fn new(classes: &[String]) -> Self {
        Self { classes: classes.to_vec(), matrix: vec![vec![0; classes.len()]; classes.len()] }
    }

    /// Counts one prediction.
    pub fn add(&mut self, truth: usize, prediction: usize) {
        self.matrix[truth][prediction] += 1;
    }

    /// Number of predictions.
    #[must_use]
    pub fn total(&self) -> usize {
        self.matrix.iter().flatten().sum()
    }

    /// Share of right predictions.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        ratio((0..self.classes.len()).map(|class| self.matrix[class][class]).sum(), self.total())
    }

    /// Measures of one class.
    #[must_use]
    pub fn scores(&self, class: usize) -> Scores {
        let hits = self.matrix[class][class];
        let support = self.matrix[class].iter().sum();
        let precision = ratio(hits, self.matrix.iter().map(|row| row[class]).sum());
        let recall = ratio(hits, support);
        let f1 = if hits == 0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) };
        Scores { precision, recall, f1, support }
    }

    /// Unweighted means over the classes.
    #[must_use]
    pub fn macro_average(&self) -> Scores {
        let all: Vec<Scores> = (0..self.classes.len()).map(|class| self.scores(class)).collect();
        let mean = |measure: fn(&Scores) -> f64| all.iter().map(measure).sum::<f64>() / all.len().max(1) as f64;
        Scores {
            precision: mean(|scores| scores.precision),
            recall: mean(|scores| scores.recall),
            f1: mean(|scores| scores.f1),
            support: self.total(),
        }
    }
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl fmt::Display for Confusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.classes.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(9);
        writeln!(f, "{:name$}  precision  recall      F1  samples", "class")?;
        let row = |f: &mut fmt::Formatter<'_>, label: &str, s: Scores| {
            writeln!(f, "{label:name$}  {:9.4}  {:6.4}  {:6.4}  {:7}", s.precision, s.recall, s.f1, s.support)
        };
        for (class, label) in self.classes.iter().enumerate() {
            row(f, label, self.scores(class))?;
        }
        row(f, "mean", self.macro_average())?;
        let cell = self.matrix.iter().flatten().max().map_or(1, |max| max.to_string().len()).max(4);
        writeln!(f, "\nconfusion (rows: truth, columns: prediction)")?;
        for (label, row) in self.classes.iter().zip(&self.matrix) {
            write!(f, "{label:name$}")?;
            row.iter().try_for_each(|count| write!(f, " {count:cell$}"))?;
            writeln!(f)?;
        }
        write!(f, "accuracy {:.2} % of {}", 100.0 * self.accuracy(), self.total())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_are_those_of_the_textbook() {
        // Two classes, worked by hand: of 10 cats 8 are found, of 5 dogs 4.
        let mut confusion = Confusion::new(&["cat".into(), "dog".into()]);
        for (truth, prediction, count) in [(0, 0, 8), (0, 1, 2), (1, 1, 4), (1, 0, 1)] {
            (0..count).for_each(|_| confusion.add(truth, prediction));
        }
        let dog = confusion.scores(1);
        assert!((confusion.accuracy() - 12.0 / 15.0).abs() < 1e-12);
        assert!((dog.precision - 4.0 / 6.0).abs() < 1e-12 && (dog.recall - 0.8).abs() < 1e-12);
        assert!((dog.f1 - 8.0 / 11.0).abs() < 1e-12);
        assert!((confusion.macro_average().recall - 0.8).abs() < 1e-12);
        assert_eq!(Confusion::new(&["cat".into()]).scores(0).f1, 0.0);
    }
}
