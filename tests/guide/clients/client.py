"""Walks through the API by the types of the generated package.

Arguments: the server, an admin's e-mail address and password, a genre, and how many tracks it has.
"""

import datetime
import io
import sys
from http import HTTPStatus
from typing import TypeVar
from uuid import UUID

from stead_client import AuthenticatedClient, Client
from stead_client.api.accounts import set_password
from stead_client.api.artists import export_artists, import_artists
from stead_client.api.auth import login
from stead_client.api.batch import batch
from stead_client.api.everything import read_everything, upsert_everything
from stead_client.api.tracks import aggregate_tracks, create_track, delete_track, list_tracks, read_track, update_track
from stead_client.api.users import create_user
from stead_client.models import (
    Album,
    Artist,
    BatchOperation,
    BatchOperationKind,
    BatchRequest,
    EverythingCreate,
    EverythingKind,
    EverythingMood,
    GeoPoint,
    LoginRequest,
    PasswordRequest,
    Problem,
    ProblemCode,
    RecordReference,
    Track,
    TrackCreate,
    TrackUpdate,
    UserCreate,
)
from stead_client.models.batch_operation_body import BatchOperationBody
from stead_client.types import UNSET, File, Unset

SERVER, EMAIL, PASSWORD, GENRE, TRACKS = sys.argv[1:]


T = TypeVar("T")


def done(answer: T | Problem | None) -> T:
    """The answer, which is no problem."""
    assert answer is not None and not isinstance(answer, Problem), answer
    return answer


def problem(answer: object) -> Problem:
    """The answer, which is a problem."""
    assert isinstance(answer, Problem), answer
    return answer


def sign_in(email: str) -> AuthenticatedClient:
    with Client(base_url=SERVER) as client:
        session = done(login.sync(client=client, body=LoginRequest(email=email, password=PASSWORD)))
    return AuthenticatedClient(base_url=SERVER, token=session.access_token, raise_on_unexpected_status=True)


client = sign_in(EMAIL)

# Pages follow each other until there is none.
found: list[Track] = []
cursor: str | Unset = UNSET
pages = 0
while pages == 0 or not isinstance(cursor, Unset):
    page = done(list_tracks.sync(client=client, filter_=f'genre = "{GENRE}"', sort="-milliseconds", limit=50, cursor=cursor))
    found += page.items
    cursor = UNSET if page.next_cursor is None else page.next_cursor
    pages += 1
assert len(found) == int(TRACKS) and pages > 2, (len(found), pages)
assert all(track.genre == GENRE and isinstance(track.expand, Unset) for track in found)

# What is behind relations, and behind those.
expanded = done(read_track.sync("1", client=client, expand="album.artist"))
assert not isinstance(expanded.expand, Unset) and isinstance(expanded.expand.album, Album)
album = expanded.expand.album
assert not isinstance(album.expand, Unset) and isinstance(album.expand.artist, Artist)
assert album.expand.artist.name == "AC/DC"

# A record is made, and changed by whoever has read its version.
song = TrackCreate(name="A song", media_type="1", milliseconds=1000, unit_price="0.99")
made = create_track.sync_detailed(client=client, body=song)
track, tag = done(made.parsed), made.headers["ETag"]
assert made.status_code == HTTPStatus.CREATED and track.composer is None
assert isinstance(track.created_at, datetime.datetime)
changed = done(update_track.sync(track.id, client=client, body=TrackUpdate(name="Another name"), if_match=tag))
assert (changed.name, changed.version) == ("Another name", track.version + 1)
late = problem(update_track.sync(track.id, client=client, body=TrackUpdate(name="Too late"), if_match=tag))
assert late.status == 412 and late.code is ProblemCode.PRECONDITION_FAILED

# Every fault of a body is told.
broken = TrackCreate(name="A song", media_type="1", milliseconds=-1, unit_price="-1")
refused = problem(create_track.sync(client=client, body=broken))
assert refused.code is ProblemCode.VALIDATION_FAILED and not isinstance(refused.errors, Unset)
assert sorted(fault.pointer for fault in refused.errors) == ["/milliseconds", "/unitPrice"]

# Every type of field, found by a unique one.
moment = datetime.datetime(2026, 1, 31, 9, 30, tzinfo=datetime.timezone.utc)
whole = EverythingCreate(
    slug="the-first",
    code="ABC-1",
    mail="ann@example.com",
    site="https://example.com/",
    key=UUID("019a9c3e-7b1d-7c52-9d5e-4f0c2a6b8e10"),
    body="A text.",
    count=3,
    ratio=0.25,
    price="12.50",
    flag=True,
    moment=moment,
    day=moment.date(),
    extra={"a": [1, None]},
    kind=EverythingKind.NEWS,
    tags=["a", "b"],
    place=GeoPoint(lat=52.52, lon=13.405),
    moods=[EverythingMood.GLAD, EverythingMood.SAD],
    margin="1.5",
)
first = upsert_everything.sync_detailed(client=client, body=whole, by="slug")
record = done(first.parsed)
assert first.status_code == HTTPStatus.CREATED and not hasattr(record, "key")
whole.kind, whole.others = EverythingKind.SPORT, [record.id]
again = upsert_everything.sync_detailed(client=client, body=whole, by="slug")
record = done(again.parsed)
assert again.status_code == HTTPStatus.OK and record.kind is EverythingKind.SPORT
assert record.moment == moment and record.day == moment.date() and record.extra == {"a": [1, None]}
assert isinstance(record.place, GeoPoint) and record.place.lat == 52.52
assert record.moods == [EverythingMood.GLAD, EverythingMood.SAD]
ring = done(read_everything.sync(record.id, client=client, expand="others"))
assert not isinstance(ring.expand, Unset) and not isinstance(ring.expand.others, Unset)
assert [other.slug for other in ring.expand.others] == ["the-first"]

# Many changes at once, which may name each other's records.
somebody = BatchOperationBody.from_dict({"name": "Somebody"})
theirs = BatchOperationBody.from_dict({"title": "An album", "artist": RecordReference(ref="new").to_dict()})
longer = BatchOperationBody.from_dict({"milliseconds": {"$increment": 5}})
operations = [
    BatchOperation(op=BatchOperationKind.CREATE, collection="artists", ref="new", body=somebody),
    BatchOperation(op=BatchOperationKind.CREATE, collection="albums", body=theirs),
    BatchOperation(op=BatchOperationKind.UPDATE, collection="tracks", id=track.id, body=longer),
    BatchOperation(op=BatchOperationKind.DELETE, collection="artists", id=RecordReference(ref="new")),
]
# The album keeps its artist from being deleted, so nothing is done.
assert problem(batch.sync(client=client, body=BatchRequest(operations=operations))).code is ProblemCode.CONFLICT
results = done(batch.sync(client=client, body=BatchRequest(operations=operations[:3]))).results
assert [result.status for result in results] == [201, 201, 200]
assert not isinstance(results[2].record, Unset) and results[2].record["milliseconds"] == 1005

# Numbers over many records.
groups = done(aggregate_tracks.sync(client=client, group="genre", select="count,max(composer) as last"))
assert [group["count"] for group in groups.items if group["genre"] == GENRE] == [int(TRACKS)]
assert [group["last"] for group in groups.items if group["genre"] is None] == [None]

# Lines in, lines out.
lines = File(payload=io.BytesIO(b'{"id": "x", "name": "X"}\n{"id": "x"}\n'))
report = done(import_artists.sync(client=client, body=lines))
assert (report.imported, [rejected.line for rejected in report.rejected]) == (1, [2])
exported = done(export_artists.sync(client=client, filter_='id = "x"'))
assert b'"name":"X"' in exported.payload.read()

# A member: may read this record, but not the field that has a rule of its own.
user = done(create_user.sync(client=client, body=UserCreate(email="bob@example.com")))
assert set_password.sync(user.id, client=client, body=PasswordRequest(password=PASSWORD)) is None
member = sign_in("bob@example.com")
seen = done(read_everything.sync(record.id, client=member))
assert seen.price == "12.50" and isinstance(seen.margin, Unset) and ring.margin == "1.5"
assert problem(create_track.sync(client=member, body=song)).code is ProblemCode.FORBIDDEN
assert delete_track.sync_detailed(track.id, client=client).status_code == HTTPStatus.NO_CONTENT

print("the client is content")
