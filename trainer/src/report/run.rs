//! What a folder holds: each file read once, each answer computed once.

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};

use super::Options;
use crate::compile::aligned;
use crate::data::{Loaded, Source};
use crate::model::Model;
use crate::quantize::{Quantized, quantize_with_reference};
use crate::recipe::Recipe;
use crate::train::{Epoch, Report as Metrics, RunDir, epochs_so_far, predict};
use crate::verify::integer_outputs;

/// Something of a folder, or why it is not there. A text, because several sections ask.
type Found<T> = Result<T, String>;

/// A folder of a run.
pub(super) struct Run {
    pub folder: PathBuf,
    recipe: Found<(Recipe, String)>,
    model: Found<Model>,
    file: Found<Vec<u8>>,
    metrics: Found<Metrics>,
    epochs: Found<Option<(Vec<Epoch>, usize)>>,
    data: OnceCell<Found<Loaded>>,
    quantized: OnceCell<Found<Quantized>>,
    float: OnceCell<Found<Vec<f32>>>,
    integer: OnceCell<Found<Vec<f32>>>,
    other_data: Option<PathBuf>,
}

impl Run {
    /// Reads what there is, but for the data, which may be large.
    pub fn load(folder: &Path, options: &Options) -> Result<Self> {
        let files = RunDir(folder.to_owned());
        let at = folder.display();
        ensure!(
            folder.is_dir(),
            "{at} is not a folder: name that of a run (`thumbnet train`) or of a tuning (`thumbnet tune`)"
        );
        let epochs = epochs_so_far(folder);
        let is_begun = !matches!(epochs, Ok(None));
        let marks = [files.recipe(), files.metrics(), folder.join("trials")];
        ensure!(
            is_begun || marks.iter().any(|mark| mark.exists()),
            "{at} is the folder of no run and of no tuning: it has neither recipe.toml nor metrics.json, a checkpoint or trials/; \
             train with `thumbnet train RECIPE --out DIR`"
        );
        let unfinished = "training has not come to its end here; `thumbnet train RECIPE --out DIR --resume` goes on";
        let path = options.model.clone().unwrap_or_else(|| folder.join("model.tnet"));
        Ok(Self {
            folder: folder.to_owned(),
            recipe: found(recipe(&files.recipe(), unfinished)),
            model: found(if files.model().exists() {
                Model::load(&files.model())
            } else {
                Err(anyhow!("There is no model.safetensors: {unfinished}."))
            }),
            file: found(model_file(&path)),
            metrics: found(metrics(&files.metrics(), unfinished)),
            epochs: found(epochs),
            data: OnceCell::new(),
            quantized: OnceCell::new(),
            float: OnceCell::new(),
            integer: OnceCell::new(),
            other_data: options.data.clone(),
        })
    }

    /// The recipe's name, or the folder's.
    pub fn name(&self) -> String {
        let folder = || {
            let path = self.folder.canonicalize().unwrap_or_else(|_| self.folder.clone());
            path.file_name().unwrap_or_default().to_string_lossy().into_owned()
        };
        self.recipe().map_or_else(|_| folder(), |recipe| recipe.name.clone())
    }

    /// Whether trials are all that is here.
    pub fn is_only_tuning(&self) -> bool {
        self.recipe.is_err() && self.metrics.is_err() && matches!(self.epochs, Ok(None))
    }

    pub fn recipe(&self) -> Result<&Recipe> {
        shown(&self.recipe).map(|(recipe, _)| recipe)
    }

    /// The file as it is.
    pub fn recipe_text(&self) -> Result<String> {
        shown(&self.recipe).map(|(_, text)| text.clone())
    }

    /// The float network.
    pub fn model(&self) -> Result<&Model> {
        shown(&self.model)
    }

    /// What training wrote at its end.
    pub fn metrics(&self) -> Result<&Metrics> {
        shown(&self.metrics)
    }

    /// The epochs of the last checkpoint and the number of the best.
    pub fn epochs(&self) -> Result<Option<&(Vec<Epoch>, usize)>> {
        shown(&self.epochs).map(Option::as_ref)
    }

    /// The bytes of the model file.
    pub fn file(&self) -> Result<&[u8]> {
        shown(&self.file).map(Vec::as_slice)
    }

    /// Calls `f` with the checked model file.
    pub fn with_file<T>(&self, f: impl FnOnce(&thumbnet::Model<'_>) -> Result<T>) -> Result<T> {
        let bytes = self.file()?;
        let copy = aligned(bytes);
        let model = thumbnet::Model::new(&bytemuck::cast_slice(&copy)[..bytes.len()]);
        f(&model.context("The model file does not check: export it anew")?)
    }

    /// Samples to learn from and to be judged by.
    pub fn data(&self) -> Result<&Loaded> {
        let load = || {
            let recipe = self.recipe()?;
            let source = match (&self.other_data, &recipe.data) {
                (Some(path), source) => source.clone().at(path),
                // A report downloads nothing.
                (None, source @ Source::Idx { path, .. }) => source.clone().at(path),
                (None, source) => source.clone(),
            };
            source.load(recipe.seed).context("The data is not at hand, name its folder with --data")
        };
        shown(self.data.get_or_init(|| found(load())))
    }

    /// The network in integers, by the recipe's `[quantize]`.
    pub fn quantized(&self) -> Result<&Quantized> {
        let quantize = || quantize_with_reference(self.model()?, &self.data()?.train, self.recipe()?.quantize);
        shown(self.quantized.get_or_init(|| found(quantize())))
    }

    /// What the float network answers on the test set.
    pub fn float_outputs(&self) -> Result<&[f32]> {
        let compute = || predict(self.model()?, &self.data()?.test);
        shown(self.float.get_or_init(|| found(compute()))).map(Vec::as_slice)
    }

    /// What the model file answers on the test set.
    pub fn integer_outputs(&self) -> Result<&[f32]> {
        let compute = || {
            let (bytes, data) = (self.file()?, self.data()?);
            self.with_file(|model| {
                ensure!(
                    crate::run::part(model).is_none(),
                    "The model file takes a sequence part by part, so it cannot be judged on whole samples: export one without \
                     --stream and name it with --model."
                );
                Ok(())
            })?;
            integer_outputs(bytes, &data.test)
        };
        shown(self.integer.get_or_init(|| found(compute()))).map(Vec::as_slice)
    }
}

fn found<T>(result: Result<T>) -> Found<T> {
    result.map_err(|error| format!("{error:#}"))
}

fn shown<T>(found: &Found<T>) -> Result<&T> {
    found.as_ref().map_err(|why| anyhow!("{why}"))
}

fn recipe(path: &Path, unfinished: &str) -> Result<(Recipe, String)> {
    ensure!(path.exists(), "There is no recipe.toml: {unfinished}.");
    let text = fs::read_to_string(path).context("The file recipe.toml cannot be read")?;
    Ok((Recipe::parse(&text).context("The file recipe.toml is damaged")?, text))
}

fn metrics(path: &Path, unfinished: &str) -> Result<Metrics> {
    ensure!(path.exists(), "There is no metrics.json: {unfinished}.");
    let text = fs::read_to_string(path).context("The file metrics.json cannot be read")?;
    serde_json::from_str(&text).context("The file metrics.json is damaged, or of another version: train anew")
}

fn model_file(path: &Path) -> Result<Vec<u8>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    ensure!(path.exists(), "There is no model file {name}: `thumbnet export` writes it into the folder.");
    fs::read(path).with_context(|| format!("The model file {name} cannot be read"))
}
