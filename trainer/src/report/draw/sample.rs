//! What a sample looks like: images and heat maps as PNG in the page, series and paths as SVG.

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use plotters::element::PathElement;
use plotters::style::{Color, ShapeStyle};

use super::super::samples::Picture;
use super::{Ink, Words, drawn, svg};

/// Draws a sample. Its title is also what an image says to those who do not see it.
pub fn sample(words: Words<'_>, picture: &Picture) -> Result<String> {
    match picture {
        Picture::Image { width, channels, pixels } => image(words.title, *width, *channels, pixels, "pixels"),
        Picture::Heat { times, levels } => {
            let (width, colors) = heat(*times, levels);
            image(words.title, width, 3, &colors, "pixels heat")
        }
        Picture::Series(series) => lines(words, series),
        Picture::Path(points) => path(words, points),
    }
}

fn image(title: &str, width: usize, channels: usize, pixels: &[u8], class: &str) -> Result<String> {
    let height = pixels.len() / (width * channels).max(1);
    let color = if channels == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
    let mut png = Vec::new();
    PngEncoder::new(&mut png)
        .write_image(pixels, width as u32, height as u32, color)
        .context("a sample cannot be drawn")?;
    let title = super::escaped(title).replace('"', "&quot;");
    let data = STANDARD.encode(png);
    Ok(format!("<img class=\"{class}\" alt=\"{title}\" src=\"data:image/png;base64,{data}\" />"))
}

/// Stops of viridis (van der Walt and Smith 2015), which is even for the eye, in gray too, and for the color-blind.
const VIRIDIS: [[f64; 3]; 9] = [
    [68.0, 1.0, 84.0],
    [71.0, 44.0, 122.0],
    [59.0, 81.0, 139.0],
    [44.0, 113.0, 142.0],
    [33.0, 144.0, 141.0],
    [39.0, 173.0, 129.0],
    [92.0, 200.0, 99.0],
    [170.0, 220.0, 50.0],
    [253.0, 231.0, 37.0],
];

/// Time from left to right, the first feature at the bottom; gives width and colors.
fn heat(times: usize, levels: &[u8]) -> (usize, Vec<u8>) {
    let features = levels.len() / times.max(1);
    let color = |level: u8| {
        let at = f64::from(level) / 255.0 * (VIRIDIS.len() - 1) as f64;
        let stop = (at as usize).min(VIRIDIS.len() - 2);
        let share = at - stop as f64;
        [0, 1, 2].map(|part| (VIRIDIS[stop][part] * (1.0 - share) + VIRIDIS[stop + 1][part] * share).round() as u8)
    };
    let rows = (0..features).rev().flat_map(|feature| (0..times).map(move |time| time * features + feature));
    (times, rows.flat_map(|at| color(levels[at])).collect())
}

/// Colors of series, again from the front where there are more.
const INKS: [Ink; 5] = [Ink::First, Ink::Second, Ink::State, Ink::Output, Ink::Bad];

fn lines(words: Words<'_>, series: &[Vec<[f32; 2]>]) -> Result<String> {
    let (width, height) = (160, 80);
    let ends = series.iter().flatten();
    let (low, high) = ends.fold((f32::MAX, f32::MIN), |(low, high), ends| (low.min(ends[0]), high.max(ends[1])));
    let scale = 70.0 / (high - low).max(f32::MIN_POSITIVE);
    svg(words, (width, height), |area| {
        for (series, ink) in series.iter().zip(INKS.iter().cycle()) {
            let step = f64::from(width - 4) / (series.len().max(2) - 1) as f64;
            let y = |value: f32| if high > low { 75 - ((value - low) * scale) as i32 } else { height as i32 / 2 };
            let x = |at: usize| 2 + (at as f64 * step) as i32;
            // Up and down within each part, so that no peak is lost.
            let points = series.iter().enumerate().flat_map(|(at, ends)| {
                let is_point = ends[0] == ends[1];
                ends.iter().take(if is_point { 1 } else { 2 }).map(move |&value| (x(at), y(value)))
            });
            let line: ShapeStyle = ink.rgb().stroke_width(1);
            area.draw(&PathElement::new(points.collect::<Vec<_>>(), line)).map_err(drawn)?;
        }
        Ok(())
    })
}

/// Drawn in a square with one scale for both directions.
fn path(words: Words<'_>, points: &[[f32; 2]]) -> Result<String> {
    let ends = |axis: usize| {
        points.iter().fold((f32::MAX, f32::MIN), |(low, high), point| (low.min(point[axis]), high.max(point[axis])))
    };
    let [(left, right), (bottom, top)] = [0, 1].map(ends);
    let scale = 100.0 / (right - left).max(top - bottom).max(f32::MIN_POSITIVE);
    let middle = [f32::midpoint(left, right), f32::midpoint(bottom, top)];
    let at = |point: &[f32; 2]| {
        let [x, y] = [0, 1].map(|axis| (point[axis] - middle[axis]) * scale);
        (60 + x as i32, 60 + y as i32)
    };
    svg(words, (120, 120), |area| {
        let line: ShapeStyle = Ink::First.rgb().stroke_width(3);
        area.draw(&PathElement::new(points.iter().map(at).collect::<Vec<_>>(), line)).map_err(drawn)
    })
}
