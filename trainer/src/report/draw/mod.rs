//! Pictures as SVG: plotters draws, in colors that the page's style sheet decides.

mod arena;
mod bars;
mod confusion;
mod curves;
mod front;
mod sample;

use anyhow::{Result, anyhow};
use plotters::chart::ChartContext;
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::{DrawingArea, IntoDrawingArea, IntoFont, RGBColor, Rectangle, SVGBackend, Text, TextStyle};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, Pos, VPos};

pub(super) use arena::arena;
pub(super) use bars::bars;
pub(super) use confusion::confusion;
pub(super) use curves::{Curve, curves};
pub(super) use front::{Point, Scale, front};
pub(super) use sample::sample;

/// Where is drawn, in pixels.
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A color of the style sheet, by its role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    Text,
    Faint,
    Grid,
    Surface,
    First,
    Second,
    Bad,
    Hit,
    Miss,
    Input,
    State,
    Value,
    Output,
    Scratch,
}

impl Ink {
    const ALL: [(Self, &'static str); 14] = [
        (Self::Text, "text"),
        (Self::Faint, "faint"),
        (Self::Grid, "grid"),
        (Self::Surface, "surface"),
        (Self::First, "first"),
        (Self::Second, "second"),
        (Self::Bad, "bad"),
        (Self::Hit, "hit"),
        (Self::Miss, "miss"),
        (Self::Input, "input"),
        (Self::State, "state"),
        (Self::Value, "value"),
        (Self::Output, "output"),
        (Self::Scratch, "scratch"),
    ];

    /// What plotters is told; [`svg`] puts the style sheet's variable in its place.
    const fn rgb(self) -> RGBColor {
        RGBColor(self as u8, 0xc0, 0xde)
    }
}

/// Pixels of the font.
const FONT: f64 = 12.0;

/// Most pixels that so many characters take: wider than the mean of the usual fonts.
fn text_width(text: &str) -> i32 {
    (text.chars().count() as f64 * 0.62 * FONT).ceil() as i32
}

/// A text that ends in an ellipsis where it is longer than so many pixels.
fn shortened(text: &str, width: i32) -> String {
    if text_width(text) <= width {
        return text.to_owned();
    }
    let room = (f64::from(width) / (0.62 * FONT)) as usize;
    text.chars().take(room.saturating_sub(1)).chain(['…']).collect()
}

fn style(ink: Ink, horizontal: HPos, vertical: VPos) -> TextStyle<'static> {
    // plotters takes the height of a line, 1.24 times that of the font.
    let style = TextStyle::from(("sans-serif", FONT * 1.24).into_font());
    TextStyle { color: ink.rgb().to_backend_color(), pos: Pos::new(horizontal, vertical), ..style }
}

fn write(area: &Area<'_>, text: &str, at: (i32, i32), style: TextStyle<'static>) -> Result<()> {
    area.draw(&Text::new(text.to_owned(), at, style)).map_err(drawn)
}

fn fill(area: &Area<'_>, corners: [(i32, i32); 2], ink: Ink, alpha: f64) -> Result<()> {
    area.draw(&Rectangle::new(corners, ink.rgb().mix(alpha).filled())).map_err(drawn)
}

fn drawn(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("a picture cannot be drawn: {error}")
}

/// A picture with numbers along both sides.
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// What stands along the sides of a chart.
struct Axes<'a> {
    /// Under the chart.
    across: &'a str,
    /// Numbers across, and upwards.
    numbers: [&'a dyn Fn(f64) -> String; 2],
    /// About how many of them.
    counts: [usize; 2],
    /// Whether there are vertical lines too.
    has_columns: bool,
}

/// Draws lines and numbers in the colors of the page.
fn axes(chart: &mut Chart<'_, '_>, axes: &Axes<'_>) -> Result<()> {
    let [x, y] = [0, 1].map(|axis| move |value: &f64| (axes.numbers[axis])(*value));
    let mut mesh = chart.configure_mesh();
    if !axes.has_columns {
        mesh.disable_x_mesh();
    }
    mesh.bold_line_style(Ink::Grid.rgb())
        .light_line_style(Ink::Grid.rgb().mix(0.0))
        .axis_style(Ink::Grid.rgb())
        .x_labels(axes.counts[0])
        .y_labels(axes.counts[1])
        .x_label_formatter(&x)
        .y_label_formatter(&y)
        .x_label_style(style(Ink::Faint, HPos::Center, VPos::Top))
        .y_label_style(style(Ink::Faint, HPos::Right, VPos::Center))
        .x_desc(axes.across)
        .axis_desc_style(style(Ink::Faint, HPos::Center, VPos::Top))
        .draw()
        .map_err(drawn)
}

/// What a picture says to those who do not see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words<'a> {
    /// Unique on the page.
    pub id: &'a str,
    pub title: &'a str,
    pub description: &'a str,
}

/// Draws on so many pixels; the picture is at most as wide as its place, and has a title and a description.
fn svg(words: Words<'_>, size: (u32, u32), draw: impl FnOnce(&Area<'_>) -> Result<()>) -> Result<String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        draw(&area)?;
        area.present().map_err(drawn)?;
    }
    let body = text.split_once('>').map_or("", |(_, body)| body);
    let body = Ink::ALL.iter().fold(body.to_owned(), |body, (ink, name)| {
        let RGBColor(red, green, blue) = ink.rgb();
        body.replace(&format!("\"#{red:02X}{green:02X}{blue:02X}\""), &format!("\"var(--{name})\""))
    });
    let Words { id, title, description } = words;
    let (width, height) = size;
    let [title, description] = [title, description].map(escaped);
    Ok(format!(
        "<svg viewBox=\"0 0 {width} {height}\" style=\"max-width:{width}px\" role=\"img\" aria-labelledby=\"{id}-title {id}-text\">\n\
         <title id=\"{id}-title\">{title}</title>\n<desc id=\"{id}-text\">{description}</desc>\n{body}"
    ))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A number with a comma between thousands.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_have_words_and_no_colors_of_their_own() {
        let words = Words { id: "a", title: "<b>", description: "x & y" };
        let text = svg(words, (100, 50), |area| {
            fill(area, [(0, 0), (5, 5)], Ink::Bad, 0.5)?;
            write(area, "<script>&\"", (5, 5), style(Ink::Text, HPos::Left, VPos::Top))
        });
        let text = text.unwrap();
        let document = roxmltree::Document::parse(&text).unwrap();
        let of = |tag| document.descendants().find(|node| node.has_tag_name(tag)).unwrap();
        assert_eq!((of("title").text(), of("desc").text()), (Some("<b>"), Some("x & y")));
        assert_eq!(of("rect").attribute("fill"), Some("var(--bad)"));
        assert_eq!(of("text").text().unwrap().trim(), "<script>&\"");
        assert!(!text.contains('#') && !text.contains("http"), "{text}");
    }

    #[test]
    fn numbers_and_texts_fit() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(shortened("conv2d_1", 200), "conv2d_1");
        let short = shortened("a_name_that_is_much_too_long", 60);
        assert!(short.ends_with('…') && text_width(&short) <= 60, "{short}");
    }
}
