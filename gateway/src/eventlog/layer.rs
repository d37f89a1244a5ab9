//! The way of an event through `tracing`: emitted in [`Event::log`], picked up by [`EventLogLayer`].

use std::fmt;

use tracing::Metadata;
use tracing::field::{Field, Visit, display};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::{Event, SOURCE, Severity};
use crate::reach;

/// One line of the event log, without its time.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Entry {
    /// The event's number.
    pub id: u16,
    /// `Error`, `Warning`, `Information` or `Success Audit`.
    pub severity: String,
    /// The category, such as `Internal Processing`.
    pub category: String,
    /// What happened, in a sentence or more.
    pub description: String,
}

impl Event {
    /// Writes the event to the log.
    pub fn log(&self) {
        let (id, severity, category) = (self.id(), self.severity().name(), self.category().name());
        let description = self.to_string();
        let fields = display(Fields(self));
        match self.severity() {
            Severity::Error => tracing::error!(target: SOURCE, id, severity, category, description, fields),
            Severity::Warning => tracing::warn!(target: SOURCE, id, severity, category, description, fields),
            Severity::Information | Severity::SuccessAudit => {
                tracing::info!(target: SOURCE, id, severity, category, description, fields);
            }
        }
    }
}

/// The fields of an event as a JSON object. Written only where somebody keeps them.
struct Fields<'a>(&'a Event);

impl fmt::Display for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match serde_json::to_string(self.0).map_err(|_| fmt::Error)?.as_str() {
            "null" => f.write_str("{}"),
            fields => f.write_str(fields),
        }
    }
}

/// Whether something `tracing` is asked for is the gateway's: an event of the log or a point. A layer that says no says
/// it for all layers beside it, so those of the gateway say the same; each then takes what is its own.
pub(crate) fn is_the_gateways(metadata: &Metadata<'_>) -> bool {
    matches!(metadata.target(), SOURCE | reach::TARGET)
}

/// A `tracing` layer that hands every event of the gateway to whoever keeps them: as an [`Entry`], or as a [`Detailed`]
/// one with its fields.
pub struct EventLogLayer<E> {
    keep: Box<dyn Fn(E) + Send + Sync>,
}

impl<E> EventLogLayer<E> {
    /// A layer that calls `keep` for each event, in the order they are logged.
    pub fn new(keep: impl Fn(E) + Send + Sync + 'static) -> Self {
        EventLogLayer { keep: Box::new(keep) }
    }
}

impl<S: tracing::Subscriber, E: Visit + Default + 'static> Layer<S> for EventLogLayer<E> {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        is_the_gateways(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != SOURCE {
            return;
        }
        let mut kept = E::default();
        event.record(&mut kept);
        (self.keep)(kept);
    }
}

impl Visit for Entry {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "id" {
            self.id = u16::try_from(value).unwrap_or_default();
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let slot = match field.name() {
            "severity" => &mut self.severity,
            "category" => &mut self.category,
            "description" => &mut self.description,
            _ => return,
        };
        value.clone_into(slot);
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

/// An event of the log and what it is made of.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Detailed {
    /// The event.
    pub entry: Entry,
    /// Its fields, as a JSON object.
    pub fields: String,
}

impl From<&Event> for Detailed {
    fn from(event: &Event) -> Self {
        let entry = Entry {
            id: event.id(),
            severity: event.severity().name().to_owned(),
            category: event.category().name().to_owned(),
            description: event.to_string(),
        };
        Detailed { entry, fields: Fields(event).to_string() }
    }
}

impl Visit for Detailed {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.entry.record_u64(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.entry.record_str(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "fields" {
            self.fields = format!("{value:?}");
        }
    }
}
