//! The registry itself: what its operations share.

use std::fmt;
use std::sync::{Arc, OnceLock};

use marram_aws::ApiError;
use marram_aws::iot::{DescribeEndpointRequest, DescribeEndpointResponse};
use marram_aws::sigv4::Credentials;
use marram_model::arn::Account;
use marram_os::clock::SharedClock;
use marram_store::{Store, Tx};
use marram_tls::Authority;
use tokio::sync::broadcast;

use crate::change::Change;
use crate::identity::Identities;
use crate::sealing::SealingKey;

/// How many changes a slow receiver may be behind before it must look at everything again.
pub(crate) const CHANGES: usize = 1024;

/// Where devices connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// Host of MQTT and of the data plane, without a port: devices add their configured ones.
    pub data: String,
    /// Host of the credentials provider, with its port where it is not 443.
    pub credentials: String,
}

/// The registry; clones share it.
#[derive(Clone)]
pub struct Registry {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) authority: Arc<Authority>,
    pub(crate) clock: SharedClock,
    pub(crate) account: Account,
    pub(crate) sealing: SealingKey,
    pub(crate) root_key: Credentials,
    pub(crate) system_key: Credentials,
    pub(crate) identities: Identities,
    pub(crate) changes: broadcast::Sender<Change>,
    pub(crate) endpoints: OnceLock<Endpoints>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("account", &self.inner.account).finish_non_exhaustive()
    }
}

impl Registry {
    /// The account, region and partition of all ARNs.
    pub fn account(&self) -> &Account {
        &self.inner.account
    }

    /// The key of the people who run this cloud: it may do everything.
    pub fn root_key(&self) -> &Credentials {
        &self.inner.root_key
    }

    /// The key with which the cloud itself signs, for example URLs of artifacts.
    pub fn system_key(&self) -> &Credentials {
        &self.inner.system_key
    }

    /// Changes from now on. A receiver that lags more than 1,024 behind gets an error and must
    /// look at everything again.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.inner.changes.subscribe()
    }

    /// Says where devices connect to, once the listeners are bound; only the first call counts.
    pub fn set_endpoints(&self, endpoints: Endpoints) {
        if self.inner.endpoints.set(endpoints).is_err() {
            tracing::warn!("the endpoints were set a second time; the first ones stay");
        }
    }

    /// `DescribeEndpoint`.
    ///
    /// # Errors
    /// An unknown type, or the listeners are not bound yet.
    pub async fn describe_endpoint(
        &self,
        request: DescribeEndpointRequest,
    ) -> Result<DescribeEndpointResponse, ApiError> {
        let Some(endpoints) = self.inner.endpoints.get() else {
            return Err(ApiError::new(
                "ServiceUnavailableException",
                503,
                "the cloud is still starting: ask again",
            ));
        };
        let endpoint_address = match request.endpoint_type.as_deref() {
            None | Some("iot:Data" | "iot:Data-ATS" | "iot:Jobs") => &endpoints.data,
            Some("iot:CredentialProvider") => &endpoints.credentials,
            Some(other) => {
                return Err(ApiError::invalid_request(format!(
                    "`endpointType` is `{other}`: use iot:Data-ATS, iot:Data, \
                     iot:CredentialProvider or iot:Jobs"
                )));
            }
        };
        Ok(DescribeEndpointResponse { endpoint_address: endpoint_address.clone() })
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.inner.clock.now_ms()
    }

    /// Commits, loads the identities of `certificates` anew and announces `changes`. This runs to
    /// its end even when the caller goes away: a certificate whose revocation was committed must
    /// not live on because somebody closed a connection.
    pub(crate) async fn settle(
        &self,
        tx: Tx,
        certificates: Vec<String>,
        changes: impl IntoIterator<Item = Change>,
    ) -> Result<(), ApiError> {
        let registry = self.clone();
        let changes: Vec<Change> = changes.into_iter().collect();
        let settling = tokio::spawn(async move {
            tx.commit().await?;
            registry.refresh(certificates).await;
            for change in changes {
                // Nobody has to listen.
                let _ = registry.inner.changes.send(change);
            }
            Ok(())
        });
        settling.await.unwrap_or_else(|error| Err(ApiError::internal(error.to_string())))
    }
}

/// 409 when a caller expected another version of what it changes.
pub(crate) fn check_version(
    noun: &str,
    name: &str,
    expected: Option<i64>,
    actual: i64,
) -> Result<(), ApiError> {
    match expected {
        Some(expected) if expected != actual => Err(ApiError::new(
            "VersionConflictException",
            409,
            format!(
                "{noun} `{name}` has version {actual}, not the expected {expected}: \
                 describe it and try again"
            ),
        )),
        _ => Ok(()),
    }
}

/// 409 for a resource that something still hangs on.
pub(crate) fn delete_conflict(message: String) -> ApiError {
    ApiError::new("DeleteConflictException", 409, message)
}
