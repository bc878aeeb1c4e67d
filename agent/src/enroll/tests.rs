//! Enrolment up to the first byte that is sent: what is refused leaves no trace.

use super::*;
use crate::host::fake::Fake;
use crate::inventory::tests::office_server;

fn args(statement: &str) -> EnrollArgs {
    EnrollArgs {
        // A port on which nothing listens: reaching it would end in `Unreachable`.
        server: "https://127.0.0.1:1".into(),
        token: "id.secret".into(),
        ca_hash: format!("sha256:{}", "0".repeat(64)),
        statement: Some(statement.into()),
        name: Some("Zhang".into()),
        phone: Some("0825-1".into()),
    }
}

async fn enroll(host: &Fake, args: &EnrollArgs, typed: &str) -> (EnrollError, String) {
    let mut said = Vec::new();
    let error = run(host, &Paths::default(), args, Language::Zh, &mut typed.as_bytes(), &mut said).await.unwrap_err();
    (error, String::from_utf8(said).unwrap())
}

#[tokio::test]
async fn any_other_sentence_is_refused_and_nothing_is_read_sent_or_stored() {
    for statement in ["", "yes", "本机存储、处理国家秘密", "This machine stores state secrets"] {
        let host = office_server();
        let (error, _) = enroll(&host, &args(statement), "").await;
        assert!(matches!(error, EnrollError::Undeclared));
        assert_eq!(error.exit(), Exit::Refused);
        assert!(host.changes().is_empty(), "{:?}", host.changes());
    }
}

#[tokio::test]
async fn the_typed_declaration_is_asked_for_sentence_name_and_telephone() {
    let host = office_server();
    let asked = EnrollArgs { statement: None, name: None, phone: None, ..args("") };
    let (error, said) = enroll(&host, &asked, "本机不存储、不处理国家秘密\n张某\n0825-1\n").await;
    assert!(matches!(error, EnrollError::Gateway(GatewayError::Unreachable { .. })), "{error}");
    assert_eq!(error.exit(), Exit::Unreachable);
    assert!(
        said.contains("请输入: 本机不存储、不处理国家秘密") && said.contains("姓名") && said.contains("电话"),
        "{said}"
    );
    assert!(host.changes().is_empty(), "nothing is stored before the CA is known to be the right one");
}

#[tokio::test]
async fn names_have_bounds_and_hashes_a_form() {
    let long = EnrollArgs { name: Some("x".repeat(65)), ..args(DECLARATION_ZH) };
    assert_eq!(enroll(&office_server(), &long, "").await.0.exit(), Exit::Usage);
    let short = EnrollArgs { ca_hash: "sha256:12".into(), ..args(DECLARATION_ZH) };
    let error = enroll(&office_server(), &short, "").await.0;
    assert!(error.to_string().contains("sha256:<64 hex digits>"), "{error}");
}

#[tokio::test]
async fn a_machine_that_has_joined_is_not_joined_twice() {
    let host = office_server().file(
        "/var/lib/qianyun/enrolled.json",
        r#"{"server":"https://gw","namespace":"d","host":"h","department":"","system":"","declaredBy":"","declaredUnixMs":0}"#,
    );
    let error = enroll(&host, &args(DECLARATION_EN), "").await.0;
    assert!(matches!(&error, EnrollError::Already { name, .. } if name == "d/h"), "{error}");
}
