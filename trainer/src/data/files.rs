//! Files in folders that are named like their classes, and which of them are for the test.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use glob::Pattern;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::split::test_count;

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
    let (train, test) = (root.join("train"), root.join("test"));
    let (folder, test) =
        if train.is_dir() { (train, Some(test).filter(|test| test.is_dir())) } else { (root.to_owned(), None) };
    let mut classes = Vec::new();
    for name in names(&folder)? {
        if !files(&folder.join(&name), endings)?.is_empty() {
            classes.push(name);
        }
    }
    ensure!(
        !classes.is_empty(),
        "{} has no folders that hold .{} files: expected one folder for each class",
        folder.display(),
        endings.join(" or .")
    );
    let mut parts = vec![of_classes(&folder, &classes, endings)?];
    if let Some(test) = test {
        check_known(&test, &folder, &classes)?;
        parts.push(of_classes(&test, &classes, endings)?);
    }
    let (train, test) = sides(root, &parts, classes.len(), split)?;
    Ok(Files { classes, train, test })
}

/// Files with one of these endings in `<root>/train/` and `<root>/test/`, or in `<root>/`, without a class.
///
/// # Errors
/// As [`labelled`].
pub(super) fn unlabelled(root: &Path, endings: &[&str], split: &Split<'_>) -> Result<Files> {
    ensure!(root.is_dir(), "there is no folder {}", root.display());
    let (train, test) = (root.join("train"), root.join("test"));
    let folders = if !train.is_dir() {
        vec![root.to_owned()]
    } else if test.is_dir() {
        vec![train, test]
    } else {
        vec![train]
    };
    let of = |folder: &PathBuf| -> Result<Vec<(usize, PathBuf)>> {
        Ok(files(folder, endings)?.into_iter().map(|path| (0, path)).collect())
    };
    let parts: Vec<_> = folders.iter().map(of).collect::<Result<_>>()?;
    if let Some((_, empty)) = parts.iter().zip(&folders).find(|(part, _)| part.is_empty()) {
        bail!("{} holds no .{} files", empty.display(), endings.join(" or ."));
    }
    let (train, test) = sides(root, &parts, 1, split)?;
    ensure!(!test.is_empty(), "{} holds one file, expected one to learn from and one to be judged by", root.display());
    Ok(Files { classes: vec![], train, test })
}

/// Training and test: by name, by folder, or by chance.
fn sides(root: &Path, parts: &[Vec<(usize, PathBuf)>], classes: usize, split: &Split<'_>) -> Result<Parts> {
    if !split.files.is_empty() {
        return matching(root, parts.concat(), split.files);
    }
    Ok(match parts {
        [train, test] => (train.clone(), test.clone()),
        _ => by_chance(parts.concat(), classes, split),
    })
}

/// Checks that the test has no class that training has not.
pub(super) fn check_known(test: &Path, train: &Path, classes: &[String]) -> Result<()> {
    if let Some(unknown) = names(test)?.into_iter().find(|name| !classes.contains(name)) {
        bail!("{} has the class \"{unknown}\", which {} has not", test.display(), train.display());
    }
    Ok(())
}

/// The files of every class in a folder, with the numbers of the classes.
pub(super) fn of_classes(folder: &Path, classes: &[String], endings: &[&str]) -> Result<Vec<(usize, PathBuf)>> {
    let mut all = Vec::new();
    for (label, class) in classes.iter().enumerate() {
        all.extend(files(&folder.join(class), endings)?.into_iter().map(|path| (label, path)));
    }
    Ok(all)
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
        test.extend(own.drain(..test_count(own.len(), split.share)));
        train.extend(own);
    }
    train.sort();
    test.sort();
    (train, test)
}

/// What lies in a folder, sorted.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
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
///
/// # Errors
/// The folder cannot be read.
pub(super) fn files(folder: &Path, endings: &[&str]) -> Result<Vec<PathBuf>> {
    let is_wanted = |path: &PathBuf| {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        path.is_file() && !is_hidden && ending.is_some_and(|ending| endings.contains(&ending.as_str()))
    };
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    Ok(entries(folder)?.into_iter().filter(is_wanted).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(paths: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for path in paths {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        root
    }

    fn names_of(part: &[(usize, PathBuf)]) -> Vec<(usize, String)> {
        part.iter().map(|(label, path)| (*label, path.file_name().unwrap().to_string_lossy().into_owned())).collect()
    }

    #[test]
    fn files_are_split_by_folder_by_name_or_by_chance() {
        let split = |files: &'static [String]| Split { files, share: 0.5, seed: 1 };
        // A folder of notes is no class, and no reason to refuse the others.
        let root = tree(&["train/a/1.wav", "train/b/2.WAV", "train/b/.3.wav", "train/notes/x.txt", "test/a/4.wav"]);
        let found = labelled(root.path(), &["wav"], &split(&[])).unwrap();
        assert_eq!(found.classes, ["a", "b"]);
        assert_eq!(names_of(&found.train), [(0, "1.wav".into()), (1, "2.WAV".into())]);
        assert_eq!(names_of(&found.test), [(0, "4.wav".into())]);
        let patterns: &'static [String] = Box::leak(Box::new(["2*".to_owned()]));
        let found = labelled(root.path(), &["wav"], &split(patterns)).unwrap();
        assert_eq!(names_of(&found.test), [(1, "2.WAV".into())]);

        let root = tree(&["a/1.wav", "a/2.wav", "b/3.wav", "b/4.wav"]);
        let found = labelled(root.path(), &["wav"], &split(&[])).unwrap();
        assert_eq!((found.train.len(), found.test.len()), (2, 2));
    }

    #[test]
    fn errors_say_what_is_missing() {
        let none: &[String] = &[];
        let error = |root: &Path, files: &[String]| {
            labelled(root, &["wav"], &Split { files, share: 0.5, seed: 1 }).err().unwrap().to_string()
        };
        let root = tree(&["train/a/1.wav", "test/b/2.wav"]);
        assert!(error(root.path(), none).contains("has the class \"b\""));
        let root = tree(&["a/1.wav"]);
        assert!(error(root.path(), &["9*".into()]).contains("fit no file"));
        assert!(error(root.path(), &["*".into()]).contains("fit every file"));
        assert!(error(&root.path().join("x"), none).contains("there is no folder"));
        assert!(error(tree(&["a/1.mp3"]).path(), none).contains("no folders that hold .wav"));
    }
}
