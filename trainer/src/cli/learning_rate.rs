//! `thumbnet train --find-learning-rate`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use textplots::{Chart, LabelBuilder, LabelFormat, Plot, Shape};
use thumbnet_trainer::data::Loaded;
use thumbnet_trainer::recipe::Recipe;
use thumbnet_trainer::train::{RangeTest, find_learning_rate};

use super::write;

/// Dots of the plot: two by four for a character.
const SIZE: [u32; 2] = [140, 48];

pub fn find(recipe: &Recipe, data: &Loaded, out: &Path) -> Result<()> {
    let test = find_learning_rate(recipe, data)?;
    fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    let path = out.join("learning_rate.json");
    write(&path, serde_json::to_string_pretty(&test)?.as_bytes())?;
    println!("smoothed loss over the learning rate, which grows from step to step:\n{}", plot(&test));
    match test.diverged {
        Some(rate) => {
            println!("the loss was smallest at {:.1e} and had grown four times as large at {rate:.1e}", test.lowest)
        }
        None => println!("the loss was smallest at {:.1e} and never grew four times as large", test.lowest),
    }
    println!(
        "learning_rate = {:.1e}    # a tenth of that with the smallest loss; the recipe has {:.1e}",
        test.suggestion, recipe.train.learning_rate
    );
    println!("written to {}", path.display());
    Ok(())
}

/// The smoothed loss by the logarithm of the rate.
fn plot(test: &RangeTest) -> String {
    let points: Vec<(f32, f32)> =
        test.points.iter().map(|point| (point.rate.log10() as f32, point.smoothed as f32)).collect();
    let ends = [points.first(), points.last()].map(|point| point.map_or(0.0, |point| point.0));
    let lines = Shape::Lines(&points);
    let rate = |exponent: f32| format!("{:.0e}", 10f32.powf(exponent));
    let mut chart = Chart::new(SIZE[0], SIZE[1], ends[0], ends[1]);
    let chart = chart
        .lineplot(&lines)
        .x_label_format(LabelFormat::Custom(Box::new(rate)))
        .y_label_format(LabelFormat::Custom(Box::new(|loss| format!("{loss:.3}"))));
    chart.borders();
    chart.figures();
    chart.to_string()
}
