//! Artifact URIs: where an artifact is, and what its file is called here
//! (recipes and deployments, A5.1 and A5.2).

use marram_model::error_code::ErrorCode;

use super::source::ArtifactUri;

/// Why an artifact's URI cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseArtifactUri {
    /// Nothing at all.
    #[error("the artifact has an empty URI: write for example `s3://bucket/key`")]
    Empty,
    /// Nothing before the first colon.
    #[error("artifact URI `{0}` has no scheme: begin it with `s3://` or `greengrass:`")]
    NoScheme(String),
    /// A scheme that Greengrass does not know.
    #[error("artifact URI `{0}` has a scheme that is not supported: use `s3://` or `greengrass:`")]
    UnsupportedScheme(String),
    /// A container image.
    #[error(
        "artifact URI `{0}` needs aws.greengrass.DockerApplicationManager, which this device \
         does not have"
    )]
    Docker(String),
    /// No bucket, no key, or a key that ends in no name.
    #[error("artifact URI `{0}` is no S3 object: write `s3://bucket/key`, ending in a file name")]
    NoS3Object(String),
    /// The last segment is no safe file name.
    #[error("artifact URI `{0}` does not end in a file name: add one")]
    NoFileName(String),
}

impl ParseArtifactUri {
    pub(super) fn error_code(&self) -> ErrorCode {
        match self {
            Self::Empty => ErrorCode::EmptyArtifactUri,
            Self::NoScheme(_) => ErrorCode::EmptyArtifactScheme,
            Self::UnsupportedScheme(_) => ErrorCode::UnsupportedArtifactScheme,
            Self::Docker(_) => ErrorCode::MissingDockerApplicationManager,
            Self::NoS3Object(_) => ErrorCode::S3ArtifactUriNotValid,
            Self::NoFileName(_) => ErrorCode::ArtifactUriNotValid,
        }
    }
}

/// An artifact's address and the name of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) uri: ArtifactUri,
    pub(super) file_name: String,
}

pub(super) fn locate(text: &str) -> Result<Location, ParseArtifactUri> {
    if text.is_empty() {
        return Err(ParseArtifactUri::Empty);
    }
    let Some((scheme, rest)) = text.split_once(':') else {
        return Err(ParseArtifactUri::NoScheme(text.to_owned()));
    };
    match scheme.to_ascii_lowercase().as_str() {
        "" => Err(ParseArtifactUri::NoScheme(text.to_owned())),
        "s3" => locate_s3(rest).ok_or_else(|| ParseArtifactUri::NoS3Object(text.to_owned())),
        "greengrass" => {
            let name = rest.strip_prefix("//").unwrap_or(rest);
            let file_name =
                file_name(name).ok_or_else(|| ParseArtifactUri::NoFileName(text.to_owned()))?;
            Ok(Location { uri: ArtifactUri::Greengrass { name: name.to_owned() }, file_name })
        }
        "docker" => Err(ParseArtifactUri::Docker(text.to_owned())),
        _ => Err(ParseArtifactUri::UnsupportedScheme(text.to_owned())),
    }
}

fn locate_s3(rest: &str) -> Option<Location> {
    let (bucket, key) = rest.strip_prefix("//")?.split_once('/')?;
    if bucket.is_empty() {
        return None;
    }
    let uri = ArtifactUri::S3 { bucket: bucket.to_owned(), key: key.to_owned() };
    Some(Location { uri, file_name: file_name(key)? })
}

/// The last segment, if it is a name that stays within its folder and cannot be taken for
/// something unfinished.
fn file_name(path: &str) -> Option<String> {
    let name = path.rsplit('/').next()?;
    let is_safe = !matches!(name, "" | "." | "..")
        && !name.contains('\0')
        && !name.starts_with(super::UNFINISHED)
        && name.len() <= 255 - super::UNFINISHED.len();
    is_safe.then(|| name.to_owned())
}

/// The folder that an archive is unpacked into: its name without the last extension; a name that
/// begins with a dot is kept whole.
pub(super) fn unarchived_name(file_name: &str) -> &str {
    match file_name.rsplit_once('.') {
        Some((stem, _)) if !file_name.starts_with('.') && !stem.is_empty() => stem,
        _ => file_name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_schemes_have_their_error_codes() {
        let code = |uri: &str| locate(uri).unwrap_err().error_code();
        assert_eq!(code(""), ErrorCode::EmptyArtifactUri);
        assert_eq!(code("x.zip"), ErrorCode::EmptyArtifactScheme);
        assert_eq!(code("https://host/x"), ErrorCode::UnsupportedArtifactScheme);
        assert_eq!(code("docker:redis"), ErrorCode::MissingDockerApplicationManager);
        assert_eq!(code("s3://bucket"), ErrorCode::S3ArtifactUriNotValid);
        assert_eq!(code("s3://bucket/dir/"), ErrorCode::S3ArtifactUriNotValid);
        assert_eq!(code("greengrass:a/.."), ErrorCode::ArtifactUriNotValid);
    }

    #[test]
    fn the_file_is_named_by_the_last_segment() {
        let s3 = locate("S3://b/dir/x.zip").unwrap();
        assert_eq!(s3.file_name, "x.zip");
        assert_eq!(s3.uri, ArtifactUri::S3 { bucket: "b".into(), key: "dir/x.zip".into() });
        for uri in ["greengrass:0af1/x.py", "greengrass://0af1/x.py"] {
            let location = locate(uri).unwrap();
            assert_eq!(location.uri, ArtifactUri::Greengrass { name: "0af1/x.py".into() });
            assert_eq!(location.file_name, "x.py");
        }
    }

    #[test]
    fn archives_are_unpacked_into_their_stem() {
        assert_eq!(unarchived_name("a.zip"), "a");
        assert_eq!(unarchived_name("a.tar.gz"), "a.tar");
        assert_eq!(unarchived_name(".x.zip"), ".x.zip");
        assert_eq!(unarchived_name("plain"), "plain");
    }
}
