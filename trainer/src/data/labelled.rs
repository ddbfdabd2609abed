//! Series with a label for each row, for sequence labelling: CSV files with a header.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use rayon::prelude::*;

use super::files::Files;
use super::series::windows;
use super::{Dataset, Loaded, Targets, csv};

/// Cuts every file into windows of `length` rows, one every `stride` rows; a shorter file is one that ends early.
pub(super) fn load(files: &Files, label: Option<&str>, length: usize, stride: usize) -> Result<Loaded> {
    ensure!(length > 0 && stride > 0, "data: length and stride must be at least 1");
    let read = |part: &[(usize, PathBuf)]| -> Result<Vec<Dataset>> {
        part.par_iter().map(|(_, path)| csv::load(path, label, true)).collect()
    };
    let parts = [read(&files.train)?, read(&files.test)?];
    let mut classes: Vec<String> = parts.iter().flatten().flat_map(|file| file.classes.clone()).collect();
    classes.sort();
    classes.dedup();
    let channels = parts[0].first().map_or(0, Dataset::width);
    for (file, (_, path)) in parts.iter().flatten().zip(files.train.iter().chain(&files.test)) {
        ensure!(!file.is_empty(), "{} holds no rows", path.display());
        ensure!(
            file.width() == channels,
            "{} has {} columns beside the label, the files before it have {channels}",
            path.display(),
            file.width()
        );
    }
    let [train, test] = parts.map(|part| set(&part, &classes, length, stride));
    Ok(Loaded { train, test })
}

fn set(files: &[Dataset], classes: &[String], length: usize, stride: usize) -> Dataset {
    let (mut inputs, mut all, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
    for file in files {
        let rows: Vec<Vec<f32>> = file.inputs.chunks(file.width()).map(<[f32]>::to_vec).collect();
        let number = |&label: &usize| classes.binary_search(&file.classes[label]).unwrap_or(0);
        let labels: Vec<usize> = (0..rows.len()).flat_map(|row| file.labels(row)).map(number).collect();
        let count = rows.len().min(length);
        for (start, window) in (0..).step_by(stride).zip(windows(&rows, length, stride, true)) {
            inputs.extend(window);
            all.push(labels[start..start + count].to_vec());
            lengths.push(count);
        }
    }
    let shape = vec![length, files.first().map_or(0, Dataset::width)];
    Dataset { shape, inputs, targets: Targets::Steps(all), classes: classes.to_vec(), range: None, lengths }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::files::{Split, unlabelled};

    #[test]
    fn rows_have_labels_and_short_files_end_early() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(root.path().join(name), text).unwrap();
        write("a.csv", "x,kind\n1,up\n2,up\n3,down\n4,down\n5,up\n");
        write("b.csv", "x,kind\n7,flat\n8,up\n");
        let split = |files: &[String]| unlabelled(root.path(), &["csv"], &Split { files, share: 0.5, seed: 1 });
        let files = split(&["b*".into()]).unwrap();
        let Loaded { train, test } = load(&files, None, 3, 2).unwrap();
        assert_eq!(train.classes, ["down", "flat", "up"]);
        assert_eq!(train.inputs, [1.0, 2.0, 3.0, 3.0, 4.0, 5.0]);
        assert_eq!(train.targets, Targets::Steps(vec![vec![2, 2, 0], vec![0, 0, 2]]));
        assert_eq!((test.inputs.as_slice(), &test.lengths[..]), ([7.0, 8.0, 8.0].as_slice(), [2].as_slice()));
        assert_eq!((test.labels(0), test.answers(&[0])), ([1, 2].as_slice(), 2));
        assert_eq!(test.target(0), [0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
        assert_eq!(train.clone().checked().unwrap(), train);
        let error = |label: Option<&str>| load(&files, label, 3, 2).unwrap_err().to_string();
        assert!(error(Some("z")).contains("no column \"z\""));
        write("b.csv", "x,y,kind\n7,1,flat\n");
        assert!(error(None).contains("b.csv has 2 columns beside the label"));
        write("b.csv", "x,kind\n");
        assert!(error(None).contains("b.csv holds no rows"));
        std::fs::remove_file(root.path().join("b.csv")).unwrap();
        assert!(split(&[]).err().unwrap().to_string().contains("holds one file"));
    }
}
