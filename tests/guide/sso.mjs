// Signs in by providers of single sign-on in a real browser. Arguments: the tools' folder, where screenshots go. It prints the address of
// the provider and the key for Apple, and reads a line: the server, the set-up link.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { appleKey, hubPeople, people, start } from "./provider.mjs";

const [tools, shots] = process.argv.slice(2);
const { chromium } = createRequire(`${tools}/`)("playwright-core");
const peers = await start(tools);
console.log(peers.issuer);
console.log(appleKey);
const line = await new Promise((read) => createInterface(process.stdin).once("line", read));
const [server, link] = line.split(" ");
await peers.serve(`${server}/api/v1/auth/sso/callback`);

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const api = "/api/v1/auth";
const call = async (method, path, token, body) => {
  const headers = { ...(token && { authorization: `Bearer ${token}` }), ...(body && { "content-type": "application/json" }) };
  const answer = await fetch(server + path, { method, headers, body: body && JSON.stringify(body), redirect: "manual" });
  const text = await answer.text();
  return { status: answer.status, location: answer.headers.get("location"), body: text ? JSON.parse(text) : undefined };
};
const pkce = () => {
  const codeVerifier = randomBytes(32).toString("base64url");
  return { codeVerifier, codeChallenge: createHash("sha256").update(codeVerifier).digest("base64url") };
};
// A page that does nothing with what stands behind the #.
const redirectTo = `${peers.issuer}/app`;

// Walks through the provider's pages as a person who is known there by this name; answers what stands behind the #.
const walk = async (url, login) => {
  const context = await browser.newContext();
  await context.addCookies([{ name: "hub", value: login, url: peers.issuer }]);
  const page = await context.newPage();
  await page.goto(url);
  for (let step = 0; step < 3 && !page.url().startsWith(redirectTo); step += 1) {
    const name = page.locator("input[name=login]");
    if (await name.count()) {
      await name.fill(login);
      await page.locator("input[name=password]").fill("any");
    }
    await Promise.all([page.waitForNavigation(), page.locator("button[type=submit]").click()]);
  }
  await page.waitForURL(`${redirectTo}*`);
  const [name, value] = new URL(page.url()).hash.slice(1).split("=");
  await context.close();
  return { name, value };
};
const begin = async (provider, more = {}) => {
  const { codeVerifier, codeChallenge } = pkce();
  const begun = await call("POST", `${api}/sso/start`, null, { provider, redirectTo, codeChallenge, ...more });
  return { ...begun, codeVerifier };
};
const ticketOf = async (provider, login) => {
  const { status, body, codeVerifier } = await begin(provider);
  assert.equal(status, 200, JSON.stringify(body));
  const { name, value } = await walk(body.url, login);
  assert.equal(name, "sso", value);
  return { ticket: value, codeVerifier };
};
const signInBy = async (provider, login, more = {}) =>
  call("POST", `${api}/sso/sign-in`, null, { ...(await ticketOf(provider, login)), ...more });

const password = "a long enough password";
const setUp = { token: link.split("#")[1], email: "admin@example.com", password };
assert.equal((await call("POST", "/api/v1/setup", null, setUp)).status, 201);
const login = async (email) => (await call("POST", `${api}/login`, null, { email, password })).body;
const admin = (await login("admin@example.com")).accessToken;
const mailsTo = async (address) => (await call("GET", `/api/v1/mail?to=${address}`, admin)).body.items;
const makeUser = async (email) => {
  const made = await call("POST", "/api/v1/collections/users/records", admin, { email });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  return made.body.id;
};
const setPassword = async (id) => assert.equal((await call("PUT", `/api/v1/users/${id}/password`, admin, { password })).status, 204);

// The list is what a page shows.
const listed = (await call("GET", `${api}/sso`)).body.items.map(({ name, label }) => `${name}: ${label}`);
assert.deepEqual(listed, ["apple: Apple", "github: GitHub", "gone: gone", "invited: invited", "ours: Our own", "wary: wary"]);

// What does not fit is refused before anybody is sent away.
for (const [bad, pointer] of [
  [{ provider: "none" }, "/provider"],
  [{ redirectTo: "https://evil.example.com/" }, "/redirectTo"],
  [{ redirectTo: `${server}.evil.example.com/` }, "/redirectTo"],
  [{ redirectTo: `${server.replace("http://", "http://x@")}/account` }, "/redirectTo"],
  [{ redirectTo: `${server}/account#a` }, "/redirectTo"],
  [{ redirectTo: `${server}/health/live` }, "/redirectTo"],
  [{ redirectTo: `${redirectTo}?to=https://evil.example.com` }, "/redirectTo"],
  [{ redirectTo: "com.example.app:/signed-in/more" }, "/redirectTo"],
  [{ codeChallenge: "short" }, "/codeChallenge"],
]) {
  const refused = await begin("ours", bad);
  assert.deepEqual([refused.status, refused.body.errors?.map((error) => error.pointer)], [422, [pointer]], JSON.stringify(bad));
}
assert.equal((await begin("ours", { redirectTo: "com.example.app:/signed-in" })).status, 200, "an app's address is in the configuration");
const gone = await begin("gone");
assert.deepEqual([gone.status, gone.body.code], [502, "provider_unavailable"]);
assert.ok(!JSON.stringify(gone.body).includes("127.0.0.1:1"), "why is for the log");

// Somebody new becomes a user, with the address and the name of the provider.
const first = await signInBy("ours", "ann");
assert.equal(first.status, 200, JSON.stringify(first.body));
assert.equal(first.body.user.email, "ann@example.com");
const ann = first.body.user.id;
const me = (await call("GET", `${api}/me`, first.body.accessToken)).body;
assert.deepEqual([me.verified, me.roles], [true, ["user"]]);
assert.equal((await call("GET", `/api/v1/collections/users/records/${ann}`, first.body.accessToken)).body.name, "Ann");
// And is the same user with the next sign-in, also when the address has changed there.
people.ann.email = "ann.new@example.com";
assert.equal((await signInBy("ours", "ann")).body.user.id, ann);
people.ann.email = "Ann@Example.com";
const sessions = (await call("GET", `${api}/sessions`, first.body.accessToken)).body.items;
assert.deepEqual(sessions[0].methods, ["sso"]);

// A ticket is good once, for who has the verifier.
const good = await ticketOf("ours", "ann");
const stolen = { ticket: good.ticket, codeVerifier: pkce().codeVerifier };
assert.deepEqual((await call("POST", `${api}/sso/sign-in`, null, stolen)).body.code, "invalid_token", "somebody else's verifier");
assert.equal((await call("POST", `${api}/sso/sign-in`, null, good)).status, 401, "and then it is gone");
const once = await ticketOf("ours", "ann");
assert.equal((await call("POST", `${api}/sso/sign-in`, null, once)).status, 200);
assert.equal((await call("POST", `${api}/sso/sign-in`, null, once)).status, 401, "good once");

// A state is good once, and for its provider.
const callback = `${api}/sso/callback`;
const stateOf = (url) => new URL(url).searchParams.get("state");
const back = async (path) => (await call("GET", path)).location;
assert.equal(await back(`${callback}/ours?state=none&code=x`), `${server}/account#sso-error=stale`);
let state = stateOf((await begin("ours")).body.url);
assert.equal(await back(`${callback}/wary?state=${state}&code=x`), `${server}/account#sso-error=stale`, "another provider's");
assert.equal(await back(`${callback}/ours?state=${state}&code=x`), `${server}/account#sso-error=stale`, "and it is gone");
state = stateOf((await begin("ours")).body.url);
assert.equal(await back(`${callback}/ours?state=${state}&error=access_denied`), `${redirectTo}#sso-error=denied`);
state = stateOf((await begin("ours")).body.url);
assert.equal(await back(`${callback}/ours?state=${state}&code=forged`), `${redirectTo}#sso-error=failed`);
state = stateOf((await begin("ours")).body.url);
const mixed = encodeURIComponent("https://evil.example.com");
assert.equal(await back(`${callback}/ours?state=${state}&code=x&iss=${mixed}`), `${redirectTo}#sso-error=failed`, "another issuer");

// Where nobody becomes a user by themselves, an invitation lets in who has the address, and only then.
const uninvited = await signInBy("invited", "bob");
assert.deepEqual([uninvited.status, uninvited.body.code], [403, "forbidden"]);
assert.equal((await call("POST", "/api/v1/invitations", admin, { email: "bob@example.com", roles: ["viewer"] })).status, 202);
while ((await mailsTo("bob@example.com")).length === 0);
const bob = await signInBy("invited", "bob", { profile: { name: "Robert" } });
assert.deepEqual([bob.status, bob.body.user?.roles], [200, ["viewer"]], JSON.stringify(bob.body));
// A domain that is not listed is refused, whoever it is.
const foreign = await signInBy("invited", "dora");
assert.deepEqual([foreign.status, foreign.body.code], [403, "forbidden"]);
assert.match(foreign.body.detail, /domains/);

// A profile that does not fit can be given again with the same ticket.
const again = await ticketOf("ours", "dora");
const greedy = await call("POST", `${api}/sso/sign-in`, null, { ...again, profile: { roles: ["admin"] } });
assert.deepEqual([greedy.status, greedy.body.errors[0].pointer], [422, "/profile/roles"]);
assert.equal((await call("POST", `${api}/sso/sign-in`, null, again)).status, 200);

// An address that the provider does not vouch for opens and makes nothing.
const unverified = await signInBy("ours", "carl");
assert.deepEqual([unverified.status, unverified.body.code], [403, "forbidden"]);
await makeUser("carl@example.com");
assert.equal((await signInBy("ours", "carl")).status, 403, "not even an account that nobody has used");
await makeUser("hank@example.com");
const wary = await signInBy("wary", "hank");
assert.deepEqual([wary.status, wary.body.code], [403, "forbidden"], "this provider is not believed");

// An account of the same address is the same person's only when its address was proven, or nobody could have signed in.
const taken = await signInBy("ours", "eve");
assert.deepEqual([taken.status, taken.body.code], [409, "conflict"], "the admin has a password, and an address that was never proven");
const frank = await makeUser("frank@example.com");
const linked = await signInBy("ours", "frank");
assert.deepEqual([linked.status, linked.body.user?.id], [200, frank], "an account that was waiting");
assert.deepEqual((await mailsTo("frank@example.com")).map((mail) => mail.kind), ["identity.changed"]);
const byAnother = await signInBy("github", "ann");
assert.deepEqual([byAnother.status, byAnother.body.user?.id], [200, ann], "her address was proven");
const squatter = await signInBy("github", "mallory");
assert.deepEqual([squatter.status, squatter.body.code], [403, "forbidden"], "the address of somebody else, never verified there");
hubPeople.ann.emails[1].email = "ann.other@example.com";
assert.equal((await signInBy("github", "ann")).body.user.id, ann, "it is the number that counts");
hubPeople.ann.emails[1].email = "ann@example.com";

// An identity that was removed does not come back because of its address, and who signed in by it is out.
const byThief = (await signInBy("github", "ann")).body.accessToken;
const hers = (await call("GET", `${api}/identities`, first.body.accessToken)).body.items.find(({ provider }) => provider === "github");
assert.equal((await call("POST", `${api}/identities/${hers.id}/remove`, first.body.accessToken, {})).status, 204);
assert.equal((await call("GET", `${api}/me`, byThief)).status, 401);
const removed = await signInBy("github", "ann");
assert.deepEqual([removed.status, removed.body.code], [409, "conflict"], JSON.stringify(removed.body));
assert.match(removed.body.detail, /removed/);

// Who is disabled is out.
const patch = async (disabled) => assert.equal((await call("PATCH", `/api/v1/collections/users/records/${frank}`, admin, { disabled })).status, 200);
await patch(true);
assert.equal((await signInBy("ours", "frank")).body.code, "invalid_token");
await patch(false);
assert.equal((await signInBy("ours", "frank")).status, 200);

// In one's own account, an identity is linked whatever its address, with the password and in the session in which it was begun.
const gina = await makeUser("other@example.com");
await setPassword(gina);
const { accessToken: own } = await login("other@example.com");
const { accessToken: other } = await login("other@example.com");
const beginLink = async (token, more) => {
  const { codeVerifier, codeChallenge } = pkce();
  const begun = await call("POST", `${api}/identities/start`, token, { provider: "wary", redirectTo, codeChallenge, ...more });
  return { ...begun, codeVerifier };
};
assert.deepEqual((await beginLink(own, {})).body.errors[0].pointer, "/currentPassword");
assert.equal((await beginLink(own, { currentPassword: "another one" })).status, 401);
const linkOf = async (login) => {
  const { body, codeVerifier } = await beginLink(own, { currentPassword: password });
  const { name, value } = await walk(body.url, login);
  assert.equal(name, "sso", value);
  return { ticket: value, codeVerifier };
};
let proof = await linkOf("gina");
assert.equal((await call("POST", `${api}/sso/sign-in`, null, proof)).body.code, "invalid_token", "it does not sign in");
proof = await linkOf("gina");
assert.equal((await call("POST", `${api}/identities`, other, proof)).body.code, "invalid_token", "another session");
proof = await ticketOf("wary", "gina");
assert.equal((await call("POST", `${api}/identities`, own, proof)).body.code, "invalid_token", "a ticket for signing in links nothing");
const made = await call("POST", `${api}/identities`, own, await linkOf("gina"));
assert.equal(made.status, 200, JSON.stringify(made.body));
assert.deepEqual([made.body.provider, made.body.email], ["wary", "gina@example.com"]);
assert.equal((await call("POST", `${api}/identities`, own, await linkOf("ann"))).body.code, "conflict", "ann's identity is the same by each client of an issuer");
assert.equal((await signInBy("wary", "gina")).body.user.id, gina);
assert.equal((await signInBy("ours", "gina")).body.user.id, gina, "by another client of the same issuer");
const mine = (await call("GET", `${api}/identities`, own)).body.items;
assert.deepEqual(mine.map(({ provider, email }) => [provider, email]), [["ours", "gina@example.com"]]);
assert.ok(mine[0].lastUsedAt);
const remove = `${api}/identities/${mine[0].id}/remove`;
assert.equal((await call("POST", remove, own, {})).status, 422);
assert.equal((await call("POST", remove, first.body.accessToken, {})).status, 404, "somebody else's");
assert.equal((await call("POST", remove, own, { currentPassword: password })).status, 204);
const afterwards = (await signInBy("ours", "gina")).body.user;
assert.deepEqual([afterwards.email, afterwards.id === gina], ["gina@example.com", false], "without it, she is somebody new");

// A second factor is asked for all the same, and a user who is gone takes the identities along.
assert.equal((await call("DELETE", `/api/v1/collections/users/records/${frank}`, admin)).status, 204);
const newFrank = await signInBy("ours", "frank");
assert.deepEqual([newFrank.status, newFrank.body.user?.id === frank], [200, false]);

// Apple sends a form, and takes a token in the place of a secret.
const apple = await begin("apple");
assert.equal(new URL(apple.body.url).searchParams.get("response_mode"), "form_post");
const byApple = await signInBy("apple", "ann");
assert.deepEqual([byApple.status, byApple.body.user?.id], [200, ann], JSON.stringify(byApple.body));

// The audit log tells it.
const events = async (kind) => (await call("GET", `/api/v1/audit?kind=${kind}&limit=100`, admin)).body.items;
const linkEvents = (await events("identity.linked")).map((event) => event.detail.provider).reverse();
assert.deepEqual(linkEvents, ["ours", "github", "wary"]);
assert.equal((await events("identity.removed")).length, 2);
assert.ok((await events("session.created")).some((event) => event.detail.provider === "github" && event.detail.identity && event.detail.methods[0] === "sso"));
assert.ok((await events("identity.refused")).some((event) => event.detail.provider === "wary"), "a link to what is somebody else's");
assert.ok((await events("session.refused")).some((event) => event.detail.kind === "sso" && event.detail.provider === "wary"));

// As a person, by the page of the server.
const page = await (await browser.newContext()).newPage();
const complaints = [];
// The provider's own page asks for fonts elsewhere.
page.on("console", (message) => message.type() === "error" && page.url().startsWith(server) && complaints.push(message.text()));
await page.goto(`${server}/account`);
await page.getByRole("button", { name: "Sign in with Our own" }).waitFor();
await page.screenshot({ path: `${shots}/sso.png` });
await page.getByRole("button", { name: "Sign in with Our own" }).click();
await page.locator("input[name=login]").fill("ann");
await page.locator("input[name=password]").fill("any");
await page.locator("button[type=submit]").click();
await page.locator("button[type=submit]").click();
await page.getByText("You are signed in as ann@example.com.").waitFor();
assert.equal(new URL(page.url()).hash, "", "nothing is left in the address");
await page.screenshot({ path: `${shots}/signed-in.png` });
const signedIn = await page.evaluate(async () => (await fetch("/api/v1/auth/me")).json());
assert.equal(signedIn.email ?? signedIn.code, "ann@example.com");
await page.goto(`${server}/account#sso=${good.ticket}`);
await page.getByText("That took too long").waitFor();
assert.deepEqual(complaints, []);

await browser.close();
peers.stop();
console.log("the browser is content");
process.exit(0);
