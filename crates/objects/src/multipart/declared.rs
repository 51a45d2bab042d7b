//! What a client says of the object that it completes an upload to, held against what its parts make.
//!
//! **Invariants.** What is said is verified or refused, never ignored: an object carries no checksum that its
//! client was led to believe in.

use super::{PART_BYTES_MAX, PART_NUMBER_MAX, PartRecord, UploadOptions};
use crate::records::object::ObjectRecord;
use crate::{ChecksumAlgorithm, ObjectError};

/// The most bytes of an object: as many parts as there can be, each as large as it can be (48.8 TiB).
const OBJECT_BYTES_MAX: u64 = PART_NUMBER_MAX as u64 * PART_BYTES_MAX;

/// A part as the client names it when completing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CompletedPart {
    /// Its number.
    pub number: u32,
    /// Its ETag, without quotes.
    pub etag: String,
    /// Its checksum, if the client says it again.
    pub checksum: Option<(ChecksumAlgorithm, String)>,
}

/// What a client says of the object.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DeclaredObject {
    /// Its checksum; one of checksums may lack its `-N`.
    pub checksum: Option<(ChecksumAlgorithm, String)>,
    /// Whether its checksum is one of checksums.
    pub composite: Option<bool>,
    /// Its size in bytes.
    pub size: Option<u64>,
}

/// Why an upload was not completed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CompletionError {
    /// The object has another size than the client says.
    #[error("the object has {found} bytes, not {said}")]
    WrongSize {
        /// What the client says.
        said: u64,
        /// What the parts make.
        found: u64,
    },
    /// The client's checksum is by another algorithm than the upload's.
    #[error("the upload's checksum is {expected}, not {}", .said.name())]
    OtherAlgorithm {
        /// The name of the upload's.
        expected: String,
        /// The client's.
        said: ChecksumAlgorithm,
    },
    /// The client says a checksum of checksums for one of the whole object, or the other way round.
    #[error("the upload's checksum is of the other type")]
    OtherType {
        /// Whether the upload's is one of checksums.
        composite: bool,
    },
    /// The object's checksum is to be one of checksums, and the client does not say that of this part.
    #[error("the {} of part {number} is not said", .algorithm.name())]
    ChecksumMissing {
        /// Which part.
        number: u32,
        /// The upload's algorithm.
        algorithm: ChecksumAlgorithm,
    },
    /// The checksum that the client says of this part is not the upload's, and not the part's either.
    #[error("part {number} has another {}", .algorithm.name())]
    PartDigest {
        /// Which part.
        number: u32,
        /// The client's algorithm.
        algorithm: ChecksumAlgorithm,
    },
    /// The parts are more than an object can have.
    #[error("the object would have {0} bytes")]
    TooLarge(u64),
    /// Everything else.
    #[error(transparent)]
    Object(#[from] ObjectError),
}

impl DeclaredObject {
    /// Whether the object is the one that the client means.
    pub(super) fn check(&self, object: &ObjectRecord) -> Result<(), CompletionError> {
        if let Some(said) = self.size.filter(|said| *said != object.size) {
            return Err(CompletionError::WrongSize { said, found: object.size });
        }
        if self.composite.is_some_and(|said| said != object.composite) {
            return Err(CompletionError::OtherType { composite: object.composite });
        }
        let Some((said, value)) = &self.checksum else {
            return Ok(());
        };
        // S3 takes a composite checksum with or without its `-N`.
        let fits = |found: &String| found == value || found.split('-').next() == Some(value);
        match object.checksums.get(said.name()) {
            Some(found) if fits(found) => Ok(()),
            Some(_) => Err(ObjectError::BadDigest(said.name().to_owned()).into()),
            None => {
                let expected = object.checksums.keys().next().cloned().unwrap_or_default();
                Err(CompletionError::OtherAlgorithm { expected, said: *said })
            }
        }
    }
}

impl CompletedPart {
    /// Whether the part that is here is the one that the client means.
    pub(super) fn check(&self, part: &PartRecord, options: &UploadOptions) -> Result<(), CompletionError> {
        if !self.etag.eq_ignore_ascii_case(&part.etag) {
            return Err(ObjectError::InvalidPart(self.number).into());
        }
        let composed_of = options.algorithm.filter(|_| options.composite);
        let Some((said, value)) = &self.checksum else {
            // Nobody else vouches for the parts of such an object.
            let missing = |algorithm| CompletionError::ChecksumMissing { number: self.number, algorithm };
            return composed_of.map_or(Ok(()), |algorithm| Err(missing(algorithm)));
        };
        let is_right = part.checksums.get(said.name()) == Some(value);
        match options.algorithm {
            Some(algorithm) if algorithm != *said && (composed_of.is_some() || !is_right) => {
                Err(CompletionError::PartDigest { number: self.number, algorithm: *said })
            }
            _ if is_right => Ok(()),
            _ => Err(ObjectError::InvalidPart(self.number).into()),
        }
    }
}

/// The bytes of all parts together.
pub(super) fn total(sizes: impl Iterator<Item = u64>) -> Result<u64, CompletionError> {
    let total = sizes.fold(0, u64::saturating_add);
    if total <= OBJECT_BYTES_MAX { Ok(total) } else { Err(CompletionError::TooLarge(total)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_as_large_as_all_parts_together() {
        let most = || (0..PART_NUMBER_MAX).map(|_| PART_BYTES_MAX);
        assert_eq!(total(most()).unwrap(), 50_000 << 30);
        assert!(matches!(total(most().chain([1])), Err(CompletionError::TooLarge(_))));
        assert!(matches!(total([u64::MAX, 2].into_iter()), Err(CompletionError::TooLarge(u64::MAX))));
    }
}
