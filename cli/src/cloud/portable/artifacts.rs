//! Artifacts of components: where their files are, and what their digests are.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marram_aws::route::percent_decode;
use marram_aws::sigv4::sha256_hex;
use marram_recipe::Recipe;

use super::folder::segment;

/// An object in S3 that a recipe names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Object {
    pub(crate) uri: String,
    pub(crate) bucket: String,
    pub(crate) key: String,
}

impl Object {
    /// The object of `s3://BUCKET/KEY`.
    fn of(uri: &str) -> Option<Self> {
        let (bucket, key) = uri.strip_prefix("s3://")?.split_once('/')?;
        let key = percent_decode(key).ok()?;
        Some(Self { uri: uri.to_owned(), bucket: bucket.to_owned(), key })
    }

    /// Its file within the folder of its component version.
    pub(crate) fn path(&self) -> String {
        let segments = std::iter::once(self.bucket.as_str()).chain(self.key.split('/'));
        let segments: Vec<String> = segments.map(segment).collect();
        format!("artifacts/{}", segments.join("/"))
    }

    /// The path of the S3 API.
    pub(crate) fn target(&self) -> String {
        let segments = std::iter::once(self.bucket.as_str()).chain(self.key.split('/'));
        segments.map(|segment| format!("/{}", crate::aws::encoded(segment))).collect()
    }
}

/// All objects that a recipe names; images of containers are not here.
pub(crate) fn objects(recipe: &Recipe) -> BTreeSet<Object> {
    let artifacts = recipe.manifests.iter().flat_map(|manifest| &manifest.artifacts);
    artifacts.filter_map(|artifact| Object::of(&artifact.uri)).collect()
}

/// As a recipe has it.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let hex = sha256_hex(bytes);
    let pairs = hex.as_bytes().chunks_exact(2);
    let digits = |pair: &[u8]| std::str::from_utf8(pair).ok().map(str::to_owned);
    let bytes: Vec<u8> =
        pairs.filter_map(|pair| u8::from_str_radix(&digits(pair)?, 16).ok()).collect();
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_objects_file_stays_in_its_folder() {
        let object = Object::of("s3://bucket/../a//b%20c/.d").unwrap();
        assert_eq!(object.key, "../a//b c/.d");
        assert_eq!(object.path(), "artifacts/bucket/%2E./a/%2F/b%20c/%2Ed");
        assert_eq!(object.target(), "/bucket/../a//b%20c/.d");
        assert_eq!(Object::of("docker:alpine"), None);
    }

    #[test]
    fn a_digest_is_the_base64_of_sha_256() {
        assert_eq!(digest(b""), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }
}
