//! How templates write numbers and names.

use minijinja::value::{Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, HtmlEscape, Output, State, escape_formatter};

use super::super::draw::grouped;

pub(super) fn add(environment: &mut Environment<'_>) {
    environment.add_filter("percent", percent);
    environment.add_filter("points", points);
    environment.add_filter("fixed", fixed);
    environment.add_filter("decibels", decibels);
    environment.add_filter("grouped", grouped);
    environment.add_filter("measure", measure);
    environment.add_filter("code", |text: &str| Value::from_safe_string(code(text)));
    environment.add_filter("prose", prose);
    environment.add_filter("fenced", |text: &str| Value::from_safe_string(fenced(text)));
}

/// Writes a value where a template says `{{ … }}`: escaped in HTML by minijinja, in Markdown here.
pub(super) fn format(output: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let is_markdown = matches!(state.auto_escape(), AutoEscape::Custom(_));
    if !is_markdown {
        return escape_formatter(output, state, value);
    }
    let text = value.to_string();
    let is_plain = value.is_safe() || value.kind() != ValueKind::String;
    let written = if is_plain { output.write_str(&text) } else { output.write_str(&escaped(&text)) };
    written.map_err(Error::from)
}

/// A share in percent with two digits.
fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// A difference of shares in points, with its sign.
fn points(difference: f64) -> String {
    format!("{:+.2} points", 100.0 * difference)
}

fn fixed(number: f64, digits: usize) -> String {
    format!("{number:.digits$}")
}

/// Signal to noise; `exact` where there is no noise but that of adding up, `-` where there is no signal.
pub(in super::super) fn decibels(ratio: f64) -> String {
    if ratio > 300.0 {
        "exact".to_owned()
    } else if ratio < -300.0 {
        "-".to_owned()
    } else {
        format!("{ratio:.1} dB")
    }
}

/// An objective's value as people write it: shares in percent, counts whole, the rest with six digits.
pub(in super::super) fn measure(value: Option<f64>, objective: &str) -> String {
    match (value, objective) {
        (None, _) => "-".to_owned(),
        (Some(value), "accuracy") => percent(value),
        (Some(value), "mean_squared_error") => format!("{value:.6}"),
        (Some(value), _) => grouped(value as u64),
    }
}

/// Text that Markdown takes as it is: a backslash in front of whatever could mean something, line feeds become spaces.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        match letter {
            '\n' | '\r' => escaped.push(' '),
            // Nobody is called, nothing becomes a link.
            '@' => escaped.push_str("&#64;<!-- -->"),
            ':' => escaped.push_str("&#58;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '!' | '$' | '&' => {
                escaped.push('\\');
                escaped.push(letter);
            }
            other => escaped.push(other),
        }
    }
    escaped
}

/// A sentence of ours in which commands stand between backticks: those become code, the rest is escaped, for there are names in it.
fn prose(state: &State<'_, '_>, text: &str) -> Value {
    let is_markdown = matches!(state.auto_escape(), AutoEscape::Custom(_));
    let part = |(number, part): (usize, &str)| match (is_markdown, number % 2) {
        (true, 0) => escaped(part),
        (true, _) => code(part),
        (false, 0) => HtmlEscape(part).to_string(),
        (false, _) => format!("<code>{}</code>", HtmlEscape(part)),
    };
    Value::from_safe_string(text.split('`').enumerate().map(part).collect())
}

/// A name as a code span, also in a table: nothing in it means anything to Markdown, and it calls nobody.
fn code(text: &str) -> String {
    let text = text.replace(['\n', '\r'], " ").replace('|', "\\|");
    let fence = "`".repeat(1 + longest_run(&text));
    let is_bare = !text.starts_with(['`', ' ']) && !text.ends_with(['`', ' ']) && !text.is_empty();
    if is_bare { format!("{fence}{text}{fence}") } else { format!("{fence} {text} {fence}") }
}

/// A block of TOML behind a fence that is longer than any in it.
fn fenced(text: &str) -> String {
    let fence = "`".repeat(longest_run(text).max(2) + 1);
    format!("{fence}toml\n{}\n{fence}", text.trim_end())
}

fn longest_run(text: &str) -> usize {
    text.split(|letter| letter != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_means_nothing_in_names() {
        assert_eq!(code("conv2d_1"), "`conv2d_1`");
        assert_eq!(code("a|b`c"), "``a\\|b`c``");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(escaped("<b>|@x\n"), "\\<b\\>\\|&#64;<!-- -->x ");
        assert!(fenced("a\n````\n<b>").starts_with("`````toml\n"));
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!((percent(0.995), points(-0.001)), ("99.50 %".into(), "-0.10 points".into()));
        assert_eq!([31.25, 3000.0, -3000.0].map(decibels), ["31.2 dB", "exact", "-"]);
        assert_eq!(measure(Some(0.5), "accuracy"), "50.00 %");
        assert_eq!(measure(Some(14176.0), "model_bytes"), "14,176");
        assert_eq!(measure(None, "macs"), "-");
    }
}
