//! What the tests of thumbnet share: small trained models, and the only tolerances.

use std::path::{Path, PathBuf};

use anyhow::Result;
use thumbnet_trainer::compile::{Compiled, compile};
use thumbnet_trainer::data::Loaded;
use thumbnet_trainer::model::Model;
use thumbnet_trainer::quantize::quantize;
use thumbnet_trainer::recipe::Recipe;
use thumbnet_trainer::run::{Report, Target, run};
use thumbnet_trainer::train::{Options, train};
use thumbnet_trainer::verify::golden_inputs;

pub mod fences;
pub mod graphs;
pub mod networks;
pub mod oracle;
pub mod peers;
pub mod reference;
pub mod seeds;
pub mod sequences;
pub mod tolerance;

/// A trained and compiled model with its data.
pub struct Suite {
    /// In floats.
    pub float: Model,
    /// In integers.
    pub compiled: Compiled,
    /// What it was trained on.
    pub data: Loaded,
}

/// A recipe of the trainer, on few samples and for few epochs.
///
/// # Errors
/// The recipe does not parse.
pub fn recipe(name: &str) -> Result<Recipe> {
    Recipe::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../trainer/recipes").join(name))
}

/// Trains, quantizes and compiles a recipe that needs no files.
///
/// # Errors
/// Any of the steps fails.
pub fn suite(recipe: &Recipe) -> Result<Suite> {
    let folder = tempfile::tempdir()?;
    let data = recipe.data.load(recipe.seed)?;
    let options = Options { out: folder.path().to_owned(), quiet: true, ..Options::default() };
    let (float, _) = train(recipe, &data, &options)?;
    let program = quantize(&float, &data.train, recipe.quantize)?;
    let compiled = compile(&program, &golden_inputs(&program, &data.test, 1)?)?;
    Ok(Suite { float, compiled, data })
}

/// Runs a model on a core; `None` where the smallest board lacks the memory for it.
///
/// # Panics
/// It does not run for another reason, or on another board.
#[must_use]
pub fn run_where_it_fits(name: &str, model: &[u8], input: &[u8], core: Target) -> Option<(Vec<u8>, Report)> {
    match run(model, input, core) {
        Ok(ran) => Some(ran),
        Err(error) => {
            let error = format!("{error:#}");
            let lacks_memory = core == Target::M0 && !error.contains("does not build");
            assert!(lacks_memory, "only the smallest board may lack the memory for \"{name}\": {error}");
            None
        }
    }
}

/// The folder with real data, where there is one: `THUMBNET_SHARED`, or `../shared` beside the workspace.
#[must_use]
pub fn shared() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let folder = std::env::var_os("THUMBNET_SHARED").map_or(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}
