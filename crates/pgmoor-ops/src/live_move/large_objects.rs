//! Large objects that changed while a move was under way: no server sends changes of theirs.
//!
//! They are compared as a whole, object by object, and those that differ are carried: once before clients wait, so that few
//! are left for the time in which they do.

use std::collections::BTreeMap;
use std::time::Duration;

use super::error::MoveError;
use crate::session::Session;
use crate::sql::identifier;

/// Bytes that are carried at once.
const PIECE: i64 = 256 * 1024;

/// What a large object is told from another by: its owner, and a hash of what it holds.
type Known = BTreeMap<i64, (String, String)>;

/// Makes the large objects of `new` those of `old`; gives how many were carried or removed.
///
/// # Errors
/// [`MoveError::Server`]; what was not carried by then is carried when it is said again.
pub async fn carry(old: &Session, new: &Session, limit: Duration) -> Result<usize, MoveError> {
    let (here, there) = (read(old, limit).await?, read(new, limit).await?);
    let mut carried = 0;
    for (number, known) in &here {
        if there.get(number) != Some(known) {
            carry_one(old, new, *number, &known.0, limit).await?;
            carried += 1;
        }
    }
    for number in there.keys().filter(|number| !here.contains_key(number)) {
        let unlink = format!("select lo_unlink({number}::oid)");
        let unlink = new.client().batch_execute(&unlink);
        new.within("remove a large object", limit, unlink).await?;
        carried += 1;
    }
    Ok(carried)
}

async fn read(session: &Session, limit: Duration) -> Result<Known, MoveError> {
    let client = session.client();
    let may = "select has_table_privilege('pg_largeobject', 'SELECT')";
    let may = client.query_typed(may, &[]);
    let may = session
        .within("look at the large objects", limit, may)
        .await?;
    let hash = match may[0].get(0) {
        true => {
            "coalesce((select md5(string_agg(pageno || ':' || md5(data), ',' order by pageno))
                from pg_largeobject where loid = m.oid), '')"
        }
        false => "md5(lo_get(m.oid))",
    };
    let sql = format!(
        "select m.oid::int8, pg_get_userbyid(lomowner)::text, {hash} from pg_largeobject_metadata m"
    );
    let rows = client.query_typed(&sql, &[]);
    let rows = session
        .within("read the large objects", limit, rows)
        .await?;
    let known = rows
        .iter()
        .map(|row| (row.get(0), (row.get(1), row.get(2))));
    Ok(known.collect())
}

/// In one transaction, so that half of an object is never there.
async fn carry_one(
    old: &Session,
    new: &Session,
    number: i64,
    owner: &str,
    limit: Duration,
) -> Result<(), MoveError> {
    let begin = format!(
        "begin;
        select lo_create({number}::oid) where not exists (select from pg_largeobject_metadata where oid = {number}::oid);
        select lo_truncate(lo_open({number}::oid, 131072), 0)"
    );
    let begin = new.client().batch_execute(&begin);
    new.within("make a large object", limit, begin).await?;
    let outcome = pieces(old, new, number, owner, limit).await;
    let end = match &outcome {
        Ok(()) => "commit",
        Err(_) => "rollback",
    };
    let ended = new.within(
        "carry a large object",
        limit,
        new.client().batch_execute(end),
    );
    outcome.and(ended.await.map_err(MoveError::from))
}

async fn pieces(
    old: &Session,
    new: &Session,
    number: i64,
    owner: &str,
    limit: Duration,
) -> Result<(), MoveError> {
    let mut at = 0_i64;
    loop {
        let get = format!("select lo_get({number}::oid, {at}, {PIECE})");
        let rows = old.client().query_typed(&get, &[]);
        let rows = old.within("read a large object", limit, rows).await?;
        let piece: &[u8] = rows[0].get(0);
        if piece.is_empty() {
            break;
        }
        let put = format!("select lo_put({number}::oid, {at}, $1)");
        let put = async { new.client().query(&put, &[&piece]).await };
        new.within("write a large object", limit, put).await?;
        at += i64::try_from(piece.len()).unwrap_or(PIECE);
    }
    let give = format!(
        "do $body$ begin
            if exists (select from pg_roles where rolname = {}) then
                alter large object {number} owner to {};
            end if;
        end $body$",
        crate::sql::literal(owner),
        identifier(owner)
    );
    let give = new.client().batch_execute(&give);
    new.within("give a large object to its owner", limit, give)
        .await?;
    Ok(())
}
