//! Series of numbers in text files, a row for each moment and a column for each channel: `<class>/*.csv|tsv|txt`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rayon::prelude::*;

use super::files::Files;
use super::{Dataset, Loaded, Targets};

/// Endings of the files.
pub(super) const ENDINGS: [&str; 3] = ["csv", "tsv", "txt"];

/// Cuts every file into windows of `length` rows, one every `stride` rows. A shorter file is one window; it stands still as
/// its first row before it begins, or, masked, as its last row when it has ended.
pub(super) fn load(files: &Files, length: usize, stride: usize, masked: bool) -> Result<Loaded> {
    ensure!(length > 0 && stride > 0, "data: length and stride must be at least 1");
    let set = |part: &[(usize, PathBuf)]| -> Result<Dataset> {
        let all: Vec<Vec<Vec<f32>>> = part.par_iter().map(|(_, path)| rows(path)).collect::<Result<_>>()?;
        let channels = all.first().map_or(0, |rows| rows[0].len());
        let (mut inputs, mut labels, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
        for (rows, (label, path)) in all.iter().zip(part) {
            ensure!(
                rows[0].len() == channels,
                "{} has {} columns, the files before it have {channels}",
                path.display(),
                rows[0].len()
            );
            for window in windows(rows, length, stride, masked) {
                inputs.extend(window);
                labels.push(*label);
                lengths.extend(masked.then_some(rows.len().min(length)));
            }
        }
        let (targets, classes) = (Targets::Classes(labels), files.classes.clone());
        Ok(Dataset { shape: vec![length, channels], inputs, targets, classes, range: None, lengths })
    };
    Ok(Loaded { train: set(&files.train)?, test: set(&files.test)? })
}

pub(super) fn windows(rows: &[Vec<f32>], length: usize, stride: usize, masked: bool) -> Vec<Vec<f32>> {
    if rows.len() <= length {
        let missing = length - rows.len();
        if masked {
            let still = std::iter::repeat_n(&rows[rows.len() - 1], missing);
            return vec![rows.iter().chain(still).flatten().copied().collect()];
        }
        let still = std::iter::repeat_n(&rows[0], missing);
        return vec![still.chain(rows).flatten().copied().collect()];
    }
    (0..=rows.len() - length).step_by(stride).map(|start| rows[start..start + length].concat()).collect()
}

/// The rows of a file; separated by commas, semicolons or blanks. A first row without numbers is a header.
fn rows(path: &Path) -> Result<Vec<Vec<f32>>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut rows: Vec<Vec<f32>> = Vec::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let fields: Vec<&str> =
            line.split([',', ';', ' ', '\t']).map(str::trim).filter(|field| !field.is_empty()).collect();
        if rows.is_empty() && fields.iter().all(|field| field.parse::<f32>().is_err()) {
            continue;
        }
        let row = fields.iter().map(|field| {
            let value = field.parse().ok().filter(|value: &f32| value.is_finite());
            value.with_context(|| {
                format!(
                    "{}, line {number}: \"{field}\" is not a finite number: fill the gap or remove the row",
                    path.display()
                )
            })
        });
        let row = row.collect::<Result<Vec<f32>>>()?;
        let columns = rows.first().map_or(row.len(), Vec::len);
        ensure!(
            row.len() == columns,
            "{}, line {number}: {} numbers, the lines before have {columns}: complete or remove the row",
            path.display(),
            row.len()
        );
        rows.push(row);
    }
    ensure!(!rows.is_empty(), "{} holds no numbers", path.display());
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Vec<f32>>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("walk.csv");
        std::fs::write(&path, text).unwrap();
        rows(&path)
    }

    #[test]
    fn rows_come_from_any_usual_separator() {
        let expected = [vec![1.0, 2.0], vec![3.0, -4.5]];
        for text in ["x,y\n1,2\n3,-4.5\n", "1 2\n3  -4.5", "1\t2\r\n3\t-4.5\r\n", "x;y\n1; 2\n\n3; -4.5\n"] {
            assert_eq!(read(text).unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn windows_overlap_and_short_files_stand_still_first() {
        let rows: Vec<Vec<f32>> = (0..6).map(|i| vec![i as f32]).collect();
        assert_eq!(windows(&rows, 4, 2, false), [[0.0, 1.0, 2.0, 3.0], [2.0, 3.0, 4.0, 5.0]]);
        assert_eq!(windows(&rows[2..4], 4, 2, false), [[2.0, 2.0, 2.0, 3.0]]);
        assert_eq!(windows(&rows[2..4], 4, 2, true), [[2.0, 3.0, 3.0, 3.0]]);
        assert_eq!(windows(&rows, 4, 2, true), windows(&rows, 4, 2, false));
    }

    #[test]
    fn errors_name_file_and_line() {
        let error = |text| format!("{:#}", read(text).unwrap_err());
        let found = error("1,2\n3,NaN\n");
        assert!(found.contains("walk.csv, line 2") && found.contains("NaN"), "{found}");
        for text in ["1,2\n3,inf\n", "1,2\n3,-inf\n", "1,2\n3,1e99\n", "1,2\n3,?\n"] {
            let found = error(text);
            assert!(found.contains("line 2") && found.contains("not a finite number: fill the gap"), "{found}");
        }
        for (text, count) in [("1,2\n3\n", 1), ("1,2\n3,4,5\n", 3), ("1,2\n3,\n", 1)] {
            let found = error(text);
            assert!(found.contains(&format!("line 2: {count} numbers")) && found.contains("have 2"), "{found}");
        }
        assert!(error("x,y\n").contains("holds no numbers"));
        assert!(error("").contains("holds no numbers"));
    }
}
