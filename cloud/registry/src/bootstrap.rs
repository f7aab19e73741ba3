//! Opening the registry: the account and its first keys, made once and then kept.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use marram_aws::ApiError;
use marram_aws::sigv4::Credentials;
use marram_model::arn::Account;
use marram_os::clock::SharedClock;
use marram_store::{AccessKey, AgePosition, Store, StoreError, Tx};
use marram_tls::Authority;
use tokio::sync::broadcast;

use crate::access_keys::{new_access_key_id, new_secret};
use crate::identity::Identities;
use crate::registry::{CHANGES, Inner, Registry};
use crate::roles::imply_role;
use crate::sealing::{NoRandom, OpenSealingKey, SealingKey, Unseal, random};

const DEFAULT_REGION: &str = "us-east-1";
const PARTITION: &str = "aws";
const KEY_FILE: &str = "secrets.key";

const ACCOUNT_ID: &str = "account_id";
const REGION: &str = "region";
pub(crate) const ROOT_KEY: &str = "root_access_key_id";
const ROLES_IMPLIED: &str = "roles_implied";
const SYSTEM_KEY: &str = "system_access_key_id";

/// What [`Registry::open`] needs.
#[derive(Debug)]
pub struct RegistrySettings {
    /// Where everything is kept.
    pub store: Store,
    /// Signs device certificates.
    pub authority: Arc<Authority>,
    /// Says what time it is.
    pub clock: SharedClock,
    /// Where the key file `secrets.key` lies; must exist.
    pub directory: PathBuf,
    /// Twelve digits; made at random at the first start when absent.
    pub account_id: Option<String>,
    /// `us-east-1` at the first start when absent.
    pub region: Option<String>,
}

/// Why the registry could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenRegistry {
    /// The key to the secrets.
    #[error("cannot open the key to the secrets")]
    SealingKey(#[source] OpenSealingKey),
    /// The store failed.
    #[error("cannot read or write the registry's settings")]
    Store(#[from] StoreError),
    /// A setting that all ARNs carry was changed.
    #[error(
        "`{name}` is `{given}`, but this cloud was made with `{kept}` and every device carries \
         it: set it back, or start a new cloud in another data directory"
    )]
    Changed {
        /// The setting.
        name: &'static str,
        /// Its value now.
        given: String,
        /// Its value since the first start.
        kept: String,
    },
    /// The account id is not twelve digits.
    #[error("`account_id` is `{0}`: use twelve digits")]
    AccountId(String),
    /// The region cannot stand in an ARN.
    #[error("`region` is `{0}`: use lower-case letters, digits and `-`, for example eu-west-1")]
    Region(String),
    /// A setting names an access key that is not there.
    #[error("the access key `{0}` is gone from the database: restore it from the backup")]
    KeyGone(String),
    /// A role alias's role could not be made.
    #[error("cannot make the role of a role alias")]
    ImplyRole(#[source] Box<ApiError>),
    /// A secret cannot be decrypted.
    #[error("the key file and the database do not belong together: {0}")]
    Unseal(String),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random,
}

impl From<NoRandom> for OpenRegistry {
    fn from(_: NoRandom) -> Self {
        Self::Random
    }
}

impl From<Unseal> for OpenRegistry {
    fn from(error: Unseal) -> Self {
        Self::Unseal(error.to_string())
    }
}

impl Registry {
    /// Opens the registry; at the first start it makes the account, the root key and the key
    /// with which the cloud itself signs.
    ///
    /// # Errors
    /// The store or the key file cannot be used, or the account or region differ from those of
    /// the first start.
    pub async fn open(settings: RegistrySettings) -> Result<Self, OpenRegistry> {
        let mut tx = settings.store.begin().await?;
        let is_first_start = tx.setting(ROOT_KEY).await?.is_none();
        let sealing = SealingKey::open(&settings.directory.join(KEY_FILE), is_first_start)
            .map_err(OpenRegistry::SealingKey)?;
        let account = account(&mut tx, settings.account_id, settings.region).await?;
        let now_ms = settings.clock.now_ms();
        let root = format!("arn:{PARTITION}:iam::{}:root", account.account_id);
        let root_key = access_key(&mut tx, &sealing, ROOT_KEY, root, now_ms).await?;
        let system = format!("arn:{PARTITION}:iam::{}:user/marram-system", account.account_id);
        let system_key = access_key(&mut tx, &sealing, SYSTEM_KEY, system, now_ms).await?;
        imply_roles_of_older_aliases(&mut tx, &account, now_ms).await?;
        tx.commit().await?;
        let inner = Inner {
            store: settings.store,
            authority: settings.authority,
            clock: settings.clock,
            account,
            sealing,
            root_key,
            system_key,
            identities: Identities::default(),
            changes: broadcast::Sender::new(CHANGES),
            endpoints: OnceLock::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }
}

/// Aliases are older than roles: those that a store of that time holds get theirs, once.
async fn imply_roles_of_older_aliases(
    tx: &mut Tx,
    account: &Account,
    now_ms: i64,
) -> Result<(), OpenRegistry> {
    if tx.setting(ROLES_IMPLIED).await?.is_some() {
        return Ok(());
    }
    for alias in tx.role_aliases_from(&AgePosition::oldest(), true, i64::MAX).await? {
        match imply_role(tx, account, &alias.role_arn, now_ms).await {
            // They were not checked then.
            Err(error) if error.status < 500 => {
                tracing::warn!(alias = alias.name, %error, "a role alias gives no permission");
            }
            made => made.map_err(|error| OpenRegistry::ImplyRole(Box::new(error)))?,
        }
    }
    Ok(tx.put_setting(ROLES_IMPLIED, "1").await?)
}

async fn account(
    tx: &mut Tx,
    account_id: Option<String>,
    region: Option<String>,
) -> Result<Account, OpenRegistry> {
    if let Some(id) = account_id.as_ref().filter(|id| !is_account_id(id)) {
        return Err(OpenRegistry::AccountId(id.clone()));
    }
    if let Some(region) = region.as_ref().filter(|region| !is_region(region)) {
        return Err(OpenRegistry::Region(region.clone()));
    }
    let account_id = kept(tx, ACCOUNT_ID, account_id, random_account_id).await?;
    let region = kept(tx, REGION, region, || Ok(DEFAULT_REGION.to_owned())).await?;
    Ok(Account { partition: PARTITION.to_owned(), region, account_id })
}

/// A setting that keeps the value it got at the first start.
async fn kept(
    tx: &mut Tx,
    name: &'static str,
    given: Option<String>,
    default: impl FnOnce() -> Result<String, OpenRegistry>,
) -> Result<String, OpenRegistry> {
    match (tx.setting(name).await?, given) {
        (Some(kept), Some(given)) if kept != given => {
            Err(OpenRegistry::Changed { name, given, kept })
        }
        (Some(kept), _) => Ok(kept),
        (None, given) => {
            let value = given.map_or_else(default, Ok)?;
            tx.put_setting(name, &value).await?;
            Ok(value)
        }
    }
}

/// The access key that `setting` names, made if it names none.
async fn access_key(
    tx: &mut Tx,
    sealing: &SealingKey,
    setting: &'static str,
    principal: String,
    now_ms: i64,
) -> Result<Credentials, OpenRegistry> {
    if let Some(id) = tx.setting(setting).await? {
        let Some(key) = tx.access_key(&id).await? else { return Err(OpenRegistry::KeyGone(id)) };
        let secret_access_key = sealing.unseal(&id, &key.sealed_secret)?;
        return Ok(Credentials { access_key_id: id, secret_access_key, session_token: None });
    }
    let id = new_access_key_id("AKIA")?;
    let secret = new_secret()?;
    tx.insert_access_key(&AccessKey {
        access_key_id: id.clone(),
        principal,
        sealed_secret: sealing.seal(&id, &secret)?,
        policy_json: None,
        is_active: true,
        created_at_ms: now_ms,
    })
    .await?;
    tx.put_setting(setting, &id).await?;
    Ok(Credentials { access_key_id: id, secret_access_key: secret, session_token: None })
}

fn random_account_id() -> Result<String, OpenRegistry> {
    let number = u64::from_le_bytes(random()?);
    // Never a leading zero: spreadsheets and shells drop it.
    Ok((100_000_000_000 + number % 900_000_000_000).to_string())
}

fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_region(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}
