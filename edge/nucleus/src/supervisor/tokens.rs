//! Component tokens: what a component proves its identity with over IPC and to the credentials
//! endpoint.
//!
//! A token is 16 characters of `[A-Z0-9]` from the system's random source, belongs to one instance
//! of one component, and dies with it (ipc 1.2). It is never written to disk or a log.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use marram_model::ComponentName;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::watch;

const LENGTH: usize = 16;
const ALPHABET: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// Who every living token belongs to. Clones are the same register.
#[derive(Clone, Default)]
pub struct Tokens {
    /// One token for each component; so a new one takes the place of the old.
    owners: Arc<RwLock<BTreeMap<ComponentName, String>>>,
    /// The same for people, by the identity of their token file; they are no components, so these
    /// open nothing but the IPC.
    people: Arc<RwLock<BTreeMap<String, String>>>,
    /// Marked when a component's token has died.
    deaths: watch::Sender<()>,
}

/// The system has no random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system's random source failed")]
pub struct IssueToken;

impl Tokens {
    /// Gives `component` a new token; its earlier one is worthless from now on.
    pub fn issue(&self, component: &ComponentName) -> Result<String, IssueToken> {
        let token = random_token()?;
        let mut owners = self.owners.write().unwrap_or_else(PoisonError::into_inner);
        let before = owners.insert(component.clone(), token.clone());
        drop(owners);
        if before.is_some() {
            self.deaths.send_replace(());
        }
        Ok(token)
    }

    /// Makes `component`'s token worthless.
    pub fn revoke(&self, component: &ComponentName) {
        self.owners.write().unwrap_or_else(PoisonError::into_inner).remove(component);
        self.deaths.send_replace(());
    }

    /// Tells when a component's token has died: whoever was let in with one must look again.
    pub(crate) fn deaths(&self) -> watch::Receiver<()> {
        self.deaths.subscribe()
    }

    /// The component that `token` belongs to. The time it takes says nothing about the tokens.
    pub fn owner(&self, token: &str) -> Option<ComponentName> {
        let owners = self.owners.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = None;
        for (component, known) in owners.iter() {
            if equal_in_constant_time(known.as_bytes(), token.as_bytes()) {
                found = Some(component);
            }
        }
        found.cloned()
    }
}

impl Tokens {
    /// Gives people a new token; `identity` is for example `greengrass-cli#user-0`.
    pub(crate) fn issue_cli(&self, identity: &str) -> Result<String, IssueToken> {
        let token = random_token()?;
        let mut people = self.people.write().unwrap_or_else(PoisonError::into_inner);
        people.insert(identity.to_owned(), token.clone());
        Ok(token)
    }

    /// Makes all people's tokens worthless.
    pub(crate) fn revoke_cli(&self) {
        self.people.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The people that `token` belongs to. The time it takes says nothing about the tokens.
    pub(crate) fn cli_identity(&self, token: &str) -> Option<String> {
        let people = self.people.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = None;
        for (identity, known) in people.iter() {
            if equal_in_constant_time(known.as_bytes(), token.as_bytes()) {
                found = Some(identity.clone());
            }
        }
        found
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owners = self.owners.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("Tokens").field("components", &owners.len()).finish_non_exhaustive()
    }
}

/// Compares all bytes whatever they are; lengths are no secret.
fn equal_in_constant_time(a: &[u8], b: &[u8]) -> bool {
    let difference = a.iter().zip(b).fold(0, |all, (a, b)| std::hint::black_box(all | (a ^ b)));
    a.len() == b.len() && difference == 0
}

/// Each character equally likely: bytes that would favour some are drawn again.
fn random_token() -> Result<String, IssueToken> {
    let fair = u8::MAX - u8::MAX % 36;
    let random = SystemRandom::new();
    let mut token = String::with_capacity(LENGTH);
    while token.len() < LENGTH {
        let mut bytes = [0; LENGTH];
        random.fill(&mut bytes).map_err(|_| IssueToken)?;
        let drawn = bytes.iter().filter(|byte| **byte < fair);
        token.extend(drawn.map(|byte| char::from(ALPHABET[usize::from(byte % 36)])));
    }
    token.truncate(LENGTH);
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(name: &str) -> ComponentName {
        name.parse().unwrap()
    }

    #[test]
    fn ipc_1_2_token_has_sixteen_characters_of_the_alphabet() {
        let tokens = Tokens::default();
        for _ in 0..100 {
            let token = tokens.issue(&component("a")).unwrap();
            assert_eq!(token.len(), 16);
            assert!(token.bytes().all(|byte| ALPHABET.contains(&byte)), "{token}");
        }
    }

    #[test]
    fn ipc_1_2_token_dies_with_its_instance() {
        let tokens = Tokens::default();
        let first = tokens.issue(&component("a")).unwrap();
        let other = tokens.issue(&component("b")).unwrap();
        assert_eq!(tokens.owner(&first), Some(component("a")));
        let second = tokens.issue(&component("a")).unwrap();
        assert_eq!(tokens.owner(&first), None);
        assert_eq!(tokens.owner(&second), Some(component("a")));
        tokens.revoke(&component("a"));
        assert_eq!(tokens.owner(&second), None);
        assert_eq!(tokens.owner(&other), Some(component("b")));
    }

    #[test]
    fn ipc_1_2_tokens_are_case_sensitive_and_whole() {
        let tokens = Tokens::default();
        let token = tokens.issue(&component("a")).unwrap();
        assert_eq!(tokens.owner(&token[..15]), None);
        assert_eq!(tokens.owner(&format!("{token}A")), None);
        assert_eq!(tokens.owner(""), None);
        let lower = token.to_lowercase();
        assert!(lower == token || tokens.owner(&lower).is_none());
    }

    #[test]
    fn ipc_4_9_peoples_tokens_are_no_components_and_are_revoked_together() {
        let tokens = Tokens::default();
        let token = tokens.issue_cli("greengrass-cli#user-0").unwrap();
        assert_eq!(tokens.owner(&token), None);
        assert_eq!(tokens.cli_identity(&token).as_deref(), Some("greengrass-cli#user-0"));
        tokens.revoke_cli();
        assert_eq!(tokens.cli_identity(&token), None);
    }

    #[test]
    fn debug_shows_no_token() {
        let tokens = Tokens::default();
        let token = tokens.issue(&component("a")).unwrap();
        assert!(!format!("{tokens:?}").contains(&token));
    }
}
