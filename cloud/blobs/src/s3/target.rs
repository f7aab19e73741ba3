//! What a request is about: the service, a bucket or an object, by path or by host name.

use std::net::IpAddr;

use marram_aws::ApiError;
use marram_aws::route::percent_decode;

use super::operation::Level;

/// Bucket and key; both empty for the service itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) bucket: String,
    pub(super) key: String,
}

impl Target {
    /// Reads `/<bucket>/<key>`, or `<bucket>.<host>` and `/<key>`.
    pub(super) fn parse(host: &str, path: &str, hosts: &[String]) -> Result<Self, ApiError> {
        let decode = |raw: &str| {
            percent_decode(raw)
                .map_err(|error| ApiError::new("InvalidURI", 400, format!("in the path {error}")))
        };
        let path = path.strip_prefix('/').unwrap_or(path);
        if let Some(bucket) = bucket_of_host(host, hosts) {
            return Ok(Self { bucket: bucket.to_owned(), key: decode(path)? });
        }
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        Ok(Self { bucket: decode(bucket)?, key: decode(key)? })
    }

    pub(super) fn level(&self) -> Level {
        match (self.bucket.is_empty(), self.key.is_empty()) {
            (true, _) => Level::Service,
            (false, true) => Level::Bucket,
            (false, false) => Level::Object,
        }
    }
}

/// The bucket in a virtual host's name. An address has none, and neither has a name that is
/// neither ours nor S3's: clients that are set to one use the path.
fn bucket_of_host<'h>(host: &'h str, hosts: &[String]) -> Option<&'h str> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    if name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        return None;
    }
    let ours = hosts.iter().map(String::as_str).chain(["localhost"]);
    for base in ours {
        if let Some(bucket) = name.strip_suffix(base).and_then(|rest| rest.strip_suffix('.')) {
            return Some(bucket);
        }
    }
    bucket_of_amazon_host(name)
}

/// `<bucket>.s3.<region>.amazonaws.com`, to which nucleus-lite is fixed; also `.s3-<region>.` and
/// without a region.
fn bucket_of_amazon_host(name: &str) -> Option<&str> {
    let rest =
        name.strip_suffix(".amazonaws.com").or_else(|| name.strip_suffix(".amazonaws.com.cn"))?;
    let at = rest.rmatch_indices(".s3").map(|(at, _)| at).find(|at| {
        let behind = &rest[at + ".s3".len()..];
        behind.is_empty() || behind.starts_with(['.', '-'])
    })?;
    Some(&rest[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(host: &str, path: &str) -> (String, String) {
        let target = Target::parse(host, path, &["cloud.example".to_owned()]).unwrap();
        (target.bucket, target.key)
    }

    #[test]
    fn paths_and_hosts_name_the_same_object() {
        let expected = ("bkt".to_owned(), "a/b c+d".to_owned());
        for (host, path) in [
            ("127.0.0.1:9443", "/bkt/a/b%20c+d"),
            ("[::1]:9443", "/bkt/a/b%20c%2Bd"),
            ("cloud.example", "/bkt/a/b%20c+d"),
            ("unknown.example:1", "/bkt/a%2Fb%20c+d"),
            ("bkt.cloud.example:9443", "/a/b%20c+d"),
            ("bkt.localhost:9443", "/a/b%20c+d"),
            ("bkt.s3.us-east-1.amazonaws.com", "/a/b%20c+d"),
            ("s3.us-east-1.amazonaws.com", "/bkt/a/b%20c+d"),
        ] {
            assert_eq!(parse(host, path), expected, "{host}{path}");
        }
        assert_eq!(parse("my.s3.b.s3.us-east-1.amazonaws.com", "/k").0, "my.s3.b");
    }

    #[test]
    fn levels_follow_from_what_is_named() {
        let level = |path| Target::parse("127.0.0.1", path, &[]).unwrap().level();
        assert_eq!(level("/"), Level::Service);
        assert_eq!(level("/bkt"), Level::Bucket);
        assert_eq!(level("/bkt/"), Level::Bucket);
        assert_eq!(level("/bkt//"), Level::Object);
        assert!(Target::parse("127.0.0.1", "/bkt/%ff", &[]).is_err());
    }
}
