//! Numbers in columns.

use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};

use super::{Dataset, Targets};

/// Reads a file with a header. Classes are sorted by name.
pub(super) fn load(path: &Path, label: Option<&str>, classify: bool) -> Result<Dataset> {
    let mut reader = csv::Reader::from_path(path).with_context(|| format!("cannot read {}", path.display()))?;
    let header = reader.headers()?.clone();
    let last = header.len().checked_sub(1).with_context(|| format!("{} has no columns", path.display()))?;
    let target = match label {
        Some(name) => header.iter().position(|column| column == name).with_context(|| {
            format!("{} has no column \"{name}\"; it has {:?}", path.display(), header.iter().collect::<Vec<_>>())
        })?,
        None => last,
    };
    ensure!(last > 0, "{} has one column, expected features and a target", path.display());
    let (mut inputs, mut labels) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let record = record.map_err(|error| malformed(&error, path))?;
        let line = record.position().map_or(0, csv::Position::line);
        for (column, field) in record.iter().enumerate() {
            if column == target {
                labels.push((line, field.trim().to_owned()));
            } else {
                inputs.push(number(field, path, line, &header[column])?);
            }
        }
    }
    let (targets, classes) = if classify {
        classes(&labels)
    } else {
        let name = &header[target];
        let data = labels.iter().map(|(line, field)| number(field, path, *line, name)).collect::<Result<_>>()?;
        (Targets::Values { width: 1, data }, Vec::new())
    };
    Ok(Dataset { shape: vec![last], inputs, targets, classes, range: None, lengths: vec![] })
}

fn number(field: &str, path: &Path, line: u64, column: &str) -> Result<f32> {
    let value: Option<f32> = field.trim().parse().ok().filter(|value: &f32| value.is_finite());
    value.with_context(|| {
        format!(
            "{}, line {line}, column \"{column}\": \"{field}\" is not a finite number: fill the gap or remove the row",
            path.display()
        )
    })
}

fn malformed(error: &csv::Error, path: &Path) -> anyhow::Error {
    let csv::ErrorKind::UnequalLengths { pos, expected_len, len } = error.kind() else {
        return anyhow!("{}: {error}", path.display());
    };
    let line = pos.as_ref().map_or(0, csv::Position::line);
    anyhow!("{}, line {line}: {len} fields, the header has {expected_len}: complete or remove the row", path.display())
}

fn classes(labels: &[(u64, String)]) -> (Targets, Vec<String>) {
    let mut names: Vec<String> = labels.iter().map(|(_, name)| name.clone()).collect();
    names.sort();
    names.dedup();
    let number = |(_, name): &(u64, String)| names.binary_search(name).unwrap_or(0);
    (Targets::Classes(labels.iter().map(number).collect()), names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, label: Option<&str>, classify: bool) -> Result<Dataset> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        load(file.path(), label, classify)
    }

    #[test]
    fn features_and_classes_come_from_their_columns() {
        let set = read("kind,a,b\nred,1,2\nblue,3,4.5\n", Some("kind"), true).unwrap();
        assert_eq!((set.shape, set.inputs), (vec![2], vec![1.0, 2.0, 3.0, 4.5]));
        assert_eq!((set.targets, set.classes), (Targets::Classes(vec![1, 0]), vec!["blue".to_owned(), "red".into()]));
    }

    #[test]
    fn errors_name_line_and_column() {
        let error = read("a,b,y\n1,NaN,0\n", None, true).unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("\"b\"") && error.contains("NaN"), "{error}");
        let error = read("a,b,y\n1,2,0\n", Some("z"), true).unwrap_err().to_string();
        assert!(error.contains("\"z\"") && error.contains("\"a\""), "{error}");
        for (field, column) in [("inf,2", "a"), ("1,-inf", "y"), ("1,1e99", "y"), (",1", "a")] {
            let error = format!("{:#}", read(&format!("a,y\n1,2\n{field}\n"), None, false).unwrap_err());
            assert!(error.contains(&format!("line 3, column \"{column}\"")) && error.contains("finite"), "{error}");
        }
        for (row, len) in [("1", 1), ("1,2,3", 3)] {
            let error = format!("{:#}", read(&format!("a,y\n1,2\n{row}\n"), None, false).unwrap_err());
            assert!(error.contains(&format!("line 3: {len} fields, the header has 2: complete")), "{error}");
        }
    }
}
