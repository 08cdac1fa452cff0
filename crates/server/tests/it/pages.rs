//! The pages behind mails in a real Chromium in which scripts are switched off: everything works,
//! and nothing is asked of anybody else.

use proto::http::Preview;
use store::{Door, Purpose};

use crate::browser::Browser;
use crate::harness::{Host, PASSWORD, host};
use crate::mail::{confirmed, link, mail};

/// Shows that scripts are off: a page of ours has none that could show it.
async fn scripts_are_off(browser: &Browser) {
    browser.open("data:text/html,<title>a</title><script>document.title='b'</script>").await;
    browser.is_titled("a").await;
    browser.requests().await;
}

/// Only this host was asked, and for nothing but its pages.
async fn asked_only(browser: &Browser, host: &Host) {
    let requests = browser.requests().await;
    assert!(!requests.is_empty());
    let page = format!(" {}/v1/", host.server.url);
    let icon = format!("GET {}/favicon.ico", host.server.url);
    for request in requests {
        assert!(request.contains(&page) || request == icon, "{request}");
    }
}

#[tokio::test]
async fn an_address_is_confirmed_and_a_password_set_anew_in_a_browser_without_scripts() {
    let host = host().await;
    let signup = proto::http::Signup {
        handle: "ann".into(),
        name: None,
        password: PASSWORD.into(),
        email: Some("ann@example.org".into()),
        device: None,
    };
    assert_eq!(host.post("/v1/signup", "", &signup).await.status, 201);
    let url = |path: &str| format!("{}{path}", host.server.url);
    let browser = Browser::start().await;
    scripts_are_off(&browser).await;

    let confirm = url(&link(&mail(&host, "confirm").await, "confirm"));
    browser.open(&confirm).await;
    assert!(browser.text().await.contains("ann@example.org is the address of the account @ann."));
    browser.click("button").await;
    browser.is_titled("Thank you · natter").await;
    browser.open(&confirm).await;
    browser.is_titled("This link is over · natter").await;

    browser.open(&url("/v1/forgot")).await;
    browser.fill("input[name=email]", "ann@example.org").await;
    browser.click("button").await;
    browser.is_titled("Look into your mail · natter").await;
    browser.open(&url(&link(&mail(&host, "reset").await, "reset"))).await;
    browser.fill("input[type=password]", "short").await;
    browser.click("button").await;
    browser.is_titled("Not this one · natter").await;
    browser.fill("input[type=password]", "another horse battery").await;
    browser.click("button").await;
    browser.is_titled("Done · natter").await;
    assert_eq!(host.login("ann", "another horse battery").await.status, 200);
    asked_only(&browser, &host).await;
    browser.end().await;
}

#[tokio::test]
async fn a_person_says_what_he_is_told_and_leaves_in_a_browser_without_scripts() {
    let host = host().await;
    let user_id = confirmed(&host, "bob").await.user_id;
    let store = &host.server.store;
    let token = "a".repeat(43);
    let hash = <sha2::Sha256 as sha2::Digest>::digest(token.as_bytes());
    store.mail_token_create(&hash, user_id, Purpose::Settings, i64::MAX).await.unwrap();
    let settings = async || store.recipient(user_id).await.unwrap().unwrap().settings;
    let browser = Browser::start().await;
    scripts_are_off(&browser).await;

    browser.open(&format!("{}/v1/mail/{token}", host.server.url)).await;
    assert!(browser.is_selected("input[name=wanted]").await);
    assert!(browser.is_selected("select[name=door] option:nth-child(1)").await);
    browser.click("select[name=door] option:nth-child(3)").await;
    browser.fill("input[name=url]", "https://ntfy.example.org/bob?a=\"b\"").await;
    browser.click("button").await;
    browser.is_titled("That did not work · natter").await;
    browser.open(&format!("{}/v1/mail/{token}", host.server.url)).await;
    browser.click("select[name=door] option:nth-child(3)").await;
    browser.fill("input[name=url]", "https://ntfy.example.org/bob?a='1'&amp=2").await;
    browser.click("select[name=preview] option:nth-child(2)").await;
    browser.fill("input[name=quiet_from]", "10:30PM").await;
    browser.fill("input[name=quiet_to]", "06:00AM").await;
    browser.click("input[name=hide]").await;
    browser.click("button").await;
    browser.says("Saved.").await;
    assert!(browser.is_selected("input[name=hide]").await);
    assert!(browser.is_selected("select[name=door] option:nth-child(3)").await);
    let now = settings().await;
    assert_eq!(now.door, Door::Push { url: "https://ntfy.example.org/bob?a='1'&amp=2".into() });
    assert_eq!((now.quiet_from, now.quiet_to), (22 * 60 + 30, 6 * 60));
    assert_eq!((now.preview, now.hide, now.unwanted), (Preview::Names, true, false));

    browser.open(&format!("{}/v1/unsubscribe/{token}", host.server.url)).await;
    assert!(!settings().await.unwanted, "looking changes nothing");
    browser.click("button").await;
    browser.is_titled("Done · natter").await;
    assert!(settings().await.unwanted);
    asked_only(&browser, &host).await;
    browser.end().await;
}
