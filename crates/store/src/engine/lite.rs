//! Statements on SQLite. They run where they are called: most of them take less time than handing
//! them to another thread and waking up for the answer.

use rusqlite::types::FromSql;
use rusqlite::{Connection, Result as Said, Row, Statement, ToSql};

use super::Done;
use super::error::of_sqlite;
use crate::Result;

/// A row of SQLite as a type: a tuple by the order of its columns, a struct by their names.
pub(crate) trait FromLite: Sized {
    /// The names of the columns, where they count.
    const COLUMNS: &'static [&'static str];

    /// `places`: where these columns are in the row.
    fn read(row: &Row<'_>, places: &[usize]) -> Said<Self>;
}

/// The arguments that one row of a list adds to those that all rows share.
pub(crate) trait Args {
    fn put<'a>(&'a self, args: &mut Vec<&'a dyn ToSql>);
}

impl Args for () {
    fn put<'a>(&'a self, _: &mut Vec<&'a dyn ToSql>) {}
}

/// What of a statement's answer is wanted, gathered over all its runs.
pub(crate) trait Answer: Default {
    /// The names of the columns, where they count.
    const COLUMNS: &'static [&'static str];

    fn hear(&mut self, run: &mut Statement<'_>, places: &[usize], of: &Connection) -> Said<()>;
}

impl<T: FromLite> Answer for Vec<T> {
    const COLUMNS: &'static [&'static str] = T::COLUMNS;

    fn hear(&mut self, run: &mut Statement<'_>, places: &[usize], _: &Connection) -> Said<()> {
        let mut rows = run.raw_query();
        while let Some(row) = rows.next()? {
            self.push(T::read(row, places)?);
        }
        Ok(())
    }
}

impl<T: FromLite> Answer for Option<T> {
    const COLUMNS: &'static [&'static str] = T::COLUMNS;

    fn hear(&mut self, run: &mut Statement<'_>, places: &[usize], _: &Connection) -> Said<()> {
        let mut rows = run.raw_query();
        *self = rows.next()?.map(|row| T::read(row, places)).transpose()?;
        Ok(())
    }
}

impl Answer for Done {
    const COLUMNS: &'static [&'static str] = &[];

    fn hear(&mut self, run: &mut Statement<'_>, _: &[usize], of: &Connection) -> Said<()> {
        let mut rows = run.raw_query();
        while rows.next()?.is_some() {}
        self.0 += of.changes();
        Ok(())
    }
}

/// Runs a statement. It is prepared once on each connection.
pub(crate) fn run<A: Answer>(connection: &Connection, sql: &str, args: &[&dyn ToSql]) -> Result<A> {
    run_each(connection, sql, args, [()])
}

/// Runs a statement once for each row of a list: cheaper than one run over a list that has to be
/// written as a text and read again.
pub(crate) fn run_each<A: Answer, R: Args>(
    connection: &Connection,
    sql: &str,
    shared: &[&dyn ToSql],
    rows: impl IntoIterator<Item = R>,
) -> Result<A> {
    let run = || {
        let mut statement = connection.prepare_cached(sql)?;
        let places: Said<Vec<usize>> =
            A::COLUMNS.iter().map(|name| statement.column_index(name)).collect();
        let (places, mut answer) = (places?, A::default());
        for row in rows {
            let mut args = shared.to_vec();
            row.put(&mut args);
            bind(&mut statement, &args)?;
            answer.hear(&mut statement, &places, connection)?;
        }
        Ok(answer)
    };
    run().map_err(of_sqlite)
}

/// SQLite takes `$2` for a name and numbers names as they come; to us and to PostgreSQL it is the
/// second argument.
fn bind(statement: &mut Statement<'_>, args: &[&dyn ToSql]) -> Said<()> {
    for place in 1..=statement.parameter_count() {
        let name = statement.parameter_name(place).unwrap_or_default();
        let number: usize = name.get(1..).and_then(|digits| digits.parse().ok()).unwrap_or(place);
        let arg = args.get(number - 1).ok_or(rusqlite::Error::InvalidParameterCount(number, 0))?;
        statement.raw_bind_parameter(place, arg)?;
    }
    Ok(())
}

/// A struct that a row of either engine becomes, each field from the column of its name.
macro_rules! record {
    ($(#[$about:meta])* $vis:vis struct $name:ident {
        $($(#[$doc:meta])* $field_vis:vis $field:ident: $type:ty,)*
    }) => {
        $(#[$about])*
        #[derive(sqlx::FromRow)]
        $vis struct $name {
            $($(#[$doc])* $field_vis $field: $type,)*
        }

        impl $crate::engine::FromLite for $name {
            const COLUMNS: &'static [&'static str] = &[$(stringify!($field)),*];

            fn read(row: &rusqlite::Row<'_>, places: &[usize]) -> rusqlite::Result<Self> {
                let mut places = places.iter();
                let mut next = || *places.next().expect("there is one for each column");
                Ok(Self { $($field: row.get(next())?),* })
            }
        }
    };
}

pub(crate) use record;

macro_rules! tuples {
    ($($name:ident)+) => {
        impl<$($name: ToSql),+> Args for ($($name,)+) {
            fn put<'a>(&'a self, args: &mut Vec<&'a dyn ToSql>) {
                #[expect(non_snake_case, reason = "each is called like its type")]
                let ($($name,)+) = self;
                args.extend([$($name as &dyn ToSql),+]);
            }
        }

        impl<$($name: FromSql),+> FromLite for ($($name,)+) {
            const COLUMNS: &'static [&'static str] = &[];

            fn read(row: &Row<'_>, _: &[usize]) -> Said<Self> {
                let mut place = 0..;
                let mut next = || place.next().expect("no row is that wide");
                Ok(($(row.get::<_, $name>(next())?,)+))
            }
        }
    };
}

tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E);
tuples!(A B C D E F);
tuples!(A B C D E F G);

#[cfg(test)]
mod tests {
    use super::*;

    record! {
        #[derive(Debug, PartialEq, Eq)]
        struct Pair {
            left: i64,
            right: Option<String>,
        }
    }

    #[test]
    fn arguments_go_by_their_number_and_columns_by_their_name() {
        let connection = Connection::open_in_memory().unwrap();
        let sql = "SELECT $2 AS right, $1 AS left WHERE $1 < $3";
        let args: [&dyn ToSql; 3] = [&1_i64, &"two", &3_i64];
        let pair = Pair { left: 1, right: Some("two".into()) };
        assert_eq!(run::<Vec<Pair>>(&connection, sql, &args).unwrap(), [pair]);
        let by_order: Option<(String, i64)> = run(&connection, sql, &args).unwrap();
        assert_eq!(by_order, Some(("two".into(), 1)));
        let rows = [(1_i64, "one"), (5, "five"), (2, "two")];
        let list = "SELECT $3 AS right, $2 AS left WHERE $2 < $1";
        let found: Vec<(String, i64)> = run_each(&connection, list, &[&3_i64], rows).unwrap();
        assert_eq!(found, [("one".into(), 1), ("two".into(), 2)]);
        assert!(run::<Vec<Pair>>(&connection, sql, &args[..2]).is_err(), "one is missing");
    }
}
