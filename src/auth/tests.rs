//! The gate, case by case.

use super::*;

fn configured(name: &str, kind: Kind, token: &str) -> ConfiguredToken {
    ConfiguredToken { name: name.into(), kind, token: Secret::new(token) }
}

fn settings() -> GateSettings {
    GateSettings {
        tokens: vec![
            configured(DEFAULT_NAME, Kind::Ingest, "in"),
            configured("warehouse", Kind::Ingest, "in-named"),
            configured(DEFAULT_NAME, Kind::Read, "re"),
            configured(DEFAULT_NAME, Kind::Admin, "ad"),
            configured(DEFAULT_NAME, Kind::Ingest, "both"),
            configured(DEFAULT_NAME, Kind::Read, "both"),
        ],
        webhook_secrets: Vec::new(),
        auth_failures_per_minute: 2,
        signature_skew_s: None,
    }
}

fn peer(last: u8) -> Option<IpAddr> {
    Some(IpAddr::from([192, 0, 2, last]))
}

fn token(text: &str) -> Credential<'_> {
    Credential::Token(text.into())
}

fn granted(name: &str, destination: Option<&str>) -> Result<Admission, AuthError> {
    Ok(Admission::Granted(Sender { name: name.into(), destination: destination.map(Into::into) }))
}

#[test]
fn tokens_open_only_what_their_kind_allows() {
    let gate = Gate::new(&settings());
    assert_eq!(gate.admit(&token("in"), peer(1)), granted("default", None));
    assert_eq!(gate.admit(&token("in-named"), peer(1)), granted("warehouse", Some("warehouse")));
    assert_eq!(gate.admit(&token("both"), peer(1)), granted("default", None));
    for text in ["re", "ad"] {
        assert_eq!(gate.admit(&token(text), peer(1)), Err(AuthError::Forbidden), "{text}");
    }
    assert_eq!(gate.admit(&token("i"), peer(1)), Err(AuthError::Unknown));
    assert_eq!(gate.admit(&token(""), peer(1)), Err(AuthError::Missing));

    let reader = |header: &str, access| gate.reader(Some(header), None, access, peer(1)).map(|_| ());
    for (text, read, admin) in [
        ("re", Ok(()), Err(AuthError::Forbidden)),
        ("ad", Ok(()), Ok(())),
        ("both", Ok(()), Err(AuthError::Forbidden)),
        ("in", Err(AuthError::Forbidden), Err(AuthError::Forbidden)),
    ] {
        assert_eq!(reader(&format!("Bearer {text}"), Access::Read), read, "{text}");
        assert_eq!(reader(&format!("bearer  {text}"), Access::Admin), admin, "{text}");
    }
    assert_eq!(reader("Bearer", Access::Read), Err(AuthError::Malformed));
    assert_eq!(reader("Digest re", Access::Read), Err(AuthError::Malformed));
    assert_eq!(reader("Basic !", Access::Read), Err(AuthError::Malformed));
    // base64 of "x:re" and "re:x"
    assert_eq!(reader("Basic eDpyZQ==", Access::Read), Ok(()));
    assert_eq!(reader("Basic cmU6eA==", Access::Read), Ok(()));
    assert_eq!(gate.reader(None, None, Access::Read, peer(1)).map(|_| ()), Err(AuthError::Missing));
    assert_eq!(gate.reader(None, Some("re"), Access::Read, peer(1)).map(|_| ()), Ok(()));
}

#[test]
fn either_half_of_basic_may_be_the_token() {
    let gate = Gate::new(&settings());
    for (user, password) in [("in", "x"), ("x", "in"), ("in", ""), ("", "in")] {
        let credential = Credential::Basic { user: user.into(), password: password.into() };
        assert_eq!(gate.admit(&credential, peer(1)), granted("default", None), "{user}:{password}");
    }
    let wrong = Credential::Basic { user: "x".into(), password: "y".into() };
    assert_eq!(gate.admit(&wrong, peer(1)), Err(AuthError::Unknown));
    let empty = Credential::Basic { user: "".into(), password: "".into() };
    assert_eq!(gate.admit(&empty, peer(1)), Err(AuthError::Missing));
}

#[test]
fn stored_tokens_come_and_go_without_a_restart() {
    let gate = Gate::new(&GateSettings::default());
    let record = |revoked_us| TokenRecord {
        name: "eu".into(),
        kind: "ingest".into(),
        sha256: digest("stored"),
        created_us: 1,
        revoked_us,
    };
    assert_eq!(gate.admit(&token("stored"), peer(1)), Err(AuthError::Unknown));
    assert!(!gate.has_kind(Kind::Ingest));
    gate.replace_stored(&[record(None)]);
    assert!(gate.has_kind(Kind::Ingest));
    assert_eq!(gate.admit(&token("stored"), peer(1)), granted("eu", Some("eu")));
    gate.replace_stored(&[record(Some(2))]);
    assert_eq!(gate.admit(&token("stored"), peer(1)), Err(AuthError::Disabled));
}

#[test]
fn a_reader_is_forgotten_when_its_token_is_revoked() {
    let gate = Gate::new(&GateSettings::default());
    let record = |revoked_us| TokenRecord {
        name: "ops".into(),
        kind: "read".into(),
        sha256: digest("stored"),
        created_us: 1,
        revoked_us,
    };
    gate.replace_stored(&[record(None)]);
    let reader = gate.reader(Some("Bearer stored"), None, Access::Read, None).expect("a known token");
    assert!(gate.still_admits(&reader));
    gate.replace_stored(&[record(Some(2))]);
    assert!(!gate.still_admits(&reader));
}

/// Some well-formed signature.
const SIGNED: &str = "d2acd9da53bc71d2e8b1e8ef4dad6d2b6a6b94ca5da8d4ac3f3d0ea6ef2d3c9f";

fn sign(key: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("any key");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

#[test]
fn signatures_are_compared_over_the_wire_bytes_in_either_case() {
    let gate = Gate::new(&GateSettings { webhook_secrets: vec![Secret::new("k")], ..settings() });
    let judge = |signature: Option<&str>, body: &[u8]| match gate
        .admit(&Credential::Webhook { signature, token: Some(Box::new(token("in"))) }, None)?
    {
        Admission::NeedsBody(signature) => gate.verify(&signature, body).map(|sender| sender.name),
        Admission::Granted(sender) => Ok(sender.name),
    };
    let good = sign("k", b"body");
    assert_eq!(judge(Some(&good), b"body").as_deref(), Ok("webhook"));
    assert_eq!(judge(Some(&good.to_uppercase()), b"body").as_deref(), Ok("webhook"));
    assert_eq!(judge(Some(&good), b"body "), Err(AuthError::BadSignature));
    assert_eq!(judge(Some(&sign("other", b"body")), b"body"), Err(AuthError::BadSignature));
    assert_eq!(judge(Some(&good[..62]), b"body"), Err(AuthError::BadSignature));
    assert_eq!(judge(Some(""), b"body"), Err(AuthError::BadSignature));
    assert_eq!(judge(None, b"body"), Err(AuthError::Unsigned));
}

/// A signature scheme of the tests: the token and the body, one behind the other.
#[derive(Debug)]
struct Sealed {
    name: &'static str,
    off_by_s: u64,
    text: &'static str,
}

impl crate::protocol::Signature for Sealed {
    fn token_name(&self) -> &str {
        self.name
    }

    fn off_by_s(&self) -> u64 {
        self.off_by_s
    }

    fn off_by_s_max(&self) -> u64 {
        300
    }

    fn fits(&self, token: &str, wire_bytes: &[u8]) -> bool {
        [token.as_bytes(), wire_bytes].concat() == self.text.as_bytes()
    }
}

#[test]
fn signed_requests_are_checked_with_the_configured_token_of_that_name() {
    let judge = |gate: &Gate, name, off_by_s, text| {
        let signed = Signed::new(Sealed { name, off_by_s, text });
        match gate.admit(&Credential::Signed(signed), None)? {
            Admission::NeedsBody(pending) => gate.verify(&pending, b" body"),
            Admission::Granted(sender) => Ok(sender),
        }
    };
    let gate = Gate::new(&settings());
    let sender = |name: &str, destination: Option<&str>| {
        Ok(Sender { name: name.into(), destination: destination.map(Into::into) })
    };
    assert_eq!(judge(&gate, "warehouse", 0, "in-named body"), sender("warehouse", Some("warehouse")));
    assert_eq!(judge(&gate, "default", 300, "in body"), sender("default", None));
    assert_eq!(judge(&gate, "default", 0, "both body"), sender("default", None), "two tokens share the name");
    assert_eq!(judge(&gate, "default", 0, "re body"), Err(AuthError::BadSignature), "a token that reads");
    assert_eq!(judge(&gate, "warehouse", 0, "in body"), Err(AuthError::BadSignature), "another token's name");
    assert_eq!(judge(&gate, "default", 301, "in body"), Err(AuthError::Skewed { off_by_s: 301, off_by_s_max: 300 }));
    assert_eq!(judge(&gate, "eu", 0, "in body"), Err(AuthError::UnknownKey));
    let wide = Gate::new(&GateSettings { signature_skew_s: Some(1000), ..settings() });
    assert_eq!(judge(&wide, "default", 1000, "in body"), sender("default", None));

    // A token of the store is a hash, with which nothing can be checked.
    let record = TokenRecord {
        name: "eu".into(),
        kind: "ingest".into(),
        sha256: digest("stored"),
        created_us: 1,
        revoked_us: None,
    };
    gate.replace_stored(&[record]);
    assert_eq!(judge(&gate, "eu", 0, "stored body"), Err(AuthError::UnknownKey));
}

#[test]
fn an_identity_or_a_token_beside_it_opens() {
    let keys = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(keys.path(), include_str!("../../tests/fixtures/identity/jwks.json")).expect("a file is written");
    let text = include_str!("../../tests/fixtures/identity/token.txt").trim();
    let issuer = IdentitySettings {
        issuer: "https://accounts.google.com".into(),
        audience: "https://logs.example.com/v1/pubsub".into(),
        email: "push@my-project.iam.gserviceaccount.com".into(),
        keys: keys.path().into(),
    };
    let gate = Gate::new(&settings()).with_issuer(Some(Issuer::open(issuer).expect("keys")));
    let shown = |identity, shown: Option<&'static str>| Credential::Identity {
        identity,
        now_us: 1_795_180_400_000_000,
        token: shown.map(|text| Box::new(token(text))),
    };
    assert_eq!(gate.admit(&shown(text, None), peer(3)), granted("oidc", None));
    assert_eq!(gate.admit(&shown("a.b.c", Some("in-named")), peer(3)), granted("warehouse", Some("warehouse")));
    assert_eq!(gate.admit(&shown("in", None), peer(3)), granted("default", None), "a token may look like an identity");
    let refused = Err(AuthError::BadIdentity { why: "its head cannot be read" });
    assert_eq!(gate.admit(&shown("a.b.c", None), peer(3)), refused);
    assert_eq!(gate.admit(&shown("a.b.c", Some("no such")), peer(3)), refused);
    assert_eq!(gate.admit(&shown("a.b.c", Some("re")), peer(3)), Err(AuthError::Forbidden));
    let without = Gate::new(&settings());
    assert_eq!(without.admit(&shown(text, None), peer(3)), Err(AuthError::Unknown));
}

#[test]
fn without_a_secret_a_webhook_needs_an_ingest_token() {
    let gate = Gate::new(&settings());
    let judge = |signature, shown: Option<&'static str>| {
        gate.admit(&Credential::Webhook { signature, token: shown.map(|text| Box::new(token(text))) }, peer(9))
    };
    assert_eq!(judge(None, Some("in")), granted("default", None));
    assert_eq!(judge(None, None), Err(AuthError::Missing));
    assert_eq!(judge(Some(SIGNED), None), Err(AuthError::Missing));
    assert_eq!(judge(None, Some("re")), Err(AuthError::Forbidden));
}

#[test]
fn guessing_is_throttled_by_address_and_the_right_token_never_is() {
    let gate = Gate::new(&settings());
    for _ in 0..10 {
        assert_eq!(gate.admit(&token("wrong"), peer(1)), Err(AuthError::Unknown));
    }
    assert!(matches!(gate.admit(&token("wrong"), peer(1)), Err(AuthError::Throttled { retry_after_s: 1..=31 })));
    assert_eq!(gate.admit(&token("in"), peer(1)), granted("default", None));
    assert_eq!(gate.admit(&token("wrong"), peer(2)), Err(AuthError::Unknown));
    assert_eq!(gate.admit(&token(""), peer(1)), Err(AuthError::Missing), "showing nothing is no guess");
}

#[test]
fn new_tokens_differ_and_ingest_tokens_look_like_splunks() {
    let (a, b) = (generate(Kind::Ingest), generate(Kind::Ingest));
    assert_ne!(a, b);
    assert!(uuid::Uuid::parse_str(&a).is_ok());
    assert_eq!(generate(Kind::Read).len(), 64);
}
