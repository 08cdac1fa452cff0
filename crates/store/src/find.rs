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
        // A handle may have several words, too.
        [_, _, ..] => ids.extend(by_prefix(link, &handle).await?),
    }
    let mut people = in_order(link, viewer, &ids).await?;
    match typed.as_slice() {
        [word] if people.len() < limit => {
            let ids = by_typo(link, word).await?;
            add(&mut people, in_order(link, viewer, &ids).await?);
        }
        [first, second, ..] => {
            add_by_two_words(link, viewer, first, second, limit, &mut people).await?;
            add_by_two_words(link, viewer, second, first, limit, &mut people).await?;
        }
        [] | [_] => {}
    }
    people.truncate(limit);
    Ok(people)
}

/// Those who were not found before.
fn add(people: &mut Vec<Person>, found: Vec<Person>) {
    for person in found {
        if !people.iter().any(|known| known.user_id == person.user_id) {
            people.push(person);
        }
    }
}

/// Until there are as many as are shown. Each row costs the look at many who have only one of the
/// words, so a few are asked for first: seldom is one of them hidden from the viewer.
async fn add_by_two_words(
    link: &mut Link<'_>,
    viewer: i64,
    whole: &str,
    prefix: &str,
    limit: usize,
    people: &mut Vec<Person>,
) -> Result<()> {
    for asked in [2 * limit as i64, limits::FIND_ROWS] {
        if people.len() >= limit {
            return Ok(());
        }
        let ids = by_two_words(link, whole, prefix, asked).await?;
        let all = (ids.len() as i64) < asked;
        add(people, in_order(link, viewer, &ids).await?);
        if all {
            return Ok(());
        }
    }
    Ok(())
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

/// One whole word and the beginning of another, in order of user_id. Whichever few have is where it
/// begins.
async fn by_two_words(
    link: &mut Link<'_>,
    whole: &str,
    prefix: &str,
    asked: i64,
) -> Result<Vec<i64>> {
    let end = format!("{prefix}{LAST}");
    let have: Option<(i64,)> = row!(
        link,
        "SELECT count(*) FROM (SELECT 1 FROM user_word WHERE word >= $1 AND word < $2
                                ORDER BY word, user_id LIMIT $3) beginning",
        prefix,
        &end,
        limits::RARE_WORD_MAX + 1
    )?;
    let found: Vec<(i64,)> = if have.is_some_and(|(have,)| have <= limits::RARE_WORD_MAX) {
        rows!(
            link,
            "WITH second AS MATERIALIZED (
               SELECT DISTINCT user_id FROM user_word WHERE word >= $1 AND word < $2)
             SELECT user_id FROM second
              WHERE EXISTS (SELECT 1 FROM user_word w
                             WHERE w.word = $3 AND w.user_id = second.user_id)
              ORDER BY user_id LIMIT $4",
            prefix,
            &end,
            whole,
            asked
        )?
    } else {
        rows!(
            link,
            "WITH first AS MATERIALIZED (
               SELECT user_id FROM user_word WHERE word = $1 ORDER BY user_id LIMIT $4)
             SELECT user_id FROM first
              WHERE EXISTS (SELECT 1 FROM user_word w
                             WHERE w.user_id = first.user_id AND w.word >= $2 AND w.word < $3)
              LIMIT $5",
            whole,
            prefix,
            &end,
            limits::COMMON_WORD_MAX,
            asked
        )?
    };
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
