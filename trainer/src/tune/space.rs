//! The space that is searched: a recipe with a table `[tune]`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::ValueEnum;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::Deserialize;
use toml::{Table, Value};

use super::field::{Domain, set};
use super::measure::Objective;
use crate::recipe::Recipe;
use crate::run::Target;

const fn reduction() -> usize {
    3
}

const fn one() -> usize {
    1
}

/// In which order the space is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum Method {
    /// Every combination.
    Grid {},
    /// Each trial by chance (Bergstra and Bengio 2012).
    Random {},
    /// By chance too, but each trial gets few epochs first; of each round the best `1/reduction` get `reduction` times as many,
    /// without waiting for the others: asynchronous successive halving, Li et al. 2018 (arXiv:1810.05934).
    Asha {
        /// Factor between the epochs of a round and the next; one of so many goes on.
        #[serde(default = "reduction")]
        reduction: usize,
        /// Epochs of the first round.
        #[serde(default = "one")]
        min_epochs: usize,
    },
}

const fn trials() -> usize {
    30
}

const fn share() -> f64 {
    0.1
}

fn objectives() -> Vec<Objective> {
    vec![Objective::Accuracy, Objective::ModelBytes, Objective::RamBytes, Objective::Macs]
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tune {
    method: Method,
    #[serde(default = "trials")]
    trials: usize,
    #[serde(default)]
    seed: u64,
    #[serde(default = "objectives")]
    objectives: Vec<Objective>,
    core: Option<String>,
    #[serde(default = "share")]
    validation: f64,
    fields: BTreeMap<String, Value>,
}

/// What is searched, and how.
#[derive(Clone, Debug)]
pub struct Space {
    recipe: Table,
    /// The order of the search.
    pub method: Method,
    /// Number of trials.
    pub trials: usize,
    /// What is to become small or large; the first one decides where only one can.
    pub objectives: Vec<Objective>,
    /// Where instructions are counted.
    pub core: Option<Target>,
    /// Most epochs of a trial; `None` where they are a field themselves.
    pub epochs: Option<usize>,
    /// Fields by dotted path, in alphabetical order.
    pub fields: Vec<(String, Domain)>,
    seed: u64,
    validation: f64,
}

impl Space {
    /// Reads a space.
    ///
    /// # Errors
    /// Names the field, what was found and what is possible.
    pub fn load(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("in {}", path.display()))
    }

    /// Reads a space's text.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn parse(text: &str) -> Result<Self> {
        let mut recipe: Table = toml::from_str(text).map_err(|error| anyhow!("{}", error.to_string().trim_end()))?;
        let tune = recipe.remove("tune").context(
            "it has no [tune]: add method = { name = \"random\" } and, below [tune.fields], paths with their values, for \
             instance \"train.learning_rate\" = { min = 1e-4, max = 1e-2, log = true }",
        )?;
        let tune: Tune = tune.try_into().map_err(|error: toml::de::Error| anyhow!("[tune]: {}", error.message()))?;
        let core = tune.core.as_deref().map(core).transpose()?;
        ensure!(!tune.fields.is_empty(), "[tune.fields] names no field");
        let field = |(path, value): (&String, &Value)| -> Result<_> {
            Ok((path.clone(), Domain::parse(value).with_context(|| format!("[tune.fields] \"{path}\""))?))
        };
        let fields = tune.fields.iter().map(field).collect::<Result<Vec<_>>>()?;
        let base = Recipe::from_table(recipe.clone())?;
        let epochs = (!tune.fields.contains_key("train.epochs")).then_some(base.train.epochs);
        let mut space = Self {
            recipe,
            method: tune.method,
            trials: tune.trials,
            objectives: tune.objectives,
            core,
            epochs,
            fields,
            seed: tune.seed,
            validation: tune.validation,
        };
        space.check()?;
        if space.method == (Method::Grid {}) {
            space.trials = space.grid()?.iter().map(Vec::len).try_fold(1, usize::checked_mul).unwrap_or(usize::MAX);
            ensure!(space.trials <= 100_000, "the grid has more than 100,000 combinations: give it fewer points");
        }
        Ok(space)
    }

    fn check(&self) -> Result<()> {
        ensure!(self.trials > 0, "[tune] trials must be at least 1");
        ensure!(!self.objectives.is_empty(), "[tune] objectives is empty; possible are {}", names());
        ensure!(
            self.validation > 0.0 && self.validation < 1.0,
            "[tune] validation {} is not between 0 and 1: it is the share of the training samples that trials are judged by",
            self.validation
        );
        if let Some(objective) = self.objectives.iter().find(|objective| objective.needs_core() && self.core.is_none())
        {
            bail!("[tune] the objective {} needs a core, for instance core = \"m4\"", objective.name());
        }
        if let Method::Asha { reduction, min_epochs } = self.method {
            ensure!(reduction >= 2 && min_epochs >= 1, "[tune] method: reduction must be at least 2, min_epochs 1");
            let epochs = self.epochs.context("[tune.fields] \"train.epochs\": asha decides on the epochs itself")?;
            ensure!(min_epochs <= epochs, "[tune] method: min_epochs {min_epochs} is more than the recipe's {epochs}");
        }
        // Each value by itself, so that a wrong path or value is found before the first trial.
        for (path, domain) in &self.fields {
            let ends = match domain {
                Domain::Choices(choices) => choices.clone(),
                Domain::Integers(range) => [range.min, range.max].map(|x| Value::Integer(x as i64)).to_vec(),
                Domain::Reals(range) => [range.min, range.max].map(Value::Float).to_vec(),
            };
            for value in ends {
                let mut recipe = self.recipe.clone();
                set(&mut recipe, path, value.clone())
                    .and_then(|()| Recipe::from_table(recipe))
                    .with_context(|| format!("[tune.fields] \"{path}\" = {value}"))?;
            }
        }
        Ok(())
    }

    fn grid(&self) -> Result<Vec<Vec<Value>>> {
        let axis =
            |(path, domain): &(String, Domain)| domain.grid().with_context(|| format!("[tune.fields] \"{path}\""));
        self.fields.iter().map(axis).collect()
    }

    /// The values of a trial, which depend on its number and the seed only.
    ///
    /// # Errors
    /// There is no such trial.
    pub fn parameters(&self, trial: usize) -> Result<BTreeMap<String, Value>> {
        ensure!(trial < self.trials, "there is no trial {trial}: the space has {}, from 0", self.trials);
        let paths = self.fields.iter().map(|(path, _)| path.clone());
        if self.method == (Method::Grid {}) {
            let mut rest = trial;
            let mut digit = |values: Vec<Value>| {
                let value = values[rest % values.len()].clone();
                rest /= values.len();
                value
            };
            return Ok(paths.zip(self.grid()?.into_iter().map(&mut digit)).collect());
        }
        let mut rng = StdRng::seed_from_u64(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(trial as u64));
        Ok(paths.zip(self.fields.iter().map(|(_, domain)| domain.draw(&mut rng))).collect())
    }

    /// The recipe with these values. Trials are judged by samples kept aside from training, so it has a share of them.
    ///
    /// # Errors
    /// The values do not fit each other, or a path is wrong.
    pub fn recipe(&self, parameters: &BTreeMap<String, Value>) -> Result<Recipe> {
        let mut table = self.recipe.clone();
        for (path, value) in parameters {
            set(&mut table, path, value.clone())?;
        }
        let mut recipe = Recipe::from_table(table)?;
        if recipe.train.validation == 0.0 {
            recipe.train.validation = self.validation;
        }
        Ok(recipe)
    }
}

fn names() -> String {
    Objective::ALL.map(Objective::name).join(", ")
}

fn core(name: &str) -> Result<Target> {
    let cores = || Target::ALL[1..].iter().map(Target::to_string).collect::<Vec<_>>().join(", ");
    let found = Target::from_str(name, true).ok().filter(|&target| target != Target::Host);
    found.with_context(|| format!("[tune] core \"{name}\" is none of {}", cores()))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A space over a small network on generated digits.
    pub fn text(tune: &str) -> String {
        format!(
            "name = \"t\"\n[data]\nkind = \"digits\"\ntrain = 100\ntest = 20\n[train]\nepochs = 9\nloss = \"cross_entropy\"\n\
             optimizer = {{ name = \"adam\" }}\n[[layer]]\nop = \"flatten\"\n[[layer]]\nop = \"dense\"\nname = \"hidden\"\n\
             units = 8\nactivation = \"relu\"\n[[layer]]\nop = \"dense\"\nunits = 10\n[tune]\n{tune}"
        )
    }

    fn error(tune: &str) -> String {
        format!("{:#}", Space::parse(&text(tune)).unwrap_err())
    }

    #[test]
    fn trials_depend_on_their_number_only_and_a_grid_has_every_combination() {
        let fields = "[tune.fields]\n\"train.batch\" = [8, 16]\n\"layer.hidden.units\" = { min = 4, max = 6 }\n";
        let space = Space::parse(&text(&format!("method = {{ name = \"grid\" }}\n{fields}"))).unwrap();
        assert_eq!(space.trials, 6);
        let mut all: Vec<String> = (0..6).map(|trial| format!("{:?}", space.parameters(trial).unwrap())).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 6);
        assert!(space.parameters(6).is_err());

        let random = |trials| format!("method = {{ name = \"random\" }}\ntrials = {trials}\n{fields}");
        let (few, many) = (Space::parse(&text(&random(3))).unwrap(), Space::parse(&text(&random(30))).unwrap());
        assert_eq!(few.parameters(2).unwrap(), many.parameters(2).unwrap());
        let recipe = many.recipe(&many.parameters(7).unwrap()).unwrap();
        assert_eq!(Value::Integer(recipe.train.batch as i64), many.parameters(7).unwrap()["train.batch"]);
        assert_eq!(recipe.train.validation, 0.1);
    }

    #[test]
    fn errors_name_the_field_and_what_is_possible() {
        let random = "method = { name = \"random\" }\n";
        for (tune, parts) in [
            ("[tune.fields]\n\"train.batch\" = [8]\n".to_owned(), ["method", "[tune]"]),
            (random.to_owned(), ["fields", "[tune]"]),
            (format!("{random}[tune.fields]\n\"train.lerning_rate\" = [1]\n"), ["lerning_rate", "learning_rate"]),
            (format!("{random}[tune.fields]\n\"trian.batch\" = [1]\n"), ["trian", "train"]),
            (format!("{random}[tune.fields]\n\"train.batch\" = [8, 0]\n"), ["train.batch\" = 0", "at least 1"]),
            (format!("{random}[tune.fields]\n\"layer.hiden.units\" = [8]\n"), ["hiden", "hidden, dense_3"]),
            (format!("{random}[tune.fields]\n\"layer.hidden.unit\" = [8]\n"), ["unit", "units"]),
            (
                format!("{random}objectives = [\"speed\"]\n[tune.fields]\n\"train.batch\" = [8]\n"),
                ["speed", "instructions"],
            ),
            (
                format!("{random}objectives = [\"instructions\"]\n[tune.fields]\n\"train.batch\" = [8]\n"),
                ["core", "m4"],
            ),
            (format!("{random}core = \"m5\"\n[tune.fields]\n\"train.batch\" = [8]\n"), ["m5", "m55"]),
            ("method = { name = \"bayes\" }\n[tune.fields]\n\"train.batch\" = [8]\n".into(), ["bayes", "asha"]),
            (
                "method = { name = \"asha\" }\n[tune.fields]\n\"train.epochs\" = [8]\n".into(),
                ["train.epochs", "itself"],
            ),
        ] {
            let found = error(&tune);
            assert!(parts.iter().all(|part| found.contains(part)), "{tune}: {found}");
        }
    }
}
