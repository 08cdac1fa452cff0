//! What is still to come.

use proto::{Message, Person, Role};

use crate::{Changed, GroupChange, Result, Store};

impl Store {
    pub async fn integrity(&self) -> Result<Vec<String>> {
        todo!()
    }
    pub async fn forget(&self, _now: i64) -> Result<u64> {
        todo!()
    }
    pub async fn find_people(&self, _viewer: i64, _text: &str, _limit: u32) -> Result<Vec<Person>> {
        todo!()
    }
    pub async fn edit(
        &self,
        _me: i64,
        _conv_id: i64,
        _seq: i64,
        _body: &str,
        _now: i64,
    ) -> Result<Changed> {
        todo!()
    }
    pub async fn delete(&self, _me: i64, _conv_id: i64, _seq: i64, _now: i64) -> Result<Changed> {
        todo!()
    }
    pub async fn react(
        &self,
        _me: i64,
        _conv_id: i64,
        _seq: i64,
        _emoji: &str,
        _remove: bool,
    ) -> Result<Changed> {
        todo!()
    }
    pub async fn create_group(
        &self,
        _me: i64,
        _title: &str,
        _user_ids: &[i64],
        _now: i64,
    ) -> Result<GroupChange> {
        todo!()
    }
    pub async fn invite(
        &self,
        _me: i64,
        _conv_id: i64,
        _user_ids: &[i64],
        _now: i64,
    ) -> Result<GroupChange> {
        todo!()
    }
    pub async fn leave(&self, _me: i64, _conv_id: i64, _now: i64) -> Result<GroupChange> {
        todo!()
    }
    pub async fn kick(
        &self,
        _me: i64,
        _conv_id: i64,
        _user_id: i64,
        _now: i64,
    ) -> Result<GroupChange> {
        todo!()
    }
    pub async fn rename(
        &self,
        _me: i64,
        _conv_id: i64,
        _title: &str,
        _now: i64,
    ) -> Result<GroupChange> {
        todo!()
    }
    pub async fn appoint(
        &self,
        _me: i64,
        _conv_id: i64,
        _user_id: i64,
        _role: Role,
        _now: i64,
    ) -> Result<GroupChange> {
        todo!()
    }
}
#[expect(dead_code)]
type Unused = Message;
