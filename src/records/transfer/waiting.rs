//! Records of an archive that name others which are not there yet: of the same collection further on, or of one that comes
//! later. They wait in memory, within bounds, and are written when what they name is there.
//!
//! Records that name each other in a circle can never be written whole one after the other. Those of them that may lack
//! the relation are written without it, and then given it.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::{Map, Value};

use super::{order::after_targets, split::Piece, write::Rejected};

/// The most memory of records that wait, of all archives that come at the same time; others are rejected at once.
const WAITING_BYTES_MAX: usize = 128 << 20;
/// What a record that waits takes besides its text: why it does, and what is made of it to find an order.
const WAITER_BYTES: usize = 512;
/// What each record takes that it names, besides texts.
const NAMED_BYTES: usize = 512;

/// What is said of those that might have been written later.
const FULL: &str = "; too many records wait for others to keep this one too: let records that are named come first, or import \
                    once more when they are there";

/// Where a relation leads.
#[derive(Clone, Debug)]
pub(super) struct Way {
    /// The collection.
    pub(super) to: String,
    /// Whether a record may be written without it, and be given it later.
    pub(super) may_lack: bool,
}

/// Tells where a field of a collection leads.
pub(super) type Ways<'w> = &'w dyn Fn(&str, &str) -> Option<Way>;

/// A record that waits.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) collection: String,
    pub(super) piece: Piece,
    /// What it is rejected for, if what it names does not come.
    pub(super) rejected: Rejected,
    _memory: Memory,
}

/// Memory that is counted as long as this lives.
#[derive(Debug)]
struct Memory {
    bytes: usize,
    in_all: Arc<AtomicUsize>,
}

impl Memory {
    /// About what a record takes that waits, with what is made of it to find an order; `None` when there is no room.
    fn of(piece: &Piece, rejected: &Rejected, in_all: &Arc<AtomicUsize>) -> Option<Self> {
        let named = rejected.errors.iter().map(|error| error.pointer.len() + error.detail.len() + NAMED_BYTES);
        let bytes = WAITER_BYTES + 2 * piece.text.len() + rejected.reason.len() + named.sum::<usize>();
        let taken = Self { bytes, in_all: Arc::clone(in_all) };
        (in_all.fetch_add(bytes, Ordering::Relaxed) + bytes <= WAITING_BYTES_MAX).then_some(taken)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.in_all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// All that wait, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    all: Vec<Waiter>,
    /// What those of all archives take.
    in_all: Arc<AtomicUsize>,
}

impl Waiting {
    /// None; `in_all` counts those of all archives.
    pub(super) fn new(in_all: &Arc<AtomicUsize>) -> Self {
        Self { all: Vec::new(), in_all: Arc::clone(in_all) }
    }

    /// Keeps those of the rejected that may only have come too early; answers the others.
    pub(super) fn keep(&mut self, collection: &str, pieces: &[Piece], rejected: Vec<Rejected>) -> Vec<Rejected> {
        let mut refused = Vec::new();
        let mut by_number = HashMap::new();
        if !rejected.is_empty() {
            by_number.extend(pieces.iter().map(|piece| (piece.number, piece)));
        }
        for rejected in rejected {
            let Some(piece) = by_number.get(&rejected.line).filter(|_| names_missing(&rejected)) else {
                refused.push(rejected);
                continue;
            };
            // A copy, for the text may be a small part of a large piece of the body.
            let piece = Piece { text: piece.text.to_vec().into(), ..Piece::clone(piece) };
            match Memory::of(&piece, &rejected, &self.in_all) {
                Some(memory) => {
                    self.push(Waiter { collection: collection.to_owned(), piece, rejected, _memory: memory });
                }
                None => {
                    let reason = rejected.reason + FULL;
                    refused.push(Rejected { reason, ..rejected });
                }
            }
        }
        refused
    }

    pub(super) fn push(&mut self, waiter: Waiter) {
        self.all.push(waiter);
    }

    /// All of them; none waits any more.
    pub(super) fn take(&mut self) -> Vec<Waiter> {
        std::mem::take(&mut self.all)
    }

    /// All of them, each after those that it names.
    pub(super) fn take_in_order(&mut self, ways: Ways<'_>) -> Vec<Waiter> {
        let waiters = self.take();
        let needs = Needs::of_all(&waiters, ways);
        let targets = |place: usize| -> Vec<usize> {
            let own = needs.get(place).into_iter().flatten();
            own.flat_map(Needs::all).filter_map(|need| need.target).collect()
        };
        let order = in_levels(after_targets(waiters.len(), targets), targets, &waiters);
        let mut waiters: Vec<_> = waiters.into_iter().map(Some).collect();
        order.into_iter().filter_map(|place| waiters.get_mut(place)?.take()).collect()
    }

    /// Those that name each other in a circle and can be written without some of what they name, each after those that it
    /// cannot be written without. The rest goes on waiting.
    pub(super) fn take_circle(&mut self, ways: Ways<'_>) -> Vec<Loosened> {
        let waiters = self.take();
        let needs = Needs::of_all(&waiters, ways);
        let order = circle(&needs, &waiters);
        let mut waiters: Vec<_> = waiters.into_iter().map(Some).collect();
        let mut loosened = Vec::with_capacity(order.len());
        for place in order {
            let (Some(waiter), Some(needs)) =
                (waiters.get_mut(place).and_then(Option::take), needs.get(place).and_then(Option::as_ref))
            else {
                continue;
            };
            loosened.push(Loosened::of(waiter, needs));
        }
        waiters.into_iter().flatten().for_each(|waiter| self.push(waiter));
        loosened
    }
}

/// The places of those that can be written, if what they may lack is left out, each after those that it cannot be without.
/// Nothing is written for which what it lacks would never come.
fn circle(needs: &[Option<Needs>], waiters: &[Waiter]) -> Vec<usize> {
    let mut needed_by: Vec<Vec<usize>> = vec![Vec::new(); needs.len()];
    for (place, own) in needs.iter().enumerate() {
        for target in own.iter().flat_map(Needs::all).filter_map(|need| need.target) {
            needed_by.get_mut(target).into_iter().for_each(|by| by.push(place));
        }
    }
    let mut possible: Vec<_> = needs.iter().map(|own| own.as_ref().is_some_and(Needs::may_be_met)).collect();
    spread(&needed_by, &mut possible);
    // Who cannot be without another one of a circle, and that one not without it, is never written.
    let hard = |place: usize| -> Vec<usize> {
        let own = needs.get(place).into_iter().flatten();
        own.flat_map(|own| &own.hard).filter_map(|need| need.target).collect()
    };
    let order = after_targets(needs.len(), hard);
    let mut written = vec![false; needs.len()];
    for place in &order {
        let ready = hard(*place).into_iter().all(|target| written.get(target) == Some(&true));
        let possible = possible.get(*place) == Some(&true);
        written.get_mut(*place).into_iter().for_each(|written| *written = ready && possible);
    }
    spread(&needed_by, &mut written);
    let order = order.into_iter().filter(|place| written.get(*place) == Some(&true)).collect();
    in_levels(order, hard, waiters)
}

/// An order in which those of one collection stand together, as far as each comes after what it leads to.
fn in_levels(mut order: Vec<usize>, targets: impl Fn(usize) -> Vec<usize>, waiters: &[Waiter]) -> Vec<usize> {
    let mut levels = vec![0_usize; waiters.len()];
    for place in &order {
        let below = targets(*place).into_iter().filter_map(|target| levels.get(target)).max();
        let level = below.map_or(1, |below| below + 1);
        levels.get_mut(*place).into_iter().for_each(|own| *own = level);
    }
    order.sort_by_key(|place| (levels.get(*place), waiters.get(*place).map(|waiter| &waiter.collection)));
    order
}

/// Takes out those that need one that does not fit, and so on.
fn spread(needed_by: &[Vec<usize>], fit: &mut [bool]) {
    let mut unfit: Vec<_> = (0..fit.len()).filter(|place| fit.get(*place) == Some(&false)).collect();
    while let Some(place) = unfit.pop() {
        for by in needed_by.get(place).into_iter().flatten() {
            if let Some(fit) = fit.get_mut(*by).filter(|fit| **fit) {
                *fit = false;
                unfit.push(*by);
            }
        }
    }
}

/// Whether records that are not there are all that is wrong.
fn names_missing(rejected: &Rejected) -> bool {
    !rejected.errors.is_empty() && rejected.errors.iter().all(|error| error.code == "not_found")
}

/// The field that a pointer leads into, and which item of it.
fn field_of(pointer: &str) -> (&str, Option<&str>) {
    let way = pointer.trim_start_matches('/');
    way.split_once('/').map_or((way, None), |(field, item)| (field, Some(item)))
}

/// A record that is not there.
struct Need {
    /// The field that names it.
    field: String,
    collection: String,
    id: String,
    /// Its place among those that wait, if it does.
    target: Option<usize>,
}

/// What a record waits for.
struct Needs {
    collection: String,
    id: Option<String>,
    /// What it cannot be written without.
    hard: Vec<Need>,
    /// What it can be given later.
    soft: Vec<Need>,
}

impl Needs {
    fn of_all(waiters: &[Waiter], ways: Ways<'_>) -> Vec<Option<Self>> {
        let mut all: Vec<_> = waiters.iter().map(|waiter| Self::of(waiter, ways)).collect();
        let own = |(place, own): (usize, &Option<Self>)| {
            let own = own.as_ref()?;
            Some(((own.collection.clone(), own.id.clone()?), place))
        };
        let places: HashMap<_, _> = all.iter().enumerate().filter_map(own).collect();
        for need in all.iter_mut().flatten().flat_map(|own| own.hard.iter_mut().chain(&mut own.soft)) {
            need.target = places.get(&(need.collection.clone(), need.id.clone())).copied();
        }
        all
    }

    fn of(waiter: &Waiter, ways: Ways<'_>) -> Option<Self> {
        let members: Map<String, Value> = serde_json::from_slice(&waiter.piece.text).ok()?;
        let id = members.get("id").and_then(Value::as_str).map(str::to_owned);
        let mut needs = Self { collection: waiter.collection.clone(), id, hard: Vec::new(), soft: Vec::new() };
        for error in &waiter.rejected.errors {
            let (field, item) = field_of(&error.pointer);
            let Way { to, may_lack } = ways(&waiter.collection, field)?;
            let value = members.get(field)?;
            let value = item.map_or(Some(value), |item| value.get(item.parse::<usize>().ok()?))?;
            let (field, id) = (field.to_owned(), value.as_str()?.to_owned());
            let kind = if may_lack { &mut needs.soft } else { &mut needs.hard };
            kind.push(Need { field, collection: to, id, target: None });
        }
        Some(needs)
    }

    fn all(&self) -> impl Iterator<Item = &Need> {
        self.hard.iter().chain(&self.soft)
    }

    /// Whether all that it waits for waits too, and it can be found again to be given what it lacked.
    fn may_be_met(&self) -> bool {
        self.id.is_some() && self.all().all(|need| need.target.is_some())
    }
}

/// A record without those relations for which it waits and that it may lack.
pub(super) struct Loosened {
    pub(super) waiter: Waiter,
    pub(super) without: Piece,
    /// Whether it lacks nothing.
    pub(super) whole: bool,
}

impl Loosened {
    fn of(waiter: Waiter, needs: &Needs) -> Self {
        let mut members: Map<String, Value> = serde_json::from_slice(&waiter.piece.text).unwrap_or_default();
        for need in &needs.soft {
            members.remove(&need.field);
        }
        let text = serde_json::to_vec(&members).unwrap_or_default().into();
        let without = Piece { text, ..waiter.piece.clone() };
        Self { waiter, without, whole: needs.soft.is_empty() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::kernel::FieldError;

    /// Records of one collection by number; each names some, in places that it may lack or may not.
    fn waiters(named: &[Vec<(usize, bool)>]) -> Vec<Waiter> {
        let waiter = |(place, named): (usize, &Vec<(usize, bool)>)| {
            let mut members = Map::from_iter([("id".to_owned(), Value::from(place.to_string()))]);
            let mut errors = Vec::new();
            for (n, (other, may_lack)) in named.iter().enumerate() {
                let field = format!("{}{n}", if *may_lack { "soft" } else { "hard" });
                members.insert(field.clone(), Value::from(other.to_string()));
                errors.push(FieldError::new(format!("/{field}"), "not_found", ""));
            }
            let text = serde_json::to_vec(&members).unwrap().into();
            let piece = Piece { number: place as u64, text, fault: None };
            let rejected = Rejected { collection: None, line: place as u64, reason: String::new(), errors };
            let memory = Memory::of(&piece, &rejected, &Arc::default()).unwrap();
            Waiter { collection: "a".into(), piece, rejected, _memory: memory }
        };
        named.iter().enumerate().map(waiter).collect()
    }

    fn ways(_: &str, field: &str) -> Option<Way> {
        Some(Way { to: "a".into(), may_lack: field.starts_with("soft") })
    }

    /// What can be written, by trying everything again and again.
    fn model(named: &[Vec<(usize, bool)>]) -> HashSet<usize> {
        let mut possible: HashSet<usize> = (0..named.len()).collect();
        loop {
            let mut written = HashSet::new();
            loop {
                let ready = |place: &usize| {
                    let hard = named[*place].iter().filter(|(_, may_lack)| !may_lack);
                    possible.contains(place) && hard.into_iter().all(|(other, _)| written.contains(other))
                };
                let more: Vec<_> = (0..named.len()).filter(|place| !written.contains(place)).filter(ready).collect();
                if more.is_empty() {
                    break;
                }
                written.extend(more);
            }
            let whole = |place: &usize| named[*place].iter().all(|(other, _)| written.contains(other));
            let kept: HashSet<_> = written.iter().copied().filter(whole).collect();
            if kept == possible {
                return kept;
            }
            possible = kept;
        }
    }

    proptest! {
        #[test]
        fn of_circles_all_is_written_that_can_be(
            named in proptest::collection::vec(proptest::collection::vec((0..8_usize, any::<bool>()), 1..3), 1..7),
        ) {
            let mut waiting = Waiting::default();
            waiters(&named).into_iter().for_each(|waiter| waiting.push(waiter));
            let loosened = waiting.take_circle(&ways);
            let places: Vec<_> = loosened.iter().map(|own| usize::try_from(own.waiter.piece.number).unwrap()).collect();
            prop_assert_eq!(places.iter().copied().collect::<HashSet<_>>(), model(&named));
            prop_assert_eq!(places.len() + waiting.all.len(), named.len(), "none is lost");
            for (n, own) in loosened.iter().enumerate() {
                let members: Map<String, Value> = serde_json::from_slice(&own.without.text).unwrap();
                for (field, other) in members.iter().filter(|(field, _)| *field != "id") {
                    prop_assert!(field.starts_with("hard"));
                    let other: usize = other.as_str().unwrap().parse().unwrap();
                    prop_assert!(places[..n].contains(&other), "{} is not there yet", other);
                }
            }
        }

        #[test]
        fn without_circles_each_comes_after_those_it_names(
            named in proptest::collection::vec(proptest::collection::vec(any::<(usize, bool)>(), 0..3), 1..12),
        ) {
            let count = named.len();
            // Only later ones are named, so there is no circle.
            let later = |(place, own): (usize, &Vec<(usize, bool)>)| -> Vec<(usize, bool)> {
                own.iter().map(|(other, soft)| (place + 1 + other % count, *soft)).collect()
            };
            let named: Vec<_> = named.iter().enumerate().map(later).collect();
            let mut waiting = Waiting::default();
            waiters(&named).into_iter().for_each(|waiter| waiting.push(waiter));
            let order: Vec<_> = waiting.take_in_order(&ways).iter().map(|waiter| usize::try_from(waiter.piece.number).unwrap()).collect();
            prop_assert_eq!(order.len(), count);
            let at = |place: usize| order.iter().position(|own| *own == place);
            for (place, own) in named.iter().enumerate() {
                for (other, _) in own.iter().filter(|(other, _)| *other < count) {
                    prop_assert!(at(*other) < at(place));
                }
            }
        }
    }
}
