//! Strokes drawn in the air or on a pad: JSON files of `{"strokes": [{"label": …, "strokePoints": [{"x": …, "y": …}, …]}]}`.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::files::files;
use super::{Dataset, Loaded, Targets};

#[derive(Deserialize)]
struct File {
    strokes: Vec<Stroke>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stroke {
    label: String,
    stroke_points: Vec<Point>,
}

#[derive(Clone, Copy, Deserialize)]
struct Point {
    x: f32,
    y: f32,
}

/// Reads all strokes of a folder and brings each to `length` points, evenly in time. The last share of each file's strokes
/// is the test set.
pub(super) fn load(folder: &Path, length: usize, share: f64) -> Result<Loaded> {
    ensure!(length > 1, "data: length must be at least 2");
    ensure!(folder.is_dir(), "there is no folder {}", folder.display());
    let paths = files(folder, &["json"])?;
    ensure!(!paths.is_empty(), "{} holds no .json files", folder.display());
    let mut parts = [Vec::new(), Vec::new()];
    for path in &paths {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let file: File = serde_json::from_str(&text).with_context(|| format!("in {}", path.display()))?;
        let count = file.strokes.len();
        for (index, stroke) in file.strokes.into_iter().enumerate() {
            ensure!(!stroke.stroke_points.is_empty(), "{}: stroke {index} has no points", path.display());
            let is_test = index >= ((count as f64) * (1.0 - share)).round() as usize;
            parts[usize::from(is_test)].push(stroke);
        }
    }
    let mut classes: Vec<String> = parts.iter().flatten().map(|stroke| stroke.label.clone()).collect();
    classes.sort();
    classes.dedup();
    let [train, test] = parts.map(|part| {
        let label = |stroke: &Stroke| classes.binary_search(&stroke.label).unwrap_or(0);
        Dataset {
            shape: vec![length, 2],
            inputs: part.iter().flat_map(|stroke| resampled(&stroke.stroke_points, length)).collect(),
            targets: Targets::Classes(part.iter().map(label).collect()),
            classes: classes.clone(),
            range: None,
            lengths: vec![],
        }
    });
    Ok(Loaded { train, test })
}

/// `x` and `y` of `length` points between the first and the last.
fn resampled(points: &[Point], length: usize) -> Vec<f32> {
    let last = points.len() - 1;
    let point = |index: usize| {
        let place = index as f32 * last as f32 / (length - 1) as f32;
        let (low, part) = (place as usize, place.fract());
        let (a, b) = (points[low], points[(low + 1).min(last)]);
        [a.x + part * (b.x - a.x), a.y + part * (b.y - a.y)]
    };
    (0..length).flat_map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strokes_are_read_resampled_and_split_by_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let stroke = |label: &str, x: f32| {
            format!(r#"{{"index":0,"label":"{label}","strokePoints":[{{"x":{x},"y":0}},{{"x":{x},"y":2}}]}}"#)
        };
        let text = format!(r#"{{"strokes":[{},{}]}}"#, stroke("b", 1.0), stroke("a", 3.0));
        std::fs::write(folder.path().join("a.json"), text).unwrap();
        let loaded = load(folder.path(), 3, 0.5).unwrap();
        assert_eq!(loaded.train.inputs, [1.0, 0.0, 1.0, 1.0, 1.0, 2.0]);
        assert_eq!(
            (loaded.train.classes, loaded.test.targets),
            (vec!["a".into(), "b".into()], Targets::Classes(vec![0]))
        );

        std::fs::write(folder.path().join("a.json"), "{\"strokes\": 3}").unwrap();
        let error = format!("{:#}", load(folder.path(), 3, 0.5).unwrap_err());
        assert!(error.contains("a.json") && error.contains("line 1"), "{error}");
    }
}
