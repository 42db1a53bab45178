//! Walks through the API by the types of the generated crate. Arguments: the server, an admin's e-mail address and
//! password, a genre, and how many tracks it has.

use std::{collections::HashMap, fs};

use serde_json::json;
use stead_client::{
    apis::{
        Error, accounts_api::set_password, artists_api, auth_api::login, batch_api::batch,
        configuration::Configuration, everything_api, tracks_api, users_api::create_user,
    },
    models::{
        BatchOperation, BatchOperationKind, BatchRecordId, BatchRequest, EverythingCreate, EverythingKind,
        EverythingMood, GeoPoint, LoginRequest, PasswordRequest, Problem, ProblemCode, RecordReference, Track,
        TrackCreate, TrackUpdate, UserCreate,
    },
};

type Failure = Box<dyn std::error::Error>;

async fn sign_in(server: &str, email: &str, password: &str) -> Result<Configuration, Failure> {
    let mut configuration = Configuration { base_path: server.to_owned(), ..Configuration::new() };
    let session = login(&configuration, LoginRequest::new(email.to_owned(), password.to_owned()), None).await?;
    configuration.bearer_access_token = Some(session.access_token);
    Ok(configuration)
}

/// The problem that an operation was answered.
fn problem<T, E>(answer: Result<T, Error<E>>) -> Problem {
    match answer {
        Err(Error::ResponseError(response)) => serde_json::from_str(&response.content).expect("a problem"),
        Err(_) => panic!("no answer"),
        Ok(_) => panic!("no problem"),
    }
}

async fn walk(server: &str, email: &str, password: &str, genre: &str, tracks: usize) -> Result<(), Failure> {
    let client = &sign_in(server, email, password).await?;
    follow_pages(client, genre, tracks).await?;
    let track = change_on_condition(client).await?;
    let first = every_type(client).await?;
    many_at_once(client, &track).await?;
    in_lines(client).await?;

    // What is behind relations, and behind those.
    let expanded = tracks_api::read_track(client, "1", None, None, Some("album.artist")).await?;
    let album = expanded.expand.and_then(|expand| expand.album).flatten().ok_or("no album")?;
    let artist = album.expand.and_then(|expand| expand.artist).flatten().ok_or("no artist")?;
    assert_eq!(artist.name.as_deref(), Some("AC/DC"));

    // Numbers over many records.
    let last = Some("count,max(composer) as last");
    let groups = tracks_api::aggregate_tracks(client, None, last, Some("genre"), None, None, None, None).await?;
    let group = |genre| groups.items.iter().find(move |group| group["genre"] == genre);
    assert_eq!(group(json!(genre)).ok_or("no group")?["count"], json!(tracks));
    assert_eq!(group(json!(null)).ok_or("no group of null")?["last"], json!(null));

    // A member: may read this record, but not the field that has a rule of its own.
    let user = create_user(client, UserCreate::new("bob@example.com".into()), None).await?;
    set_password(client, &user.id, PasswordRequest::new(password.to_owned())).await?;
    let member = &sign_in(server, "bob@example.com", password).await?;
    let seen = everything_api::read_everything(member, &first, None, None, None).await?;
    assert_eq!((seen.price.as_deref(), seen.margin), (Some("12.50"), None));
    let seen = everything_api::read_everything(client, &first, None, None, None).await?;
    assert_eq!(seen.margin.flatten().as_deref(), Some("1.5"));
    let refused = problem(tracks_api::create_track(member, song(1000), None).await);
    assert_eq!(refused.code, ProblemCode::Forbidden);
    tracks_api::delete_track(client, &track, None).await?;
    assert_eq!(problem(tracks_api::delete_track(client, &track, None).await).code, ProblemCode::NotFound);
    Ok(())
}

/// Pages follow each other until there is none.
async fn follow_pages(client: &Configuration, genre: &str, tracks: usize) -> Result<(), Failure> {
    let filter = format!("genre = \"{genre}\"");
    let (mut found, mut pages, mut cursor): (Vec<Track>, u32, Option<String>) = (Vec::new(), 0, None);
    while pages == 0 || cursor.is_some() {
        let sort = Some("-milliseconds");
        let page = tracks_api::list_tracks(
            client,
            Some(&filter),
            sort,
            Some(50),
            cursor.as_deref(),
            None,
            None,
            None,
            None,
            None,
        );
        let page = page.await?;
        found.extend(page.items);
        (pages, cursor) = (pages + 1, page.next_cursor);
    }
    assert_eq!(found.len(), tracks);
    assert!(pages > 2 && found.iter().all(|track| track.genre.as_deref() == Some(genre)));
    Ok(())
}

fn song(milliseconds: i64) -> TrackCreate {
    TrackCreate::new("A song".into(), "1".into(), milliseconds, "0.99".into())
}

/// A record is made, and changed by whoever has read its version. Every fault of a body is told.
async fn change_on_condition(client: &Configuration) -> Result<String, Failure> {
    let made = tracks_api::create_track(client, song(1000), None).await?;
    assert_eq!((made.composer, made.version), (None, 1));
    let tag = format!("\"{}\"", made.version);
    let change = TrackUpdate { name: Some("Another name".into()), ..TrackUpdate::new() };
    let changed = tracks_api::update_track(client, &made.id, change.clone(), Some(&tag)).await?;
    assert_eq!((changed.name.as_str(), changed.version), ("Another name", 2));
    assert!(changed.updated_at >= made.created_at);
    let late = problem(tracks_api::update_track(client, &made.id, change, Some(&tag)).await);
    assert_eq!((late.status, late.code), (412, ProblemCode::PreconditionFailed));

    let refused =
        problem(tracks_api::create_track(client, TrackCreate { unit_price: "-1".into(), ..song(-1) }, None).await);
    assert_eq!(refused.code, ProblemCode::ValidationFailed);
    let mut pointers: Vec<_> = refused.errors.unwrap_or_default().into_iter().map(|fault| fault.pointer).collect();
    pointers.sort();
    assert_eq!(pointers, ["/milliseconds", "/unitPrice"]);
    Ok(made.id)
}

/// Every type of field, found by a unique one.
async fn every_type(client: &Configuration) -> Result<String, Failure> {
    let mut whole: EverythingCreate = EverythingCreate::new("the-first".into(), EverythingKind::News);
    whole.count = Some(3);
    whole.ratio = Some(0.25);
    whole.price = Some(Some("12.50".into()));
    whole.margin = Some(Some("1.5".into()));
    whole.flag = Some(Some(true));
    whole.moment = Some(Some("2026-01-31T09:30:00Z".parse()?));
    whole.day = Some(Some("2026-01-31".parse()?));
    whole.extra = Some(Some(json!({"a": [1, null]})));
    whole.tags = Some(vec!["a".into(), "b".into()]);
    whole.place = Some(Some(Box::new(GeoPoint::new(52.52, 13.405))));
    whole.moods = Some(vec![EverythingMood::Glad, EverythingMood::Sad]);
    let upsert =
        |whole: &EverythingCreate| everything_api::upsert_everything(client, whole.clone(), Some("slug"), None);
    let first = upsert(&whole).await?;
    whole.kind = EverythingKind::Sport;
    whole.others = Some(Some(vec![first.id.clone()]));
    let again = upsert(&whole).await?;
    assert_eq!((&again.id, again.version, again.kind), (&first.id, 2, EverythingKind::Sport));
    assert_eq!((again.moment, again.day), (whole.moment.flatten(), whole.day.flatten()));
    assert_eq!((again.place, Some(again.moods)), (whole.place.flatten(), whole.moods));
    assert_eq!((again.extra, again.ratio, again.count), (whole.extra.flatten(), 0.25, 3));
    let ring = everything_api::read_everything(client, &first.id, None, None, Some("others")).await?;
    let others = ring.expand.and_then(|expand| expand.others).ok_or("no others")?;
    assert_eq!(others.iter().map(|other| other.slug.as_str()).collect::<Vec<_>>(), ["the-first"]);
    Ok(first.id)
}

/// Many changes at once, which may name each other's records.
async fn many_at_once(client: &Configuration, track: &str) -> Result<(), Failure> {
    let body = |members: &[(&str, serde_json::Value)]| {
        Some(members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect::<HashMap<_, _>>())
    };
    let operation =
        |op, collection: &str| BatchOperation { collection: Some(collection.to_owned()), ..BatchOperation::new(op) };
    let mut operations = vec![
        BatchOperation {
            r#ref: Some("new".into()),
            body: body(&[("name", json!("Somebody"))]),
            ..operation(BatchOperationKind::Create, "artists")
        },
        BatchOperation {
            body: body(&[("title", json!("An album")), ("artist", json!(RecordReference::new("new".into())))]),
            ..operation(BatchOperationKind::Create, "albums")
        },
        BatchOperation {
            id: Some(Box::new(BatchRecordId::String(track.to_owned()))),
            body: body(&[("milliseconds", json!({"$increment": 5}))]),
            ..operation(BatchOperationKind::Update, "tracks")
        },
    ];
    let results = batch(client, BatchRequest::new(operations.clone()), None).await?.results;
    assert_eq!(results.iter().map(|result| result.status).collect::<Vec<_>>(), [201, 201, 200]);
    let record = results[2].record.as_ref().ok_or("no record")?;
    assert_eq!(record["milliseconds"], json!(1005));
    // The album keeps its artist from being deleted, so nothing is done.
    let new = BatchRecordId::RecordReference(Box::new(RecordReference::new("new".into())));
    operations.push(BatchOperation { id: Some(Box::new(new)), ..operation(BatchOperationKind::Delete, "artists") });
    let refused = problem(batch(client, BatchRequest::new(operations), None).await);
    assert_eq!(refused.code, ProblemCode::Conflict);
    Ok(())
}

/// Lines in, lines out.
async fn in_lines(client: &Configuration) -> Result<(), Failure> {
    let file = std::env::temp_dir().join(format!("stead-client-{}.jsonl", std::process::id()));
    fs::write(&file, "{\"id\": \"x\", \"name\": \"X\"}\n{\"id\": \"x\"}\n")?;
    let report = artists_api::import_artists(client, file.clone(), None, None, None, None).await;
    fs::remove_file(file)?;
    let report = report?;
    assert_eq!((report.imported, report.rejected.iter().map(|line| line.line).collect::<Vec<_>>()), (1, vec![2]));
    let lines = artists_api::export_artists(client, Some("id = \"x\""), None, None).await?.text().await?;
    assert!(lines.contains("\"name\":\"X\""), "{lines}");
    Ok(())
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, email, password, genre, tracks] = arguments.as_slice() else { return Err("five arguments".into()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(walk(server, email, password, genre, tracks.parse()?))?;
    println!("the client is content");
    Ok(())
}
