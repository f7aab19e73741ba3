//! What a component's processes find in their environment.
//!
//! Layers, each over those before (recipes-and-deployments A7.7, ipc 1.1): what the nucleus's own
//! process inherited, the component's identity, the proxy, the device, what native components
//! share, the lifecycle's `Setenv`, the step's `Setenv`. Of the inherited variables none that begins
//! with `AWS_` passes: they are the nucleus's own credentials and settings. The identity and the
//! socket cannot be overridden by a recipe.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;

use crate::config::ConfigStore;

/// Names and values.
pub type Variables = BTreeMap<String, String>;

/// The variable that marks a process as a component's, so that it is found after the nucleus was
/// killed. Its value begins with the root folder, for a machine may have several.
pub(crate) const MARK: &str = "MARRAM_COMPONENT_PROCESS";

const TOKEN: &str = "SVCUID";
const CREDENTIALS_TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const SOCKET: &str = "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH";
const SOCKET_FOR_COMPONENT: &str = "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT";

/// What no recipe may set.
const RESERVED: [&str; 5] = [TOKEN, CREDENTIALS_TOKEN, SOCKET, SOCKET_FOR_COMPONENT, MARK];

/// Folders that a component's PATH has in any case.
const SYSTEM_FOLDERS: [&str; 4] = ["/bin", "/usr/bin", "/sbin", "/usr/sbin"];

/// Variables that native components give to all processes started from now on, for example the
/// URI of the credentials endpoint. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct SharedEnvironment {
    variables: Arc<RwLock<Variables>>,
}

impl SharedEnvironment {
    /// Sets a variable for the processes that start from now on.
    pub fn set(&self, name: impl Into<String>, value: impl Into<String>) {
        let mut variables = self.variables.write().unwrap_or_else(PoisonError::into_inner);
        variables.insert(name.into(), value.into());
    }

    /// Takes a variable away from the processes that start from now on.
    pub fn remove(&self, name: &str) {
        self.variables.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// All variables now.
    pub fn get(&self) -> Variables {
        self.variables.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Everything that makes up the environment of one process.
#[derive(Debug)]
pub(crate) struct Layers<'a> {
    /// The nucleus's own environment.
    pub(crate) inherited: &'a Variables,
    /// The component's token.
    pub(crate) token: &'a str,
    /// The mark of this one process.
    pub(crate) mark: &'a str,
    /// The home folder of the user that it runs as.
    pub(crate) home: &'a Path,
    /// What [`device`] found.
    pub(crate) device: &'a Variables,
    /// What native components share.
    pub(crate) shared: &'a Variables,
    /// `Setenv` of the lifecycle, then of the step.
    pub(crate) recipe: [&'a Variables; 2],
}

impl Layers<'_> {
    /// The whole environment.
    pub(crate) fn variables(&self) -> Variables {
        let inherits = |name: &str| !name.starts_with("AWS_") && !RESERVED.contains(&name);
        let mut all: Variables = self
            .inherited
            .iter()
            .filter(|(name, _)| inherits(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        all.insert("PATH".to_owned(), component_path(self.inherited));
        all.insert("HOME".to_owned(), self.home.to_string_lossy().into_owned());
        for layer in [self.device, self.shared].into_iter().chain(self.recipe) {
            let is_recipe = self.recipe.iter().any(|recipe| std::ptr::eq(*recipe, layer));
            let allowed = layer.iter().filter(|(name, _)| {
                let refused = is_recipe && RESERVED.contains(&name.as_str());
                if refused {
                    tracing::warn!(name, "a recipe cannot set this variable");
                }
                !refused
            });
            all.extend(allowed.map(|(name, value)| (name.clone(), value.clone())));
        }
        for name in [TOKEN, CREDENTIALS_TOKEN] {
            all.insert(name.to_owned(), self.token.to_owned());
        }
        all.insert(MARK.to_owned(), self.mark.to_owned());
        all
    }
}

/// What the configuration says about the device and its connections.
pub(crate) fn device(config: &ConfigStore, ipc_socket: &Path) -> Variables {
    let text = |path: &[&str]| match config.get(path) {
        Some(Value::String(text)) => text,
        Some(Value::Bool(flag)) => flag.to_string(),
        _ => String::new(),
    };
    let nucleus = |keys: &[&str]| {
        text(&[&["services", "aws.greengrass.Nucleus", "configuration"], keys].concat())
    };
    let mut variables = Variables::new();
    let mut set = |name: &str, value: String| {
        variables.insert(name.to_owned(), value);
    };
    set("GG_ROOT_CA_PATH", text(&["system", "rootCaPath"]));
    let proxy = proxy_url(
        &nucleus(&["networkProxy", "proxy", "url"]),
        &nucleus(&["networkProxy", "proxy", "username"]),
        &nucleus(&["networkProxy", "proxy", "password"]),
    );
    if let Some(proxy) = proxy {
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            set(name, proxy.clone());
            set(&name.to_lowercase(), proxy.clone());
        }
        let direct = match nucleus(&["networkProxy", "noProxyAddresses"]) {
            addresses if addresses.is_empty() => "localhost".to_owned(),
            addresses => format!("localhost,{addresses}"),
        };
        set("no_proxy", direct.clone());
        set("NO_PROXY", direct);
    }
    set("AWS_IOT_THING_NAME", text(&["system", "thingName"]));
    let region = nucleus(&["awsRegion"]);
    set("AWS_REGION", region.clone());
    set("AWS_DEFAULT_REGION", region);
    set("GGC_VERSION", text(&["services", "aws.greengrass.Nucleus", "version"]));
    let fips = nucleus(&["fipsMode"]).eq_ignore_ascii_case("true").to_string();
    set("AWS_USE_FIPS_ENDPOINT", fips.clone());
    set("AWS_GG_FIPS_MODE", fips);
    let socket = match text(&["system", "ipcSocketPath"]) {
        configured if configured.is_empty() => ipc_socket.to_string_lossy().into_owned(),
        configured => configured,
    };
    set(SOCKET, socket.clone());
    set(SOCKET_FOR_COMPONENT, socket);
    variables
}

/// The proxy's URL with its credentials, unless it already carries some.
fn proxy_url(url: &str, username: &str, password: &str) -> Option<String> {
    if url.is_empty() {
        return None;
    }
    match url.split_once("://") {
        Some((scheme, rest)) if !username.is_empty() && !rest.contains('@') => {
            Some(format!("{scheme}://{username}:{password}@{rest}"))
        }
        _ => Some(url.to_owned()),
    }
}

/// The PATH of components: the nucleus's own, and the system's folders in any case.
pub(super) fn component_path(inherited: &Variables) -> String {
    let path = inherited.get("PATH").map_or("", |path| path);
    let mut folders: Vec<&str> = path.split(':').filter(|folder| !folder.is_empty()).collect();
    for folder in SYSTEM_FOLDERS {
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders.join(":")
}

#[cfg(test)]
mod tests;
