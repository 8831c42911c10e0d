//! What a move tells: while it is under way, and how it stands.

use std::sync::Mutex;
use std::time::Duration;

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use pgmoor_ops::live_move::copy::{Copied, Plan, named};
use pgmoor_ops::live_move::{Event, Listener, Move, Status};
use serde_json::{Value, json};

use crate::output::{Format, Output, SCHEMA, say, say_labelled};

/// Tells what happens, in lines on standard error; how far it is, in one line that changes at a terminal.
#[derive(Debug)]
pub(super) struct Teller {
    bar: ProgressBar,
    told: Mutex<Option<&'static str>>,
}

impl Default for Teller {
    fn default() -> Self {
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(Duration::from_millis(120));
        Self {
            bar,
            told: Mutex::default(),
        }
    }
}

impl Teller {
    /// Takes the line away that changes.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// Says something in between.
    pub(super) fn say(&self, text: &str) {
        self.bar.suspend(|| say(text.trim_end()));
    }

    /// Says what a copy came to.
    pub(super) fn copied(&self, copied: &Copied) {
        let rows: u64 = copied.tables.iter().map(|table| table.digest.rows).sum();
        let size: u64 = copied.tables.iter().map(|table| table.digest.bytes).sum();
        self.say(&format!(
            "{} tables, {rows} rows, {} copied, read again and the same; the catalogues say the same{}",
            copied.tables.len(),
            bytes(size),
            match copied.differences.len() + copied.losses.len() {
                0 => String::new(),
                count => format!(", but for {count} things that were accepted"),
            }
        ));
    }

    fn line(&self, label: &str, text: &str) {
        self.bar.suspend(|| say_labelled(label, text));
    }

    /// A bar for so many bytes.
    fn measure(&self, total: u64) {
        let template =
            "{bar:30} {bytes} of about {total_bytes}, {binary_bytes_per_sec}, {eta} left  {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.progress_chars("##-"));
        }
        self.bar.set_length(total);
        self.bar.reset();
    }
}

impl Listener for Teller {
    fn event(&self, event: Event) {
        match event {
            Event::Phase(phase) => self.line("phase:", phase.word()),
            Event::Step(step) => {
                let mut told = self
                    .told
                    .lock()
                    .unwrap_or_else(|poisoned| poisoned.into_inner());
                if told.replace(step) != Some(step) {
                    self.line("step:", step);
                }
                self.bar.set_message(step);
            }
            Event::Note(text) => self.line("note:", &text),
            Event::Again { why, after } => {
                self.line("again:", &format!("in {} ms: {why}", after.as_millis()));
            }
            Event::Paused => self.line("step:", "clients wait"),
            Event::Resumed(after) => {
                self.line(
                    "step:",
                    &format!("clients go on, after {} ms", after.as_millis()),
                );
            }
            Event::Planned { bytes, .. } => self.measure(bytes),
            Event::Rows { bytes, .. } => self.bar.inc(bytes),
            Event::Table {
                table,
                rows,
                bytes: size,
            } => {
                self.line("table:", &format!("{table}, {rows} rows, {}", bytes(size)));
            }
            Event::Made { kind, name } => self.line("made:", &format!("{kind} {name}")),
            Event::Seen(seen) => {
                self.bar.set_style(ProgressStyle::default_spinner());
                self.bar.set_message(format!(
                    "{} changes in {} transactions done, {} behind",
                    seen.rows,
                    seen.transactions,
                    bytes(seen.lag())
                ));
            }
            _ => {}
        }
    }
}

/// What a move would do.
pub(super) fn plan(it: &Move, plan: &Plan, output: Output) {
    match output.format {
        Format::Json => output.json(&json!({
            "schema": SCHEMA,
            "ok": plan.losses.is_empty(),
            "database": it.database,
            "source": it.source.endpoint,
            "target": it.target.endpoint,
            "plan": plan,
        })),
        Format::Text => output.data(&plan_text(it, plan)),
    }
}

/// What a move would do, for people.
pub(super) fn plan_text(it: &Move, plan: &Plan) -> String {
    let mut text = format!(
        "{} from {} to {}: {} tables, {}; {} statements for all other things\n",
        it.database,
        it.source.endpoint,
        it.target.endpoint,
        plan.tables,
        bytes(plan.bytes),
        plan.statements
    );
    for role in &plan.missing_roles {
        text.push_str(&format!(
            "missing role  {}: make it at the target, or map it with --role {0}=OTHER\n",
            role.name
        ));
    }
    for loss in &plan.losses {
        let name = named(&loss.kind, &loss.name, &loss.property);
        text.push_str(&format!("would be lost  {name}: {}\n", loss.reason));
    }
    if !plan.losses.is_empty() {
        text.push_str("each is mended at the target, or accepted by --accept NAME\n");
    }
    text
}

/// Bytes for people.
pub(super) fn bytes(count: u64) -> String {
    HumanBytes(count).to_string()
}

fn json(it: &Move, status: Option<&Status>) -> Value {
    json!({
        "schema": SCHEMA,
        "ok": true,
        "database": it.database,
        "source": it.source.endpoint,
        "target": it.target.endpoint,
        "phase": status.and_then(|status| status.phase).map(|phase| phase.word()),
        "serves": status.map(|status| status.serves(it)),
        "lag_bytes": status.and_then(|status| status.lag),
        "kept_bytes": status.and_then(|status| status.kept),
        "is_followed": status.map(|status| status.is_followed),
        "fence": status.and_then(|status| status.fence.clone()),
    })
}

/// How a move stands.
pub(super) fn status(it: &Move, status: &Status, output: Output) {
    match output.format {
        Format::Json => output.json(&json(it, Some(status))),
        Format::Text => output.data(&text(it, status)),
    }
}

fn text(it: &Move, status: &Status) -> String {
    let mut text = format!(
        "{} from {} to {}: {}\n",
        it.database,
        it.source.endpoint,
        it.target.endpoint,
        status
            .phase
            .map_or("no move is under way", |phase| phase.word())
    );
    text.push_str(&format!("clients belong to  {}\n", status.serves(it)));
    if let Some(lag) = status.lag {
        text.push_str(&format!("behind             {}\n", bytes(lag)));
    }
    if let Some(kept) = status.kept {
        text.push_str(&format!("log that is kept   {}\n", bytes(kept)));
    }
    if status
        .phase
        .is_some_and(|phase| phase.direction().is_some())
    {
        let follows = match status.is_followed {
            true => "a pgmoor follows",
            false => "nobody follows: pgmoor move follow",
        };
        text.push_str(&format!("changes            {follows}\n"));
    }
    if let Some(fence) = &status.fence {
        text.push_str(&format!("fence              {fence}\n"));
    }
    text
}

/// What was done.
pub(super) fn done(
    it: &Move,
    status: Option<&Status>,
    text: &str,
    hint: Option<&str>,
    output: Output,
) {
    match output.format {
        Format::Json => {
            let mut value = json(it, status);
            value["done"] = json!(text);
            output.json(&value);
        }
        Format::Text => output.data(&format!("ok: {text}\n")),
    }
    if let Some(hint) = hint {
        say(&format!("next: {hint}"));
    }
}
