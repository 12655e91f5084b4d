//! What is masked, what is not, and that nothing else moves.

use super::*;
use proptest::prelude::*;

fn redactor() -> Redactor {
    Redactor::new([7; 32])
}

/// Masks replaced by `#`, so that expectations read well.
fn shown(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(MASK_PREFIX) {
        out.push_str(&rest[..at]);
        let len = mask_len(&rest[at..]).expect("a whole mask");
        out.push('#');
        rest = &rest[at + len..];
    }
    out + rest
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let redactor = redactor();
    let once = redactor.json(text).map_or_else(|| text.to_owned(), |r| r.text);
    assert_eq!(shown(&once), expected);
    assert_eq!(redactor.json(&once), None, "redacting twice changes nothing: {once}");
}

#[test]
fn secrets_are_found_by_name_at_any_depth() {
    check(r#"{"password":"hunter2","user":"me"}"#, r##"{"password":"#","user":"me"}"##);
    check(r#"{ "a" : [ {"dbPassword" : "x\"y"} ] , "n":1e400}"#, r##"{ "a" : [ {"dbPassword" : "#"} ] , "n":1e400}"##);
    check(r#"{"oldProperties":{"agentToken":"************"}}"#, r##"{"oldProperties":{"agentToken":"#"}}"##);
    check(
        r#"{"credentials":{"user":"u","nested":{"k":"v","on":true,"n":null}}}"#,
        r##"{"credentials":{"user":"#","nested":{"k":"#","on":true,"n":null}}}"##,
    );
    check(r#"{"p\u0061ssword":"hunter2"}"#, r##"{"p\u0061ssword":"#"}"##);
    check(
        r#"{"password":12345,"secret":["a","b"],"token":null,"pwd":""}"#,
        r##"{"password":"#","secret":["#","#"],"token":null,"pwd":""}"##,
    );
}

#[test]
fn secrets_are_found_in_json_inside_strings() {
    check(r#"{"body":"{\"password\":\"hunter2\",\"a\":1}"}"#, r##"{"body":"{\"password\":\"#\",\"a\":1}"}"##);
    check(r#"{"data":"\"{\\\"apiKey\\\":\\\"k1\\\"}\""}"#, r##"{"data":"\"{\\\"apiKey\\\":\\\"#\\\"}\""}"##);
}

#[test]
fn secrets_are_found_by_shape() {
    check(
        r#"{"uri":"https://bob:s3cr3t@example.com/x?token=abc&b=1"}"#,
        r##"{"uri":"https://#@example.com/x?token=#&b=1"}"##,
    );
    check(
        r#"{"m":"header Authorization: Bearer abcdefghijkl was sent"}"#,
        r##"{"m":"header Authorization: Bearer # was sent"}"##,
    );
    check(r#"{"m":"key AKIAIOSFODNN7EXAMPLE used"}"#, r##"{"m":"key # used"}"##);
    check(r#"{"m":"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"}"#, r##"{"m":"#"}"##);
    check(
        r#"{"m":"-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc\n-----END RSA PRIVATE KEY-----"}"#,
        r##"{"m":"-----BEGIN RSA PRIVATE KEY-----#-----END RSA PRIVATE KEY-----"}"##,
    );
    check(r#"{"m":"login failed, password=hunter2; user=me"}"#, r##"{"m":"login failed, password=#; user=me"}"##);
    check(r#"{"m":"params='{\"token\": \"abc\"}'"}"#, r##"{"m":"params='{\"token\": \"#\"}'"}"##);
    check(
        r#"{"m":"jdbc:postgresql://h/db?user=u&password=p4ss"}"#,
        r##"{"m":"jdbc:postgresql://h/db?user=u&password=#"}"##,
    );
}

#[test]
fn what_is_no_secret_stays() {
    for text in [
        r#"{"m":"Invalid token: expired","uri":"https://api.example.com/v1/connections"}"#,
        r#"{"columns":{"password_hash":"STRING","access_token":"STRING"}}"#,
        r#"{"tableProgress":{"public.tokens":"COMPLETE"}}"#,
        r#"{"publicKey":"...","required_auth_type":"ANY","actor":"john@example.com"}"#,
        r#"{"m":"see https://cloud.google.com/bigquery/docs/troubleshoot-quotas"}"#,
        r#"{"m":"basic ad_actions and secretary"}"#,
    ] {
        check(text, text);
    }
}

#[test]
fn two_secrets_are_seen_to_differ_and_one_is_recognised() {
    let redactor = redactor();
    let digest = |text: &str| redactor.json(text).expect("a secret");
    let (a, b) = (digest(r#"{"password":"one"}"#), digest(r#"{"password":"two"}"#));
    assert_ne!(a.text, b.text);
    assert_ne!(a.digest, b.digest);
    assert_eq!(a, digest(r#"{"password":"one"}"#));
    assert_ne!(Redactor::new([8; 32]).json(r#"{"password":"one"}"#), Some(a));
}

#[test]
fn broken_payloads_are_redacted_too() {
    let redactor = redactor();
    for (bytes, secret) in [
        (&br#"{"password":"hunter2","b":"#[..], "hunter2"),
        (br#"{"event":"x","data":{"apiKey": "hunter2"#, "hunter2"),
        (br#"{'password': 'hunter2', 'a': 1}"#, "hunter2"),
        (b"\xff\xfe password=hunter2 \x80", "hunter2"),
        (br#"{"a":"{\"password\":\"hunter2\""#, "hunter2"),
        (br#"noise {"password":"hunter2"} noise"#, "hunter2"),
        (b"<config><password>hunter2</password></config>", "hunter2"),
        (b"MIIEowIBAAKCAQEAhunter2hunter2hunter2hunter2hunter2hunter2AB==\n", "hunter2"),
        (b"{\"ok\":1}\n{\"secret\":\"hunter2\"}\n{", "hunter2"),
    ] {
        let clean = redactor.bytes(bytes);
        let text = String::from_utf8_lossy(&clean).into_owned();
        assert!(!text.contains(secret), "{text}");
        assert!(text.contains(MASK_PREFIX), "{text}");
    }
    assert_eq!(redactor.bytes(b"\xff\x00plain"), b"\xff\x00plain");
}

#[test]
fn a_value_is_secret_by_the_label_beside_it() {
    check(
        r#"{"changes":[{"field":"password","old":"X","new":"Y"},{"field":"host","old":"a","new":"b"}]}"#,
        r##"{"changes":[{"field":"password","old":"#","new":"#"},{"field":"host","old":"a","new":"b"}]}"##,
    );
    check(
        r#"[{"value":"X","name":"api_key","type":"STRING"}]"#,
        r##"[{"value":"#","name":"api_key","type":"STRING"}]"##,
    );
    check(
        r#"{"parameter":"dbPass","oldValue":12,"new_value":{"a":"X"},"note":"n"}"#,
        r##"{"parameter":"dbPass","oldValue":"#","new_value":{"a":"#"},"note":"n"}"##,
    );
    check(
        r#"{"op":"replace","path":"/config/password","value":"X"}"#,
        r##"{"op":"replace","path":"/config/password","value":"#"}"##,
    );
    for text in [
        r#"{"columns":[{"name":"password","old":"STRING","new":"TEXT"}]}"#,
        r#"{"name":"tokens","value":12}"#,
        r#"{"key":"value","key2":"value2"}"#,
    ] {
        check(text, text);
    }
}

#[test]
fn numbers_are_counts_unless_the_name_is_a_passwords() {
    for text in [
        r#"{"tokens":5,"secretsCount":2,"token_count":7,"passwordLength":12,"m":"used tokens=15"}"#,
        r#"{"tokens":{"used":5,"of":[1,2]}}"#,
    ] {
        check(text, text);
    }
    check(
        r#"{"pin":1234,"dbPassword":1,"m":"pin=1234 password=99","credentials":{"account":42}}"#,
        r##"{"pin":"#","dbPassword":"#","m":"pin=# password=#","credentials":{"account":"#"}}"##,
    );
}

#[test]
fn a_primary_key_is_secret_when_it_looks_like_one() {
    check(
        r#"{"primaryKey":"Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MA==","workspaceKey":"short"}"#,
        r##"{"primaryKey":"#","workspaceKey":"#"}"##,
    );
    for text in [
        r#"{"primary_key_clause":"\"_FIVETRAN_ID_0123456789\"","primaryKey":"id","primary_key":"customer_order_id_2"}"#,
        r#"{"columns":{"primary_key":"STRING","app_key":"STRING"},"primaryKey":["id"],"sort_key":"Abc0123456789defgh"}"#,
    ] {
        check(text, text);
    }
}

#[test]
fn secrets_are_found_on_command_lines_and_in_addresses() {
    check(r#"{"m":"ran curl -s -u bob:s3cr3t https://h/x"}"#, r##"{"m":"ran curl -s -u bob:# https://h/x"}"##);
    check(r#"{"m":"curl --user 'bob:s3' h"}"#, r##"{"m":"curl --user 'bob:#' h"}"##);
    check(r#"{"dsn":"bob:s3@cr3t@tcp(db:3306)/d"}"#, r##"{"dsn":"#@tcp(db:3306)/d"}"##);
    check(
        r#"{"uri":"https://b/k?X-Amz-Signature=abc&X-Amz-Date=20260101&sig=a%2Fb&Signature=x"}"#,
        r##"{"uri":"https://b/k?X-Amz-Signature=#&X-Amz-Date=20260101&sig=#&Signature=#"}"##,
    );
    check(r#"{"m":"got ya29.a0AfH6SMBx-12_34567"}"#, r##"{"m":"got #"}"##);
    check(
        r#"{"a":"AKIAIOSFODNN7EXAMPLE","b":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKE1","c":"da39a3ee5e6b4b0d3255bfef95601890afd80709"}"#,
        r##"{"a":"#","b":"#","c":"da39a3ee5e6b4b0d3255bfef95601890afd80709"}"##,
    );
    check(
        r#"{"jdbc_url":"jdbc:oracle:thin:scott/tiger@h:1521:x","connectionUrl":"postgres://u:p@h/d","url2":"https://h/d"}"#,
        r##"{"jdbc_url":"jdbc:oracle:thin:scott/#@h:1521:x","connectionUrl":"postgres://#@h/d","url2":"https://h/d"}"##,
    );
    let text = r#"{"m":"curl -u bob https://h:443/x","c":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKE1"}"#;
    check(text, text);
}

#[test]
fn secrets_are_found_in_names() {
    check(
        r#"{ "https://u:p@h/x" : {"a":1}, "n":2, "ftp:\/\/u:p@h" :3}"#,
        r##"{ "https://#@h/x" : {"a":1}, "n":2, "ftp://#@h" :3}"##,
    );
    check(
        r#"{"hosts":{"postgres://u:p@h/d":{"password":"x"}}}"#,
        r##"{"hosts":{"postgres://#@h/d":{"password":"#"}}}"##,
    );
}

#[test]
fn credentials_are_told_from_prose() {
    for text in [
        r#"{"m":"Authorization failed: the role has no access"}"#,
        r#"{"m":"Authorization header missing"}"#,
        r#"{"m":"Authorization: missing"}"#,
        r#"{"m":"Bearer authentication needed"}"#,
        r#"{"m":"Bearer authentication."}"#,
        r#"{"m":"Basic authentication is switched off, token authentication required"}"#,
        r#"{"m":"token connection_status_missing"}"#,
    ] {
        check(text, text);
    }
    for (text, expected) in [
        (r#"{"m":"Authorization: Bearer abcdefghijkl"}"#, r##"{"m":"Authorization: Bearer #"}"##),
        (r#"{"m":"Authorization: Basic dXNlcjpwYXNz"}"#, r##"{"m":"Authorization: Basic #"}"##),
        (r#"{"m":"Authorization=Splunk 0123-4567"}"#, r##"{"m":"Authorization=Splunk #"}"##),
        (r#"{"m":"Authorization: hunter2x"}"#, r##"{"m":"Authorization: #"}"##),
        (r#"{"m":"Authorization Bearer abcDefghi"}"#, r##"{"m":"Authorization Bearer #"}"##),
        (r#"{"m":"sent bearer a1b2c3d4"}"#, r##"{"m":"sent bearer #"}"##),
        (r#"{"m":"Authorization: Negotiate YIIabc123456"}"#, r##"{"m":"Authorization: Negotiate #"}"##),
    ] {
        check(text, expected);
    }
}

#[test]
fn pieces_of_payloads_are_redacted() {
    let redactor = redactor();
    for (bytes, expected) in [
        (r#"{"pass\u0077ord":"X", broken"#, r##"{"pass\u0077ord":"#", broken"##),
        (r#"{"a":"{\"pass\\u0077ord\":\"X\"", broken"#, r##"{"a":"{\"pass\\u0077ord\":\"#\"", broken"##),
        ("event,password,n\nx,X,1\ny,\"a,b\",2\r\nz,,3", "event,password,n\nx,#,1\ny,#,2\r\nz,,3"),
        ("id\tapi_key\n1\tX\n", "id\tapi_key\n1\t#\n"),
        ("  \"hunter2\",\n", "  \"#\",\n"),
        ("\"hunter2\"", "\"#\""),
        ("\"password\":\n            \"X\"", "\"password\":\n            \"#\""),
        (r#"[{"name":"api_key","value":"X"},{"#, r##"[{"name":"api_key","value":"#"},{"##),
        ("event,status\nx,X\n", "event,status\nx,X\n"),
        (r#""{\"event\":\"x\"}""#, r#""{\"event\":\"x\"}""#),
    ] {
        let once = redactor.bytes(bytes.as_bytes());
        assert_eq!(shown(&String::from_utf8_lossy(&once)), expected);
        assert_eq!(redactor.bytes(&once), once, "a second pass changes nothing");
    }
}

#[test]
fn rarer_names_of_secrets_are_known() {
    for name in [
        "pw",
        "user_pw",
        "dbPw",
        "pass_key",
        "client_cert_key",
        "certificate_key",
        "clientCertificateKey",
        "dsa_key",
        "ed25519_key",
        "sftp_key",
        "server_key",
        "security_key",
        "merchant_key",
        "auth_code",
        "service_account_json",
        "json_key",
        "keytab",
        "recovery_codes",
        "backupCodes",
        "sessionid",
        "JSESSIONID",
        "session_token",
        "pat",
    ] {
        check(&format!(r#"{{"{name}":"Zq9Hunter77"}}"#), &format!(r##"{{"{name}":"#"}}"##));
        check(&format!(r#"{{"m":"{{\"{name}\":\"Zq9Hunter77\"}}"}}"#), &format!(r##"{{"m":"{{\"{name}\":\"#\"}}"}}"##));
        check(&format!(r#"{{"m":"{{'{name}': 'Zq9Hunter77'"}}"#), &format!(r##"{{"m":"{{'{name}': '#'"}}"##));
    }
    check(r#"{"recovery_codes":["12ab",345678],"user_pw":1234}"#, r##"{"recovery_codes":["#","#"],"user_pw":"#"}"##);
    for text in [
        r#"{"session_id":"Zq9Hunter77","sessionId":"x","code":"y","status_code":200,"auth_code_count":1}"#,
        r#"{"keyword_stats":"a","foreign_key":"b","table_key":"c","sort_key":"d","primary_key":"e","server_key_id":"f"}"#,
    ] {
        check(text, text);
    }
}

#[test]
fn addresses_that_are_secrets_are_masked() {
    for (text, expected) in [
        (r#"{"u":"https://h/x?pat=Zq9Hunter77&a=1"}"#, r##"{"u":"https://h/x?pat=#&a=1"}"##),
        (
            r#"{"u":"https://f.azurewebsites.net/api/f?a=1&code=Zq9Hunter77==&b=2"}"#,
            r##"{"u":"https://f.azurewebsites.net/api/f?a=1&code=#&b=2"}"##,
        ),
        (
            r#"{"u":"https://hooks.slack.com/services/T0/B0/Zq9Hunter77"}"#,
            r##"{"u":"https://hooks.slack.com/services/#"}"##,
        ),
        (
            r#"{"u":"https://x.webhook.office.com/webhookb2/a@b/IncomingWebhook/Zq9Hunter77/c"}"#,
            r##"{"u":"https://x.webhook.office.com/#"}"##,
        ),
        (
            r#"{"u":"https://outlook.office.com/webhook/Zq9Hunter77/x?a=1"}"#,
            r##"{"u":"https://outlook.office.com/webhook/#?a=1"}"##,
        ),
        (r#"{"u":"r=postgres%3A%2F%2Fu%3AZq9%40Hunter77%40h%2Fdb"}"#, r##"{"u":"r=postgres%3A%2F%2F#%40h%2Fdb"}"##),
    ] {
        check(text, expected);
    }
    for text in [
        r#"{"u":"https://example.com/cb?code=200&state=x"}"#,
        r#"{"u":"https://api.slack.com/services/T0 and https://f.azurewebsites.net/api/f?a=1"}"#,
        r#"{"u":"redirect=https%3A%2F%2Fexample.com%2Fa%3Ab%40c"}"#,
    ] {
        check(text, text);
    }
    let torn = br#"{"u":"https:\/\/hooks.slack.com\/services\/T0\/B0\/Zq9Hunter77",}"#;
    assert_eq!(
        shown(&String::from_utf8_lossy(&redactor().bytes(torn))),
        r##"{"u":"https:\/\/hooks.slack.com\/services\/#",}"##
    );
}

#[test]
fn secrets_are_found_in_statements_options_and_drivers_quotes() {
    for (text, expected) in [
        ("jdbc:sqlserver://h;password={Zq9;Hun}}ter77};encrypt=true", "jdbc:sqlserver://h;password={#};encrypt=true"),
        ("pg_dump --password Zq9Hunter77 -h x", "pg_dump --password # -h x"),
        ("run --client-secret 'Zq9 Hunter77' now", "run --client-secret '#' now"),
        ("CREATE USER u IDENTIFIED BY 'Zq9''Hunter77' ACCOUNT LOCK", "CREATE USER u IDENTIFIED BY '#' ACCOUNT LOCK"),
        (
            "create user u identified with mysql_native_password by 'Zq9'",
            "create user u identified with mysql_native_password by '#'",
        ),
        ("ALTER USER u IDENTIFIED BY Zq9Hunter77;", "ALTER USER u IDENTIFIED BY #;"),
        (
            "CREATE ROLE r WITH LOGIN ENCRYPTED PASSWORD 'Zq9Hunter77'",
            "CREATE ROLE r WITH LOGIN ENCRYPTED PASSWORD '#'",
        ),
        ("ALTER USER u WITH PASSWORD 'Zq9Hun", "ALTER USER u WITH PASSWORD '#"),
        ("CREATE LOGIN l WITH PASSWORD = N'Zq9Hunter77'", "CREATE LOGIN l WITH PASSWORD = N'#'"),
        ("{u'password': u'Zq9Hunter77', u'a': u'b'}", "{u'password': u'#', u'a': u'b'}"),
    ] {
        check(&serde_json::json!({"m": text}).to_string(), &serde_json::json!({"m": expected}).to_string());
    }
    for text in [
        r#"{"m":"the option --password is needed, --password-file /etc/x --no-password x"}"#,
        r#"{"m":"SELECT password FROM users WHERE kind = 'x'; rows identified by their id"}"#,
        r#"{"m":"ALTER TABLE t ADD COLUMN password VARCHAR(10) DEFAULT 'x'"}"#,
    ] {
        check(text, text);
    }
}

#[test]
fn a_pair_as_a_name_and_a_key_as_lines_are_masked() {
    check(r#"{"password=Zq9Hunter77":true,"a=b":1}"#, r##"{"password=#":true,"a=b":1}"##);
    check(
        r#"{"k":["a","-----BEGIN RSA PRIVATE KEY-----","Zq9","Hunter77","-----END RSA PRIVATE KEY-----","b"]}"#,
        r##"{"k":["a","-----BEGIN RSA PRIVATE KEY-----","#","#","-----END RSA PRIVATE KEY-----","b"]}"##,
    );
    let text = r#"{"k":["-----BEGIN CERTIFICATE-----","MIIB","-----END CERTIFICATE-----"]}"#;
    check(text, text);
}

proptest! {
    /// Text that is nearly what the rules look for: no panic, and a second pass changes nothing.
    #[test]
    fn near_misses_are_taken(parts in proptest::collection::vec(prop_oneof![
        Just("password"), Just("pass\\u0077ord"), Just("primaryKey"), Just("tokens"), Just("pin"), Just("Authorization"),
        Just("Bearer "), Just("basic "), Just("curl -u "), Just("AKIAIOSFODNN7EXAMPLE"), Just("@tcp("), Just("@"),
        Just("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKE1"), Just("https://"), Just(":"), Just("="), Just("\""), Just("\\\""),
        Just("'"), Just(","), Just(" "), Just("\n"), Just("\t"), Just("{"), Just("}"), Just("["), Just("]"), Just("a1B2c3D4"),
        Just("hunter2"), Just("<password>"), Just("</"), Just("ya29."), Just("\"name\":"), Just("\"value\":"), Just("123456"),
        Just("{\"credentials\":{"), Just("\"field\":\"pin\","), Just("\"new\":"), Just("\\\"credentials\\\":["), Just("//"), Just("/*"),
        Just("--password "), Just("IDENTIFIED BY '"), Just("password={"), Just("u'"),
        Just("Zm9vYmFyYmF6cXV4MTIz"), Just("\\"), Just("é"), Just("[redacted:0123456789ab]"),
    ], 0..24)) {
        let text: String = parts.concat();
        let redactor = redactor();
        let once = redactor.bytes(text.as_bytes());
        let twice = redactor.bytes(&once);
        prop_assert_eq!(String::from_utf8_lossy(&twice), String::from_utf8_lossy(&once));
        let json = serde_json::json!({"m": text, text.clone(): 1}).to_string();
        if let Some(clean) = redactor.json(&json) {
            prop_assert_eq!(redactor.json(&clean.text), None, "{}", clean.text);
        }
    }
}

proptest! {
    /// Leaving out the rules that can find nothing in a piece changes nothing.
    #[test]
    fn rules_that_are_left_out_find_nothing(parts in proptest::collection::vec(prop_oneof![
        Just("-----BEGIN RSA PRIVATE KEY-----"), Just("MIIEow"), Just("-----END"), Just("https://bob:s3cr3t@"),
        Just("x://abcdefghijklmnopqrst@"), Just("BASIC Zm9vYmFyYmF6cXV4MTIz"), Just("ba\u{17f}ic Zm9vYmFyYmF6cXV4MTIz"),
        Just("splunk a1B2c3D4a1B2c3D4"), Just("api-token a1B2c3D4a1B2c3D4"), Just("Bearer a1B2c3D4"), Just("Authorization: "),
        Just("authorization"), Just("digest a1B2c3D4"), Just("AKIAIOSFODNN7EXAMPLE"), Just("eyJhbGciOiJ.eyJzdWIiOiI.c2ln"),
        Just("ghp_a1B2c3D4a1B2c3D4a1B2"), Just("github_pat_a1B2c3D4a1B2c3D4a1B2"), Just("xoxb-a1B2c3D4a1"), Just("xapp-a1B2c3D4a1"),
        Just("AIzaa1B2c3D4a1B2c3D4a1B2c3D4a1B2c3D4"), Just("rk_live_a1B2c3D4a1"), Just("glpat-a1B2c3D4a1B2c3D4"),
        Just("ya29.a1B2c3D4a1"), Just("1//0a1B2c3D4a1B2c3D4a1B2"), Just("dapi0123456789abcdef0123456789abcdef"),
        Just("hooks.slack.com/services/T0/B0/x"), Just("x.webhook.office.com/y"), Just("outlook.office.com/webhook/y"),
        Just("f.azurewebsites.net/f?code=x"), Just("postgres%3A%2F%2Fu%3Ap%40"), Just("identified by 'x'"), Just("IDENTIFIED BY \"x\""),
        Just("alter user u identified by x "), Just("create role r password 'x'"), Just("--password x"),
        Just("shpat_a1B2c3D4a1B2c3D4a1B2"), Just("npm_a1B2c3D4a1B2c3D4a1B2c3D4a1B2c3D4"), Just("sk-ant-a1B2c3D4a1B2c3D4"),
        Just("curl -u me:x "), Just("sshpass -p x "), Just("u:p@tcp6("), Just("u:p@unix("), Just("jdbc:oracle:thin:u/p@"),
        Just("password"), Just("=x"), Just(": \"x1y2z3\""), Just("\"name\":\"pwd\","), Just("\"value\":\"x\""), Just("<pwd>x</pwd>"),
        Just("pass\\u0077ord"), Just(" "), Just("\n"), Just(","), Just("\""), Just("\\\""), Just("\u{212a}"), Just("\u{e9}"),
    ], 0..12)) {
        let text: String = parts.concat();
        let redactor = redactor();
        let masks = Masks::new(&redactor, Rules::ALL.and(Rules::AWS_SECRET));
        let shapes = masks.shapes();
        prop_assert_eq!(shapes.spans(&text, masks.rules_in(&text)), shapes.spans(&text, masks.rules), "{}", text);
    }
}

proptest! {
    /// Wherever a secret is planted, it is gone, and a second pass changes nothing.
    #[test]
    fn planted_secrets_are_gone(
        path in proptest::collection::vec("[a-z]{1,8}", 0..5),
        name in prop_oneof![Just("password"), Just("clientSecret"), Just("api_key"), Just("X-Auth-Token"), Just("private.key")],
        secret in "[A-Za-z0-9!$%^*+/=_.~-]{8,40}",
        quoted in 0..3_usize,
    ) {
        let mut value = serde_json::json!({name: secret, "other": 1});
        for step in &path {
            value = serde_json::json!({step: [value, "x"]});
        }
        let mut text = value.to_string();
        for _ in 0..quoted {
            text = serde_json::json!({"body": text}).to_string();
        }
        let redactor = redactor();
        let clean = redactor.json(&text).expect("found").text;
        prop_assert!(!clean.contains(&secret), "{clean}");
        prop_assert_eq!(redactor.json(&clean), None);
        prop_assert!(!String::from_utf8_lossy(&redactor.bytes(text.as_bytes())).contains(&secret));
    }

    /// Any bytes at all: no panic, and a second pass changes nothing.
    #[test]
    fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let redactor = redactor();
        let once = redactor.bytes(&bytes);
        prop_assert_eq!(redactor.bytes(&once), once);
    }
}

/// Roads write members in an order of their own; an event must not become another one by that.
#[test]
fn the_digest_knows_what_was_masked_where_and_no_order_of_members() {
    let redactor = redactor();
    let digest = |text: &str| redactor.json(text).expect("a secret").digest;
    let one =
        digest(r#"{"a":{"password":"one","token":"two"},"password":"three","list":[{"secret":"4"},{"secret":"5"}]}"#);
    let same =
        digest(r#"{"list":[{"secret":"4"},{"secret":"5"}],"password":"three","a":{"token":"two","password":"one"}}"#);
    assert_eq!(one, same);
    assert_eq!(digest(r#"{"data":{"password":"one"}}"#), digest(r#"{"data":"{\"password\":\"one\"}"}"#));
    for other in [
        r#"{"a":{"password":"two","token":"one"},"password":"three","list":[{"secret":"4"},{"secret":"5"}]}"#,
        r#"{"a":{"password":"three","token":"two"},"password":"one","list":[{"secret":"4"},{"secret":"5"}]}"#,
        r#"{"a":{"password":"one","token":"two"},"password":"three","list":[{"secret":"5"},{"secret":"4"}]}"#,
    ] {
        assert_ne!(digest(other), one, "{other}");
    }
    let line = |text: &str| digest(&serde_json::json!({"message": text}).to_string());
    assert_ne!(line("password=one token=two"), line("password=two token=one"));
}

/// What was once read again for each of its pairs takes no longer than its length calls for.
#[test]
fn repeated_names_are_read_once() {
    let begun = std::time::Instant::now();
    for part in ["password=", "refresh=", "pass\\u0077ord=", "token:\\\"", "password=\"[redacted:0123456789ab] token='"]
    {
        let _ = redactor().bytes(part.repeat(200_000 / part.len()).as_bytes());
    }
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}
