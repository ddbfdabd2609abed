//! Fields of a recipe by dotted path, and the values they may take.

use anyhow::{Context, Result, bail, ensure};
use rand::RngExt;
use rand::rngs::StdRng;
use toml::{Table, Value};

/// The values that a field may take.
#[derive(Clone, Debug, PartialEq)]
pub enum Domain {
    /// One of these.
    Choices(Vec<Value>),
    /// A whole number of this range, both ends included.
    Integers(Range),
    /// A number of this range.
    Reals(Range),
}

/// A range of numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
    /// Whether it is even in the logarithm.
    pub log: bool,
    /// Values of a grid, both ends included.
    pub points: Option<usize>,
}

impl Domain {
    /// Reads `[a, b, …]` or `{ min = a, max = b }`, with `log = true` and `points = n` besides.
    ///
    /// # Errors
    /// Says what was found and what can stand there.
    pub fn parse(value: &Value) -> Result<Self> {
        match value {
            Value::Array(choices) => {
                ensure!(!choices.is_empty(), "the list of choices is empty");
                Ok(Self::Choices(choices.clone()))
            }
            Value::Table(table) => range(table),
            other => bail!("expected a list of choices or {{ min = ..., max = ... }}, found {other}"),
        }
    }

    /// A value by chance, all alike.
    pub fn draw(&self, rng: &mut StdRng) -> Value {
        match self {
            Self::Choices(choices) => choices[rng.random_range(0..choices.len())].clone(),
            Self::Integers(range) if !range.log => {
                Value::Integer(rng.random_range(range.min as i64..=range.max as i64))
            }
            // Half a number more on either side, so that the ends are as likely as the others.
            Self::Integers(range) => {
                let wide = Range { min: range.min - 0.49, max: range.max + 0.49, ..*range };
                Value::Integer((wide.at(rng.random()).round() as i64).clamp(range.min as i64, range.max as i64))
            }
            Self::Reals(range) => Value::Float(range.at(rng.random())),
        }
    }

    /// The values of a grid.
    ///
    /// # Errors
    /// A range of real numbers does not say how many.
    pub fn grid(&self) -> Result<Vec<Value>> {
        let spread = |range: &Range, points: usize| -> Vec<f64> {
            (0..points).map(|i| range.at(i as f64 / (points.max(2) - 1) as f64)).collect()
        };
        match self {
            Self::Choices(choices) => Ok(choices.clone()),
            Self::Integers(range) => match range.points {
                None => Ok((range.min as i64..=range.max as i64).map(Value::Integer).collect()),
                Some(points) => {
                    let mut values: Vec<i64> = spread(range, points).iter().map(|x| x.round() as i64).collect();
                    values.dedup();
                    Ok(values.into_iter().map(Value::Integer).collect())
                }
            },
            Self::Reals(range) => {
                let points = range.points.context("a grid over real numbers needs points = ...")?;
                Ok(spread(range, points).into_iter().map(Value::Float).collect())
            }
        }
    }
}

impl Range {
    /// The value at `t` in 0..=1.
    fn at(&self, t: f64) -> f64 {
        let value = if self.log {
            (self.min.ln() + t * (self.max.ln() - self.min.ln())).exp()
        } else {
            self.min + t * (self.max - self.min)
        };
        // Five digits are enough to tell values apart, and can be read.
        let rounded = format!("{value:.4e}").parse().unwrap_or(value);
        f64::clamp(rounded, self.min, self.max)
    }
}

fn range(table: &Table) -> Result<Domain> {
    const WORDS: [&str; 4] = ["min", "max", "log", "points"];
    if let Some(word) = table.keys().find(|key| !WORDS.contains(&key.as_str())) {
        bail!("a range has no \"{word}\"; possible are {}", WORDS.join(", "));
    }
    let get = |key: &str| {
        let value = table.get(key).with_context(|| format!("a range needs {key}"))?;
        let number = value.as_float().or_else(|| value.as_integer().map(|integer| integer as f64));
        number.filter(|x| x.is_finite()).with_context(|| format!("{key} must be a number, found {value}"))
    };
    let (min, max) = (get("min")?, get("max")?);
    ensure!(min < max, "min {min} must be below max {max}");
    let log = table.get("log").map_or(Some(false), Value::as_bool).context("log must be true or false")?;
    ensure!(!log || min > 0.0, "a range with log = true must be positive, its min is {min}");
    let points = match table.get("points") {
        None => None,
        Some(value) => {
            let points = value.as_integer().filter(|points| (2..=1000).contains(points));
            Some(points.with_context(|| format!("points must be 2 to 1000, found {value}"))? as usize)
        }
    };
    let range = Range { min, max, log, points };
    let are_whole = ["min", "max"].iter().all(|key| table[*key].is_integer());
    Ok(if are_whole { Domain::Integers(range) } else { Domain::Reals(range) })
}

/// Puts a value at a dotted path of a recipe. A layer is named by its name (`layer.conv2d_1.filters`) or its number from 1.
///
/// # Errors
/// There is no such place; the message says which part of the path is wrong and what is possible.
pub fn set(recipe: &mut Table, path: &str, value: Value) -> Result<()> {
    let (parents, last) = path.rsplit_once('.').unwrap_or(("", path));
    ensure!(path.split('.').all(|part| !part.is_empty()), "\"{path}\" is no path of a field, such as train.batch");
    let mut table = recipe;
    let mut parts = parents.split('.').filter(|part| !part.is_empty());
    while let Some(part) = parts.next() {
        let place = table.entry(part).or_insert_with(|| Value::Table(Table::new()));
        table = match place {
            Value::Table(inner) => inner,
            Value::Array(layers) => {
                let name = parts.next().with_context(|| format!("{path}: name the {part} before its field"))?;
                element(layers, name).with_context(|| path.to_owned())?
            }
            other => bail!("{path}: {part} is {other} and has no fields"),
        };
    }
    if let Some(Value::Array(_)) = table.get(last).filter(|found| found.as_array().is_some_and(|a| holds_tables(a))) {
        bail!("{path}: name one {last} and its field, for instance {last}.1.units");
    }
    table.insert(last.to_owned(), value);
    Ok(())
}

fn holds_tables(values: &[Value]) -> bool {
    values.first().is_some_and(Value::is_table)
}

/// A layer by its name or number. Layers without a name have that of the operator, with their number.
fn element<'a>(layers: &'a mut [Value], wanted: &str) -> Result<&'a mut Table> {
    let name = |(number, layer): (usize, &Value)| {
        let text = |key: &str| layer.get(key).and_then(Value::as_str).map(str::to_owned);
        text("name").unwrap_or_else(|| format!("{}_{}", text("op").unwrap_or_default(), number + 1))
    };
    let names: Vec<String> = layers.iter().enumerate().map(name).collect();
    let number = wanted.parse().ok().filter(|number| (1..=layers.len()).contains(number)).map(|number| number - 1);
    let found = names.iter().position(|name| name == wanted).or(number);
    let found = found.with_context(|| format!("there is no \"{wanted}\"; possible are {}", names.join(", ")))?;
    layers[found].as_table_mut().context("expected a table")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn domain(text: &str) -> Result<Domain> {
        Domain::parse(&format!("x = {text}").parse::<Table>()?["x"])
    }

    #[test]
    fn values_lie_in_their_domain_and_reach_all_of_it() {
        let mut rng = StdRng::seed_from_u64(1);
        let integers = domain("{ min = 4, max = 8 }").unwrap();
        let mut drawn: Vec<i64> = (0..200).filter_map(|_| integers.draw(&mut rng).as_integer()).collect();
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn, [4, 5, 6, 7, 8]);
        assert_eq!(integers.grid().unwrap().len(), 5);

        let reals = domain("{ min = 1e-4, max = 1e-2, log = true, points = 3 }").unwrap();
        let middle = (0..1000).filter(|_| reals.draw(&mut rng).as_float().unwrap() < 1e-3).count();
        assert!((400..600).contains(&middle), "{middle} of 1000 below the middle of the logarithm");
        let grid: Vec<f64> = reals.grid().unwrap().iter().filter_map(Value::as_float).collect();
        assert_eq!(grid, [1e-4, 1e-3, 1e-2]);

        let doubling = domain("{ min = 4, max = 32, log = true, points = 4 }").unwrap();
        assert_eq!(doubling.grid().unwrap(), [4, 8, 16, 32].map(Value::Integer));
        assert_eq!(domain("[true, \"x\"]").unwrap().grid().unwrap().len(), 2);
    }

    #[test]
    fn domains_that_make_no_sense_say_what_is_possible() {
        for (text, part) in [
            ("3", "a list of choices"),
            ("[]", "empty"),
            ("{ min = 1 }", "needs max"),
            ("{ min = 2, max = 1 }", "must be below"),
            ("{ min = 0, max = 1, log = true }", "positive"),
            ("{ min = 0, max = 1, step = 1 }", "min, max, log, points"),
            ("{ min = 0, max = 1, points = 1 }", "2 to 1000"),
            ("{ min = nan, max = 1 }", "must be a number"),
        ] {
            let found = format!("{:#}", domain(text).unwrap_err());
            assert!(found.contains(part), "{text}: {found}");
        }
        let found = domain("{ min = 0.0, max = 1.0 }").unwrap().grid().unwrap_err().to_string();
        assert!(found.contains("points"), "{found}");
    }

    #[test]
    fn paths_reach_tables_layers_and_what_is_not_there_yet() {
        let text = "[train]\nbatch = 8\n[[layer]]\nop = \"dense\"\n[[layer]]\nop = \"dense\"\nname = \"last\"\n";
        let mut recipe: Table = text.parse().unwrap();
        for (path, value) in
            [("train.batch", 16), ("layer.dense_1.units", 3), ("layer.last.units", 4), ("augment.shift", 2)]
        {
            set(&mut recipe, path, Value::Integer(value)).unwrap();
        }
        set(&mut recipe, "layer.2.units", Value::Integer(5)).unwrap();
        assert_eq!(recipe["train"]["batch"].as_integer(), Some(16));
        assert_eq!(recipe["layer"][0]["units"].as_integer(), Some(3));
        assert_eq!(recipe["layer"][1]["units"].as_integer(), Some(5));
        assert_eq!(recipe["augment"]["shift"].as_integer(), Some(2));

        for (path, part) in [
            ("layer.first.units", "dense_1, last"),
            ("layer.7.units", "dense_1, last"),
            ("layer", "name one layer"),
            ("layer.units", "name the layer"),
            ("train.batch.size", "has no fields"),
            ("train..batch", "no path"),
        ] {
            let found = format!("{:#}", set(&mut recipe, path, Value::Integer(1)).unwrap_err());
            assert!(found.contains(part), "{path}: {found}");
        }
    }
}
