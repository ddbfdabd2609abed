//! Learning curves.

use anyhow::Result;
use plotters::chart::ChartBuilder;
use plotters::element::Circle;
use plotters::series::LineSeries;
use plotters::style::{Color, ShapeStyle};

use super::{Axes, FONT, Ink, Words, axes, drawn, svg};

/// A line of the picture: a value for each epoch, from 1.
pub struct Curve {
    pub ink: Ink,
    pub values: Vec<(usize, f64)>,
}

/// Draws values by epoch on so many pixels of width; the scale ends at `most` where it is given.
pub fn curves(
    words: Words<'_>,
    width: i32,
    curves: &[Curve],
    most: Option<f64>,
    label: fn(f64, f64) -> String,
) -> Result<String> {
    let all = || curves.iter().flat_map(|curve| curve.values.iter().copied());
    let last = all().map(|(epoch, _)| epoch).max().unwrap_or(1).max(2);
    let (low, high) = all().fold((f64::MAX, f64::MIN), |(low, high), (_, y)| (low.min(y), high.max(y)));
    // A flat line gets a scale too.
    let margin = (high - low).max(0.2 * high.abs()).max(1e-12) * 0.06;
    let (low, high) = (low - margin, most.map_or(high + margin, |most| most.min(high + margin)));
    svg(words, (width as u32, 240), |area| {
        let mut chart = ChartBuilder::on(area)
            .margin_top(8)
            .margin_right(14)
            .x_label_area_size(36)
            .y_label_area_size(58)
            .build_cartesian_2d(1f64..last as f64, low..high)
            .map_err(drawn)?;
        let epoch = |x: f64| if (x - x.round()).abs() < 1e-6 { format!("{x:.0}") } else { String::new() };
        let number = |y: f64| label(y, high);
        let sides = Axes { across: "epoch", numbers: [&epoch, &number], counts: [last.min(10), 6], has_columns: false };
        axes(&mut chart, &sides)?;
        for Curve { ink, values } in curves {
            let points = || values.iter().map(|&(epoch, value)| (epoch as f64, value));
            let line: ShapeStyle = ink.rgb().stroke_width(2);
            chart.draw_series(LineSeries::new(points(), line)).map_err(drawn)?;
            if last <= 40 {
                let radius = (FONT / 5.0) as i32;
                chart.draw_series(points().map(|at| Circle::new(at, radius, ink.rgb().filled()))).map_err(drawn)?;
            }
        }
        Ok(())
    })
}
