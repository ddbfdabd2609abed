//! Files in folders that are named like their classes, and which of them are for the test.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use glob::Pattern;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

/// Files with their class numbers.
pub(super) struct Files {
    /// Names of the classes: those of the folders, sorted.
    pub classes: Vec<String>,
    /// To learn from.
    pub train: Vec<(usize, PathBuf)>,
    /// To be judged by.
    pub test: Vec<(usize, PathBuf)>,
}

/// Where the test set comes from.
pub(super) struct Split<'a> {
    /// File names, or paths below the root, with `*` and `?`: these files are the test set.
    pub files: &'a [String],
    /// Otherwise, and where there is no folder `test`, this share of each class's files.
    pub share: f64,
    /// Decides which.
    pub seed: u64,
}

/// Files with one of these endings in `<root>/train/<class>/` and `<root>/test/<class>/`, or in `<root>/<class>/`.
///
/// # Errors
/// There are none, or a pattern is malformed or fits none.
pub(super) fn labelled(root: &Path, endings: &[&str], split: &Split<'_>) -> Result<Files> {
    ensure!(root.is_dir(), "there is no folder {}", root.display());
    let has_parts = root.join("train").is_dir();
    let folders = if has_parts { vec![root.join("train"), root.join("test")] } else { vec![root.to_owned()] };
    let classes: Vec<String> =
        names(&folders[0])?.into_iter().filter(|name| !files(&folders[0].join(name), endings).is_empty()).collect();
    ensure!(
        !classes.is_empty(),
        "{} has no folders that hold .{} files: expected one folder for each class",
        folders[0].display(),
        endings.join(" or .")
    );
    let mut parts = Vec::new();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        if let Some(unknown) = names(folder)?.iter().find(|name| has_parts && !classes.contains(name)) {
            bail!("{} has the class \"{unknown}\", which {} has not", folder.display(), folders[0].display());
        }
        let of_class = |(label, class): (usize, &String)| {
            files(&folder.join(class), endings).into_iter().map(move |path| (label, path))
        };
        parts.push(classes.iter().enumerate().flat_map(of_class).collect::<Vec<_>>());
    }
    let (train, test) = if !split.files.is_empty() {
        matching(root, parts.concat(), split.files)?
    } else if let [train, test] = &parts[..] {
        (train.clone(), test.clone())
    } else {
        by_chance(parts.concat(), classes.len(), split)
    };
    Ok(Files { classes, train, test })
}

type Parts = (Vec<(usize, PathBuf)>, Vec<(usize, PathBuf)>);

fn matching(root: &Path, all: Vec<(usize, PathBuf)>, patterns: &[String]) -> Result<Parts> {
    let parse = |text: &String| Pattern::new(text).with_context(|| format!("data: test_files: \"{text}\""));
    let patterns = patterns.iter().map(parse).collect::<Result<Vec<_>>>()?;
    let is_test = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let below = path.strip_prefix(root).unwrap_or(path);
        patterns.iter().any(|pattern| pattern.matches(&name) || pattern.matches_path(below))
    };
    let (test, train): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, path)| is_test(path));
    for (side, is_empty) in [("no file", test.is_empty()), ("every file", train.is_empty())] {
        ensure!(!is_empty, "data: test_files fit {side} in {}", root.display());
    }
    Ok((train, test))
}

/// Each class keeps its share of files, so that no part of a recording is on both sides.
fn by_chance(all: Vec<(usize, PathBuf)>, classes: usize, split: &Split<'_>) -> Parts {
    let mut rng = StdRng::seed_from_u64(split.seed);
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for class in 0..classes {
        let mut own: Vec<_> = all.iter().filter(|(label, _)| *label == class).cloned().collect();
        own.shuffle(&mut rng);
        let most = own.len().saturating_sub(1);
        let count = ((own.len() as f64 * split.share).round() as usize).clamp(usize::from(most > 0), most);
        test.extend(own.drain(..count));
        train.extend(own);
    }
    train.sort();
    test.sort();
    (train, test)
}

/// What lies in a folder, sorted.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.sort();
    Ok(paths)
}

/// Names of the folders in a folder, sorted.
pub(super) fn names(folder: &Path) -> Result<Vec<String>> {
    let folders = entries(folder)?.into_iter().filter(|path| path.is_dir());
    Ok(folders.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect())
}

/// Files with one of these endings, sorted; none where there is no folder. Hidden files are left alone.
pub(super) fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let is_wanted = |path: &PathBuf| {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        path.is_file() && !is_hidden && ending.is_some_and(|ending| endings.contains(&ending.as_str()))
    };
    entries(folder).unwrap_or_default().into_iter().filter(is_wanted).collect()
}
