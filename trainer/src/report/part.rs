//! What can be missing.

use anyhow::Result;
use serde::Serialize;

/// A part of a report, or a sentence that says why it is not there.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Part<T> {
    /// It is there.
    Found(T),
    /// It is not.
    Missing {
        /// Why, and what to do.
        missing: String,
    },
}

impl<T> Part<T> {
    /// The part, if it is there.
    pub const fn found(&self) -> Option<&T> {
        match self {
            Self::Found(part) => Some(part),
            Self::Missing { .. } => None,
        }
    }

    /// Why it is not there.
    pub fn missing(&self) -> Option<&str> {
        match self {
            Self::Found(_) => None,
            Self::Missing { missing } => Some(missing),
        }
    }
}

impl<T> From<Result<T>> for Part<T> {
    fn from(part: Result<T>) -> Self {
        match part {
            Ok(part) => Self::Found(part),
            Err(error) => Self::Missing { missing: sentence(&format!("{error:#}")) },
        }
    }
}

/// With a capital in front and a full stop behind.
fn sentence(text: &str) -> String {
    let mut letters = text.trim().chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.trim().ends_with(['.', '!', '?']) { "" } else { "." };
    first + letters.as_str() + end
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

    #[test]
    fn what_is_missing_is_said_in_a_sentence() {
        let lost: Result<u8> = Err(anyhow!("no such file")).context("the data is not at hand");
        assert_eq!(Part::from(lost).missing(), Some("The data is not at hand: no such file."));
        assert_eq!(Part::from(Ok(3)).found(), Some(&3));
        assert_eq!(sentence(""), ".");
    }
}
