//! The Pareto front: every trial as a point, those that no other beats on a line.

use anyhow::Result;
use plotters::chart::ChartBuilder;
use plotters::element::Circle;
use plotters::series::LineSeries;
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, ShapeStyle};

use super::{Area, Axes, Chart, Ink, Words, axes, drawn, style, svg, text_width, write};

/// A trial as a point of the picture.
#[derive(Clone, Debug)]
pub struct Point {
    pub name: String,
    pub at: (f64, f64),
    /// Whether no other trial is better in all objectives.
    pub is_best: bool,
    /// Whether none is better in the two that the picture shows.
    pub is_on_line: bool,
    pub is_this: bool,
}

/// How an axis is labelled.
#[derive(Clone, Copy, Debug)]
pub struct Scale<'a> {
    pub name: &'a str,
    pub label: fn(f64) -> String,
}

fn limits(values: impl Iterator<Item = f64>) -> std::ops::Range<f64> {
    let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
    let margin = if high > low { 0.08 * (high - low) } else { 0.08 * high.abs().max(1e-6) };
    low - margin..high + margin
}

/// Draws trials on so many pixels of width; the line joins those that no other beats in the two objectives of the picture.
pub fn front(words: Words<'_>, width: i32, points: &[Point], x: Scale<'_>, y: Scale<'_>) -> Result<String> {
    let across = limits(points.iter().map(|point| point.at.0));
    let up = limits(points.iter().map(|point| point.at.1));
    svg(words, (width as u32, 290), |area| {
        let mut chart = ChartBuilder::on(area)
            .margin_top(10)
            .margin_right(22)
            .x_label_area_size(38)
            .y_label_area_size(58)
            .build_cartesian_2d(across, up)
            .map_err(drawn)?;
        let sides = Axes { across: x.name, numbers: [&x.label, &y.label], counts: [5, 6], has_columns: true };
        axes(&mut chart, &sides)?;
        trials(&mut chart, points)?;
        names(area, &chart, points)
    })
}

/// The line, a point for each trial, and a ring around the one of this run.
fn trials(chart: &mut Chart<'_, '_>, points: &[Point]) -> Result<()> {
    let mut joined: Vec<&Point> = points.iter().filter(|point| point.is_on_line).collect();
    joined.sort_by(|a, b| a.at.0.total_cmp(&b.at.0));
    let line: ShapeStyle = Ink::First.rgb().mix(0.6).stroke_width(2);
    chart.draw_series(LineSeries::new(joined.iter().map(|point| point.at), line)).map_err(drawn)?;
    let circle = |point: &Point| {
        let (ink, radius) = if point.is_best { (Ink::First, 5) } else { (Ink::Faint, 3) };
        Circle::new(point.at, radius, ink.rgb().filled())
    };
    chart.draw_series(points.iter().map(circle)).map_err(drawn)?;
    let ring: ShapeStyle = Ink::Bad.rgb().stroke_width(2);
    let this = points.iter().filter(|point| point.is_this);
    chart.draw_series(this.map(|point| Circle::new(point.at, 9, ring))).map_err(drawn)?;
    Ok(())
}

/// The names of the best. One that would lie over another is left out; the table has all.
fn names(area: &Area<'_>, chart: &Chart<'_, '_>, points: &[Point]) -> Result<()> {
    let mut taken: Vec<(i32, i32)> = Vec::new();
    for point in points.iter().filter(|point| point.is_best) {
        let (left, top) = chart.backend_coord(&point.at);
        let is_free = |&(x, y): &(i32, i32)| (x - left).abs() > 8 + text_width(&point.name) || (y - top).abs() > 12;
        if taken.iter().all(is_free) {
            write(area, &point.name, (left + 7, top - 5), style(Ink::Text, HPos::Left, VPos::Bottom))?;
            taken.push((left, top));
        }
    }
    Ok(())
}
