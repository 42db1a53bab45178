//! What changing a definition means for the data that is there: which indexes stay, what must be rewritten, and
//! which records would not fit.

use std::{collections::BTreeMap, ops::ControlFlow};

use super::{
    catalog::{Catalog, Collection, FIRST_FIELD},
    field::Field,
    layout::{DATA, Head, Slots, record_key, scan_records, write_record},
    model::{CollectionDef, CollectionError, FieldDef, IndexDef, IndexState, OnDelete},
    repo::{self, Dropped},
    validate::WantedIndex,
};
use crate::{
    kernel::{FieldError, Scalar},
    store::{Read, StoreError, Tx},
};

/// How many ids of records that do not fit an error names for each field.
const MISFITS_SHOWN: usize = 5;

/// Gives the wanted indexes their numbers: those of the old definition where nothing changed, new ones otherwise.
/// Answers the indexes whose entries are to go.
pub(super) fn assign_indexes(
    tx: &mut Tx<'_>,
    old: Option<&CollectionDef>,
    new: &mut CollectionDef,
    wanted: Vec<WantedIndex>,
    empty: bool,
) -> Result<Vec<u32>, StoreError> {
    let kept = |wanted: &WantedIndex| {
        let old = old?;
        let same = |index: &&IndexDef| index.fields == wanted.fields && index.unique == wanted.unique;
        let found = old.indexes.iter().find(same).filter(|index| !matches!(index.state, IndexState::Failed { .. }))?;
        let unchanged = wanted.fields.iter().all(|term| same_form(old, new, term.trim_start_matches('-')));
        unchanged.then(|| IndexDef { implicit: wanted.implicit, ..found.clone() })
    };
    let mut indexes = Vec::with_capacity(wanted.len());
    for wanted in wanted {
        indexes.push(match kept(&wanted) {
            Some(index) => index,
            None => IndexDef {
                number: repo::next_number(tx, "index")?,
                fields: wanted.fields,
                unique: wanted.unique,
                state: if empty { IndexState::Ready } else { IndexState::Building },
                implicit: wanted.implicit,
            },
        });
    }
    let stays = |number: u32| indexes.iter().any(|index| index.number == number);
    let before = old.map_or(&[][..], |old| &old.indexes);
    let gone = before.iter().map(|index| index.number).filter(|number| !stays(*number)).collect();
    new.indexes = indexes;
    Ok(gone)
}

fn field<'d>(def: &'d CollectionDef, name: &str) -> Option<&'d FieldDef> {
    def.fields.iter().find(|field| field.name == name)
}

/// Whether a field's values have the same form in both definitions. System fields always have.
pub(super) fn same_form(old: &CollectionDef, new: &CollectionDef, name: &str) -> bool {
    match (field(old, name), field(new, name)) {
        // A format may ask for another form of the same text.
        (Some(old), Some(new)) => old.kind == new.kind && old.many == new.many && old.format == new.format,
        (None, None) => true,
        _ => false,
    }
}

/// Whether stored records must be written anew: a field came, went, moved or has another form.
pub(super) fn needs_rewrite(old: &CollectionDef, new: &CollectionDef) -> bool {
    let form = |field: &FieldDef| (field.name.clone(), field.kind.clone(), field.many, field.format.clone());
    let forms = |def: &CollectionDef| def.fields.iter().map(form).collect::<Vec<_>>();
    forms(old) != forms(new)
}

/// Whether values that fitted the old definition may not fit the new one.
pub(super) fn may_narrow(old: &CollectionDef, new: &CollectionDef) -> bool {
    let of_values = |field: &FieldDef| FieldDef {
        description: None,
        default: None,
        unique: false,
        indexed: false,
        searchable: false,
        hidden: false,
        on_delete: None,
        rules: None,
        ..field.clone()
    };
    let same = |now: &FieldDef| field(old, &now.name).is_some_and(|before| of_values(before) == of_values(now));
    !new.fields.iter().all(same)
}

/// Relations that lead elsewhere than before: the position of the field, and the number of the collection.
pub(super) fn retargeted(
    (before, after): (&Catalog, &Catalog),
    old: &CollectionDef,
    new: &CollectionDef,
) -> Vec<(usize, u32)> {
    let target = |catalog: &Catalog, def: &CollectionDef, field: &FieldDef| match field.collection.as_deref()? {
        name if name == def.name => Some(old.number),
        name => catalog.by_name(name).map(|target| target.number()),
    };
    let moved = |(position, now): (usize, &FieldDef)| {
        let leads = target(after, new, now)?;
        let held = field(old, &now.name);
        if held.is_none() && now.default.is_none() {
            // Nothing points anywhere yet, so there is nothing to look at.
            return None;
        }
        let led = held.and_then(|held| target(before, old, held));
        (led != Some(leads)).then_some((position, leads))
    };
    new.fields.iter().enumerate().filter_map(moved).collect()
}

/// Fields of which some records' values do not fit, with the ids of a few.
#[derive(Debug, Default)]
pub(super) struct Misfits {
    by_field: BTreeMap<usize, (u64, Vec<String>, String)>,
}

impl Misfits {
    /// Judges one stored record by the fields of a new definition.
    pub(super) fn judge(
        &mut self,
        old: &Collection,
        fields: &[Field],
        id: &str,
        record: &[u8],
    ) -> Result<(), StoreError> {
        let slots = Slots::read(old, record)?;
        let (mut scratch, mut errors) = (Vec::new(), Vec::new());
        for (position, field) in fields.iter().enumerate() {
            let before = old.slot(&field.name).filter(|slot| *slot >= FIRST_FIELD);
            let value = before.and_then(|slot| slots.get(slot)).unwrap_or(&field.default);
            scratch.clear();
            errors.clear();
            field.accept(value, "", &mut scratch, &mut errors);
            if let Some(error) = errors.first() {
                self.add(position, id, &error.detail);
            }
        }
        Ok(())
    }

    fn add(&mut self, position: usize, id: &str, fault: &str) {
        let (count, ids, detail) = self.by_field.entry(position).or_default();
        *count += 1;
        if ids.len() < MISFITS_SHOWN {
            ids.push(id.to_owned());
            fault.clone_into(detail);
        }
    }

    /// Judges whether the relations at these positions, now pointing at these collections, lead to records.
    pub(super) fn judge_targets(
        &mut self,
        source: &impl Read,
        old: &Collection,
        fields: &[Field],
        targets: &[(usize, u32)],
    ) -> Result<(), StoreError> {
        scan_records::<StoreError>(source, old.number(), "", &mut |id, record| {
            let slots = Slots::read(old, record)?;
            for (position, target) in targets {
                let Some(field) = fields.get(*position) else { continue };
                let value = old.slot(&field.name).and_then(|slot| slots.get(slot)).unwrap_or(&field.default);
                let found: Vec<Scalar> = field.scalars(value);
                for to in found.iter().filter_map(|scalar| if let Scalar::Str(to) = scalar { Some(to) } else { None }) {
                    if !source.view(DATA, &record_key(*target, to), |found| found.is_some())? {
                        self.add(*position, id, &format!("there is no record \"{to}\""));
                        break;
                    }
                }
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Judges every record of a collection.
    pub(super) fn judge_all(
        &mut self,
        source: &impl Read,
        old: &Collection,
        fields: &[Field],
    ) -> Result<(), StoreError> {
        scan_records::<StoreError>(source, old.number(), "", &mut |id, record| {
            self.judge(old, fields, id, record)?;
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Nothing, or an error for each field.
    pub(super) fn into_result(self) -> Result<(), CollectionError> {
        let describe = |(position, (count, ids, detail)): (usize, (u64, Vec<String>, String))| {
            let ids = ids.join(", ");
            let detail = format!(
                "{count} existing records do not fit: {detail}; among them {ids}. Change them first, or give a default."
            );
            FieldError::new(format!("/fields/{position}"), "data_misfit", detail)
        };
        let errors: Vec<_> = self.by_field.into_iter().map(describe).collect();
        if errors.is_empty() { Ok(()) } else { Err(CollectionError::Invalid(errors)) }
    }
}

/// A stored record in the form that the definition of now asks for; `None` when it has that form already. Judges
/// nothing: a value that does not fit stays as it is, so that nothing is lost.
///
/// # Errors
/// [`StoreError::Corrupt`] when the record is not canonical.
pub fn rewrite(collection: &Collection, record: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    let slots = Slots::read(collection, record)?;
    let mut values: Vec<String> = Vec::with_capacity(collection.fields.len());
    for (position, field) in collection.fields.iter().enumerate() {
        let before = slots.get(FIRST_FIELD + position).unwrap_or(&field.default);
        let (mut text, mut errors) = (Vec::new(), Vec::new());
        field.accept(before, "", &mut text, &mut errors);
        let text = String::from_utf8(text).unwrap_or_default();
        values.push(if errors.is_empty() { text } else { before.to_owned() });
    }
    let head = read_head(&slots);
    let written = write_record(collection, head, |slot| values.get(slot - FIRST_FIELD).map_or("null", String::as_str));
    Ok((written != record).then_some(written))
}

/// The system fields of a stored record.
#[must_use]
pub fn read_head<'a>(slots: &Slots<'a>) -> Head<'a> {
    use super::catalog::{CREATED_AT, ID, UPDATED_AT, VERSION};
    let text = |slot| slots.get(slot).unwrap_or_default().trim_matches('"');
    Head {
        id: text(ID),
        created_at: text(CREATED_AT),
        updated_at: text(UPDATED_AT),
        version: text(VERSION).parse().unwrap_or(0),
    }
}

/// Gives relations of other collections, and views, the new name of the one they lead to.
pub(super) fn rename_targets(
    tx: &mut Tx<'_>,
    catalog: &Catalog,
    old: &str,
    new: &CollectionDef,
) -> Result<(), StoreError> {
    for other in catalog.all_defined() {
        let mut def = if other.number() == new.number { new.clone() } else { other.def.clone() };
        let mut touched = false;
        if let Some(view) = def.view.as_mut().filter(|view| view.from == old) {
            view.from.clone_from(&new.name);
            touched = true;
        }
        for field in def.fields.iter_mut().filter(|field| field.collection.as_deref() == Some(old)) {
            field.collection = Some(new.name.clone());
            touched = true;
        }
        if touched {
            repo::put(tx, &def)?;
        }
    }
    Ok(())
}

/// The relations of other collections that point at this one, as `collection.field`.
pub(super) fn foreign_referrers(catalog: &Catalog, def: &CollectionDef) -> Vec<String> {
    let mut names = Vec::new();
    for other in catalog.sorted().into_iter().filter(|other| other.number() != def.number) {
        let points = |field: &&FieldDef| field.collection.as_deref() == Some(def.name.as_str());
        names.extend(other.def.fields.iter().filter(points).map(|field| format!("{}.{}", other.def.name, field.name)));
    }
    names
}

/// What a dropped index leaves behind.
pub(super) fn dropped_indexes(indexes: Vec<u32>) -> Dropped {
    Dropped { records: false, indexes }
}

/// Refuses what would break a system collection.
pub(super) fn check_system(old: &CollectionDef, new: &CollectionDef, own: &[FieldDef]) -> Result<(), CollectionError> {
    let mut errors = Vec::new();
    if old.name != new.name {
        errors.push(FieldError::at("name", "reserved", "a system collection keeps its name"));
    }
    for required in own {
        if field(new, &required.name) != Some(required) {
            let detail = format!("the system field \"{}\" stays as it is", required.name);
            errors.push(FieldError::at("fields", "reserved", detail));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(CollectionError::Invalid(errors)) }
}

impl OnDelete {
    /// The name in definitions.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Restrict => "restrict",
            Self::Cascade => "cascade",
            Self::SetNull => "setNull",
        }
    }
}
