//! `natter notices`: how somebody is told of what stays unread while he is away.

use client::Profile;
use proto::http::{DoorKind, Notices, Preview};
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
    if change(&mut notices, args)? {
        notices = client::account::set_notices(&login, &notices).await?;
    }
    let mut value = serde_json::to_value(&notices).expect("texts have a JSON form");
    value["type"] = json!("notices");
    Ok(output.line(&in_words(&notices), &value)?)
}

/// Whether anything was named.
fn change(notices: &mut Notices, args: &NoticeArgs) -> Result<bool, Failure> {
    let door = match (args.mail, &args.webhook, &args.push) {
        (true, ..) => Some((DoorKind::Mail, None)),
        (_, Some(url), _) => Some((DoorKind::Webhook, Some(url.clone()))),
        (.., Some(url)) => Some((DoorKind::Push, Some(url.clone()))),
        (false, None, None) => None,
    };
    let named = args.off || door.is_some() || args.preview.is_some() || args.quiet.is_some();
    if let Some((door, url)) = door {
        notices.wanted = true;
        (notices.door, notices.url) = (door, url);
    }
    if args.off {
        notices.wanted = false;
    }
    if let Some(preview) = args.preview {
        notices.preview = match preview {
            PreviewName::Full => Preview::Full,
            PreviewName::Names => Preview::Names,
            PreviewName::None => Preview::None,
        };
    }
    if let Some(quiet) = &args.quiet {
        let wrong = || Failure::new(Exit::Usage, "--quiet wants HH:MM-HH:MM, as 22:00-06:30");
        let (from, to) = quiet.split_once('-').ok_or_else(wrong)?;
        (notices.quiet_from, notices.quiet_to) = (from.to_owned(), to.to_owned());
    }
    if let Some(hide) = args.hide {
        notices.hide = hide;
    }
    Ok(named || args.hide.is_some())
}

fn in_words(notices: &Notices) -> String {
    let url = notices.url.as_deref().unwrap_or_default();
    let told = match (notices.wanted, notices.door, &notices.address) {
        (false, ..) => "nothing is told while you are away".to_owned(),
        (true, DoorKind::Mail, Some(address)) => format!("by mail to {address}"),
        (true, DoorKind::Mail, None) => {
            "by mail, but no address is confirmed: nothing is told".to_owned()
        }
        (true, DoorKind::Webhook, _) => format!("by a call of {url}"),
        (true, DoorKind::Push, _) => format!("by a push to {url}"),
    };
    let preview = match notices.preview {
        Preview::Full => "who wrote, and what",
        Preview::Names => "who wrote",
        Preview::None => "only that there is something",
    };
    let mut lines = vec![told, format!("it tells: {preview}")];
    if notices.quiet_from != notices.quiet_to {
        lines.push(format!("nothing from {} to {} UTC", notices.quiet_from, notices.quiet_to));
    }
    if notices.hide {
        lines.push("others do not see since when you are offline".into());
    }
    if let Some(why) = &notices.fault {
        lines.push(format!("the last one did not get through: {why}"));
    }
    if let Some(key) = &notices.key {
        lines.push(format!("the key that signs its calls, shown once: {key}"));
    }
    lines.join("\n")
}
