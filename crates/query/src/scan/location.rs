//! `s3://bucket/prefix/` locations.

use headwater_objects::BucketName;

/// A place in a bucket: the keys that begin with `prefix`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    /// The bucket.
    pub bucket: BucketName,
    /// Empty, or ends with a slash: a location is a folder, never the beginning of a name.
    pub prefix: String,
}

impl Location {
    /// Parses `s3://bucket/prefix` (also `s3a`, `s3n`); the text of the error is fit for a user.
    pub fn parse(url: &str) -> Result<Self, String> {
        let rest = ["s3://", "s3a://", "s3n://"]
            .iter()
            .find_map(|scheme| url.strip_prefix(scheme))
            .ok_or_else(|| format!("location {url:?} is not an s3:// location"))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let bucket = BucketName::new(bucket).map_err(|error| error.to_string())?;
        let mut prefix = prefix.trim_start_matches('/').to_owned();
        if !prefix.is_empty() && !prefix.ends_with('/') {
            prefix.push('/');
        }
        Ok(Self { bucket, prefix })
    }

    /// The location as a URL, ending with a slash.
    pub fn url(&self) -> String {
        format!("s3://{}/{}", self.bucket.as_str(), self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_a_folder() {
        for (url, bucket, prefix) in [
            ("s3://lake/raw", "lake", "raw/"),
            ("s3://lake/raw/", "lake", "raw/"),
            ("s3a://lake", "lake", ""),
            ("s3://lake/", "lake", ""),
        ] {
            let location = Location::parse(url).unwrap();
            assert_eq!((location.bucket.as_str(), location.prefix.as_str()), (bucket, prefix), "{url}");
        }
    }

    #[test]
    fn other_schemes_are_refused() {
        for url in ["", "lake/raw", "hdfs://lake/raw", "s3://UPPER/raw", "s3://"] {
            assert!(Location::parse(url).is_err(), "{url}");
        }
    }
}
