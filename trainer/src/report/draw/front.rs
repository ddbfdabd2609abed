//! The Pareto front: every trial as a point, those that no other beats on a line.

use anyhow::Result;
use plotters::chart::ChartBuilder;
use plotters::element::Circle;
use plotters::series::LineSeries;
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, ShapeStyle};

use super::{Ink, Words, drawn, style, svg, text_width, write};

/// A trial as a point of the picture.
#[derive(Clone, Debug)]
pub struct Point {
    pub name: String,
    pub at: (f64, f64),
    pub is_best: bool,
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

/// Draws trials; the line joins those that no other beats in all objectives, also in those that this picture does not show.
pub fn front(words: Words<'_>, points: &[Point], x: Scale<'_>, y: Scale<'_>) -> Result<String> {
    let across = limits(points.iter().map(|point| point.at.0));
    let up = limits(points.iter().map(|point| point.at.1));
    svg(words, (420, 300), |area| {
        let mut chart = ChartBuilder::on(area)
            .margin_top(10)
            .margin_right(22)
            .x_label_area_size(38)
            .y_label_area_size(58)
            .build_cartesian_2d(across, up)
            .map_err(drawn)?;
        chart
            .configure_mesh()
            .bold_line_style(Ink::Grid.rgb())
            .light_line_style(Ink::Grid.rgb().mix(0.0))
            .axis_style(Ink::Grid.rgb())
            .x_labels(5)
            .y_labels(6)
            .x_label_formatter(&|value| (x.label)(*value))
            .y_label_formatter(&|value| (y.label)(*value))
            .x_label_style(style(Ink::Faint, HPos::Center, VPos::Top))
            .y_label_style(style(Ink::Faint, HPos::Right, VPos::Center))
            .x_desc(x.name)
            .axis_desc_style(style(Ink::Faint, HPos::Center, VPos::Top))
            .draw()
            .map_err(drawn)?;
        let mut best: Vec<&Point> = points.iter().filter(|point| point.is_best).collect();
        best.sort_by(|a, b| a.at.0.total_cmp(&b.at.0));
        let line: ShapeStyle = Ink::First.rgb().mix(0.5).stroke_width(1);
        chart.draw_series(LineSeries::new(best.iter().map(|point| point.at), line)).map_err(drawn)?;
        let circle = |point: &Point| {
            let (ink, radius) = if point.is_best { (Ink::First, 5) } else { (Ink::Faint, 3) };
            Circle::new(point.at, radius, ink.rgb().filled())
        };
        chart.draw_series(points.iter().map(circle)).map_err(drawn)?;
        let ring: ShapeStyle = Ink::Bad.rgb().stroke_width(2);
        let this = points.iter().filter(|point| point.is_this);
        chart.draw_series(this.map(|point| Circle::new(point.at, 9, ring))).map_err(drawn)?;
        // A name that would lie over another is left out; the table has all.
        let mut taken: Vec<(i32, i32)> = Vec::new();
        for point in best {
            let (left, top) = chart.backend_coord(&point.at);
            let is_free = |&(x, y): &(i32, i32)| (x - left).abs() > 8 + text_width(&point.name) || (y - top).abs() > 12;
            if taken.iter().all(is_free) {
                write(area, &point.name, (left + 7, top - 5), style(Ink::Text, HPos::Left, VPos::Bottom))?;
                taken.push((left, top));
            }
        }
        Ok(())
    })
}
