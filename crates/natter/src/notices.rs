//! `natter notices`: how somebody is told of what stays unread while he is away.

use client::Profile;
use client::notices::{Change, words};
use proto::http::Preview;
use serde_json::json;

use crate::account;
use crate::cli::{NoticeArgs, PreviewName};
use crate::failure::{Exit, Failure};
use crate::output::Output;

/// Shows what is set, and changes before what the flags name.
pub(crate) async fn notices(
    profile: &Profile,
    server: Option<&str>,
    args: &NoticeArgs,
    output: &Output,
) -> Result<(), Failure> {
    let login = account::required(profile, server)?;
    let mut notices = client::account::notices(&login).await?;
    let changes = changes(args)?;
    if !changes.is_empty() {
        changes.into_iter().for_each(|change| change.apply(&mut notices));
        notices = client::account::set_notices(&login, &notices).await?;
    }
    let mut value = serde_json::to_value(&notices).expect("texts have a JSON form");
    value["type"] = json!("notices");
    Ok(output.line(&words(&notices).join("\n"), &value)?)
}

/// What the flags name, in an order that does not matter.
fn changes(args: &NoticeArgs) -> Result<Vec<Change>, Failure> {
    let mut changes = Vec::new();
    changes.extend(args.off.then_some(Change::Off));
    changes.extend(args.mail.then_some(Change::Mail));
    changes.extend(args.webhook.clone().map(Change::Webhook));
    changes.extend(args.push.clone().map(Change::Push));
    changes.extend(args.preview.map(|preview| {
        Change::Preview(match preview {
            PreviewName::Full => Preview::Full,
            PreviewName::Names => Preview::Names,
            PreviewName::None => Preview::None,
        })
    }));
    if let Some(quiet) = &args.quiet {
        let wrong = || Failure::new(Exit::Usage, "--quiet wants HH:MM-HH:MM, as 22:00-06:30");
        changes.push(Change::quiet(quiet).ok_or_else(wrong)?);
    }
    changes.extend(args.hide.map(Change::Hide));
    Ok(changes)
}
