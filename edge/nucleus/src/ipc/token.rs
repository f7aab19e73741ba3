//! ValidateAuthorizationToken: the stream manager asks whose clients are components (ipc 4.7).

use marram_ipc::shapes::{ValidateAuthorizationTokenRequest, ValidateAuthorizationTokenResponse};
use marram_ipc::{ErrorCode, IpcError, Operation};
use marram_model::ComponentName;

use crate::supervisor::tokens::Tokens;

/// The only component that may ask: an answer is worth guessing for.
const STREAM_MANAGER: &str = "aws.greengrass.StreamManager";

/// Answers with the response's JSON; another token than a living component's is an error.
pub(super) fn validate(
    tokens: &Tokens,
    asking: &ComponentName,
    request: ValidateAuthorizationTokenRequest,
) -> Result<Vec<u8>, IpcError> {
    if asking.as_str() != STREAM_MANAGER {
        let name = Operation::ValidateAuthorizationToken.wire_name();
        let text = format!("{asking} is not authorized to perform {name}");
        return Err(IpcError::unauthorized(text));
    }
    let invalid = |text: &str| IpcError::new(ErrorCode::InvalidToken, text);
    let token = request.token.ok_or_else(|| invalid("Authentication token not found"))?;
    tokens.owner(&token).ok_or_else(|| invalid("Invalid authentication token"))?;
    Ok(ValidateAuthorizationTokenResponse { is_valid: true }.payload())
}
