//! Commands that do one thing and go. However many of them a user starts at once, they take no
//! screen's place: they have places of their own, and who finds none comes again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use proto::ErrorCode;

use super::Gateway;
use super::refusal::Refusal;
use crate::limits;

/// How many commands of each user are connected to this gateway.
#[derive(Default)]
pub(super) struct Briefs(Mutex<HashMap<i64, usize>>);

/// The place of one command, given back when it is dropped.
pub(crate) struct Place {
    gateway: Arc<Gateway>,
    user_id: i64,
}

/// A place, or the hint to come again in a moment.
pub(super) fn take(gateway: &Arc<Gateway>, user_id: i64) -> Result<Place, Refusal> {
    let mut briefs = gateway.briefs.0.lock().unwrap_or_else(PoisonError::into_inner);
    let taken = briefs.entry(user_id).or_default();
    if *taken >= limits::BRIEF_PER_USER_MAX {
        let text = "too many commands at once";
        return Err(Refusal::later(ErrorCode::Busy, text, limits::BRIEF_RETRY_MS));
    }
    *taken += 1;
    Ok(Place { gateway: Arc::clone(gateway), user_id })
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut briefs = self.gateway.briefs.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = briefs.get_mut(&self.user_id) {
            *taken -= 1;
            if *taken == 0 {
                briefs.remove(&self.user_id);
            }
        }
    }
}
