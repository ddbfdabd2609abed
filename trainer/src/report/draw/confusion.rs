//! The confusion matrix: a row for each true class, a column for each answer, colored where there are many.

use anyhow::Result;
use plotters::style::FontTransform;
use plotters::style::text_anchor::{HPos, VPos};

use super::{Ink, Words, fill, shortened, style, svg, text_width, write};
use crate::metrics::Confusion;

/// Most classes whose cells have a number.
const NUMBERED: usize = 20;

/// Draws counts on so many pixels of width. Shades are shares of the row: what becomes of a class.
pub fn confusion(words: Words<'_>, width: i32, confusion: &Confusion) -> Result<String> {
    let count = confusion.classes.len().max(1) as i32;
    let names = confusion.classes.iter().map(|name| text_width(name)).max().unwrap_or(0).clamp(12, width / 4);
    let cell = ((width - names - 8) / count).clamp(1, 48);
    let (left, top) = (names + 8, names + 8);
    let size = (left + cell * count, top + cell * count);
    let is_named = cell >= 9;
    let digits = confusion.matrix.iter().flatten().max().map_or(1, |max| max.to_string().len());
    let has_numbers = count as usize <= NUMBERED && text_width(&"0".repeat(digits)) <= cell;
    svg(words, (size.0 as u32, size.1 as u32), |area| {
        for (name, at) in confusion.classes.iter().zip((0..).step_by(cell as usize)).filter(|_| is_named) {
            let (middle, name) = (at + cell / 2, shortened(name, names));
            write(area, &name, (left - 6, top + middle), style(Ink::Text, HPos::Right, VPos::Center))?;
            let is_short = text_width(&name) <= cell;
            let upright = style(Ink::Text, HPos::Center, VPos::Bottom);
            let turned = style(Ink::Text, HPos::Left, VPos::Center);
            if is_short {
                write(area, &name, (left + middle, top - 6), upright)?;
            } else {
                let turned = turned.transform(FontTransform::Rotate270);
                write(area, &name, (left + middle, top - 6), turned)?;
            }
        }
        for (truth, row) in confusion.matrix.iter().enumerate() {
            let total = row.iter().sum::<usize>().max(1) as f64;
            for (prediction, &count) in row.iter().enumerate() {
                let at = (left + cell * prediction as i32, top + cell * truth as i32);
                let gap = i32::from(cell > 6);
                let corners = [at, (at.0 + cell - gap, at.1 + cell - gap)];
                let share = count as f64 / total;
                let ink = if truth == prediction { Ink::Hit } else { Ink::Miss };
                fill(area, corners, Ink::Grid, 0.45)?;
                if count > 0 {
                    // A single mistake must be seen.
                    fill(area, corners, ink, 0.18 + 0.52 * share.sqrt())?;
                }
                if has_numbers && count > 0 {
                    let middle = (at.0 + cell / 2, at.1 + cell / 2);
                    write(area, &count.to_string(), middle, style(Ink::Text, HPos::Center, VPos::Center))?;
                }
            }
        }
        Ok(())
    })
}
