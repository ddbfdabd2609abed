//! Learning curves.

use anyhow::Result;
use plotters::chart::ChartBuilder;
use plotters::element::Circle;
use plotters::series::LineSeries;
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, ShapeStyle};

use super::{FONT, Ink, Words, drawn, style, svg};

/// A line of the picture: a value for each epoch, from 1.
pub struct Curve {
    pub ink: Ink,
    pub values: Vec<(usize, f64)>,
}

/// Draws values by epoch; `low` and `high` end the scale where they are given.
pub fn curves(
    words: Words<'_>,
    curves: &[Curve],
    limits: [Option<f64>; 2],
    label: fn(f64) -> String,
) -> Result<String> {
    let all = || curves.iter().flat_map(|curve| curve.values.iter().copied());
    let last = all().map(|(epoch, _)| epoch).max().unwrap_or(1).max(2);
    let (low, high) = all().fold((f64::MAX, f64::MIN), |(low, high), (_, y)| (low.min(y), high.max(y)));
    let margin = (high - low).max(1e-9 * high.abs()).max(1e-12) * 0.06;
    let (low, high) =
        (limits[0].unwrap_or(low - margin), limits[1].map_or(high + margin, |most| most.min(high + margin)));
    svg(words, (420, 250), |area| {
        let mut chart = ChartBuilder::on(area)
            .margin_top(8)
            .margin_right(14)
            .x_label_area_size(36)
            .y_label_area_size(52)
            .build_cartesian_2d(1f64..last as f64, low..high)
            .map_err(drawn)?;
        let epochs = last.min(10);
        chart
            .configure_mesh()
            .disable_x_mesh()
            .bold_line_style(Ink::Grid.rgb())
            .light_line_style(Ink::Grid.rgb().mix(0.0))
            .axis_style(Ink::Grid.rgb())
            .x_labels(epochs)
            .y_labels(6)
            .x_label_formatter(&|x| if (x - x.round()).abs() < 1e-6 { format!("{x:.0}") } else { String::new() })
            .y_label_formatter(&|y| label(*y))
            .x_label_style(style(Ink::Faint, HPos::Center, VPos::Top))
            .y_label_style(style(Ink::Faint, HPos::Right, VPos::Center))
            .x_desc("epoch")
            .axis_desc_style(style(Ink::Faint, HPos::Center, VPos::Top))
            .draw()
            .map_err(drawn)?;
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
