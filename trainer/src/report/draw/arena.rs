//! The memory map over time: address by step, one rectangle for each tensor and scratch.

use anyhow::Result;
use plotters::chart::ChartBuilder;
use plotters::element::{DashedPathElement, Rectangle};
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, ShapeStyle};

use super::super::memory::Memory;
use super::{Area, Axes, Chart, FONT, Ink, Words, axes, drawn, grouped, shortened, style, svg, text_width, write};
use crate::describe::{Kind, Slot};

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
        let bytes = |bytes: f64| grouped(bytes.round() as u64);
        let sides = Axes { across: "step", numbers: [&|_| String::new(), &bytes], counts: [0, 8], has_columns: false };
        axes(&mut chart, &sides)?;
        memory.slots.iter().try_for_each(|slot| rectangle(&mut chart, slot))?;
        for (number, slot) in (1..).zip(&memory.slots) {
            label(area, &chart, number, slot)?;
        }
        steps(area, &chart, memory.steps, wanted)?;
        peak(area, &mut chart, memory)
    })
}

fn rectangle(chart: &mut Chart<'_, '_>, slot: &Slot) -> Result<()> {
    let [from, to] = columns(slot);
    let corners = [(from, f64::from(slot.offset)), (to, f64::from(slot.offset + slot.bytes))];
    let ink = ink(slot.kind).rgb();
    let line: ShapeStyle = ink.stroke_width(1);
    chart
        .draw_series([Rectangle::new(corners, ink.mix(0.35).filled()), Rectangle::new(corners, line)])
        .map_err(drawn)?;
    Ok(())
}

/// Number and name in the upper left corner, where others that overlap have none of theirs; the number alone where there is no
/// room for the name, above the rectangle where that is flat, or below it at the top of the arena.
fn label(area: &Area<'_>, chart: &Chart<'_, '_>, number: usize, slot: &Slot) -> Result<()> {
    let [from, to] = columns(slot);
    let (left, top) = chart.backend_coord(&(from, f64::from(slot.offset + slot.bytes)));
    let (right, bottom) = chart.backend_coord(&(to, f64::from(slot.offset)));
    let wide = right - left - 8;
    let name = format!("{number} {}", slot.name);
    let text = if text_width(&name) <= wide || wide > 60 { shortened(&name, wide) } else { number.to_string() };
    if text_width(&text) > wide + 6 {
        return Ok(());
    }
    let line = FONT as i32 + 2;
    let is_at_top = top - line < chart.plotting_area().get_pixel_range().1.start;
    let (y, vertical) = match bottom - top {
        height if height >= line => (top + 4, VPos::Top),
        _ if is_at_top => (bottom + 2, VPos::Top),
        _ => (top - 2, VPos::Bottom),
    };
    write(area, &text, (left + 4, y), style(Ink::Text, HPos::Left, vertical))
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
