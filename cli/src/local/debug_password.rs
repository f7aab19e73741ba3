//! `get-debug-password`.

use anyhow::{Context, Result};
use marram_ipc::Operation;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Options, block_on, client};
use crate::output::{self, Output};

pub(super) fn run(options: &Options) -> Result<()> {
    block_on(async {
        let mut nucleus = client::connect(options).await?;
        let answer = nucleus.call(Operation::CreateDebugPassword, &json!({})).await?;
        match options.output {
            Output::Text => output::line(&as_text(&answer)?)?,
            Output::Json => output::json(&answer)?,
        }
        Ok(())
    })
}

fn as_text(answer: &Value) -> Result<String> {
    let text = |member: &str| answer[member].as_str().unwrap_or_default();
    let mut lines = vec![
        format!("Username: {}", text("username")),
        format!("Password: {}", text("password")),
        format!("Password expires at: {}", expiration(&answer["passwordExpiration"])?),
    ];
    let hashes =
        [("SHA-256", text("certificateSHA256Hash")), ("SHA-1", text("certificateSHA1Hash"))];
    let mut known = hashes.iter().filter(|(_, hash)| !hash.is_empty()).peekable();
    if known.peek().is_some() {
        lines.push(
            "The local debug console is configured to use TLS security. Since its certificate is \
             self-signed, verify in the browser that its fingerprint is:"
                .to_owned(),
        );
    }
    lines.extend(known.map(|(name, hash)| format!("{name}: {hash}")));
    Ok(lines.join("\n"))
}

/// The wire has epoch seconds with a fraction (ipc 2.7).
fn expiration(seconds: &Value) -> Result<String> {
    let seconds = seconds.as_f64().context("the nucleus named no time for `passwordExpiration`")?;
    let time = OffsetDateTime::from_unix_timestamp(seconds as i64)?;
    Ok(time.format(&Rfc3339)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_printed_with_its_end_and_the_certificates_hashes() {
        let mut answer =
            json!({"username": "debug", "password": "p", "passwordExpiration": 1_700_000_000.0});
        let text = "Username: debug\nPassword: p\nPassword expires at: 2023-11-14T22:13:20Z";
        assert_eq!(as_text(&answer).unwrap(), text);
        answer["certificateSHA256Hash"] = json!("AB");
        assert!(as_text(&answer).unwrap().ends_with("\nSHA-256: AB"));
    }
}
