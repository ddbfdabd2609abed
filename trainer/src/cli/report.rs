//! `thumbnet report`.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::builder::RangedU64ValueParser;
use thumbnet_trainer::report::{Options, SAMPLES, collect, html, markdown};
use thumbnet_trainer::run::Target;

use super::write;

#[derive(clap::Args)]
pub struct Args {
    /// Folder of a run or of a tuning.
    run: PathBuf,
    /// The HTML page; by default report.html in that folder. The Markdown is beside it, with the ending .md.
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// Path of the data, instead of the recipe's.
    #[arg(long)]
    data: Option<PathBuf>,
    /// The model file; by default model.tnet in the folder.
    #[arg(long)]
    model: Option<PathBuf>,
    /// Emulated cores to count instructions on, for instance m4.
    #[arg(long, value_enum, value_delimiter = ',')]
    on: Vec<Target>,
    /// Samples on which layers are compared.
    #[arg(long, default_value_t = SAMPLES, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    samples: usize,
    /// Write no file, print the Markdown.
    #[arg(long, conflicts_with_all = ["output", "json"])]
    markdown: bool,
    /// Write no file, print the numbers as one JSON object.
    #[arg(long, conflicts_with = "output")]
    json: bool,
}

pub fn report(args: &Args) -> Result<()> {
    ensure!(!args.on.contains(&Target::Host), "instructions are counted on emulated cores: --on m4, not host");
    let options =
        Options { data: args.data.clone(), model: args.model.clone(), on: args.on.clone(), samples: args.samples };
    let report = collect(&args.run, &options)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    let short = markdown(&report)?;
    if args.markdown {
        println!("{short}");
        return Ok(());
    }
    let page = args.output.clone().unwrap_or_else(|| args.run.join("report.html"));
    let beside = page.with_extension("md");
    ensure!(
        page != beside,
        "{} ends in .md, which is for the Markdown beside the page: name the page, *.html",
        page.display()
    );
    write(&page, html(&report)?.as_bytes())?;
    write(&beside, short.as_bytes())?;
    println!("{} and, for a pull request, {}", page.display(), beside.display());
    Ok(())
}
