//! Finding people: cheapest question first, and each of them bounded, whatever is typed.
//! `MATERIALIZED` and the inner `LIMIT`s hold the plans; without them both engines join first and
//! cut last.

use std::collections::HashMap;

use proto::limits::{FOUND_DEFAULT, FOUND_MAX};
use proto::{Person, Relation};

use crate::engine::{Link, each, row, rows};
use crate::users::people_rows;
use crate::{Result, Store, limits, words};

/// Behind every string that begins with a given one, in byte order.
const LAST: &str = "\u{10FFFF}";

impl Store {
    /// Exact, prefix, second word, one letter wrong; best first. Never those who blocked the
    /// viewer, nor himself. `limit` 0 = 20, at most 50.
    pub async fn find_people(&self, viewer: i64, text: &str, limit: u32) -> Result<Vec<Person>> {
        let limit = match limit {
            0 => FOUND_DEFAULT,
            limit => limit.min(FOUND_MAX),
        } as usize;
        let mut reader = self.directory().reader().await?;
        let link = &mut reader.link();
        self.directory().at_once(find(link, viewer, text, limit)).await
    }
}

async fn find(link: &mut Link<'_>, viewer: i64, text: &str, limit: usize) -> Result<Vec<Person>> {
    let handle = text.trim().trim_start_matches('@').to_lowercase();
    let typed = words::split(text);
    let mut ids = by_handle(link, &handle).await?;
    match typed.as_slice() {
        [] => {}
        [word] => ids.extend(by_prefix(link, word).await?),
        [first, second, ..] => {
            // A handle may have several words, too.
            ids.extend(by_prefix(link, &handle).await?);
            ids.extend(by_two_words(link, first, second).await?);
            ids.extend(by_two_words(link, second, first).await?);
        }
    }
    let mut people = in_order(link, viewer, &ids).await?;
    if let [word] = typed.as_slice()
        && people.len() < limit
    {
        let typos = by_typo(link, word).await?;
        for person in in_order(link, viewer, &typos).await? {
            if !people.iter().any(|known| known.user_id == person.user_id) {
                people.push(person);
            }
        }
    }
    people.truncate(limit);
    Ok(people)
}

async fn by_handle(link: &mut Link<'_>, handle: &str) -> Result<Vec<i64>> {
    let found: Option<(i64,)> =
        row!(link, "SELECT user_id FROM app_user WHERE handle = $1", handle)?;
    Ok(found.into_iter().map(|(user_id,)| user_id).collect())
}

async fn by_prefix(link: &mut Link<'_>, prefix: &str) -> Result<Vec<i64>> {
    let found: Vec<(i64,)> = rows!(
        link,
        "SELECT user_id FROM user_word WHERE word >= $1 AND word < $2
          ORDER BY word, user_id LIMIT $3",
        prefix,
        format!("{prefix}{LAST}"),
        limits::FIND_ROWS
    )?;
    Ok(found.into_iter().map(|(user_id,)| user_id).collect())
}

/// One whole word and the beginning of another.
async fn by_two_words(link: &mut Link<'_>, whole: &str, prefix: &str) -> Result<Vec<i64>> {
    let found: Vec<(i64,)> = rows!(
        link,
        "WITH first AS MATERIALIZED (
           SELECT user_id FROM user_word WHERE word = $1 ORDER BY user_id LIMIT $4)
         SELECT user_id FROM first
          WHERE EXISTS (SELECT 1 FROM user_word w
                         WHERE w.user_id = first.user_id AND w.word >= $2 AND w.word < $3)
          LIMIT $5",
        whole,
        prefix,
        format!("{prefix}{LAST}"),
        limits::COMMON_WORD_MAX,
        limits::FIND_ROWS
    )?;
    Ok(found.into_iter().map(|(user_id,)| user_id).collect())
}

/// Every string one letter away is looked up as the beginning of a word: a few hundred probes of
/// one index.
async fn by_typo(link: &mut Link<'_>, word: &str) -> Result<Vec<i64>> {
    if !(limits::TYPO_CHARS_MIN..=limits::TYPO_CHARS_MAX).contains(&word.chars().count()) {
        return Ok(Vec::new());
    }
    let slips = words::one_letter_away(word);
    let meant: Vec<(Option<String>,)> = each!(
        fetch_all query_as, link, [LAST],
        sqlite(&slips) "SELECT value AS slip FROM json_each($2)",
        postgres(&slips) "SELECT unnest($2::text[]) AS slip",
        "SELECT DISTINCT (SELECT word FROM user_word
                           WHERE word >= input.slip AND word < input.slip || $1
                           ORDER BY word LIMIT 1) AS word FROM input"
    )?;
    let meant: Vec<String> = meant.into_iter().filter_map(|(word,)| word).collect();
    let found: Vec<(i64,)> = each!(
        fetch_all query_as, link, [limits::FIND_ROWS],
        sqlite(&meant) "SELECT value AS word FROM json_each($2)",
        postgres(&meant) "SELECT unnest($2::text[]) AS word",
        "SELECT w.user_id FROM input JOIN user_word w ON w.word = input.word LIMIT $1"
    )?;
    Ok(found.into_iter().map(|(user_id,)| user_id).collect())
}

/// These people in this order, each once, as the viewer may see them.
async fn in_order(link: &mut Link<'_>, viewer: i64, ids: &[i64]) -> Result<Vec<Person>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut rows: HashMap<i64, _> = HashMap::new();
    for person in people_rows(link, viewer, ids).await? {
        if person.theirs != Relation::Blocked as i16 && person.user_id != viewer {
            rows.insert(person.user_id, person);
        }
    }
    Ok(ids.iter().filter_map(|id| rows.remove(id)).map(|row| row.into_person()).collect())
}
