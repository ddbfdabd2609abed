//! What a sample looks like, brought to the size of a picture.

use anyhow::Result;

use crate::data::Dataset;
use crate::model::Meta;

/// What a sample looks like.
#[derive(Clone, Debug, PartialEq)]
pub enum Picture {
    /// An image, gray or in colors.
    Image {
        /// Pixels of a row.
        width: usize,
        /// 1 or 3.
        channels: usize,
        /// Row by row.
        pixels: Vec<u8>,
    },
    /// A value for each time and feature: 0 is the smallest of them, 255 the largest.
    Heat {
        /// Times; one column each.
        times: usize,
        /// Feature by feature of one time after the other.
        levels: Vec<u8>,
    },
    /// Values over time, a series each: smallest and largest value of consecutive parts.
    Series(Vec<Vec<[f32; 2]>>),
    /// Points in the plane, in the order they were drawn.
    Path(Vec<[f32; 2]>),
}

impl Picture {
    /// Whether it shows time from left to right.
    #[must_use]
    pub const fn is_wide(&self) -> bool {
        matches!(self, Self::Heat { .. } | Self::Series(_))
    }
}

/// Most points of a series that a picture has room for.
const COLUMNS: usize = 160;

/// Most series that can be told apart; more are a heat map.
const SERIES: usize = 9;

/// The raw sample, and its features where there is a front end.
pub fn pictures(data: &Dataset, index: usize, meta: Option<&Meta>, is_stroke: bool) -> Result<Vec<Picture>> {
    let raw = data.sample(index);
    if is_stroke {
        return Ok(vec![Picture::Path(raw.as_chunks::<2>().0.to_vec())]);
    }
    let mut all = vec![picture(raw, &data.shape, data.range)];
    if let Some(meta) = meta.filter(|meta| meta.front_end.is_some()) {
        all.push(picture(&meta.inputs(data, &[index])?, &meta.input_shape(&data.shape)?, None));
    }
    Ok(all)
}

fn picture(values: &[f32], shape: &[usize], range: Option<[f32; 2]>) -> Picture {
    match *shape {
        [_, width, channels @ (1 | 3)] => Picture::Image { width, channels, pixels: levels(values, range) },
        [times, features, ..] if features > SERIES => {
            let features: usize = shape[1..].iter().product::<usize>().max(features);
            Picture::Heat { times: times.min(values.len() / features), levels: levels(values, range) }
        }
        [_, count] => Picture::Series((0..count).map(|one| series(values.iter().skip(one).step_by(count))).collect()),
        _ => Picture::Series(vec![series(values.iter())]),
    }
}

/// Brings values to 0..=255, from their range or from what they take of it.
fn levels(values: &[f32], range: Option<[f32; 2]>) -> Vec<u8> {
    let [low, high] = range.unwrap_or_else(|| {
        let limits = (f32::MAX, f32::MIN);
        let (low, high) = values.iter().fold(limits, |(low, high), &value| (low.min(value), high.max(value)));
        [low, high]
    });
    let scale = 255.0 / (high - low).max(f32::MIN_POSITIVE);
    values.iter().map(|value| ((value - low) * scale).round() as u8).collect()
}

/// Smallest and largest of as many parts as fit.
fn series<'a>(values: impl Iterator<Item = &'a f32>) -> Vec<[f32; 2]> {
    let values: Vec<f32> = values.copied().collect();
    let part = values.len().div_ceil(COLUMNS).max(1);
    let ends =
        |part: &[f32]| part.iter().fold([f32::MAX, f32::MIN], |[low, high], &value| [low.min(value), high.max(value)]);
    values.chunks(part).map(ends).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_decide_what_is_drawn() {
        let gray = picture(&[0.0, 51.0, 255.0, 102.0], &[2, 2, 1], Some([0.0, 255.0]));
        assert_eq!(gray, Picture::Image { width: 2, channels: 1, pixels: vec![0, 51, 255, 102] });
        let long: Vec<f32> = (0..1600).map(|t| t as f32).collect();
        let Picture::Series(all) = picture(&long, &[1600, 1], None) else { panic!("a sequence is a line") };
        assert_eq!((all.len(), all[0].len(), all[0][1]), (1, 160, [10.0, 19.0]));
        let Picture::Series(all) = picture(&long, &[800, 2], None) else { panic!("few axes are lines") };
        assert_eq!((all.len(), all[1][0]), (2, [1.0, 9.0]));
        let Picture::Heat { times, levels } = picture(&long, &[40, 40], None) else { panic!("features are a map") };
        assert_eq!((times, levels.len(), levels[0], levels[1599]), (40, 1600, 0, 255));
        // A silent recording has no range.
        assert_eq!(levels_of_silence(), [0, 0]);
    }

    fn levels_of_silence() -> Vec<u8> {
        levels(&[0.0, 0.0], None)
    }
}
