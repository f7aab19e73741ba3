use std::collections::VecDeque;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use marram_recipe::{Format, Strictness};
use serde_json::{Value, json};

use super::*;
use crate::packages::Metadata;
use crate::packages::source::{ArtifactBody, BoxFuture, OpenArtifact};
use crate::paths::NucleusPaths;

/// What a fake source does when it is asked.
#[derive(Debug, Clone)]
enum Behaviour {
    /// Sends these bytes, from where it was asked to.
    Send(Vec<u8>),
    /// Sends the beginning of these bytes, then breaks off.
    BreakAfter(Vec<u8>, usize),
    /// Sends all of these bytes whatever was asked.
    SendFromStart(Vec<u8>),
    /// Says that so many bytes will come; they must not be asked for.
    Announce(u64),
    /// Begins to send, and nothing comes.
    Hang(Vec<u8>),
    /// Fails.
    Fail { is_transient: bool },
}

/// Behaves as told, the last behaviour again and again, and keeps what it was asked.
#[derive(Debug, Clone)]
struct FakeSource {
    behaviours: Arc<Mutex<VecDeque<Behaviour>>>,
    asked: Arc<Mutex<Vec<ArtifactRequest>>>,
}

impl FakeSource {
    fn new(behaviours: impl IntoIterator<Item = Behaviour>) -> Self {
        Self {
            behaviours: Arc::new(Mutex::new(behaviours.into_iter().collect())),
            asked: Arc::default(),
        }
    }

    fn asked(&self) -> Vec<ArtifactRequest> {
        self.asked.lock().unwrap().clone()
    }
}

fn failure(is_transient: bool) -> FetchArtifact {
    FetchArtifact {
        is_transient,
        codes: vec![ErrorCode::S3Error, ErrorCode::S3ServerError],
        source: "the fake source fails".into(),
    }
}

impl ArtifactSource for FakeSource {
    fn open<'a>(
        &'a self,
        request: &'a ArtifactRequest,
    ) -> BoxFuture<'a, Result<OpenArtifact, FetchArtifact>> {
        self.asked.lock().unwrap().push(request.clone());
        let mut behaviours = self.behaviours.lock().unwrap();
        let behaviour = behaviours.pop_front().unwrap();
        if behaviours.is_empty() {
            behaviours.push_back(behaviour.clone());
        }
        let from = request.from_byte as usize;
        let (bytes, starts_at, breaks_at) = match behaviour {
            Behaviour::Send(bytes) => (bytes, from, None),
            Behaviour::BreakAfter(bytes, at) => (bytes, from, Some(at)),
            Behaviour::SendFromStart(bytes) => (bytes, 0, None),
            Behaviour::Announce(bytes) => {
                let body = Box::new(Untouched);
                let open = OpenArtifact { starts_at: 0, total_bytes: Some(bytes), body };
                return Box::pin(async move { Ok(open) });
            }
            Behaviour::Hang(bytes) => {
                let total_bytes = Some(bytes.len() as u64);
                let open =
                    OpenArtifact { starts_at: from as u64, total_bytes, body: Box::new(Silent) };
                return Box::pin(async move { Ok(open) });
            }
            Behaviour::Fail { is_transient } => {
                return Box::pin(async move { Err(failure(is_transient)) });
            }
        };
        let total_bytes = Some(bytes.len() as u64);
        let end = breaks_at.unwrap_or(bytes.len());
        let pieces = bytes[starts_at.min(end)..end].chunks(3).map(Bytes::copy_from_slice);
        let body = FakeBody { pieces: pieces.collect(), breaks: breaks_at.is_some() };
        let open = OpenArtifact { starts_at: starts_at as u64, total_bytes, body: Box::new(body) };
        Box::pin(async move { Ok(open) })
    }
}

#[derive(Debug)]
struct FakeBody {
    pieces: VecDeque<Bytes>,
    breaks: bool,
}

impl ArtifactBody for FakeBody {
    fn chunk(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, FetchArtifact>> {
        let next = match self.pieces.pop_front() {
            None if self.breaks => Err(failure(true)),
            piece => Ok(piece),
        };
        Box::pin(async move { next })
    }
}

/// A body that nobody may read.
#[derive(Debug)]
struct Untouched;

impl ArtifactBody for Untouched {
    fn chunk(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, FetchArtifact>> {
        panic!("the body is read although it does not fit")
    }
}

/// A body that never comes.
#[derive(Debug)]
struct Silent;

impl ArtifactBody for Silent {
    fn chunk(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, FetchArtifact>> {
        Box::pin(std::future::pending())
    }
}

fn sha256(bytes: &[u8]) -> String {
    STANDARD.encode(ring::digest::digest(&ring::digest::SHA256, bytes))
}

fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

struct Device {
    _dir: tempfile::TempDir,
    paths: NucleusPaths,
    store: PackageStore,
    settings: PrepareSettings,
}

impl Device {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let paths = NucleusPaths::new(dir.path());
        let store = PackageStore::open(&paths).unwrap();
        let retry = RetryPolicy {
            interval: Duration::from_millis(2),
            digest_attempts: 3,
            network_attempts: Some(4),
        };
        let settings = PrepareSettings { retry, ..PrepareSettings::default() };
        Self { _dir: dir, paths, store, settings }
    }

    /// Prepares component `a` 1.0.0 with one artifact.
    async fn prepare(&self, artifact: Value, source: &FakeSource) -> Result<(), PrepareArtifacts> {
        let text = json!({
            "RecipeFormatVersion": "2020-01-25", "ComponentName": "a", "ComponentVersion": "1.0.0",
            "Manifests": [{"Artifacts": [artifact]}],
        })
        .to_string();
        let recipe =
            marram_recipe::parse(text.as_bytes(), Format::Json, Strictness::Device).unwrap();
        let metadata = Metadata { component_version_arn: Some("arn:a".into()) };
        self.store.save_recipe(&recipe, &metadata).unwrap();
        let manifest = &recipe.manifests[0];
        self.store.prepare_artifacts(&recipe, manifest, source, &self.settings).await
    }

    fn artifact(&self, name: &str) -> PathBuf {
        self.paths.artifacts_root().join("a/1.0.0").join(name)
    }

    fn unarchived(&self, name: &str) -> PathBuf {
        self.paths.unarchived_root().join("a/1.0.0").join(name)
    }
}

fn artifact(bytes: &[u8]) -> Value {
    json!({"Uri": "greengrass:id/x.bin", "Digest": sha256(bytes), "Algorithm": "SHA-256"})
}

fn codes(result: Result<(), PrepareArtifacts>) -> Vec<ErrorCode> {
    result.unwrap_err().error_codes()
}

#[tokio::test]
async fn an_artifact_is_fetched_once_and_gets_its_mode() {
    let device = Device::new();
    let source = FakeSource::new([Behaviour::Send(b"content".to_vec())]);
    device.prepare(artifact(b"content"), &source).await.unwrap();
    device.prepare(artifact(b"content"), &source).await.unwrap();
    assert_eq!(source.asked().len(), 1);
    assert_eq!(source.asked()[0].component_arn.as_deref(), Some("arn:a"));
    let path = device.artifact("x.bin");
    assert_eq!(std::fs::read(&path).unwrap(), b"content");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, mode_of(Permission::default(), marram_os::user::is_root()));
}

#[tokio::test]
async fn a_broken_download_goes_on_where_it_broke() {
    let device = Device::new();
    let bytes = b"0123456789".to_vec();
    let source =
        FakeSource::new([Behaviour::BreakAfter(bytes.clone(), 6), Behaviour::Send(bytes.clone())]);
    device.prepare(artifact(&bytes), &source).await.unwrap();
    let offsets: Vec<u64> = source.asked().iter().map(|request| request.from_byte).collect();
    assert_eq!(offsets, [0, 6]);
    assert_eq!(std::fs::read(device.artifact("x.bin")).unwrap(), bytes);
}

#[tokio::test]
async fn a_source_that_cannot_resume_starts_over() {
    let device = Device::new();
    let bytes = b"0123456789".to_vec();
    let source = FakeSource::new([
        Behaviour::BreakAfter(bytes.clone(), 6),
        Behaviour::SendFromStart(bytes.clone()),
    ]);
    device.prepare(artifact(&bytes), &source).await.unwrap();
    assert_eq!(std::fs::read(device.artifact("x.bin")).unwrap(), bytes);
}

#[tokio::test]
async fn a_refused_range_starts_over() {
    let device = Device::new();
    let bytes = b"0123456789".to_vec();
    let source = FakeSource::new([
        Behaviour::BreakAfter(bytes.clone(), 6),
        Behaviour::Fail { is_transient: false },
        Behaviour::Send(bytes.clone()),
    ]);
    device.prepare(artifact(&bytes), &source).await.unwrap();
    let offsets: Vec<u64> = source.asked().iter().map(|request| request.from_byte).collect();
    assert_eq!(offsets, [0, 6, 0]);
}

#[tokio::test]
async fn engine_digest_mismatch_ends_in_artifact_checksum_mismatch() {
    let device = Device::new();
    let source = FakeSource::new([Behaviour::Send(b"other".to_vec())]);
    let result = device.prepare(artifact(b"content"), &source).await;
    assert_eq!(
        codes(result),
        [ErrorCode::ArtifactDownloadError, ErrorCode::ArtifactChecksumMismatch]
    );
    assert_eq!(source.asked().len(), 3, "one for each attempt of the policy");
    assert!(!device.artifact("x.bin").exists(), "what is wrong must not look installed");
}

#[tokio::test]
async fn a_wrong_file_is_replaced() {
    let device = Device::new();
    let source = FakeSource::new([Behaviour::Send(b"content".to_vec())]);
    device.prepare(artifact(b"content"), &source).await.unwrap();
    std::fs::remove_file(device.artifact("x.bin")).unwrap();
    std::fs::write(device.artifact("x.bin"), b"spoiled").unwrap();
    device.prepare(artifact(b"content"), &source).await.unwrap();
    assert_eq!(std::fs::read(device.artifact("x.bin")).unwrap(), b"content");
}

#[tokio::test]
async fn the_network_is_tried_again_and_a_refusal_is_not() {
    let device = Device::new();
    let source = FakeSource::new([Behaviour::Fail { is_transient: true }]);
    let result = device.prepare(artifact(b"x"), &source).await;
    assert_eq!(
        codes(result),
        [ErrorCode::ArtifactDownloadError, ErrorCode::S3Error, ErrorCode::S3ServerError]
    );
    assert_eq!(source.asked().len(), 4);
    let source = FakeSource::new([Behaviour::Fail { is_transient: false }]);
    device.prepare(artifact(b"x"), &source).await.unwrap_err();
    assert_eq!(source.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pause_between_attempts_can_be_cancelled() {
    let mut device = Device::new();
    device.settings.retry = RetryPolicy::default();
    let source = FakeSource::new([Behaviour::Fail { is_transient: true }]);
    let preparing = device.prepare(artifact(b"x"), &source);
    assert!(tokio::time::timeout(Duration::from_secs(600), preparing).await.is_err());
    let attempts = source.asked().len();
    assert!((14..=30).contains(&attempts), "{attempts} attempts in ten minutes");
}

/// The reason for which something was refused, and that it is the disk's fault.
fn no_room(result: Result<(), PrepareArtifacts>) -> String {
    let error = result.unwrap_err();
    let full = [ErrorCode::ComponentPackageLoadingError, ErrorCode::DiskSpaceCritical];
    assert_eq!(error.error_codes(), full);
    error.cause.to_string()
}

#[tokio::test]
async fn a5_3_limits_of_store_and_disk_are_kept() {
    let mut device = Device::new();
    device.settings.max_store_bytes = 5;
    let source = FakeSource::new([Behaviour::Send(b"123456".to_vec())]);
    let reason = no_room(device.prepare(artifact(b"123456"), &source).await);
    assert!(reason.contains("6 bytes") && reason.contains("(5)"), "{reason}");
    let free = marram_os::disk::free_bytes(device._dir.path()).unwrap();
    // The server's size counts before the first byte of it is taken.
    let reserve = free / 2;
    device.settings = PrepareSettings { min_free_bytes: reserve, ..PrepareSettings::default() };
    device.settings.max_store_bytes = u64::MAX;
    let huge = FakeSource::new([Behaviour::Announce(free)]);
    let reason = no_room(device.prepare(artifact(b"1"), &huge).await);
    assert!(reason.contains(&format!("{free} bytes")), "{reason}");
    assert!(reason.contains(&format!("{reserve} must stay")), "{reason}");
    let left = std::fs::read_dir(device.artifact("")).unwrap().count();
    assert_eq!(left, 0, "nothing was written");
    // Without the reserve nobody is asked at all.
    device.settings.min_free_bytes = u64::MAX;
    no_room(device.prepare(artifact(b"1"), &huge).await);
    assert_eq!(huge.asked().len(), 1);
}

#[tokio::test]
async fn a5_3_everything_in_the_store_counts() {
    let mut device = Device::new();
    let source = FakeSource::new([Behaviour::Send(vec![b'x'; 500])]);
    let other = device.paths.unarchived_root().join("other/1.0.0/app/data");
    std::fs::create_dir_all(other.parent().unwrap()).unwrap();
    std::fs::write(&other, vec![0; 20_000]).unwrap();
    device.settings.max_store_bytes = 20_000;
    let reason = no_room(device.prepare(artifact(&[b'x'; 500]), &source).await);
    assert!(reason.contains("500 bytes"), "{reason}");
    std::fs::remove_file(&other).unwrap();
    device.prepare(artifact(&[b'x'; 500]), &source).await.unwrap();

    let bytes = zip(&[("data", &[0; 30_000])]);
    let archive = json!({"Uri": "s3://b/app.zip", "Unarchive": "ZIP", "Digest": sha256(&bytes),
                         "Algorithm": "SHA-256"});
    let source = FakeSource::new([Behaviour::Send(bytes)]);
    let unpacked = device.prepare(archive, &source).await;
    assert_eq!(codes(unpacked), [ErrorCode::IoError, ErrorCode::IoUnzipError]);
}

#[tokio::test]
async fn a_download_that_was_cut_off_by_a_restart_goes_on_where_it_was() {
    let device = Device::new();
    let bytes = b"0123456789".to_vec();
    let source =
        FakeSource::new([Behaviour::BreakAfter(bytes.clone(), 4), Behaviour::Hang(bytes.clone())]);
    let preparing = device.prepare(artifact(&bytes), &source);
    assert!(tokio::time::timeout(Duration::from_millis(200), preparing).await.is_err());
    let again = Device { store: PackageStore::open(&device.paths).unwrap(), ..device };
    let source = FakeSource::new([Behaviour::Send(bytes.clone())]);
    again.prepare(artifact(&bytes), &source).await.unwrap();
    assert_eq!(source.asked()[0].from_byte, 4);
    assert_eq!(std::fs::read(again.artifact("x.bin")).unwrap(), bytes);
}

#[tokio::test]
async fn recipes_that_cannot_be_served_are_refused_at_once() {
    let device = Device::new();
    let source = FakeSource::new([Behaviour::Send(Vec::new())]);
    for (artifact, code) in [
        (json!({"Uri": "https://host/x"}), ErrorCode::UnsupportedArtifactScheme),
        (json!({"Uri": "greengrass:x"}), ErrorCode::RecipeMissingArtifactHashAlgorithm),
        (
            json!({"Uri": "greengrass:x", "Algorithm": "CRC32", "Digest": "x"}),
            ErrorCode::HashingAlgorithmUnavailable,
        ),
    ] {
        assert_eq!(codes(device.prepare(artifact, &source).await).last(), Some(&code));
    }
    assert!(source.asked().is_empty());
}

#[tokio::test]
async fn an_archive_is_unpacked_once_and_again_when_it_changed() {
    let device = Device::new();
    let archive = |bytes: &[u8]| {
        json!({"Uri": "s3://b/dir/app.zip", "Unarchive": "ZIP", "Digest": sha256(bytes),
               "Algorithm": "SHA-256", "Permission": {"Read": "ALL", "Execute": "ALL"}})
    };
    let first = zip(&[("main.py", b"1"), ("old.py", b"1")]);
    let source = FakeSource::new([Behaviour::Send(first.clone())]);
    device.prepare(archive(&first), &source).await.unwrap();
    let main = device.unarchived("app/main.py");
    let mode = std::fs::metadata(&main).unwrap().permissions().mode() & 0o577;
    assert_eq!(mode & 0o555, 0o555);

    // What a component put there is its own affair: unpacking again would remove it.
    std::fs::write(device.unarchived("app/mine"), b"x").unwrap();
    device.prepare(archive(&first), &source).await.unwrap();
    assert!(device.unarchived("app/mine").exists());

    let second = zip(&[("main.py", b"2")]);
    let source = FakeSource::new([Behaviour::Send(second.clone())]);
    device.prepare(archive(&second), &source).await.unwrap();
    assert_eq!(std::fs::read(&main).unwrap(), b"2");
    assert!(!device.unarchived("app/old.py").exists());
}

#[tokio::test]
async fn an_archive_that_cannot_be_unpacked_leaves_nothing_that_looks_unpacked() {
    let device = Device::new();
    let bytes = b"this is no archive".to_vec();
    let artifact = json!({"Uri": "s3://b/app.zip", "Unarchive": "ZIP", "Digest": sha256(&bytes),
                          "Algorithm": "SHA-256"});
    let source = FakeSource::new([Behaviour::Send(bytes)]);
    let result = device.prepare(artifact, &source).await;
    assert_eq!(codes(result), [ErrorCode::IoError, ErrorCode::IoUnzipError]);
    let left = std::fs::read_dir(device.unarchived("")).unwrap().count();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn what_a_kill_left_of_unpacking_is_removed() {
    let device = Device::new();
    let bytes = zip(&[("main.py", b"1")]);
    let artifact = json!({"Uri": "s3://b/app.zip", "Unarchive": "ZIP", "Digest": sha256(&bytes),
                          "Algorithm": "SHA-256"});
    std::fs::create_dir_all(device.unarchived(".unfinished-0-app")).unwrap();
    // A folder without its marker is not known to be complete.
    std::fs::create_dir_all(device.unarchived("app")).unwrap();
    let source = FakeSource::new([Behaviour::Send(bytes)]);
    device.prepare(artifact, &source).await.unwrap();
    assert!(device.unarchived("app/main.py").is_file());
    assert!(!device.unarchived(".unfinished-0-app").exists());
}

#[test]
fn permissions_of_the_table() {
    use Audience::{All, None, Owner};
    for (read, execute, mode) in [
        (Owner, None, 0o440),
        (All, None, 0o444),
        (None, None, 0o400),
        (None, Owner, 0o550),
        (Owner, Owner, 0o550),
        (All, Owner, 0o554),
        (None, All, 0o555),
    ] {
        assert_eq!(mode_of(Permission { read, execute }, true), mode);
        assert_eq!(mode_of(Permission { read, execute }, false), mode | 0o200);
    }
}
