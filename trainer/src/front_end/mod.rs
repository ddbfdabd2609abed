//! Front ends: what turns samples into features, with the very integers that the chip computes.

mod motion;
mod spectrum;
mod tables;

pub use motion::{Motion, MotionTables, Statistic};
pub use spectrum::{Features, Pcen, Spectrum, Tables};

use anyhow::Result;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// Decibels per unit of `log2` of an energy.
pub const DECIBELS: f64 = 3.010_299_956_639_812;

/// A front end as a recipe has it: `kind = "spectrum"`, which need not be said, or `kind = "motion"`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum FrontEnd {
    /// For sound.
    Spectrum(Spectrum),
    /// For motion sensors.
    Motion(Motion),
}

/// By hand, because errors of an untagged enum name no field.
impl<'de> Deserialize<'de> for FrontEnd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Map::deserialize(deserializer)?;
        let kind = fields.remove("kind").unwrap_or_else(|| "spectrum".into());
        let fields = Value::Object(fields);
        let front_end = match kind.as_str() {
            Some("spectrum") => serde_json::from_value(fields).map(Self::Spectrum),
            Some("motion") => serde_json::from_value(fields).map(Self::Motion),
            _ => {
                return Err(D::Error::custom(format!(
                    "front_end: unknown kind {kind}, expected \"spectrum\" or \"motion\""
                )));
            }
        };
        front_end.map_err(|error| D::Error::custom(format!("front_end: {error}")))
    }
}

/// From the samples of a recording to its features.
pub type Extractor<'f> = Box<dyn Fn(&[f32]) -> Vec<f32> + Sync + 'f>;

impl FrontEnd {
    /// The shape of the features of samples of this shape: frames, features.
    ///
    /// # Errors
    /// The samples do not fill one frame, or have another number of axes.
    pub fn shape(&self, samples: &[usize]) -> Result<Vec<usize>> {
        match self {
            Self::Spectrum(spectrum) => spectrum.shape(samples),
            Self::Motion(motion) => motion.shape(samples),
        }
    }

    /// Samples, or rows, from one frame to the next.
    #[must_use]
    pub const fn hop(&self) -> usize {
        match self {
            Self::Spectrum(spectrum) => spectrum.hop,
            Self::Motion(motion) => motion.hop,
        }
    }

    /// What computes the features of samples in 16 bits, which are rounded and clamped to them.
    ///
    /// # Errors
    /// A field is out of its range; the message names it.
    pub fn extractor(&self) -> Result<Extractor<'_>> {
        Ok(match self {
            Self::Spectrum(spectrum) => {
                let tables = spectrum.tables()?;
                Box::new(move |samples| spectrum.apply(&tables, samples))
            }
            Self::Motion(motion) => {
                let tables = motion.tables()?;
                Box::new(move |samples| motion.apply(&tables, samples))
            }
        })
    }
}

/// A sample in 16 bits.
#[must_use]
pub fn quantize(sample: f32) -> i16 {
    sample.round() as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_apart_and_fields_are_named() {
        let parse = |text: &str| toml::from_str::<FrontEnd>(text);
        let sound = "features = \"log_mel\"\nrate = 8000\nframe = 256\nhop = 128\n";
        let motion = "kind = \"motion\"\nrate = 32\nwindow = 64\nhop = 32\nfeatures = [\"mean\"]\nbands = 3\n";
        for (text, is_sound) in [(sound, true), (motion, false)] {
            let front_end = parse(text).unwrap();
            assert_eq!(matches!(front_end, FrontEnd::Spectrum(_)), is_sound);
            let again = serde_json::from_str(&serde_json::to_string(&front_end).unwrap()).unwrap();
            assert_eq!(front_end, again);
            assert_eq!(front_end, parse(&toml::to_string(&front_end).unwrap()).unwrap());
        }
        let error = |text: &str| parse(text).unwrap_err().to_string();
        assert!(error("kind = \"magic\"").contains("\"magic\", expected \"spectrum\" or \"motion\""));
        assert!(error(&format!("{sound}window = 3")).contains("unknown field `window`"));
        assert!(error(&format!("{motion}frame = 3")).contains("unknown field `frame`"));
        assert!(error("kind = \"motion\"\nwindow = 64\nhop = 3").contains("missing field `rate`"));
    }
}
