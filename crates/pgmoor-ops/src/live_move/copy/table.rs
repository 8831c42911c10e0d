//! The tables whose rows are copied, as the source has them, and in which form their rows go.

use std::collections::BTreeMap;

use super::error::CopyError;
use super::part::Part;
use crate::sql::{identifier, qualified};
use crate::wire_session::WireSession;

/// A table with rows of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// As it stands in SQL.
    pub name: String,
    /// Raw.
    pub schema: String,
    /// Raw.
    pub bare: String,
    /// Those that are copied, in order, raw; generated ones are computed anew.
    pub columns: Vec<String>,
    /// Those of its key, raw; none where it has no key.
    pub key: Vec<String>,
    /// Bytes on disk, of large values too.
    pub bytes: u64,
    /// Pages of its rows.
    pub pages: u64,
    /// Whether parts of it can be read by their pages.
    pub has_pages: bool,
    /// Whether a crash of its server empties it.
    pub is_unlogged: bool,
    /// Of an extension's table: the rows that are the user's own.
    pub condition: Option<String>,
    /// Whether its rows can go in binary form.
    pub is_binary: bool,
    /// The types of its columns, by number.
    types: Vec<u32>,
}

/// All tables that have rows of the user's: those of extensions too, as far as the extension says which.
const TABLES: &str = "select n.nspname, c.relname, pg_table_size(c.oid),
        pg_relation_size(c.oid) / current_setting('block_size')::int, coalesce(m.amname, '') = 'heap',
        (select coalesce(json_agg(json_build_object('name', attname, 'type', atttypid::int8) order by attnum), '[]')
            from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped and attgenerated = ''),
        (select coalesce(json_agg(attname order by attnum), '[]') from pg_index i join pg_attribute a on attrelid = indrelid and attnum = any(indkey)
            where indrelid = c.oid and indisprimary),
        e.condition, e.condition is not null, relpersistence = 'u'
    from pg_class c join pg_namespace n on n.oid = relnamespace left join pg_am m on m.oid = relam
        left join lateral (select coalesce(x.extcondition[i], '') as condition from pg_extension x, generate_subscripts(x.extconfig, 1) i
            where x.extconfig[i] = c.oid) e on true
    where relkind = 'r' and relpersistence <> 't' and nspname !~ '^pg_' and nspname <> 'information_schema'
        and (e.condition is not null or not exists
            (select from pg_depend where classid = 'pg_class'::regclass and objid = c.oid and deptype = 'e'))
    order by 1, 2";

#[derive(serde::Deserialize)]
struct Column {
    name: String,
    #[serde(rename = "type")]
    number: u32,
}

/// Reads the tables of the source, as the snapshot of `session` has them. `is_left_out` tells of a schema.
pub(crate) async fn read(
    session: &mut WireSession,
    is_left_out: impl Fn(&str) -> bool,
) -> Result<Vec<Table>, CopyError> {
    let told = CopyError::wire(|| "read the tables of the source");
    let rows = session.rows(TABLES).await.map_err(told)?;
    let mut tables = Vec::with_capacity(rows.len());
    for row in rows {
        let text = |column| row.text(column).unwrap_or_default().to_owned();
        let (schema, bare) = (text(0), text(1));
        if is_left_out(&schema) {
            continue;
        }
        let unreadable = |_| CopyError::Understand {
            what: format!("the columns of {}", qualified(&schema, &bare)),
        };
        let columns: Vec<Column> = serde_json::from_str(&text(5)).map_err(unreadable)?;
        tables.push(Table {
            name: qualified(&schema, &bare),
            types: columns.iter().map(|column| column.number).collect(),
            columns: columns.into_iter().map(|column| column.name).collect(),
            key: serde_json::from_str(&text(6)).map_err(unreadable)?,
            bytes: row.parse(2).unwrap_or_default(),
            pages: row.parse(3).unwrap_or_default(),
            has_pages: row.flag(4) == Some(true) && row.flag(8) != Some(true),
            is_unlogged: row.flag(9) == Some(true),
            condition: (row.flag(8) == Some(true)).then(|| text(7)),
            is_binary: false,
            schema,
            bare,
        });
    }
    Ok(tables)
}

/// Says of each table whether its rows can go in binary form: when all its types have the same at both sides.
pub(crate) async fn choose_forms(
    tables: &mut [Table],
    source: &mut WireSession,
    target: &mut WireSession,
) -> Result<(), CopyError> {
    let (here, there) = (Types::read(source).await?, Types::read(target).await?);
    for table in tables {
        table.is_binary = table
            .types
            .iter()
            .all(|number| here.is_same(*number, &there));
    }
    Ok(())
}

impl Table {
    /// The columns as a list in SQL, with parentheses; nothing for a table without columns.
    fn list(&self) -> String {
        match self.columns.is_empty() {
            true => String::new(),
            false => format!(" ({})", self.columns().join(", ")),
        }
    }

    pub(crate) fn columns(&self) -> Vec<String> {
        let columns = self.columns.iter();
        columns
            .map(|column| identifier(column).into_owned())
            .collect()
    }

    /// The statement that sends all its rows.
    pub(crate) fn read(&self) -> String {
        self.copy_out(Part::WHOLE)
    }

    /// The statement that sends a part of its rows.
    pub(super) fn copy_out(&self, part: Part) -> String {
        let form = self.form();
        let mut conditions = Vec::new();
        if part.from > 0 {
            conditions.push(format!("ctid >= '({},0)'::tid", part.from));
        }
        conditions.extend(part.to.map(|to| format!("ctid < '({to},0)'::tid")));
        let is_all = conditions.is_empty();
        match self.condition.as_deref() {
            Some("") | None if is_all => {
                format!("copy {}{} to stdout{form}", self.name, self.list())
            }
            condition => {
                let columns = self.columns().join(", ");
                let mut text = format!("copy (select {columns} from only {}", self.name);
                // An extension gives it with its WHERE.
                let own = condition.unwrap_or_default();
                text += &match (own.is_empty(), is_all) {
                    (true, _) => format!(" where {}", conditions.join(" and ")),
                    (false, true) => format!(" {own}"),
                    (false, false) => format!(" {own} and {}", conditions.join(" and ")),
                };
                format!("{text}) to stdout{form}")
            }
        }
    }

    /// The statement that takes its rows. Those of a table that nobody else sees yet are frozen at once.
    pub(super) fn copy_in(&self, freeze: bool) -> String {
        let mut options = vec![if self.is_binary {
            "format binary"
        } else {
            "format text"
        }];
        options.extend(freeze.then_some("freeze"));
        format!(
            "copy {}{} from stdin with ({})",
            self.name,
            self.list(),
            options.join(", ")
        )
    }

    fn form(&self) -> &'static str {
        match self.is_binary {
            true => " with (format binary)",
            false => " with (format text)",
        }
    }
}

/// The types of a server, by number.
struct Types(BTreeMap<u32, Type>);

struct Type {
    /// `b`ase, `d`omain, `e`num, `r`ange, `m`ultirange.
    form: String,
    /// As it stands in SQL.
    name: String,
    /// The type it is made of: a domain's base, a range's subtype, an array's element.
    of: u32,
    has_binary: bool,
    /// The extension it belongs to, with its version.
    extension: Option<String>,
}

/// Types whose binary form is the number of something in this very database.
const NUMBERS: [&str; 11] = [
    "regclass",
    "regcollation",
    "regconfig",
    "regdictionary",
    "regnamespace",
    "regoper",
    "regoperator",
    "regproc",
    "regprocedure",
    "regrole",
    "regtype",
];

/// What PostgreSQL itself has has numbers below.
const FIRST_OF_USER: u32 = 16_384;

impl Types {
    async fn read(session: &mut WireSession) -> Result<Self, CopyError> {
        let multirange = match session.major() {
            14.. => "(select rngsubtype from pg_range where rngmultitypid = t.oid)",
            _ => "null::oid",
        };
        let sql = format!(
            "select t.oid::int8, typtype, format_type(t.oid, null), coalesce(case typtype when 'd' then typbasetype
                    when 'r' then (select rngsubtype from pg_range where rngtypid = t.oid)
                    when 'm' then {multirange} else typelem end, 0)::int8,
                typsend::oid <> 0 and typreceive::oid <> 0,
                (select extname || ' ' || extversion from pg_depend join pg_extension x on x.oid = refobjid
                    where classid = 'pg_type'::regclass and objid = t.oid and refclassid = 'pg_extension'::regclass and deptype = 'e')
            from pg_type t where typtype not in ('c', 'p') and not exists
                (select from pg_type e where e.oid = t.typelem and e.typtype in ('c', 'p'))"
        );
        let told = CopyError::wire(|| "read the types");
        let rows = session.rows(&sql).await.map_err(told)?;
        let types = rows.iter().filter_map(|row| {
            let found = Type {
                form: row.text(1)?.to_owned(),
                name: row.text(2)?.to_owned(),
                of: row.parse(3)?,
                has_binary: row.flag(4)?,
                extension: row.text(5).map(str::to_owned),
            };
            Some((row.parse(0)?, found))
        });
        Ok(Self(types.collect()))
    }

    /// Whether values of a type have the same binary form there.
    fn is_same(&self, number: u32, there: &Self) -> bool {
        let Some(found) = self.0.get(&number) else {
            // A row type: its binary form has numbers of types.
            return false;
        };
        if !found.has_binary || NUMBERS.contains(&found.name.as_str()) {
            return false;
        }
        let is_own = number < FIRST_OF_USER;
        match found.form.as_str() {
            // An array has its element's number in it.
            "b" if is_own => {
                found.of == 0 || found.of < FIRST_OF_USER && self.is_same(found.of, there)
            }
            "b" => {
                let is_array = found.of != 0;
                let same = there.0.values().find(|other| other.name == found.name);
                !is_array
                    && found.extension.is_some()
                    && same.is_some_and(|other| other.extension == found.extension)
            }
            "e" => true,
            "d" | "r" | "m" => self.is_same(found.of, there),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table {
            name: "public.\"T\"".to_owned(),
            schema: "public".to_owned(),
            bare: "T".to_owned(),
            columns: vec!["id".to_owned(), "a b".to_owned()],
            key: Vec::new(),
            bytes: 0,
            pages: 0,
            has_pages: true,
            is_unlogged: false,
            condition: None,
            is_binary: true,
            types: Vec::new(),
        }
    }

    #[test]
    fn a_part_is_read_by_its_pages_and_the_whole_as_it_is() {
        let table = table();

        let whole = "copy public.\"T\" (id, \"a b\") to stdout with (format binary)";
        assert_eq!(table.copy_out(Part::WHOLE), whole);
        let part = Part {
            from: 5,
            to: Some(9),
        };
        let expected = "copy (select id, \"a b\" from only public.\"T\" where ctid >= '(5,0)'::tid and ctid < '(9,0)'::tid) \
            to stdout with (format binary)";
        assert_eq!(table.copy_out(part), expected);
    }

    #[test]
    fn of_an_extension_s_table_only_the_user_s_rows_are_read() {
        let mut table = table();
        table.condition = Some("WHERE NOT is_own".to_owned());

        let sql = table.copy_out(Part::WHOLE);

        assert!(
            sql.contains("from only public.\"T\" WHERE NOT is_own)"),
            "{sql}"
        );
    }

    #[test]
    fn a_table_without_columns_has_no_list() {
        let mut table = table();
        table.columns = Vec::new();

        assert_eq!(
            table.copy_in(true),
            "copy public.\"T\" from stdin with (format binary, freeze)"
        );
    }
}
