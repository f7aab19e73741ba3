//! Issuing, loading again, and what a handshake proves.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::{
    ClientAuth, certificate_der, certificate_id, certificate_info, client_config, peer_certificate,
    server_config,
};

fn names() -> Vec<String> {
    ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec()
}

/// Runs one handshake and returns the certificate the server saw, and the agreed protocol.
async fn handshake(
    server: Arc<rustls::ServerConfig>,
    client: rustls::ClientConfig,
) -> Result<(Option<Vec<u8>>, Option<Vec<u8>>), io::Error> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let served = tokio::spawn(async move {
        let mut stream = TlsAcceptor::from(server).accept(far).await?;
        let connection = stream.get_ref().1;
        let seen = peer_certificate(connection).map(<[u8]>::to_vec);
        let protocol = connection.alpn_protocol().map(<[u8]>::to_vec);
        stream.write_all(b"!").await?;
        stream.shutdown().await?;
        Ok::<_, io::Error>((seen, protocol))
    });
    let name = "127.0.0.1".try_into().unwrap();
    let mut stream = TlsConnector::from(Arc::new(client)).connect(name, near).await?;
    let mut byte = [0];
    stream.read_exact(&mut byte).await?;
    drop(stream);
    served.await.unwrap()
}

#[test]
fn authority_is_made_once_and_loaded_again() {
    let dir = tempfile::tempdir().unwrap();
    let first = Authority::open(dir.path()).unwrap();
    let second = Authority::open(dir.path()).unwrap();
    assert_eq!(first.certificate_pem(), second.certificate_pem());
    let key = std::fs::metadata(dir.path().join("root-ca.key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);

    std::fs::remove_file(dir.path().join("root-ca.key")).unwrap();
    let error = Authority::open(dir.path()).unwrap_err();
    assert!(matches!(error, OpenAuthority::Incomplete { .. }), "{error}");
}

#[test]
fn client_certificate_has_the_name_and_end_of_aws() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::open(dir.path()).unwrap();
    let identity = authority.issue_client("AWS IoT Certificate").unwrap();
    let info = certificate_info(&certificate_der(&identity.certificate_pem).unwrap()).unwrap();
    assert_eq!(info.subject, "CN=AWS IoT Certificate");
    assert_eq!(info.not_after_ms, 2_524_607_999_000);
    assert!(info.public_key_pem.starts_with("-----BEGIN PUBLIC KEY-----\n"));
    assert!(!format!("{identity:?}").contains("PRIVATE KEY"));
}

#[tokio::test]
async fn certificate_of_another_authority_is_accepted_and_seen() {
    let dir = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let authority = Authority::open(dir.path()).unwrap();
    let stranger = Authority::open(other.path()).unwrap().issue_client("stranger").unwrap();
    let server = server_config(
        &authority.issue_server(&names()).unwrap(),
        ClientAuth::AnyCertificate,
        &[b"x-amzn-mqtt-ca", b"http/1.1"],
    )
    .unwrap();

    let client = client_config(authority.certificate_pem(), Some(&stranger), &[b"x-amzn-mqtt-ca"]);
    let (seen, protocol) = handshake(server.clone(), client.unwrap()).await.unwrap();
    let expected = certificate_der(&stranger.certificate_pem).unwrap();
    assert_eq!(certificate_id(&seen.unwrap()), certificate_id(&expected));
    assert_eq!(protocol.as_deref(), Some(b"x-amzn-mqtt-ca".as_slice()));

    let anonymous = client_config(authority.certificate_pem(), None, &[]).unwrap();
    let (seen, protocol) = handshake(server, anonymous).await.unwrap();
    assert_eq!((seen, protocol), (None, None));
}

#[tokio::test]
async fn client_refuses_a_server_of_an_unknown_authority() {
    let dir = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let authority = Authority::open(dir.path()).unwrap();
    let unknown = Authority::open(other.path()).unwrap();
    let identity = authority.issue_server(&names()).unwrap();
    let server = server_config(&identity, ClientAuth::None, &[]).unwrap();
    let client = client_config(unknown.certificate_pem(), None, &[]).unwrap();
    assert!(handshake(server, client).await.is_err());
}

#[tokio::test]
async fn signed_request_keeps_subject_and_key() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::open(dir.path()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["ignored.example".to_owned()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "my device");
    params.distinguished_name.push(DnType::OrganizationName, "Meadow");
    let request = params.serialize_request(&key).unwrap().pem().unwrap();

    let certificate_pem = authority.sign_csr(&request).unwrap();
    let info = certificate_info(&certificate_der(&certificate_pem).unwrap()).unwrap();
    assert_eq!(info.subject, "CN=my device, O=Meadow");

    let identity = Identity { certificate_pem, private_key_pem: key.serialize_pem() };
    let server = authority.issue_server(&names()).unwrap();
    let server = server_config(&server, ClientAuth::AnyCertificate, &[]).unwrap();
    let client = client_config(authority.certificate_pem(), Some(&identity), &[]).unwrap();
    let (seen, _) = handshake(server, client).await.unwrap();
    assert_eq!(seen, Some(certificate_der(&identity.certificate_pem).unwrap()));
}

#[test]
fn request_with_a_broken_signature_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::open(dir.path()).unwrap();
    let key = KeyPair::generate().unwrap();
    let request = CertificateParams::default().serialize_request(&key).unwrap();
    let mut der = request.der().to_vec();
    let last = der.len() - 1;
    der[last] ^= 1;
    let pem = crate::certificate_pem(&der).replace("CERTIFICATE", "CERTIFICATE REQUEST");
    assert!(matches!(authority.sign_csr(&pem), Err(IssueCertificate::RequestSignature)));
    assert!(matches!(authority.sign_csr("no request"), Err(IssueCertificate::MalformedRequest(_))));
}
