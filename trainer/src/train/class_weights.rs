//! Weights of classes, for data that has more of some than of others.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::data::Dataset;

/// Factors of the losses of samples (or of their steps), by their class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "class_weights must be \"balanced\", a list of numbers in the order of the classes, or a table of numbers by class"
)]
pub enum ClassWeights {
    /// By a rule.
    Rule(Rule),
    /// One for each class, in the order of the classes.
    List(Vec<f32>),
    /// By the name of the class; 1 for those that are not named.
    ByName(BTreeMap<String, f32>),
}

/// How weights follow from the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// `w_c = n / (C · n_c)` for `n` training samples, `n_c` of them of class `c`, and `C` classes that occur: each class counts as much
    /// as any other, and the mean weight is 1 (King and Zeng 2001, "Logistic regression in rare events data").
    Balanced,
}

impl ClassWeights {
    /// The weight of each class of the training samples.
    ///
    /// # Errors
    /// The data has no classes, or other ones than those that are named.
    pub fn resolve(&self, train: &Dataset) -> Result<Vec<f32>> {
        let classes = &train.classes;
        ensure!(
            !classes.is_empty(),
            "train: class_weights needs data with classes, this has values to predict: remove it"
        );
        let possible = || classes.join(", ");
        let weights = match self {
            Self::Rule(Rule::Balanced) => balanced(train),
            Self::List(list) => {
                let (found, expected) = (list.len(), classes.len());
                ensure!(
                    found == expected,
                    "train: class_weights has {found} numbers, the data has {expected} classes: {}",
                    possible()
                );
                list.clone()
            }
            Self::ByName(table) => {
                let mut weights = vec![1.0; classes.len()];
                for (name, &weight) in table {
                    let at = classes.iter().position(|class| class == name);
                    let unknown = || format!("train: class_weights names \"{name}\", the classes are {}", possible());
                    weights[at.with_context(unknown)?] = weight;
                }
                weights
            }
        };
        ensure!(
            weights.iter().all(|weight| *weight >= 0.0 && weight.is_finite())
                && weights.iter().any(|&weight| weight > 0.0),
            "train: class_weights {weights:?} must be finite, not negative, and not all zero"
        );
        Ok(weights)
    }
}

/// A class that does not occur gets 1, which nothing is multiplied by.
fn balanced(train: &Dataset) -> Vec<f32> {
    let mut counts = vec![0usize; train.classes.len()];
    (0..train.len()).flat_map(|index| train.labels(index)).for_each(|&label| counts[label] += 1);
    let total: usize = counts.iter().sum();
    let present = counts.iter().filter(|&&count| count > 0).count();
    let weight = |&count: &usize| if count == 0 { 1.0 } else { (total as f64 / (present * count) as f64) as f32 };
    counts.iter().map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Targets;

    fn data(labels: &[usize]) -> Dataset {
        Dataset {
            shape: vec![1],
            inputs: vec![0.0; labels.len()],
            targets: Targets::Classes(labels.to_vec()),
            classes: ["cat", "dog", "owl"].map(String::from).to_vec(),
            range: None,
            lengths: Vec::new(),
        }
    }

    fn weights(text: &str, labels: &[usize]) -> Result<Vec<f32>> {
        let table: toml::Table = format!("x = {text}").parse()?;
        table["x"].clone().try_into::<ClassWeights>()?.resolve(&data(labels))
    }

    #[test]
    fn balanced_weights_are_those_of_the_equation() {
        // 6 samples of 3 classes: 6 / (3 · 3), 6 / (3 · 2), 6 / (3 · 1).
        assert_eq!(weights("\"balanced\"", &[0, 0, 0, 1, 1, 2]).unwrap(), [2.0 / 3.0, 1.0, 2.0]);
        // 4 samples of two classes that occur: 4 / (2 · 3), 4 / (2 · 1).
        assert_eq!(weights("\"balanced\"", &[0, 0, 0, 2]).unwrap(), [2.0 / 3.0, 1.0, 2.0]);
    }

    #[test]
    fn lists_and_names_give_what_they_say_and_errors_what_is_possible() {
        assert_eq!(weights("[1, 2.5, 0]", &[0]).unwrap(), [1.0, 2.5, 0.0]);
        assert_eq!(weights("{ dog = 3 }", &[0]).unwrap(), [1.0, 3.0, 1.0]);
        for (text, part) in [
            ("[1, 2]", "2 numbers, the data has 3 classes: cat, dog, owl"),
            ("{ cow = 2 }", "\"cow\", the classes are cat, dog, owl"),
            ("[1, -1, 1]", "not negative"),
            ("[0, 0, 0]", "not all zero"),
            ("\"even\"", "\"balanced\", a list of numbers"),
            ("2", "\"balanced\", a list of numbers"),
        ] {
            let found = format!("{:#}", weights(text, &[0]).unwrap_err());
            assert!(found.contains(part), "{text}: {found}");
        }
        let values = Dataset { classes: Vec::new(), ..data(&[0]) };
        let found = ClassWeights::Rule(Rule::Balanced).resolve(&values).unwrap_err().to_string();
        assert!(found.contains("data with classes"), "{found}");
    }
}
