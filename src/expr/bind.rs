//! Binding an expression to a caller and an instant: what they decide becomes a literal or folds away.

use jiff::Timestamp;

use super::{CompareOp, Expr, Field, Root, Term, Value, Values, build, fit::Fit};

impl Expr {
    /// Replaces every field of the caller and `@now` by what `values` and `now` say, and folds what that decides, so that
    /// a planner sees literals. The result evaluates as this expression does for the same caller and instant.
    #[must_use]
    pub fn bind(&self, values: &dyn Values, now: Timestamp) -> Self {
        self.bound(&Caller { values, now })
    }

    fn bound(&self, caller: &Caller<'_>) -> Self {
        match self {
            Self::Constant(_) => self.clone(),
            Self::All(parts) => Self::all(parts.iter().map(|part| part.bound(caller))),
            Self::Any(parts) => Self::any(parts.iter().map(|part| part.bound(caller))),
            Self::Not(inner) => inner.bound(caller).negated(),
            Self::Each { all, over, of_records, inner } => {
                build::each(*all, over.clone(), *of_records, inner.bound(caller))
            }
            Self::Truth(term) if term.is_known() => Self::Constant(self.eval(caller)),
            Self::Truth(term) => Self::Truth(term.bound(caller)),
            Self::Compare { left: first, right: second, .. }
            | Self::Contains { text: first, needle: second }
            | Self::In { item: first, list: second } => match (first.is_known(), second.is_known()) {
                (true, true) => Self::Constant(self.eval(caller)),
                (true, false) => self.with_first(first.value(caller), second.bound(caller)),
                (false, true) => self.with_second(first.bound(caller), second, caller),
                (false, false) => self.with_terms(first.bound(caller), second.bound(caller)),
            },
        }
    }

    /// This leaf with its first term known, which the second is not.
    fn with_first(&self, first: Value<'_>, second: Term) -> Self {
        // Null equals nothing here: only a value of the caller is null without being the literal.
        let scalar = first.into_scalar().filter(|scalar| !scalar.is_null());
        match (self, scalar) {
            (Self::Compare { op, .. }, None) => Self::Constant(*op == CompareOp::Ne),
            (_, None) => Self::Constant(false),
            (Self::In { .. }, Some(scalar)) => build::member(Fit::of(scalar, second.kind()), second),
            (_, Some(scalar)) => self.with_terms(Term::Literal(scalar), second),
        }
    }

    /// This leaf with its second term known, which the first is not.
    fn with_second(&self, first: Term, second: &Term, caller: &Caller<'_>) -> Self {
        if matches!(second, Term::Literal(_) | Term::List(_)) {
            return self.with_terms(first, second.clone());
        }
        let value = second.value(caller);
        if let Self::In { .. } = self {
            let kind = first.kind();
            return build::within(first, build::items(value).into_iter().map(|item| Fit::of(item, kind)));
        }
        match (self, value.into_scalar().filter(|scalar| !scalar.is_null())) {
            (Self::Compare { op, .. }, None) => Self::Constant(*op == CompareOp::Ne),
            (_, None) => Self::Constant(false),
            (_, Some(scalar)) => self.with_terms(first, Term::Literal(scalar)),
        }
    }

    /// This leaf with other terms.
    fn with_terms(&self, first: Term, second: Term) -> Self {
        match self {
            Self::Compare { op, .. } => build::compare(first, *op, second),
            Self::Contains { .. } => build::contains(first, second),
            Self::In { .. } => Self::In { item: first, list: second },
            other => other.clone(),
        }
    }
}

impl Term {
    /// Whether the caller and the instant decide the term's value.
    fn is_known(&self) -> bool {
        match self {
            Self::Literal(_) | Self::List(_) | Self::Now(_) => true,
            Self::Field(field) => field.root == Root::Auth,
            Self::Call { args, .. } => args.iter().all(Self::is_known),
        }
    }

    /// The term with what is known inside of it as literals.
    fn bound(&self, caller: &Caller<'_>) -> Self {
        if self.is_known() {
            return match self.value(caller) {
                value @ Value::Many(_) => Self::List(build::items(value)),
                value => value.into_scalar().map_or_else(|| self.clone(), Self::Literal),
            };
        }
        match self {
            Self::Call { function, args } => build::call(*function, args.iter().map(|arg| arg.bound(caller)).collect()),
            other => other.clone(),
        }
    }
}

/// The caller's values at one instant.
struct Caller<'a> {
    values: &'a dyn Values,
    now: Timestamp,
}

impl Values for Caller<'_> {
    fn value(&self, field: &Field) -> Value<'_> {
        self.values.value(field)
    }

    fn each(&self, _: &Field, _: &mut dyn FnMut(&dyn Values) -> bool) {}

    fn now(&self) -> Timestamp {
        self.now
    }
}
