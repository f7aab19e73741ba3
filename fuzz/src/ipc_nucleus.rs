//! Requests of a person, with the token of `greengrass-cli`, to a whole nucleus over its socket.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use marram_nucleus::{Nucleus, NucleusSettings};
use marram_os::clock::SystemClock;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::ipc_client;

thread_local! {
    static DEVICE: RefCell<Device> = RefCell::new(Device::start());
}

pub(crate) fn run(data: &[u8]) {
    let requests = ipc_client::requests(data);
    DEVICE.with_borrow(|device| {
        device.runtime.block_on(ipc_client::ask(&device.socket, &device.token, &requests));
    });
}

struct Device {
    runtime: Runtime,
    _nucleus: Nucleus,
    socket: PathBuf,
    token: String,
    _root: TempDir,
}

impl Device {
    fn start() -> Self {
        let root = tempfile::tempdir().expect("a root folder");
        let runtime = ipc_client::runtime();
        let settings = NucleusSettings {
            root: root.path().to_owned(),
            program: marram_nucleus::Program::fixed(),
            init: None,
            natives: Vec::new(),
            clock: SystemClock::shared(),
            inherited: BTreeMap::new(),
        };
        let nucleus = runtime.block_on(Nucleus::start(settings)).expect("a nucleus");
        let (socket, token) = (nucleus.ipc_socket().to_owned(), token(root.path()));
        Self { runtime, _nucleus: nucleus, socket, token, _root: root }
    }
}

/// The token that the nucleus leaves for its own user.
fn token(root: &Path) -> String {
    let file = std::fs::read_dir(root.join("cli_ipc_info"))
        .expect("the folder of tokens")
        .flatten()
        .next()
        .expect("a token file");
    let text = std::fs::read(file.path()).expect("the token file");
    let json: Value = serde_json::from_slice(&text).expect("JSON");
    json["cli_auth_token"].as_str().expect("a token").to_owned()
}
