//! Storage classes: what a class promises, where its bodies lie, and which may follow which.

/// S3's classes that this engine keeps. Those of other places (directory buckets, Outposts, Snow) are not
/// among them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub enum StorageClass {
    /// `STANDARD`.
    #[default]
    Standard,
    /// `REDUCED_REDUNDANCY`.
    ReducedRedundancy,
    /// `STANDARD_IA`.
    StandardIa,
    /// `INTELLIGENT_TIERING`.
    IntelligentTiering,
    /// `ONEZONE_IA`.
    OnezoneIa,
    /// `GLACIER_IR`.
    GlacierIr,
    /// `GLACIER`: read only while a restored copy is there.
    Glacier,
    /// `DEEP_ARCHIVE`: read only while a restored copy is there.
    DeepArchive,
}

impl StorageClass {
    /// All of them, as a lifecycle may step through them: warm before cold.
    pub const ALL: [Self; 8] = [
        Self::Standard,
        Self::ReducedRedundancy,
        Self::StandardIa,
        Self::IntelligentTiering,
        Self::OnezoneIa,
        Self::GlacierIr,
        Self::Glacier,
        Self::DeepArchive,
    ];

    /// S3's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::ReducedRedundancy => "REDUCED_REDUNDANCY",
            Self::StandardIa => "STANDARD_IA",
            Self::IntelligentTiering => "INTELLIGENT_TIERING",
            Self::OnezoneIa => "ONEZONE_IA",
            Self::GlacierIr => "GLACIER_IR",
            Self::Glacier => "GLACIER",
            Self::DeepArchive => "DEEP_ARCHIVE",
        }
    }

    /// The class of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    /// Whether its bodies belong in the cold tier, when there is one.
    pub fn is_cold(self) -> bool {
        match self {
            Self::Standard | Self::ReducedRedundancy | Self::IntelligentTiering => false,
            Self::StandardIa | Self::OnezoneIa | Self::GlacierIr | Self::Glacier | Self::DeepArchive => true,
        }
    }

    /// Whether a body must be restored before it can be read.
    pub fn is_archive(self) -> bool {
        matches!(self, Self::Glacier | Self::DeepArchive)
    }

    /// Whether a lifecycle may move an object of this class to `to`.
    pub fn may_become(self, to: Self) -> bool {
        !matches!(to, Self::Standard | Self::ReducedRedundancy) && self.rank() < to.rank()
    }

    /// Steps only go to a higher rank; equal ranks don't lead to one another.
    pub(crate) fn rank(self) -> u8 {
        match self {
            Self::Standard | Self::ReducedRedundancy => 0,
            Self::StandardIa => 1,
            Self::IntelligentTiering => 2,
            Self::OnezoneIa => 3,
            Self::GlacierIr => 4,
            Self::Glacier => 5,
            Self::DeepArchive => 6,
        }
    }

    /// How it stands in a record; never changes.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Standard => 0,
            Self::ReducedRedundancy => 1,
            Self::StandardIa => 2,
            Self::IntelligentTiering => 3,
            Self::OnezoneIa => 4,
            Self::GlacierIr => 5,
            Self::Glacier => 6,
            Self::DeepArchive => 7,
        }
    }

    /// The class of a record's code.
    pub(crate) fn coded(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.code() == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes_read_back() {
        for class in StorageClass::ALL {
            assert_eq!(StorageClass::named(class.name()), Some(class));
            assert_eq!(StorageClass::coded(class.code()), Some(class));
        }
        for other in ["EXPRESS_ONEZONE", "OUTPOSTS", "SNOW", "standard", ""] {
            assert_eq!(StorageClass::named(other), None, "{other}");
        }
        assert_eq!(StorageClass::coded(8), None);
    }

    #[test]
    fn lifecycles_only_step_down() {
        use StorageClass::{
            DeepArchive, Glacier, IntelligentTiering, OnezoneIa, ReducedRedundancy, Standard, StandardIa,
        };
        assert!(Standard.may_become(StandardIa));
        assert!(ReducedRedundancy.may_become(Glacier));
        assert!(StandardIa.may_become(IntelligentTiering));
        assert!(IntelligentTiering.may_become(OnezoneIa));
        assert!(Glacier.may_become(DeepArchive));
        assert!(!DeepArchive.may_become(Glacier));
        assert!(!OnezoneIa.may_become(StandardIa));
        for class in StorageClass::ALL {
            assert!(!class.may_become(class), "{class:?}");
            assert!(!class.may_become(Standard) && !class.may_become(ReducedRedundancy), "{class:?}");
        }
    }
}
