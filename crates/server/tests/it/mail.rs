//! Mails as their recipients meet them: the directory that stands for a mail server, and the pages
//! behind the links.

use std::time::Duration;

use proto::http::{DoorKind, Notices, Preview};

use crate::harness::{Answer, Host, PASSWORD, PATIENCE, host, host_with};

/// The newest mail whose name contains `kind`, as soon as it is there.
pub(crate) async fn mail(host: &Host, kind: &str) -> String {
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
pub(crate) fn link(mail: &str, page: &str) -> String {
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
pub(crate) async fn confirmed(host: &Host, handle: &str) -> proto::http::SessionGranted {
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
    let wanted =
        "wanted=on&door=mail&url=&preview=names&quiet_from=22%3A00&quiet_to=06%3A30&hide=on";
    assert_eq!(form(&host, &page, wanted).await.status, 200);
    let now = settings().await;
    assert_eq!((now.preview, now.quiet_from), (Preview::Names, 22 * 60));
    assert_eq!((now.quiet_to, now.hide, now.unwanted), (6 * 60 + 30, true, false));
    let hours = "quiet_from=00%3A00&quiet_to=00%3A00";
    for bad in [
        String::new(),
        format!("door=mail&url=&preview=all&{hours}"),
        format!("door=fax&url=&preview=full&{hours}"),
        format!("door=webhook&url=&preview=full&{hours}"),
        format!("door=push&url=http%3A%2F%2F127.0.0.1%2F&preview=full&{hours}"),
        "door=mail&url=&preview=full&quiet_from=24%3A00&quiet_to=00%3A00".to_owned(),
        "preview=full".to_owned(),
    ] {
        assert!(form(&host, &page, &bad).await.status >= 400, "{bad}");
    }
    let hook =
        format!("wanted=on&door=webhook&url=https%3A%2F%2Fexample.org%2F&preview=full&{hours}");
    let saved = text(&form(&host, &page, &hook).await);
    assert!(saved.contains("<code>whsec_") && saved.contains("https://example.org/"), "{saved}");
    assert!(!text(&form(&host, &page, &hook).await).contains("whsec_"), "shown once");
    assert!(!text(&open(&host, &page).await).contains("whsec_"));
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
    // The row goes a moment after its mail is on the disk.
    let empty = async {
        let mut look = tokio::time::interval(Duration::from_millis(20));
        while !host.server.store.waiting_jobs().await.unwrap().is_empty() {
            look.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, empty).await.expect("no other mail waits");
    assert_eq!(host.metric("natter_mails_account_total").await, 2, "however often he was asked");
}

#[tokio::test]
async fn a_person_chooses_by_which_door_he_is_told() {
    let host = host_with(|config| config.doors_opened = vec!["10.0.0.0/8".into()]).await;
    let granted = host.signup("ann").await;
    let ask = async |method: &str, body: &str| {
        host.call(method, "/v1/notices", &granted.token, body).await
    };
    let first: Notices = ask("GET", "").await.json();
    assert_eq!((first.door, first.wanted, &first.address), (DoorKind::Mail, true, &None));
    let put = async |wanted: &Notices| ask("PUT", &serde_json::to_string(wanted).unwrap()).await;
    let hook = |url: &str| Notices {
        door: DoorKind::Webhook,
        url: Some(url.into()),
        quiet_from: "22:00".into(),
        preview: Preview::Names,
        ..first.clone()
    };
    let told: Notices = put(&hook("https://example.org/hook")).await.json();
    let key = told.key.clone().expect("a new webhook has a key");
    assert_eq!(told, Notices { key: Some(key.clone()), ..hook("https://example.org/hook") });
    let again: Notices = put(&hook("https://example.org/hook")).await.json();
    assert_eq!(again.key, None, "the key stays, and is told once");
    let moved: Notices = put(&hook("http://10.1.2.3/hook")).await.json();
    assert_ne!(moved.key, Some(key), "another door, another key");
    let listed: Notices = ask("GET", "").await.json();
    assert_eq!((listed.key, listed.url.as_deref()), (None, Some("http://10.1.2.3/hook")));

    for bad in ["https://127.0.0.1/", "http://1.1.1.1/", "https://a:b@example.org/", "", "x"] {
        let answer = put(&hook(bad)).await;
        assert_eq!(answer.status, 422, "{bad}: {}", text(&answer));
        assert_eq!(answer.json::<proto::http::Problem>().field.as_deref(), Some("url"));
    }
    let bad_hour = Notices { quiet_to: "7".into(), ..first.clone() };
    assert_eq!(put(&bad_hour).await.json::<proto::http::Problem>().field.unwrap(), "quiet_to");
    assert_eq!(host.call("GET", "/v1/notices", "", "").await.status, 401);
}

#[tokio::test]
async fn an_address_is_given_later_with_the_password_and_confirmed_by_its_own_link_only() {
    let host = host().await;
    let granted = confirmed(&host, "ann").await;
    let signup = proto::http::Signup {
        handle: "bob".into(),
        name: None,
        password: PASSWORD.into(),
        email: Some("bob@example.org".into()),
        device: None,
    };
    assert_eq!(host.post("/v1/signup", "", &signup).await.status, 201);
    let put = async |email: &str, password: &str| {
        let change = proto::http::AddressChange { email: email.into(), password: password.into() };
        let body = serde_json::to_string(&change).unwrap();
        host.call("PUT", "/v1/address", &granted.token, &body).await.status
    };
    assert_eq!(put("ann@example.net", "not the password").await, 403);
    assert_eq!(put("no address", PASSWORD).await, 422);
    assert_eq!(put("bob@example.org", PASSWORD).await, 409);
    assert_eq!(put("ann@example.net", PASSWORD).await, 204);
    let look = async || host.call("GET", "/v1/notices", &granted.token, "").await;
    assert_eq!(look().await.json::<Notices>().address, None, "it is not confirmed");
    let asked = async {
        let mut look = tokio::time::interval(Duration::from_millis(20));
        loop {
            look.tick().await;
            let mail = mail(&host, "confirm").await;
            if mail.contains("ann@example.net") {
                return link(&mail, "confirm");
            }
        }
    };
    let confirm = tokio::time::timeout(PATIENCE, asked).await.expect("a mail in time");
    assert!(text(&open(&host, &confirm).await).contains("ann@example.net"));
    assert_eq!(form(&host, &confirm, "").await.status, 200);
    let address = look().await.json::<Notices>().address;
    assert_eq!(address.as_deref(), Some("ann@example.net"));
    assert_eq!(put("ann@example.net", PASSWORD).await, 204, "nothing to do");
}
