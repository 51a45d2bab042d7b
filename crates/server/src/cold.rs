//! The cold tier's directory: a second place for bodies, on a device of its own.
//!
//! Bodies that no fact names are swept, in either place. So a directory belongs to one data directory and
//! says so: a node never sweeps what another put down.
//!
//! **Layout.** In the tier: `headwater-cold`, a random id, and `blobs/`. In the data directory: `cold.toml`,
//! the same id and where the tier was last, so that a node finds it again when nobody says. A path that is
//! not absolute begins at the data directory.
//!
//! **Failure.** The tier is marked before the data directory notes it: what a crash leaves between the two
//! is a marked tier without bodies, and such a one may be taken.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use headwater_base::Chance;
use serde::{Deserialize, Serialize};

use crate::root::write_private;

/// The file in a data directory that says where its cold tier is.
const NOTE: &str = "cold.toml";

/// The file in a tier that says whose it is.
const MARK: &str = "headwater-cold";

/// Where a backup keeps its copy of the tier.
const IN_COPY: &str = "cold";

/// What a data directory knows of its tier.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Note {
    id: String,
    path: PathBuf,
}

/// Where the bodies of a tier lie.
pub(crate) fn bodies(tier: &Path) -> PathBuf {
    tier.join("blobs")
}

/// Where the tier of a data directory was last, if it ever had one.
pub(crate) fn noted(data: &Path) -> io::Result<Option<PathBuf>> {
    Ok(note(data)?.map(|note| data.join(note.path)))
}

/// Makes `tier` the cold tier of `data`, or finds that it is.
///
/// # Errors
/// When it is another's, or `data` has another one.
pub(crate) fn claim(data: &Path, tier: &Path, chance: &Chance) -> io::Result<()> {
    fs::create_dir_all(tier)?;
    let known = note(data)?;
    match (known, mark(tier)?) {
        (Some(known), Some(mark)) if known.id == mark => {
            if data.join(&known.path) == tier {
                Ok(())
            } else {
                write_note(data, mark, absolute(tier)?)
            }
        }
        (Some(known), _) => Err(io::Error::other(format!(
            "{} is not the cold tier of this data, which was last in {}; if that was moved, move all of it, with its \
             file {MARK}",
            tier.display(),
            known.path.display()
        ))),
        (None, Some(_)) if bodies(tier).exists() => {
            Err(io::Error::other(format!("{} is the cold tier of other data", tier.display())))
        }
        (None, Some(mark)) => write_note(data, mark, absolute(tier)?),
        (None, None) if bodies(tier).exists() => Err(io::Error::other(format!(
            "{} holds a directory blobs that is no cold tier's",
            tier.display()
        ))),
        (None, None) => {
            let id = chance.uuid().to_string();
            write_private(tier, MARK, &id)?;
            write_note(data, id, absolute(tier)?)
        }
    }
}

/// Copies the tier of `data`, if it has one, into the copy `to` of the data, with `copy` for its bodies.
/// Returns where the copied bodies lie.
pub(crate) fn copy_into(
    data: &Path,
    to: &Path,
    copy: impl Fn(&Path, &Path) -> io::Result<()>,
) -> io::Result<Option<PathBuf>> {
    let Some(known) = note(data)? else {
        return Ok(None);
    };
    let (from, copied) = (data.join(&known.path), to.join(IN_COPY));
    fs::create_dir_all(&copied)?;
    copy(&bodies(&from), &bodies(&copied))?;
    write_private(&copied, MARK, &known.id)?;
    write_note(to, known.id, PathBuf::from(IN_COPY))?;
    Ok(Some(bodies(&copied)))
}

fn note(data: &Path) -> io::Result<Option<Note>> {
    match read(&data.join(NOTE))? {
        None => Ok(None),
        Some(text) => toml::from_str(&text)
            .map(Some)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{NOTE}: {error}"))),
    }
}

fn mark(tier: &Path) -> io::Result<Option<String>> {
    Ok(read(&tier.join(MARK))?.map(|text| text.trim().to_owned()))
}

fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn write_note(data: &Path, id: String, path: PathBuf) -> io::Result<()> {
    let text = toml::to_string(&Note { id, path }).map_err(|error| io::Error::other(error.to_string()))?;
    write_private(data, NOTE, &text)?;
    File::open(data)?.sync_all()
}

fn absolute(tier: &Path) -> io::Result<PathBuf> {
    std::path::absolute(tier)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directories() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let all = tempfile::tempdir().unwrap();
        let (data, tier) = (all.path().join("data"), all.path().join("tier"));
        fs::create_dir(&data).unwrap();
        (all, data, tier)
    }

    #[test]
    fn a_tier_belongs_to_one_data_directory() {
        let (all, data, tier) = directories();
        let chance = Chance::seeded(1);
        assert_eq!(noted(&data).unwrap(), None);
        claim(&data, &tier, &chance).unwrap();
        claim(&data, &tier, &chance).unwrap();
        assert_eq!(noted(&data).unwrap(), Some(tier.clone()));
        fs::create_dir(bodies(&tier)).unwrap();
        let other = all.path().join("other");
        fs::create_dir(&other).unwrap();
        let error = claim(&other, &tier, &chance).unwrap_err();
        assert!(error.to_string().contains("other data"), "{error}");
        let error = claim(&data, &all.path().join("empty"), &chance).unwrap_err();
        assert!(error.to_string().contains("was last in"), "{error}");
    }

    #[test]
    fn a_moved_tier_is_found_by_its_mark() {
        let (all, data, tier) = directories();
        claim(&data, &tier, &Chance::seeded(1)).unwrap();
        let moved = all.path().join("moved");
        fs::rename(&tier, &moved).unwrap();
        claim(&data, &moved, &Chance::seeded(2)).unwrap();
        assert_eq!(noted(&data).unwrap(), Some(moved));
    }

    #[test]
    fn foreign_directories_are_left_alone() {
        let (_all, data, tier) = directories();
        fs::create_dir_all(bodies(&tier)).unwrap();
        assert!(claim(&data, &tier, &Chance::seeded(1)).is_err());
    }

    #[test]
    fn a_copy_has_a_tier_of_its_own_that_moves_with_it() {
        let (all, data, tier) = directories();
        claim(&data, &tier, &Chance::seeded(1)).unwrap();
        let to = all.path().join("copy");
        fs::create_dir(&to).unwrap();
        let copied = copy_into(&data, &to, |_, to| fs::create_dir(to)).unwrap();
        assert_eq!(copied, Some(to.join("cold/blobs")));
        let elsewhere = all.path().join("elsewhere");
        fs::rename(&to, &elsewhere).unwrap();
        let found = noted(&elsewhere).unwrap().unwrap();
        assert_eq!(found, elsewhere.join("cold"));
        claim(&elsewhere, &found, &Chance::seeded(2)).unwrap();
    }
}
