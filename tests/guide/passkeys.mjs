// Uses passkeys as a page would, with a virtual authenticator. Arguments: the tools' folder, where screenshots go, the server, the set-up link.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const [tools, , address, link] = process.argv.slice(2);
// Passkeys belong to names, and an address is none.
const server = address.replace("127.0.0.1", "localhost");
const { chromium } = createRequire(`${tools}/`)("playwright-core");

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const page = await browser.newPage();
const devtools = await page.context().newCDPSession(page);
await devtools.send("WebAuthn.enable");
const device = { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true };
await devtools.send("WebAuthn.addVirtualAuthenticator", { options: device });
await page.goto(`${server}/account`);

const api = "/api/v1/auth";
const call = async (method, path, token, data) => {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const answer = await page.request.fetch(`${server}${path}`, { method, headers, data });
  const text = await answer.text();
  return { status: answer.status(), body: text ? JSON.parse(text) : undefined };
};
const password = "a long enough password";
const setUp = { token: link.split("#")[1], email: "ann@example.com", password };
assert.equal((await call("POST", "/api/v1/setup", null, setUp)).status, 201);
const login = async () => (await call("POST", `${api}/login`, null, { email: "ann@example.com", password })).body;

// What a page does with the options, and gets from the device.
const make = (options) =>
  page.evaluate(async (options) => {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    return (await navigator.credentials.create({ publicKey })).toJSON();
  }, options);
const show = (options) =>
  page.evaluate(async (options) => {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
    return (await navigator.credentials.get({ publicKey })).toJSON();
  }, options);

// Adding one takes the password, and brings recovery codes.
const { accessToken: first } = await login();
const { accessToken: other } = await login();
assert.equal((await call("POST", `${api}/passkeys/register/options`, first, {})).status, 422);
assert.equal((await call("POST", `${api}/passkeys/register/options`, first, { currentPassword: "another one" })).status, 401);
let asked = await call("POST", `${api}/passkeys/register/options`, first, { currentPassword: password });
assert.equal(asked.status, 200);
assert.equal(asked.body.options.rp.id, "localhost");
assert.deepEqual(asked.body.options.authenticatorSelection.residentKey, "preferred");
assert.equal(asked.body.options.authenticatorSelection.userVerification, "required");
const registration = { ceremony: asked.body.ceremony, credential: await make(asked.body.options), name: "Laptop" };
assert.equal((await call("POST", `${api}/passkeys/register`, other, registration)).status, 401, "another session began it");
const added = await call("POST", `${api}/passkeys/register`, first, registration);
assert.equal(added.status, 200, JSON.stringify(added.body));
assert.equal(added.body.recoveryCodes.length, 10);
assert.equal((await call("GET", `${api}/me`, other)).status, 401, "other sessions end");
assert.equal((await call("POST", `${api}/passkeys/register`, first, registration)).status, 401, "the challenge is gone");
assert.equal((await call("GET", `${api}/sessions`, first)).status, 200, "this one has proven it");
// A device offers no second passkey for the same account.
asked = await call("POST", `${api}/passkeys/register/options`, first, { currentPassword: password });
await assert.rejects(make(asked.body.options), /InvalidStateError|already registered/);

// It signs in without a name and a password, once.
asked = await call("POST", `${api}/passkeys/sign-in/options`);
const answer = { ceremony: asked.body.ceremony, credential: await show(asked.body.options) };
const forged = structuredClone(answer);
forged.credential.response.userHandle = "AAAAAAAAAAAAAAAAAAAAAA";
assert.equal((await call("POST", `${api}/passkeys/sign-in`, null, forged)).status, 401, "somebody else's name");
assert.equal((await call("POST", `${api}/passkeys/sign-in`, null, answer)).status, 401, "the challenge is gone");
asked = await call("POST", `${api}/passkeys/sign-in/options`);
answer.ceremony = asked.body.ceremony;
assert.equal((await call("POST", `${api}/passkeys/sign-in`, null, answer)).status, 401, "an answer to another challenge");
asked = await call("POST", `${api}/passkeys/sign-in/options`);
const good = { ceremony: asked.body.ceremony, credential: await show(asked.body.options) };
const signedIn = await call("POST", `${api}/passkeys/sign-in`, null, good);
assert.equal(signedIn.status, 200, JSON.stringify(signedIn.body));
assert.equal(signedIn.body.user.email, "ann@example.com");
assert.equal(signedIn.body.secondFactorRequired, false);
assert.equal((await call("POST", `${api}/passkeys/sign-in`, null, good)).status, 401, "good once");
const sessions = await call("GET", `${api}/sessions`, signedIn.body.accessToken);
assert.deepEqual(sessions.body.items.find((session) => session.current).methods, ["pop", "mfa"]);

// After a password it is the second factor.
const half = await login();
assert.equal(half.secondFactorRequired, true);
const refused = await call("GET", `${api}/sessions`, half.accessToken);
assert.deepEqual([refused.status, refused.body.code], [403, "second_factor_required"]);
for (const path of ["passkeys/register/options", "authenticator"]) {
  const more = await call("POST", `${api}/${path}`, half.accessToken, { currentPassword: password });
  assert.deepEqual([more.status, more.body.code], [403, "second_factor_required"], "a password alone adds nothing");
}
asked = await call("POST", `${api}/second-factor/passkey/options`, half.accessToken);
assert.equal(asked.body.options.allowCredentials.length, 1);
const bent = { ceremony: asked.body.ceremony, credential: await show(asked.body.options) };
bent.credential.response.signature = good.credential.response.signature;
assert.equal((await call("POST", `${api}/second-factor/passkey`, half.accessToken, bent)).status, 401, "a signature of something else");
asked = await call("POST", `${api}/second-factor/passkey/options`, half.accessToken);
const proof = { ceremony: asked.body.ceremony, credential: await show(asked.body.options) };
assert.equal((await call("POST", `${api}/second-factor/passkey`, half.accessToken, proof)).status, 204);
assert.equal((await call("GET", `${api}/sessions`, half.accessToken)).status, 200);

// A recovery code does as well; removing the passkey takes the password.
const lost = await login();
assert.equal((await call("POST", `${api}/second-factor`, lost.accessToken, { code: added.body.recoveryCodes[0] })).status, 204);
const noApp = await call("POST", `${api}/authenticator/remove`, lost.accessToken, { code: added.body.recoveryCodes[1] });
assert.deepEqual([noApp.status, noApp.body.code], [409, "conflict"], "there is no app to remove");
const { items } = (await call("GET", `${api}/passkeys`, lost.accessToken)).body;
assert.equal(items[0].name, "Laptop");
assert.ok(items[0].lastUsedAt);
const remove = `${api}/passkeys/${items[0].id}/remove`;
assert.equal((await call("POST", remove, lost.accessToken, {})).status, 422);
assert.equal((await call("POST", remove, lost.accessToken, { currentPassword: password })).status, 204);
asked = await call("POST", `${api}/passkeys/sign-in/options`);
const gone = { ceremony: asked.body.ceremony, credential: await show(asked.body.options) };
assert.equal((await call("POST", `${api}/passkeys/sign-in`, null, gone)).status, 401);
assert.equal((await login()).secondFactorRequired, false);
const events = async (kind) => (await call("GET", `/api/v1/audit?kind=${kind}`, lost.accessToken)).body.items;
const kinds = (await events("factor")).map((event) => event.kind);
assert.deepEqual(kinds, ["factor.removed", "factor.proven", "factor.proven", "factor.refused", "factor.added"]);
const subjects = (await events("session.refused")).filter((event) => event.detail.kind === "passkey").map((event) => event.subject);
assert.deepEqual(subjects, ["", signedIn.body.user.id, signedIn.body.user.id], "a passkey that is nobody's, and two of hers");

await browser.close();
console.log("the browser is content");
