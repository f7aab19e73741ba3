use super::*;

const DOCUMENT: &[u8] = br#"{"deploymentId":"d","configurationArn":"a","components":{
    "com.example.A":{"version":"1.0.0","configurationUpdate":{"merge":{"rate":5}}}}}"#;

fn check(algorithm: &str, bytes: &[u8]) -> IntegrityCheck {
    IntegrityCheck {
        algorithm: algorithm.to_owned(),
        digest: STANDARD.encode(digest(&SHA256, bytes)),
    }
}

#[test]
fn what_has_its_digest_is_read() {
    let document = read(DOCUMENT, check("SHA-256", DOCUMENT), "d").unwrap();
    assert!(document.components.values().all(|component| component.configuration_update.is_some()));
}

#[test]
fn anything_else_than_the_deployments_own_document_is_refused() {
    let refused = |bytes: &[u8], check, id| {
        let error = read(bytes, check, id).unwrap_err();
        assert!(!error.is_transient());
        (error.to_string(), error.codes())
    };
    let download = vec![ErrorCode::DownloadDeploymentDocumentError];
    let (cause, codes) = refused(DOCUMENT, check("SHA-256", b"other"), "d");
    assert!(cause.contains("has the SHA-256"), "{cause}");
    assert_eq!(codes, download);
    let (cause, codes) = refused(DOCUMENT, check("MD5", DOCUMENT), "d");
    assert!(cause.contains("`MD5`"), "{cause}");
    assert_eq!(codes, download);
    let (cause, codes) = refused(DOCUMENT, check("SHA-256", DOCUMENT), "e");
    assert!(cause.contains("`d`"), "{cause}");
    assert_eq!(codes, download);
    let (_, codes) = refused(b"{", check("SHA-256", b"{"), "d");
    assert_eq!(codes, [ErrorCode::DeploymentDocumentParseError]);
}
