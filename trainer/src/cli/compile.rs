//! `thumbnet compile`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use thumbnet_trainer::codegen;

use super::read;

#[derive(clap::Args)]
pub struct Args {
    /// The model file.
    model: PathBuf,
    /// Folder that gets a Rust module, and a copy of the model file, which the compiler takes the weights from.
    #[arg(long, value_name = "DIR")]
    rust: PathBuf,
}

pub fn compile(args: &Args) -> Result<()> {
    module(&read(&args.model)?, &args.model, &args.rust)
}

/// Writes the module of a model, with the name of its file, and says where it is.
pub(super) fn module(bytes: &[u8], file: &Path, folder: &Path) -> Result<()> {
    let name = file.file_stem().context("the model file has no name")?.to_string_lossy();
    let module = codegen::write(bytes, &name, folder)?;
    println!(
        "{}: {} bytes of weights and tables in flash, beside the kernels",
        module.path.display(),
        module.tables_len
    );
    Ok(())
}
