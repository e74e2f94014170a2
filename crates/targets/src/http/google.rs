//! Google service accounts: a signed assertion that is exchanged for an access token. Pure but for the clock of the caller.
//!
//! <https://developers.google.com/identity/protocols/oauth2/service-account#httprest>, RFC 7523.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::json;

/// The scope that the data lineage API asks for
/// (<https://cloud.google.com/dataplex/docs/reference/data-lineage/rest/v1/projects.locations/processOpenLineageRunEvent>).
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// How long an assertion is valid, in seconds: Google accepts an hour at most.
const LIFETIME: i64 = 3_600;

/// The key file of a service account, as the Google Cloud console writes it.
#[derive(Deserialize)]
struct ServiceAccount {
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
}

/// Makes the assertion of a service account for the token endpoint `audience`. `key_file` is the JSON text of its key, `now`
/// in seconds since 1970. The error does not contain the key.
pub(crate) fn assertion(
    key_file: &str,
    audience: &str,
    scope: Option<&str>,
    now: i64,
) -> Result<String, &'static str> {
    let account: ServiceAccount = serde_json::from_str(key_file)
        .map_err(|_| "expected the JSON key file of a Google service account")?;
    let key = pkcs8(&account.private_key)
        .and_then(|der| KeyPair::from_pkcs8(&der).ok())
        .ok_or("the private key of the service account cannot be read")?;
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": account.private_key_id});
    let claims = json!({
        "iss": account.client_email,
        "scope": scope.unwrap_or(SCOPE),
        "aud": audience,
        "iat": now,
        "exp": now + LIFETIME,
    });
    let part = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let mut signature = vec![0; key.public_modulus_len()];
    let random = SystemRandom::new();
    key.sign(
        &RSA_PKCS1_SHA256,
        &random,
        signed.as_bytes(),
        &mut signature,
    )
    .map_err(|_| "the assertion cannot be signed")?;
    Ok(format!(
        "{signed}.{}",
        BASE64_URL_SAFE_NO_PAD.encode(signature)
    ))
}

/// The private key in a key file: what of it is secret.
pub(crate) fn private_key(key_file: &str) -> Option<String> {
    let account: ServiceAccount = serde_json::from_str(key_file).ok()?;
    Some(account.private_key)
}

/// The content of a PEM block `PRIVATE KEY` (RFC 7468).
fn pkcs8(pem: &str) -> Option<Vec<u8>> {
    let (_, rest) = pem.split_once("-----BEGIN PRIVATE KEY-----")?;
    let (body, _) = rest.split_once("-----END PRIVATE KEY-----")?;
    let body: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    BASE64_STANDARD.decode(body).ok()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use serde_json::Value;

    use super::*;

    #[test]
    fn an_assertion_names_the_account_and_is_signed_with_its_key() {
        let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            BASE64_STANDARD.encode(der.as_ref())
        );
        let file = json!({"client_email": "a@b.iam.gserviceaccount.com", "private_key": pem, "private_key_id": "k1"});
        let audience = "https://oauth2.googleapis.com/token";
        let assertion = assertion(&file.to_string(), audience, None, 1_700_000_000).unwrap();
        let (signed, signature) = assertion.rsplit_once('.').unwrap();
        let decode = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).unwrap();
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref());
        public
            .verify(signed.as_bytes(), &decode(signature))
            .unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        let json = |part| serde_json::from_slice::<Value>(&decode(part)).unwrap();
        assert_eq!(json(header)["kid"], "k1");
        let claims = json(claims);
        assert_eq!(claims["iss"], "a@b.iam.gserviceaccount.com");
        assert_eq!(claims["aud"], audience);
        assert_eq!(claims["exp"], 1_700_003_600);
    }

    #[test]
    fn what_is_no_key_file_is_not_repeated() {
        let without = r#"{"client_email": "a", "private_key": "s3cr3t"}"#;
        for text in ["s3cr3t", "{}", without] {
            let error = assertion(text, "https://x", None, 0).unwrap_err();
            assert!(!error.contains("s3cr3t"), "{error}");
        }
    }
}
