// Two peers on loopback: oidc-provider, which is a certified provider of OpenID Connect, and one that speaks as GitHub documents it.
import { createHash, generateKeyPairSync, verify } from "node:crypto";
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

export const people = {
  ann: { email: "Ann@Example.com", email_verified: true, name: "Ann" },
  bob: { email: "bob@example.com", email_verified: true, name: "Bob" },
  carl: { email: "carl@example.com", email_verified: false, name: "Carl" },
  dora: { email: "dora@example.org", email_verified: true, name: "Dora" },
  eve: { email: "admin@example.com", email_verified: true, name: "Eve" },
  frank: { email: "frank@example.com", email_verified: true, name: "Frank" },
  hank: { email: "hank@example.com", email_verified: true, name: "Hank" },
  gina: { email: "gina@example.com", email_verified: true, name: "Gina" },
};

/** What each identity of the second peer has: the answers of GET /user and GET /user/emails. */
export const hubPeople = {
  ann: { user: { id: 583231, login: "ann", name: null }, emails: [{ email: "old@example.com", primary: false, verified: true }, { email: "ann@example.com", primary: true, verified: true }] },
  mallory: { user: { id: 583232, login: "mallory", name: "M" }, emails: [{ email: "bob@example.com", primary: true, verified: false }] },
};

const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
/** The key that Apple gives, in one line: environment variables of systemd units have one. */
export const appleKey = privateKey.export({ type: "pkcs8", format: "der" }).toString("base64");

export const start = async (tools) => {
  const handlers = {};
  const http = createServer((request, response) => {
    const hub = request.url.startsWith("/github/");
    return (hub ? handlers.hub : handlers.oidc)(request, response);
  });
  await new Promise((listening) => http.listen(0, "127.0.0.1", listening));
  const issuer = `http://127.0.0.1:${http.address().port}`;
  return { issuer, serve: async (back) => Object.assign(handlers, { oidc: await oidc(tools, issuer, back), hub: hub(issuer) }), stop: () => http.close() };
};

const oidc = async (tools, issuer, back) => {
  const { default: Provider } = await import(pathToFileURL(`${tools}/node_modules/oidc-provider/lib/index.js`));
  const client = (client_id, name, client_secret, more) => ({ client_id, client_secret, redirect_uris: [`${back}/${name}`], ...more });
  const provider = new Provider(issuer, {
    clients: [
      client("stead", "ours", "a secret: with/odd+letters"),
      client("wary", "wary", "another secret"),
      client("invited", "invited", "a third secret"),
      client("com.example.web", "apple", "unused", { token_endpoint_auth_method: "client_secret_post" }),
    ],
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
    pkce: { required: () => true },
    cookies: { keys: ["a key of the test"] },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
  });
  // Apple's secret is a token that its key has signed.
  const compare = provider.Client.prototype.compareClientSecret;
  provider.Client.prototype.compareClientSecret = function (given) {
    return this.clientId === "com.example.web" ? isAppleSecret(given, issuer) : compare.call(this, given);
  };
  return provider.callback();
};

const isAppleSecret = (token, audience) => {
  const [header, body, signature] = token.split(".");
  const parse = (part) => JSON.parse(Buffer.from(part, "base64url"));
  const key = { key: publicKey, dsaEncoding: "ieee-p1363" };
  const claims = parse(body);
  const signed = verify("sha256", `${header}.${body}`, key, Buffer.from(signature, "base64url"));
  const now = Date.now() / 1000;
  return signed && parse(header).kid === "KEY" && claims.iss === "TEAM" && claims.sub === "com.example.web" && claims.aud === audience && claims.iat <= now + 5 && claims.exp > now;
};

// https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps, at the paths of an Enterprise Server.
const hub = (issuer) => {
  const codes = new Map();
  const tokens = new Map();
  let count = 0;
  return async (request, response) => {
    const url = new URL(request.url, issuer);
    const path = url.pathname.slice("/github".length);
    const json = (status, body) => response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    let body = "";
    for await (const chunk of request) body += chunk;
    if (path === "/login/oauth/authorize") {
      // Who signs in is said by the test, in a cookie.
      const login = /hub=(\w+)/.exec(request.headers.cookie ?? "")?.[1];
      const code = `code${++count}`;
      codes.set(code, { login, challenge: url.searchParams.get("code_challenge"), scope: url.searchParams.get("scope") });
      const to = `${url.searchParams.get("redirect_uri")}?code=${code}&state=${url.searchParams.get("state")}`;
      return response.writeHead(302, { location: to }).end();
    }
    if (path === "/login/oauth/access_token") {
      const form = new URLSearchParams(body);
      const grant = codes.get(form.get("code"));
      codes.delete(form.get("code"));
      const met = grant && createHash("sha256").update(form.get("code_verifier") ?? "").digest("base64url") === grant.challenge;
      if (!met || form.get("client_id") !== "hub" || form.get("client_secret") !== "hub secret") return json(200, { error: "bad_verification_code" });
      const token = `gho_${++count}`;
      tokens.set(token, grant.login);
      return json(200, { access_token: token, token_type: "bearer", scope: grant.scope.replaceAll(" ", ",") });
    }
    const own = hubPeople[tokens.get(/^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1])];
    if (!own || !request.headers["user-agent"]) return json(401, { message: "Requires authentication" });
    if (path === "/api/v3/user") return json(200, own.user);
    if (path === "/api/v3/user/emails") return json(200, own.emails);
    return json(404, { message: "Not Found" });
  };
};
