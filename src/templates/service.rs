//! Use cases of templates: the permission first, then what is stored; and rendering, for whoever has something to tell.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde_json::Value;

use super::{
    built_in, check,
    input::{LayoutInput, TemplateInput},
    model::{Layout, Rendered, Template, TemplateError},
    render::{self, Rendering, Strictness, Surroundings},
    repo,
};
use crate::{
    access::{Action, Principal},
    kernel::{Clock, FieldError},
    store::{Read, Store, StoreError, Tx},
};

/// The most templates beside those that are built in, and the most layouts.
const OWN_MAX: usize = 500;

/// Templates in a store. Cheap to clone.
#[derive(Clone)]
pub struct Templates {
    store: Store,
    clock: Arc<dyn Clock>,
    built_in: Arc<BTreeMap<String, Template>>,
    layouts: Arc<BTreeMap<String, Layout>>,
    surroundings: Arc<Surroundings>,
    /// The language of those of whom none is known.
    locale: Arc<str>,
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Templates").finish_non_exhaustive()
    }
}

/// What is tried before it is kept.
pub(super) struct Trial {
    pub(super) locale: Option<String>,
    pub(super) values: Option<Value>,
    pub(super) draft: Option<TemplateInput>,
}

impl Templates {
    /// Templates in a store, of an application with this name and address, in `locale` for those of whom no other language is known.
    #[must_use]
    pub fn new(store: Store, clock: Arc<dyn Clock>, (app_name, app_url): (&str, &str), locale: &str) -> Self {
        let named = |template: Template| (template.name.clone(), template);
        let surroundings = Surroundings { app_name: app_name.to_owned(), app_url: app_url.to_owned() };
        Self {
            store,
            clock,
            built_in: Arc::new(built_in::templates().into_iter().map(named).collect()),
            layouts: Arc::new(built_in::layouts().into_iter().map(|own| (own.name.clone(), own)).collect()),
            surroundings: Arc::new(surroundings),
            locale: locale.into(),
        }
    }

    fn known(&self, source: &impl Read, name: &str) -> Result<Option<Template>, StoreError> {
        Ok(repo::template(source, name)?.or_else(|| self.built_in.get(name).cloned()))
    }

    fn layout_of(&self, source: &impl Read, template: &Template) -> Result<Option<Layout>, StoreError> {
        let Some(name) = &template.layout else { return Ok(None) };
        Ok(repo::layout(source, name)?.or_else(|| self.layouts.get(name).cloned()))
    }

    /// Whether a template is built in.
    #[must_use]
    pub fn is_built_in(&self, name: &str) -> bool {
        self.built_in.contains_key(name)
    }

    /// What a template says with these values: in the language of the user, if one is known, or in `locale`.
    ///
    /// # Errors
    /// [`TemplateError::NotFound`], [`TemplateError::Invalid`] when the values are not what the template takes, [`TemplateError::Render`].
    pub fn render(
        &self,
        source: &impl Read,
        name: &str,
        (user, locale): (Option<&str>, Option<&str>),
        values: &Value,
        unsubscribe_url: Option<&str>,
    ) -> Result<Rendered, TemplateError> {
        let template = self.known(source, name)?.ok_or_else(|| not_found(name))?;
        let faults = render::check_values(&template.variables, values, "/values");
        if !faults.is_empty() {
            return Err(TemplateError::Invalid(faults));
        }
        let own = user.map(|user| repo::locale_of(source, user)).transpose()?.flatten();
        let wanted = locale.or(own.as_deref()).unwrap_or(&self.locale);
        let layout = self.layout_of(source, &template)?;
        let rendered = self.rendered(&template, layout.as_ref(), wanted, values, unsubscribe_url);
        // What the server has to tell is told, whatever was made of the template.
        match (rendered, self.built_in.get(name)) {
            (Err(error), Some(original)) if *original != template => {
                tracing::warn!(template = name, %error, "a template that was changed cannot be rendered; the one that is built in is taken");
                let layout = original.layout.as_ref().and_then(|layout| self.layouts.get(layout));
                self.rendered(original, layout, wanted, values, unsubscribe_url)
            }
            (rendered, _) => rendered,
        }
    }

    fn rendered(
        &self,
        template: &Template,
        layout: Option<&Layout>,
        wanted: &str,
        values: &Value,
        unsubscribe_url: Option<&str>,
    ) -> Result<Rendered, TemplateError> {
        let locale = template.closest(Some(wanted));
        let texts = template.locales.get(locale).cloned().unwrap_or_default();
        let surroundings = &self.surroundings;
        let strictness = Strictness::Lenient;
        let rendering = Rendering { template, layout, surroundings, locale, values, unsubscribe_url, strictness };
        rendering.render(&texts).map_err(|fault| (template, fault).into())
    }

    /// The language in which a template tells a user something: the one that is wanted, or the user's own, or the one that comes closest.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn language(
        &self,
        source: &impl Read,
        template: &Template,
        (user, locale): (Option<&str>, Option<&str>),
    ) -> Result<String, StoreError> {
        let own = user.map(|user| repo::locale_of(source, user)).transpose()?.flatten();
        let wanted = locale.or(own.as_deref()).unwrap_or(&self.locale);
        Ok(template.closest(Some(wanted)).to_owned())
    }

    /// In which language a user reads, if that is known.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn locale_of(&self, source: &impl Read, user: &str) -> Result<Option<String>, StoreError> {
        repo::locale_of(source, user)
    }

    /// Notes in which language a user reads.
    ///
    /// # Errors
    /// [`TemplateError::Invalid`] when it is no tag of a language.
    pub fn put_locale(tx: &mut Tx<'_>, user: &str, locale: Option<&str>) -> Result<(), TemplateError> {
        if locale.is_some_and(|locale| !check::is_locale(locale)) {
            let fault = FieldError::at("locale", "format", "must be a language, such as de or pt-BR");
            return Err(TemplateError::Invalid(vec![fault]));
        }
        Ok(repo::put_locale(tx, user, locale)?)
    }

    /// All templates, by name.
    ///
    /// # Errors
    /// [`TemplateError::Forbidden`] without `templates:list`.
    pub fn list(&self, caller: &Principal) -> Result<Vec<Template>, TemplateError> {
        permit(caller, Action::List)?;
        let mut all = (*self.built_in).clone();
        all.extend(repo::templates(&self.store.snapshot())?.into_iter().map(|own| (own.name.clone(), own)));
        Ok(all.into_values().collect())
    }

    /// A template.
    ///
    /// # Errors
    /// [`TemplateError::Forbidden`] without `templates:read`, [`TemplateError::NotFound`].
    pub fn read(&self, caller: &Principal, name: &str) -> Result<Template, TemplateError> {
        permit(caller, Action::Read)?;
        self.known(&self.store.snapshot(), name)?.ok_or_else(|| not_found(name))
    }

    /// A template, for whoever needs to know what it is about; `None` when there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn find(&self, source: &impl Read, name: &str) -> Result<Option<Template>, StoreError> {
        self.known(source, name)
    }

    /// The categories of all templates that users may do without.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn categories(&self) -> Result<Vec<String>, StoreError> {
        let own = repo::templates(&self.store.snapshot())?;
        let all = self.built_in.values().chain(&own);
        let optional = all.filter(|template| !template.transactional).map(|template| template.category.clone());
        Ok(optional.collect::<std::collections::BTreeSet<_>>().into_iter().collect())
    }

    /// Makes a template.
    ///
    /// # Errors
    /// [`TemplateError::Forbidden`] without `templates:create`, [`TemplateError::Invalid`], [`TemplateError::Conflict`] when there is one of
    /// this name.
    pub(super) async fn create(&self, caller: &Principal, input: TemplateInput) -> Result<Template, TemplateError> {
        permit(caller, Action::Create)?;
        let name = input.name.clone().unwrap_or_default();
        let made = Template { updated_at: Some(self.clock.now()), ..input.template(name, None) };
        let (own, made) = (self.clone(), self.tried(made).await?);
        self.store
            .write(move |tx| {
                if own.known(tx, &made.name)?.is_some() || repo::templates(tx)?.len() >= OWN_MAX {
                    let why = format!("there is a template \"{}\" already, or there are {OWN_MAX}", made.name);
                    return Err(TemplateError::Conflict(why));
                }
                own.put(tx, made)
            })
            .await
    }

    /// Puts a template in the place of what it was. One that is built in keeps its variables and what it is about.
    ///
    /// # Errors
    /// [`TemplateError::Forbidden`] without `templates:update`, [`TemplateError::NotFound`], [`TemplateError::Invalid`].
    pub(super) async fn replace(
        &self,
        caller: &Principal,
        name: String,
        input: TemplateInput,
    ) -> Result<Template, TemplateError> {
        permit(caller, Action::Update)?;
        self.known(&self.store.snapshot(), &name)?.ok_or_else(|| not_found(&name))?;
        let original = self.built_in.get(&name);
        let changed = Template { updated_at: Some(self.clock.now()), ..input.template(name, original) };
        let (own, changed) = (self.clone(), self.tried(changed).await?);
        self.store
            .write(move |tx| {
                own.known(tx, &changed.name)?.ok_or_else(|| not_found(&changed.name))?;
                own.put(tx, changed)
            })
            .await
    }

    /// Tries a template, away from the writer and from the threads that serve requests: it may take a while.
    async fn tried(&self, template: Template) -> Result<Template, TemplateError> {
        let own = self.clone();
        self.store
            .scan(move |snapshot| {
                let layout = own.layout_of(snapshot, &template)?;
                let faults = check::faults_of(&template, layout.as_ref(), &own.surroundings);
                if faults.is_empty() { Ok(template) } else { Err(TemplateError::Invalid(faults)) }
            })
            .await
    }

    /// Keeps a template that was tried.
    fn put(&self, tx: &mut Tx<'_>, template: Template) -> Result<Template, TemplateError> {
        if template.layout.is_some() && self.layout_of(tx, &template)?.is_none() {
            return Err(TemplateError::Conflict("the layout was removed meanwhile".into()));
        }
        repo::put_template(tx, &template)?;
        Ok(template)
    }

    /// Removes a template; one that is built in is as it was.
    ///
    /// # Errors
    /// [`TemplateError::Forbidden`] without `templates:delete`, [`TemplateError::NotFound`].
    pub async fn delete(&self, caller: &Principal, name: String) -> Result<(), TemplateError> {
        permit(caller, Action::Delete)?;
        let is_built_in = self.is_built_in(&name);
        self.store
            .write(move |tx| match repo::delete_template(tx, &name)? || is_built_in {
                true => Ok(()),
                false => Err(not_found(&name)),
            })
            .await
    }

    /// What a template says, or what it would say as a draft: with the values that are given, or with the examples.
    ///
    /// # Errors
    /// [`TemplateError::Forbidden`] without `templates:read`, [`TemplateError::NotFound`], [`TemplateError::Invalid`],
    /// [`TemplateError::Render`].
    pub(super) async fn preview(
        &self,
        caller: &Principal,
        name: String,
        trial: Trial,
    ) -> Result<Rendered, TemplateError> {
        permit(caller, Action::Read)?;
        let own = self.clone();
        self.store.scan(move |snapshot| own.previewed(snapshot, name, trial)).await
    }

    fn previewed(&self, source: &impl Read, name: String, trial: Trial) -> Result<Rendered, TemplateError> {
        let is_draft = trial.draft.is_some();
        let template = match trial.draft {
            Some(draft) => draft.template(name.clone(), self.built_in.get(&name)),
            None => self.known(source, &name)?.ok_or_else(|| not_found(&name))?,
        };
        let layout = self.layout_of(source, &template)?;
        let faults = match is_draft {
            true => check::faults_of(&template, layout.as_ref(), &self.surroundings),
            false => Vec::new(),
        };
        if !faults.is_empty() {
            return Err(TemplateError::Invalid(faults));
        }
        let values = trial.values.unwrap_or_else(|| render::examples(&template.variables));
        let faults = render::check_values(&template.variables, &values, "/values");
        if !faults.is_empty() {
            return Err(TemplateError::Invalid(faults));
        }
        let wanted = trial.locale.as_deref().unwrap_or(&template.default_locale);
        self.rendered(&template, layout.as_ref(), wanted, &values, None)
    }

    /// The examples of a template, to try it with.
    ///
    /// # Errors
    /// [`TemplateError::NotFound`].
    pub fn examples_of(&self, name: &str) -> Result<Value, TemplateError> {
        let template = self.known(&self.store.snapshot(), name)?.ok_or_else(|| not_found(name))?;
        Ok(render::examples(&template.variables))
    }

    /// All layouts, by name.
    ///
    /// # Errors
    /// [`TemplateError::Forbidden`] without `templates:list`.
    pub fn layouts(&self, caller: &Principal) -> Result<Vec<Layout>, TemplateError> {
        permit(caller, Action::List)?;
        let mut all = (*self.layouts).clone();
        all.extend(repo::layouts(&self.store.snapshot())?.into_iter().map(|own| (own.name.clone(), own)));
        Ok(all.into_values().collect())
    }

    /// Makes a layout, or puts it in the place of what it was.
    ///
    /// # Errors
    /// [`TemplateError::Forbidden`] without `templates:update`, [`TemplateError::Invalid`], [`TemplateError::Conflict`] when there are too many.
    pub(super) async fn put_layout(
        &self,
        caller: &Principal,
        name: String,
        input: LayoutInput,
    ) -> Result<Layout, TemplateError> {
        permit(caller, Action::Update)?;
        let LayoutInput { html, text } = input;
        let layout = Layout { name, html, text, updated_at: Some(self.clock.now()) };
        let faults = check::faults_of_layout(&layout, &self.surroundings);
        if !faults.is_empty() {
            return Err(TemplateError::Invalid(faults));
        }
        self.store
            .write(move |tx| {
                if repo::layout(tx, &layout.name)?.is_none() && repo::layouts(tx)?.len() >= OWN_MAX {
                    return Err(TemplateError::Conflict(format!("there are {OWN_MAX} layouts")));
                }
                repo::put_layout(tx, &layout)?;
                Ok(layout)
            })
            .await
    }

    /// Removes a layout that no template has; one that is built in is as it was.
    ///
    /// # Errors
    /// [`TemplateError::Forbidden`] without `templates:delete`, [`TemplateError::NotFound`], [`TemplateError::Conflict`].
    pub async fn delete_layout(&self, caller: &Principal, name: String) -> Result<(), TemplateError> {
        permit(caller, Action::Delete)?;
        let is_built_in = self.layouts.contains_key(&name);
        self.store
            .write(move |tx| {
                let uses = |template: &Template| template.layout.as_deref() == Some(&*name);
                if let Some(user) = repo::templates(tx)?.iter().find(|template| !is_built_in && uses(template)) {
                    return Err(TemplateError::Conflict(format!("the template \"{}\" has this layout", user.name)));
                }
                match repo::delete_layout(tx, &name)? || is_built_in {
                    true => Ok(()),
                    false => Err(TemplateError::NotFound("layout", name)),
                }
            })
            .await
    }
}

fn permit(caller: &Principal, action: Action) -> Result<(), TemplateError> {
    match caller.may("templates", action) {
        true => Ok(()),
        false => Err(TemplateError::Forbidden(format!("templates:{}", action.name()))),
    }
}

fn not_found(name: &str) -> TemplateError {
    TemplateError::NotFound("template", name.to_owned())
}
