//! CreateDebugPassword: a password for the local debug console.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use marram_ipc::IpcError;
use marram_ipc::encoding::Timestamp;
use marram_ipc::shapes::CreateDebugPasswordResponse;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};

use super::{ALL, Call, not_kept, respond};

const USERNAME: &str = "debug";
const PASSWORDS: [&str; 2] = ["_debugPassword", USERNAME];
const VALID_MS: i64 = 8 * 60 * 60 * 1000;

impl Call<'_> {
    pub(super) async fn create_debug_password(&self) -> Result<Vec<u8>, IpcError> {
        self.authorize(ALL)?;
        let password = random_password()?;
        let now_ms = self.backend.clock.now_ms();
        let expiration_ms = now_ms.saturating_add(VALID_MS);
        let [root, user] = PASSWORDS;
        let path = [root, user, password.as_str(), "expiration"];
        let config = &self.backend.config;
        config
            .change(|tx| tx.replace(&path, &json!(expiration_ms), now_ms))
            .await
            .map_err(not_kept)?;
        Ok(respond(&CreateDebugPasswordResponse {
            password,
            username: USERNAME.to_owned(),
            password_expiration: Timestamp { ms: expiration_ms },
            certificate_sha256_hash: self.certificate("SHA-256"),
            certificate_sha1_hash: self.certificate("SHA-1"),
        }))
    }

    fn certificate(&self, algorithm: &str) -> Option<String> {
        let hash = self.backend.config.get(&["_certificateFingerprint", algorithm]);
        hash.as_ref().and_then(Value::as_str).map(str::to_owned)
    }
}

/// Base64url of the SHA-256 of 32 random bytes: 43 characters.
fn random_password() -> Result<String, IpcError> {
    let mut bytes = [0; 32];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| IpcError::service("the system's random source failed"))?;
    Ok(URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, &bytes)))
}
