//! Copies of older versions that are worth keeping.

use sqlx::Transaction;
use sqlx::sqlite::Sqlite;

use super::{MESSAGES, read_message};
use crate::{limits, pen};

/// Messages without an id and without an index of their texts.
pub(super) const BEFORE_SEARCH: i64 = 1;

/// Every message of the copy moves into the table of today, and can be searched for.
pub(super) async fn index_what_is_here(all: &mut Transaction<'_, Sqlite>) -> sqlx::Result<()> {
    sqlx::raw_sql("ALTER TABLE message RENAME TO message_before").execute(&mut **all).await?;
    sqlx::raw_sql(MESSAGES).execute(&mut **all).await?;
    let mut after = (0_i64, 0_i64);
    loop {
        let rows: Vec<(i64, i64, Vec<u8>)> = sqlx::query_as(
            "SELECT conv_id, seq, frame FROM message_before WHERE (conv_id, seq) > ($1, $2) \
             ORDER BY conv_id, seq LIMIT $3",
        )
        .bind(after.0)
        .bind(after.1)
        .bind(limits::MESSAGES_PER_READ_MAX)
        .fetch_all(&mut **all)
        .await?;
        let Some((conv_id, seq, _)) = rows.last() else {
            break;
        };
        after = (*conv_id, *seq);
        let messages: Vec<_> = rows.iter().filter_map(|row| read_message(&row.2)).collect();
        pen::write_messages(all, &messages).await?;
    }
    sqlx::raw_sql("DROP TABLE message_before").execute(&mut **all).await?;
    Ok(())
}
