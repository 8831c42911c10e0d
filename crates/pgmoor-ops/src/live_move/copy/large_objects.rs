//! What large objects hold, with their numbers kept. The objects themselves are made before, and have their owners and
//! privileges after.

use super::digest::{Digest, Rows};
use super::error::CopyError;
use super::journal;
use super::open::WORK;
use super::part::Part;
use crate::wire_session::{WireError, WireSession};

/// Large objects that are copied at once.
const AT_ONCE: usize = 200;

/// Bytes of a large object that are one row: PostgreSQL itself keeps them in pages of 2 KiB.
const ROW: u32 = 256 * 1024;

/// The numbers of all large objects, cut into parts.
pub(super) async fn parts(source: &mut WireSession) -> Result<Vec<Part>, CopyError> {
    let sql = format!(
        "select oid::int8 from (select oid, row_number() over (order by oid) as place from pg_largeobject_metadata) l
        where place % {AT_ONCE} = 1 order by 1"
    );
    let told = CopyError::wire(|| "list the large objects of the source");
    let rows = source.rows(&sql).await.map_err(told)?;
    let starts: Vec<u64> = rows.iter().filter_map(|row| row.parse(0)).collect();
    let ends = starts.iter().skip(1).copied().map(Some).chain([None]);
    // The first begins where all numbers do.
    let parts = starts.iter().enumerate().zip(ends);
    let parts = parts.map(|((place, start), to)| Part {
        from: if place == 0 { 0 } else { *start },
        to,
    });
    Ok(parts.collect())
}

/// The rows of a part: number, place, and bytes. Nothing is sent of what was never written.
pub(crate) fn select(part: Part, is_superuser: bool) -> String {
    let range = |oid: &str| {
        let to = part.to.map(|to| format!(" and {oid} < '{to}'::oid"));
        format!("{oid} >= '{}'::oid{}", part.from, to.unwrap_or_default())
    };
    match is_superuser {
        true => format!(
            "select loid, pageno::int8 * (select current_setting('block_size')::int8 / 4) as at, data from pg_largeobject where {}",
            range("loid")
        ),
        false => format!(
            "select m.oid, g.at, lo_get(m.oid, g.at, {ROW}) from pg_largeobject_metadata m,
                lateral (select size from (select fd, lo_lseek64(fd, 0, 2) as size from
                    (select lo_open(m.oid, 262144) as fd offset 0) o offset 0) s where lo_close(fd) = 0) z,
                generate_series(0, z.size - 1, {ROW}) g(at) where {}",
            range("m.oid")
        ),
    }
}

/// Copies a part, in one transaction of the target that notes it too.
pub(super) async fn copy(
    source: &mut WireSession,
    target: &mut WireSession,
    part: Part,
    mark: &str,
    is_superuser: bool,
) -> Result<Digest, CopyError> {
    let told = || CopyError::wire(|| "copy large objects");
    let make =
        "begin; create temporary table pgmoor_pages (loid oid, at int8, data bytea) on commit drop;
        alter table pg_temp.pgmoor_pages alter column data set storage external";
    target.query(make).await.map_err(told())?;
    let digest = pass(source, target, part, is_superuser).await;
    let digest = digest.map_err(told())?;
    // An earlier copy of another moment may have put more there than there is now.
    let put = "select count(lo_truncate64(lo_open(loid, 131072), 0)) from (select distinct loid from pg_temp.pgmoor_pages) p;
        select count(lo_put(loid, at, data)) from (select * from pg_temp.pgmoor_pages order by loid, at) p";
    target.query_within(WORK, put).await.map_err(told())?;
    let note = journal::note_part(journal::OBJECTS, part, mark, &digest);
    let commit = target.query(&format!("{note}; commit")).await;
    commit.map_err(told())?;
    Ok(digest)
}

async fn pass(
    source: &mut WireSession,
    target: &mut WireSession,
    part: Part,
    is_superuser: bool,
) -> Result<Digest, WireError> {
    let sql = format!(
        "copy ({}) to stdout with (format binary)",
        select(part, is_superuser)
    );
    let mut from = source.copy_out(&sql).await?;
    let into = "copy pg_temp.pgmoor_pages from stdin with (format binary)";
    let mut into = target.copy_in(into).await?;
    let (mut rows, mut digest) = (Rows::new(true), Digest::default());
    while let Some(run) = from.next().await? {
        into.write(&run).await?;
        rows.sum(&run, &mut digest);
    }
    into.finish().await?;
    Ok(digest)
}
