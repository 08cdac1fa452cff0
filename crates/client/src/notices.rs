//! How somebody is told of what stays unread while he is away: what can be changed, and how it
//! reads. The command line and the screen say the same.

use proto::http::{DoorKind, Notices, Preview};

/// One thing that somebody wants to be otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Nothing is told.
    Off,
    /// By mail, to the confirmed address.
    Mail,
    /// By a signed call of this URL.
    Webhook(String),
    /// By a push server that speaks like ntfy: the URL of the topic.
    Push(String),
    Preview(Preview),
    /// `HH:MM` in UTC; the same twice: at any time.
    Quiet {
        from: String,
        to: String,
    },
    /// Others see neither since when he is offline nor that a mail went out.
    Hide(bool),
}

impl Change {
    /// Hours as they are typed: `22:00-06:30`. None: they are not.
    pub fn quiet(hours: &str) -> Option<Self> {
        let (from, to) = hours.split_once('-')?;
        Some(Self::Quiet { from: from.trim().to_owned(), to: to.trim().to_owned() })
    }

    pub fn apply(self, notices: &mut Notices) {
        let door = match self {
            Self::Off => {
                notices.wanted = false;
                return;
            }
            Self::Preview(preview) => {
                notices.preview = preview;
                return;
            }
            Self::Quiet { from, to } => {
                (notices.quiet_from, notices.quiet_to) = (from, to);
                return;
            }
            Self::Hide(hide) => {
                notices.hide = hide;
                return;
            }
            Self::Mail => (DoorKind::Mail, None),
            Self::Webhook(url) => (DoorKind::Webhook, Some(url)),
            Self::Push(url) => (DoorKind::Push, Some(url)),
        };
        notices.wanted = true;
        (notices.door, notices.url) = door;
    }
}

/// What holds, a sentence a line.
pub fn words(notices: &Notices) -> Vec<String> {
    let url = notices.url.as_deref().unwrap_or_default();
    let told = match (notices.wanted, notices.door, &notices.address) {
        (false, ..) => "nothing is told while you are away".to_owned(),
        (true, DoorKind::Mail, Some(address)) => format!("by mail to {address}"),
        (true, DoorKind::Mail, None) => {
            "by mail, but no address is confirmed: nothing is told (natter address ADDRESS)"
                .to_owned()
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
    lines
}
