//! The query protocol of sts and iam: a form body in, an XML envelope out.

use crate::ApiError;
use crate::route::{BindError, parse_query};
use crate::xml::{Writer, document};

/// The namespace of STS's answers.
pub const STS_NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// One call: `Action=GetCallerIdentity&Version=2011-06-15&…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The operation's name; empty when the form has none.
    pub action: String,
    /// All other parameters but `Version`.
    pub parameters: Vec<(String, String)>,
}

impl Call {
    /// Reads a form body.
    ///
    /// # Errors
    /// Not percent-encoded UTF-8.
    pub fn parse(body: &[u8]) -> Result<Self, BindError> {
        let text = std::str::from_utf8(body)
            .map_err(|_| BindError::Encoding(String::from_utf8_lossy(body).into_owned()))?;
        let mut call = Self { action: String::new(), parameters: Vec::new() };
        for (key, value) in parse_query(text)? {
            match key.as_str() {
                "Action" => call.action = value,
                "Version" => {}
                _ => call.parameters.push((key, value)),
            }
        }
        Ok(call)
    }
}

/// `<{action}Response><{action}Result>…</…><ResponseMetadata>…</…></…>`.
pub fn response(
    action: &str,
    namespace: &str,
    request_id: &str,
    result: impl FnOnce(&mut Writer),
) -> String {
    document(&format!("{action}Response"), namespace, |envelope| {
        envelope.element(&format!("{action}Result"), result);
        envelope.element("ResponseMetadata", |metadata| metadata.text("RequestId", request_id));
    })
}

/// The error envelope.
pub fn error_response(error: &ApiError, namespace: &str, request_id: &str) -> String {
    document("ErrorResponse", namespace, |envelope| {
        envelope.element("Error", |inner| {
            inner.text("Type", if error.status < 500 { "Sender" } else { "Receiver" });
            inner.text("Code", error.code);
            inner.text("Message", &error.message);
        });
        envelope.text("RequestId", request_id);
    })
}

/// Who signed the request, as sts GetCallerIdentity answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerIdentity {
    /// `arn:aws:iam::123456789012:root`, `arn:aws:sts::…:assumed-role/Role/session`.
    pub arn: String,
    /// The stable id of the caller.
    pub user_id: String,
    /// Twelve digits.
    pub account: String,
}

impl CallerIdentity {
    /// The whole answer of GetCallerIdentity.
    pub fn response(&self, request_id: &str) -> String {
        response("GetCallerIdentity", STS_NAMESPACE, request_id, |result| {
            result.text("Arn", &self.arn);
            result.text("UserId", &self.user_id);
            result.text("Account", &self.account);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s13_the_form_names_its_action() {
        let call = Call::parse(b"Action=GetCallerIdentity&Version=2011-06-15&A.1=x+y%2B").unwrap();
        assert_eq!(call.action, "GetCallerIdentity");
        assert_eq!(call.parameters, [("A.1".to_owned(), "x y+".to_owned())]);
        assert!(Call::parse(b"Action=%ff").is_err());
    }

    #[test]
    fn envelopes_have_the_documented_form() {
        let identity = CallerIdentity {
            arn: "arn:aws:iam::1:root".to_owned(),
            user_id: "1".to_owned(),
            account: "1".to_owned(),
        };
        let text = identity.response("r-1");
        assert!(
            text.contains(
                "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
                 <GetCallerIdentityResult><Arn>arn:aws:iam::1:root</Arn><UserId>1</UserId>\
                 <Account>1</Account></GetCallerIdentityResult>"
            ),
            "{text}"
        );
        let error = error_response(&ApiError::new("InvalidAction", 400, "no"), "", "r-2");
        assert!(error.contains("<Type>Sender</Type><Code>InvalidAction</Code>"), "{error}");
    }
}
