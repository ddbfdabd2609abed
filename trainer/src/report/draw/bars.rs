//! Horizontal bars, a row for each layer, the number at their ends.

use anyhow::Result;
use plotters::style::text_anchor::{HPos, VPos};

use super::{Ink, Words, fill, shortened, style, svg, text_width, write};

/// Height of a row.
const ROW: i32 = 22;

/// Draws a bar for each `(name, length, label)`; those for which `is_bad` says so stand out.
pub fn bars(
    words: Words<'_>,
    width: i32,
    rows: &[(String, f64, String)],
    is_bad: impl Fn(f64) -> bool,
) -> Result<String> {
    let longest = |texts: &mut dyn Iterator<Item = &String>| texts.map(|text| text_width(text)).max().unwrap_or(0);
    let names = longest(&mut rows.iter().map(|(name, ..)| name)).min(width * 2 / 5);
    let labels = longest(&mut rows.iter().map(|(.., label)| label));
    let most = rows.iter().map(|&(_, length, _)| length).fold(0.0, f64::max);
    let room = f64::from((width - names - labels - 20).max(20));
    let height = ROW * rows.len().max(1) as i32;
    svg(words, (width as u32, height as u32), |area| {
        for ((name, length, label), top) in rows.iter().zip((0..).step_by(ROW as usize)) {
            let middle = top + ROW / 2;
            let start = names + 8;
            let end = start + if most > 0.0 { (length.max(0.0) / most * room).round() as i32 } else { 0 };
            write(area, &shortened(name, names), (names, middle), style(Ink::Text, HPos::Right, VPos::Center))?;
            let ink = if is_bad(*length) { Ink::Bad } else { Ink::First };
            fill(area, [(start, top + 4), (end.max(start + 1), top + ROW - 4)], ink, 1.0)?;
            write(area, label, (end + 6, middle), style(Ink::Text, HPos::Left, VPos::Center))?;
        }
        Ok(())
    })
}
