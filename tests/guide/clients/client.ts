// Walks through the API by the types of the document. Arguments: the server, an admin's e-mail address and password,
// a genre, and how many tracks it has.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Schemas = components["schemas"];
type Problem = Schemas["Problem"];

const [baseUrl = "", email = "", password = "", genre = "", tracks] = process.argv.slice(2);

async function signIn(email: string, password: string) {
  const { data } = await createClient<paths>({ baseUrl }).POST("/api/v1/auth/login", { body: { email, password } });
  assert(data);
  return createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${data.accessToken}` } });
}

const client = await signIn(email, password);
const TRACKS = "/api/v1/collections/tracks/records";
const TRACK = "/api/v1/collections/tracks/records/{id}";
const EVERYTHING = "/api/v1/collections/everything/records/{id}";

// Pages follow each other until there is none.
async function page(cursor: string | null) {
  const query = { filter: `genre = "${genre}"`, sort: "-milliseconds", limit: 50, ...(cursor === null ? {} : { cursor }) };
  const { data } = await client.GET(TRACKS, { params: { query } });
  assert(data);
  return data satisfies Schemas["TrackList"];
}
const found: Schemas["Track"][] = [];
let pages = 0;
for (let cursor: string | null = null; pages === 0 || cursor !== null; pages += 1) {
  const { items, nextCursor }: Schemas["TrackList"] = await page(cursor);
  found.push(...items);
  cursor = nextCursor;
}
assert.equal(found.length, Number(tracks));
assert(pages > 2);
assert(found.every((track) => track.genre === genre && track.expand === undefined));

// What is behind relations, and behind those.
const expanded = await client.GET(TRACK, { params: { path: { id: "1" }, query: { expand: "album.artist,mediaType" } } });
assert.equal(expanded.data?.expand?.album?.expand?.artist?.name, "AC/DC");
assert.equal(expanded.data?.expand?.mediaType?.name, "MPEG audio file");

// A record is made, and changed by whoever has read its version.
const song: Schemas["TrackCreate"] = { name: "A song", mediaType: "1", milliseconds: 1000, unitPrice: "0.99" };
const made = await client.POST(TRACKS, { body: song });
assert(made.data);
assert.equal(made.response.status, 201);
assert.equal(made.data.composer, null);
const path = { id: made.data.id };
const tag = made.response.headers.get("ETag") ?? "";
const change = (name: string) => client.PATCH(TRACK, { params: { path, header: { "If-Match": tag } }, body: { name } });
assert.equal((await change("Another name")).data?.version, made.data.version + 1);
const late = await change("Too late");
assert(late.error);
const stale: Problem = late.error;
assert.equal(stale.code satisfies Schemas["ProblemCode"], "precondition_failed");

// Every fault of a body is told.
const refused = await client.POST(TRACKS, { body: { ...song, mediaType: "none", milliseconds: -1, unitPrice: "-1" } });
assert.equal(refused.error?.code, "validation_failed");
const pointers = refused.error?.errors?.map((fault) => fault.pointer).sort();
assert.deepEqual(pointers, ["/milliseconds", "/unitPrice"]);

// Every type of field, found by a unique one.
const whole: Schemas["EverythingCreate"] = {
  slug: "the-first", code: "ABC-1", mail: "ann@example.com", site: "https://example.com/", body: "A text.", count: 3,
  ratio: 0.25, price: "12.50", flag: true, moment: "2026-01-31T09:30:00Z", day: "2026-01-31", extra: { a: [1, null] },
  kind: "news", tags: ["a", "b"], place: { lat: 52.52, lon: 13.405 }, moods: ["glad", "sad"], margin: "1.5",
  key: "019a9c3e-7b1d-7c52-9d5e-4f0c2a6b8e10",
};
const upsert = (body: Schemas["EverythingCreate"]) =>
  client.POST("/api/v1/collections/everything/upsert", { params: { query: { by: "slug" } }, body });
const first = await upsert(whole);
assert.equal(first.response.status, 201);
assert(first.data);
assert(!("key" in first.data));
const again = await upsert({ ...whole, kind: "sport", others: [first.data.id] });
assert.equal(again.response.status, 200);
assert.equal(again.data?.kind satisfies Schemas["EverythingKind"] | undefined, "sport");
assert.deepEqual(again.data?.place satisfies Schemas["GeoPoint"] | null | undefined, whole.place);
assert.deepEqual(again.data?.moods, ["glad", "sad"]);
const ring = await client.GET(EVERYTHING, { params: { path: { id: first.data.id }, query: { expand: "others" } } });
assert.deepEqual(ring.data?.expand?.others?.map((other) => other.slug), ["the-first"]);

// Many changes at once, which may name each other's records.
const operations: Schemas["BatchOperation"][] = [
  { op: "create", collection: "artists", ref: "new", body: { name: "Somebody" } },
  { op: "create", collection: "albums", body: { title: "An album", artist: { $ref: "new" } } },
  { op: "update", collection: "tracks", id: path.id, body: { milliseconds: { $increment: 5 } } },
];
const batch = await client.POST("/api/v1/batch", { body: { operations } });
assert.deepEqual(batch.data?.results.map((result) => result.status), [201, 201, 200]);
assert.equal(batch.data?.results[2]?.record?.milliseconds, 1005);

// Numbers over many records.
const sums = { group: "genre", select: "count,sum(milliseconds) as total,max(composer) as last", having: "count >= 1" };
const groups = await client.GET("/api/v1/collections/tracks/aggregate", { params: { query: sums } });
assert.equal(groups.data?.items.find((group) => group.genre === genre)?.count, Number(tracks));
assert.equal(groups.data?.items.find((group) => group.genre === null)?.last, null);

// A member: may read this record, but not the field that has a rule of its own.
const user = await client.POST("/api/v1/collections/users/records", { body: { email: "bob@example.com" } });
assert(user.data);
const setPassword = await client.PUT("/api/v1/users/{id}/password", { params: { path: { id: user.data.id } }, body: { password } });
assert.equal(setPassword.error, undefined);
const member = await signIn("bob@example.com", password);
const seen = await member.GET(EVERYTHING, { params: { path: { id: first.data.id } } });
assert.equal(seen.data?.price, "12.50");
assert.equal(seen.data?.margin satisfies string | null | undefined, undefined);
assert.equal(ring.data?.margin, "1.5");
const forbidden = await member.POST(TRACKS, { body: song });
assert.equal(forbidden.error?.code, "forbidden");
assert.equal((await client.DELETE(TRACK, { params: { path } })).response.status, 204);

console.log("the client is content");
