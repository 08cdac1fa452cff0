//! Mails as their recipients meet them: the directory that stands for a mail server, and the pages
//! behind the links.

use std::time::Duration;

use crate::harness::{Answer, Host, PASSWORD, PATIENCE, host};

/// The newest mail whose name contains `kind`, as soon as it is there.
async fn mail(host: &Host, kind: &str) -> String {
    let directory = host.dir.0.join("mail");
    let look = async {
        let mut look = tokio::time::interval(Duration::from_millis(20));
        loop {
            look.tick().await;
            let Ok(entries) = std::fs::read_dir(&directory) else {
                continue;
            };
            let paths = entries.map(|entry| entry.unwrap().path());
            let named = |path: &std::path::PathBuf| {
                let name = path.file_name().unwrap().to_string_lossy();
                !name.starts_with('.') && name.contains(kind)
            };
            if let Some(path) = paths.filter(named).max() {
                return std::fs::read_to_string(path).unwrap();
            }
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("a mail in time")
}

/// The path of the link to this page in a mail.
fn link(mail: &str, page: &str) -> String {
    let mail = mail.replace("=\r\n", "");
    let at = mail.find(&format!("/v1/{page}/")).expect("a link");
    mail[at..at + page.len() + 5 + 43].to_owned()
}

async fn form(host: &Host, path: &str, body: &str) -> Answer {
    let (address, len) = (host.server.address, body.len());
    host.raw(&format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {len}\r\n\r\n{body}"
    ))
    .await
}

async fn open(host: &Host, path: &str) -> Answer {
    host.call("GET", path, "", "").await
}

fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

/// Signs up with an address and confirms it by the link in the mail.
async fn confirmed(host: &Host, handle: &str) -> proto::http::SessionGranted {
    let signup = proto::http::Signup {
        handle: handle.into(),
        name: None,
        password: PASSWORD.into(),
        email: Some(format!("{handle}@example.org")),
        device: None,
    };
    let granted = host.post("/v1/signup", "", &signup).await;
    assert_eq!(granted.status, 201);
    let confirm = link(&mail(host, "confirm").await, "confirm");
    let page = open(host, &confirm).await;
    assert_eq!(page.status, 200);
    assert!(text(&page).contains(&format!("{handle}@example.org")));
    for (name, value) in [("cache-control", "no-store"), ("referrer-policy", "no-referrer")] {
        assert_eq!(page.header(name), Some(value));
    }
    assert!(page.header("content-security-policy").unwrap().contains("default-src 'none'"));
    assert_eq!(open(host, &confirm).await.status, 200, "looking uses nothing up");
    assert_eq!(form(host, &confirm, "").await.status, 200);
    assert_eq!(form(host, &confirm, "").await.status, 404, "one use");
    granted.json()
}

#[tokio::test]
async fn an_address_is_confirmed_and_a_forgotten_password_set_anew_by_mail() {
    let host = host().await;
    let granted = confirmed(&host, "ann").await;
    assert_eq!(open(&host, "/v1/forgot").await.status, 200);
    let unknown = form(&host, "/v1/forgot", "email=nobody%40example.org").await;
    let known = form(&host, "/v1/forgot", "email=ann%40example.org").await;
    assert_eq!((unknown.status, &unknown.body), (known.status, &known.body));
    let reset = link(&mail(&host, "reset").await, "reset");
    assert!(text(&open(&host, &reset).await).contains("type=password"));
    assert_eq!(form(&host, &reset, "password=short").await.status, 422);
    let done = form(&host, &reset, "password=another+horse+battery").await;
    assert_eq!(done.status, 200, "{}", text(&done));
    assert_eq!(form(&host, &reset, "password=a+third+horse+now").await.status, 404);
    assert_eq!(host.login("ann", PASSWORD).await.status, 401);
    assert_eq!(host.login("ann", "another horse battery").await.status, 200);
    let old = host.call("GET", "/v1/sessions", &granted.token, "").await;
    assert_eq!(old.status, 401, "all logins have ended");
    assert_eq!(host.metric("natter_mails_account_total").await, 2);
}

#[tokio::test]
async fn a_person_says_which_mails_he_wants_and_leaves_with_one_click() {
    let host = host().await;
    let granted = confirmed(&host, "bob").await;
    let store = &host.server.store;
    let token = "a".repeat(43);
    let hash = <sha2::Sha256 as sha2::Digest>::digest(token.as_bytes());
    let purpose = store::Purpose::Settings;
    store.mail_token_create(&hash, granted.user_id, purpose, i64::MAX).await.unwrap();
    let settings = async || store.recipient(granted.user_id).await.unwrap().unwrap().settings;

    let page = format!("/v1/mail/{token}");
    assert!(text(&open(&host, &page).await).contains("name=wanted checked"));
    let wanted = "wanted=on&preview=names&quiet_from=22%3A00&quiet_to=06%3A30&hide=on";
    assert_eq!(form(&host, &page, wanted).await.status, 200);
    let now = settings().await;
    assert_eq!((now.preview, now.quiet_from), (store::Preview::Names, 22 * 60));
    assert_eq!((now.quiet_to, now.hide, now.unwanted), (6 * 60 + 30, true, false));
    for bad in ["", "preview=all&quiet_from=00%3A00&quiet_to=00%3A00", "preview=full"] {
        assert!(form(&host, &page, bad).await.status >= 400, "{bad}");
    }
    let leave = format!("/v1/unsubscribe/{token}");
    assert_eq!(open(&host, &leave).await.status, 200);
    assert!(!settings().await.unwanted, "a scanner that follows links changes nothing");
    assert_eq!(form(&host, &leave, "List-Unsubscribe=One-Click").await.status, 200);
    assert!(settings().await.unwanted);
    let foreign = format!("/v1/unsubscribe/{}", "b".repeat(43));
    assert_eq!(form(&host, &foreign, "").await.status, 404);
}

#[tokio::test]
async fn a_login_is_told_to_the_owner_of_a_confirmed_address() {
    let host = host().await;
    let granted = confirmed(&host, "ann").await;
    let login = proto::http::Login {
        handle: "ann".into(),
        password: PASSWORD.into(),
        device: Some("a phone\u{202e}".into()),
    };
    let refused = host.post("/v1/login", "", &login).await;
    assert_eq!(refused.status, 422, "a device has a plain name");
    let login = proto::http::Login { device: Some("a phone".into()), ..login };
    assert_eq!(host.post("/v1/login", "", &login).await.status, 200);
    let told = mail(&host, "login").await.replace("=\r\n", "");
    for part in ["Device: a phone", " UTC", "the server's own machine", "/v1/forgot"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let (_, id) = told.split_once("natter sessions --end ").expect("how to end it");
    let path = format!("/v1/sessions/{}", &id[..16]);
    assert_eq!(host.call("DELETE", &path, &granted.token, "").await.status, 204);
}

#[tokio::test]
async fn nobody_can_fill_a_mailbox_with_links_to_new_passwords() {
    let host = host().await;
    confirmed(&host, "ann").await;
    let mut taken = 0;
    for _ in 0..20 {
        let asked = form(&host, "/v1/forgot", "email=ann%40example.org").await;
        assert!(matches!(asked.status, 200 | 429), "{}", text(&asked));
        taken += u32::from(asked.status == 200);
    }
    assert!((1..=6).contains(&taken), "one address asks {taken} times in a moment");
    mail(&host, "reset").await;
    let waiting = host.server.store.waiting_jobs().await.unwrap();
    assert!(waiting.is_empty(), "one mail, however often he was asked: {waiting:?}");
}
