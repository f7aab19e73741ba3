//! An artifact that comes in pieces: over sockets, from the presigned URL into the store.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marram_recipe::{Format, Recipe, Strictness};
use serde_json::json;

use super::*;
use crate::packages::{Metadata, PackageStore, PrepareSettings, RetryPolicy};
use crate::paths::NucleusPaths;

/// How much of what was asked for a connection sends before it breaks off.
#[derive(Clone, Copy)]
enum Sends {
    /// So many bytes.
    Bytes(usize),
    /// So many bytes, and then nothing more without closing.
    BytesAndHangs(usize),
    /// All.
    All,
}

/// Serves `content` once for each of `script`; gives its URL and the ranges it was asked for.
fn serve(content: Vec<u8>, script: Vec<Sends>) -> (String, Arc<Mutex<Vec<Option<usize>>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/file.bin", listener.local_addr().unwrap());
    let ranges = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&ranges);
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for sends in script {
            let (mut stream, _) = listener.accept().unwrap();
            let from = requested_range(&mut stream);
            kept.lock().unwrap().push(from);
            let (start, end) = (from.unwrap_or(0), content.len());
            let head = match from {
                None => "200 OK\r\n".to_owned(),
                Some(_) => format!(
                    "206 Partial Content\r\nContent-Range: bytes {start}-{}/{end}\r\n",
                    end - 1
                ),
            };
            let length = end - start;
            let head =
                format!("HTTP/1.1 {head}Content-Length: {length}\r\nConnection: close\r\n\r\n");
            let count = match sends {
                Sends::Bytes(count) | Sends::BytesAndHangs(count) => count,
                Sends::All => length,
            };
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(&content[start..start + count]).unwrap();
            if matches!(sends, Sends::BytesAndHangs(_)) {
                held.push(stream);
            }
        }
    });
    (url, ranges)
}

/// Where the request's `Range: bytes=FROM-` begins.
fn requested_range(stream: &mut TcpStream) -> Option<usize> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let range = head.split("range: bytes=").nth(1)?;
    range.split('-').next()?.parse().ok()
}

fn recipe(content: &[u8]) -> Recipe {
    let digest = STANDARD.encode(ring::digest::digest(&ring::digest::SHA256, content));
    let artifact =
        json!({"Uri": "greengrass:id/file.bin", "Digest": digest, "Algorithm": "SHA-256"});
    let text = json!({
        "RecipeFormatVersion": "2020-01-25", "ComponentName": "a", "ComponentVersion": "1.0.0",
        "Manifests": [{"Artifacts": [artifact]}],
    });
    marram_recipe::parse(text.to_string().as_bytes(), Format::Json, Strictness::Device).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a5_3_a_download_goes_on_by_range_after_a_break_and_a_restart() {
    let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let script = vec![Sends::Bytes(100_000), Sends::BytesAndHangs(200_000), Sends::All];
    let (url, ranges) = serve(content.clone(), script);
    let answer: &'static str = Box::leak(json!({"preSignedUrl": url}).to_string().into_boxed_str());
    let (_server, plane) = plane(&Script::new(&[(200, answer); 3])).await;

    let folder = tempfile::tempdir().unwrap();
    let paths = NucleusPaths::new(folder.path());
    let recipe = recipe(&content);
    let retry = RetryPolicy { interval: Duration::from_millis(2), ..RetryPolicy::default() };
    let settings = PrepareSettings { retry, ..PrepareSettings::default() };
    let prepare = async || {
        let store = PackageStore::open(&paths).unwrap();
        let metadata = Metadata { component_version_arn: Some("arn:a".to_owned()) };
        store.save_recipe(&recipe, &metadata).unwrap();
        store.prepare_artifacts(&recipe, &recipe.manifests[0], &plane, &settings).await
    };
    let part = paths.artifacts_root().join("a/1.0.0/.unfinished-file.bin");
    let has_come = async {
        while std::fs::metadata(&part).map_or(0, |file| file.len()) < 300_000 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let deadline = Duration::from_secs(20);
    // The first connection breaks; the second hangs until the nucleus is stopped.
    tokio::select! {
        ended = prepare() => panic!("it ended: {ended:?}"),
        come = tokio::time::timeout(deadline, has_come) => come.unwrap(),
    }
    tokio::time::timeout(deadline, prepare()).await.unwrap().unwrap();
    assert_eq!(*ranges.lock().unwrap(), [None, Some(100_000), Some(300_000)]);
    let file = paths.artifacts_root().join("a/1.0.0/file.bin");
    assert!(std::fs::read(file).unwrap() == content && !part.exists());
}
