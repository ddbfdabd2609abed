//! The memory map over time: address by step, one rectangle for each tensor and scratch.

use anyhow::Result;
use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::types::RangedCoordf64;
use plotters::element::{DashedPathElement, Rectangle, Text};
use plotters::prelude::SVGBackend;
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, ShapeStyle};

use super::super::memory::Memory;
use super::{Area, FONT, Ink, Words, drawn, grouped, shortened, style, svg, text_width, write};
use crate::describe::{Kind, Slot};

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

const fn ink(kind: Kind) -> Ink {
    match kind {
        Kind::Input => Ink::Input,
        Kind::State => Ink::State,
        Kind::Value => Ink::Value,
        Kind::Output => Ink::Output,
        Kind::Scratch => Ink::Scratch,
    }
}

/// Steps become columns, −1 for what is there before the first.
fn columns(slot: &Slot) -> [f64; 2] {
    [slot.from.map_or(-1.0, f64::from), f64::from(slot.to) + 1.0]
}

/// Draws on so many pixels of width. Slots have the number of their row in the table below the picture, and their name where
/// there is room for it.
pub fn arena(words: Words<'_>, width: i32, memory: &Memory) -> Result<String> {
    let top = memory.arena_len as f64;
    let left = text_width(&grouped(memory.arena_len as u64)) + 14;
    let height = if width > 500 { 440 } else { 420 };
    let last = memory.steps as f64 + 1.0;
    svg(words, (width as u32, height), |area| {
        let mut chart = ChartBuilder::on(area)
            .margin_top(22)
            .margin_right(8)
            .x_label_area_size(38)
            .y_label_area_size(left)
            .build_cartesian_2d(-1f64..last, 0f64..top.max(1.0))
            .map_err(drawn)?;
        let wanted = (f64::from(width - left) / 30.0).min(last + 1.0) as usize;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .bold_line_style(Ink::Grid.rgb())
            .light_line_style(Ink::Grid.rgb().mix(0.0))
            .axis_style(Ink::Grid.rgb())
            .x_labels(0)
            .y_labels(8)
            .y_label_formatter(&|bytes| grouped(bytes.round() as u64))
            .y_label_style(style(Ink::Faint, HPos::Right, VPos::Center))
            .x_desc("step")
            .axis_desc_style(style(Ink::Faint, HPos::Center, VPos::Top))
            .draw()
            .map_err(drawn)?;
        let room = f64::from(width - left - 8) / (last + 1.0);
        let tall = f64::from(height as i32 - 60) / top.max(1.0);
        for (number, slot) in (1..).zip(&memory.slots) {
            draw(&mut chart, number, slot, [room, tall])?;
        }
        steps(area, &chart, memory.steps, wanted)?;
        peak(area, &mut chart, memory)
    })
}

/// A rectangle with what fits into it.
fn draw(chart: &mut Chart<'_, '_>, number: usize, slot: &Slot, [room, tall]: [f64; 2]) -> Result<()> {
    let [from, to] = columns(slot);
    let (low, high) = (f64::from(slot.offset), f64::from(slot.offset + slot.bytes));
    let ink = ink(slot.kind).rgb();
    let corners = [(from, low), (to, high)];
    let line: ShapeStyle = ink.stroke_width(1);
    chart
        .draw_series([Rectangle::new(corners, ink.mix(0.35).filled()), Rectangle::new(corners, line)])
        .map_err(drawn)?;
    let (wide, tall) = ((to - from) * room - 8.0, (high - low) * tall);
    let (short, long) = (number.to_string(), format!("{number} {}", slot.name));
    let text = if f64::from(text_width(&long)) <= wide {
        long
    } else if wide > 60.0 {
        shortened(&long, wide as i32)
    } else {
        short
    };
    if tall < FONT || f64::from(text_width(&text)) > wide + 6.0 {
        return Ok(());
    }
    let at = (f64::midpoint(from, to), f64::midpoint(low, high));
    let label = Text::new(text, at, style(Ink::Text, HPos::Center, VPos::Center));
    chart.draw_series([label]).map_err(drawn)?;
    Ok(())
}

/// Numbers of steps under the middle of their columns, as many as fit.
fn steps(area: &Area<'_>, chart: &Chart<'_, '_>, count: usize, wanted: usize) -> Result<()> {
    let every = (count + 2).div_ceil(wanted.max(1)).max(1);
    let last = count + 1;
    for column in 0..=last {
        let is_regular = column > 0 && (column - 1).is_multiple_of(every) && (every == 1 || column + every / 2 < last);
        let name = match column {
            0 => "in".to_owned(),
            column if column == last => "out".to_owned(),
            column if is_regular => (column - 1).to_string(),
            _ => continue,
        };
        let (x, y) = chart.backend_coord(&(column as f64 - 0.5, 0.0));
        write(area, &name, (x, y + 5), style(Ink::Faint, HPos::Center, VPos::Top))?;
    }
    Ok(())
}

/// A dashed line at the top of the arena, and the step that reaches it.
fn peak(area: &Area<'_>, chart: &mut Chart<'_, '_>, memory: &Memory) -> Result<()> {
    let (top, last) = (memory.arena_len as f64, memory.steps as f64 + 1.0);
    let line: ShapeStyle = Ink::Bad.rgb().stroke_width(2);
    let dashes = DashedPathElement::new(vec![(-1.0, top), (last, top)], 6, 4, line);
    chart.draw_series([dashes]).map_err(drawn)?;
    let text = format!("peak {} bytes, first in step {}", grouped(memory.arena_len as u64), memory.peak.step);
    let middle = f64::from(memory.peak.step) + 0.5;
    let (at, side) = if middle < last / 3.0 {
        (-1.0, HPos::Left)
    } else if middle > last * 2.0 / 3.0 {
        (last, HPos::Right)
    } else {
        (middle, HPos::Center)
    };
    let (x, y) = chart.backend_coord(&(at, top));
    write(area, &text, (x, y - 4), style(Ink::Bad, side, VPos::Bottom))
}
