//! What sort of server a session is on, and whether that is the one wanted.

use pgmoor_wire::{frontend, tag};

use super::channel::Channel;
use super::error::ConnectError;
use super::login::Session;
use super::site::Site;
use super::stage::Stage;
use crate::endpoint::TargetSessionAttrs;
use crate::stream::Stream;

/// What is wanted in one pass over the hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Any,
    Writable(bool),
    Recovering(bool),
}

/// The passes over the hosts that a setting means.
pub(super) fn passes(setting: TargetSessionAttrs) -> &'static [Wanted] {
    match setting {
        TargetSessionAttrs::Any => &[Wanted::Any],
        TargetSessionAttrs::ReadWrite => &[Wanted::Writable(true)],
        TargetSessionAttrs::ReadOnly => &[Wanted::Writable(false)],
        TargetSessionAttrs::Primary => &[Wanted::Recovering(false)],
        TargetSessionAttrs::Standby => &[Wanted::Recovering(true)],
        TargetSessionAttrs::PreferStandby => &[Wanted::Recovering(true), Wanted::Any],
    }
}

/// What is to be found out, and how.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Known(bool),
    /// The query, and the answer that means yes.
    Ask(&'static str, &'static str),
}

/// Whether what is `wanted` holds, from what servers report since version 14.
fn look(wanted: Wanted, parameters: &[(String, String)]) -> Answer {
    let on = |name: &str| {
        let reported = parameters.iter().find(|(known, _)| known == name);
        reported.map(|(_, value)| value == "on")
    };
    let (standby, read_only) = (on("in_hot_standby"), on("default_transaction_read_only"));
    match (wanted, standby, read_only) {
        (Wanted::Any, ..) => Answer::Known(true),
        (Wanted::Recovering(wanted), Some(standby), _) => Answer::Known(standby == wanted),
        (Wanted::Recovering(true), None, _) => {
            Answer::Ask("SELECT pg_catalog.pg_is_in_recovery()", "t")
        }
        (Wanted::Recovering(false), None, _) => {
            Answer::Ask("SELECT pg_catalog.pg_is_in_recovery()", "f")
        }
        (Wanted::Writable(wanted), Some(standby), Some(read_only)) => {
            Answer::Known((standby || read_only) != wanted)
        }
        (Wanted::Writable(true), ..) => Answer::Ask("SHOW transaction_read_only", "off"),
        (Wanted::Writable(false), ..) => Answer::Ask("SHOW transaction_read_only", "on"),
    }
}

/// Finds out whether the session is on a server of the wanted sort.
pub(super) async fn check(
    stream: &mut Stream,
    session: &mut Session,
    wanted: Wanted,
    setting: TargetSessionAttrs,
    user: &str,
    site: &Site,
) -> Result<(), ConnectError> {
    let fits = match look(wanted, &session.parameters) {
        Answer::Known(fits) => fits,
        Answer::Ask(query, yes) => {
            let received = std::mem::take(&mut session.leftover);
            let mut channel = Channel::new(stream, site, received);
            channel.stage = Stage::Target;
            let answer = site
                .within(Stage::Target, ask(&mut channel, query, user))
                .await?;
            session.leftover = channel.leftover();
            answer == yes.as_bytes()
        }
    };
    if fits {
        return Ok(());
    }
    Err(ConnectError::WrongServer {
        server: site.server.clone(),
        wanted: setting.as_str(),
        found: match wanted {
            Wanted::Writable(true) => "read-only",
            Wanted::Writable(false) => "writable",
            Wanted::Recovering(true) => "not a standby",
            Wanted::Recovering(false) | Wanted::Any => "a standby",
        },
    })
}

async fn ask(channel: &mut Channel<'_>, query: &str, user: &str) -> Result<Vec<u8>, ConnectError> {
    let mut out = Vec::new();
    frontend::write_query(&mut out, query).map_err(|error| channel.malformed(error))?;
    channel.send(&out).await?;
    let mut answer = None;
    loop {
        let message = channel.next().await?;
        match message.tag {
            tag::DATA_ROW => answer = first_value(&message.body),
            tag::READY_FOR_QUERY => {
                return answer.ok_or_else(|| channel.malformed("the query gave no value"));
            }
            tag::ERROR_RESPONSE => return Err(channel.rejection(&message, user, None)),
            tag::ROW_DESCRIPTION
            | tag::COMMAND_COMPLETE
            | tag::NOTICE_RESPONSE
            | tag::PARAMETER_STATUS => {}
            _ => return Err(channel.unexpected(&message)),
        }
    }
}

/// The first column of a DataRow: a count of columns, then length and bytes of each.
fn first_value(body: &[u8]) -> Option<Vec<u8>> {
    let (_columns, rest) = body.split_first_chunk::<2>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(i32::from_be_bytes(*length)).ok()?;
    rest.get(..length).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(standby: &str, read_only: &str) -> Vec<(String, String)> {
        vec![
            ("in_hot_standby".into(), standby.into()),
            ("default_transaction_read_only".into(), read_only.into()),
        ]
    }

    #[test]
    fn reported_settings_answer_without_a_query() {
        for (wanted, standby, read_only, fits) in [
            (Wanted::Any, "on", "on", true),
            (Wanted::Writable(true), "off", "off", true),
            (Wanted::Writable(true), "off", "on", false),
            (Wanted::Writable(true), "on", "off", false),
            (Wanted::Writable(false), "off", "on", true),
            (Wanted::Recovering(false), "off", "on", true),
            (Wanted::Recovering(true), "on", "off", true),
            (Wanted::Recovering(true), "off", "on", false),
        ] {
            let answer = look(wanted, &reported(standby, read_only));
            assert_eq!(
                answer,
                Answer::Known(fits),
                "{wanted:?} {standby} {read_only}"
            );
        }
    }

    #[test]
    fn older_server_is_asked() {
        assert!(matches!(
            look(Wanted::Writable(true), &[]),
            Answer::Ask(_, "off")
        ));
        assert!(matches!(
            look(Wanted::Recovering(true), &[]),
            Answer::Ask(_, "t")
        ));
    }

    #[test]
    fn value_of_a_lying_row_is_none() {
        assert_eq!(first_value(b"\0\x01\0\0\0\x02on"), Some(b"on".to_vec()));
        assert_eq!(first_value(b"\0\x01\0\0\0\x09on"), None);
        assert_eq!(first_value(b"\0\x01\xff\xff\xff\xff"), None);
        assert_eq!(first_value(b""), None);
    }
}
