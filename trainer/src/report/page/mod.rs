//! From the data of a report to text: templates that escape whatever they are given, for nobody knows what stands in the
//! name of a class or in a recipe.

mod filters;
mod pictures;

use anyhow::{Context, Result};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};

use super::Report;
use pictures::Pictures;

macro_rules! templates {
    ($($name:literal),* $(,)?) => { [$(($name, include_str!($name))),*] };
}

const TEMPLATES: [(&str, &str); 15] = templates![
    "report.html",
    "report.md",
    "style.css",
    "macros.html",
    "sections/summary.html",
    "sections/training.html",
    "sections/answers.html",
    "sections/samples.html",
    "sections/layers.html",
    "sections/memory.html",
    "sections/cost.html",
    "sections/tuning.html",
    "sections/certificate.html",
    "sections/recipe.html",
    "sections/environment.html",
];

/// One page with everything in it: no script, no other file, nothing from the network.
///
/// # Errors
/// A picture cannot be drawn, which would be an error of this program.
pub fn html(report: &Report) -> Result<String> {
    render("report.html", report, &Pictures::draw(report)?)
}

/// A short form for a pull request, as GitHub's Markdown.
///
/// # Errors
/// As [`html`].
pub fn markdown(report: &Report) -> Result<String> {
    render("report.md", report, &Pictures::default())
}

fn render(name: &str, report: &Report, pictures: &Pictures) -> Result<String> {
    let environment = environment()?;
    let template = environment.get_template(name)?;
    let [report, pictures] = [Value::from(Serde(report)), Value::from(Serde(pictures))];
    template.render(context! { report, pictures }).context("the report cannot be written")
}

fn environment() -> Result<Environment<'static>> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_auto_escape_callback(|name| match name.rsplit_once('.') {
        Some((_, "html")) => AutoEscape::Html,
        Some((_, "md")) => AutoEscape::Custom("markdown".into()),
        _ => AutoEscape::None,
    });
    environment.set_formatter(filters::format);
    filters::add(&mut environment);
    for (name, text) in TEMPLATES {
        environment.add_template(name, text).with_context(|| format!("template {name}"))?;
    }
    Ok(environment)
}
