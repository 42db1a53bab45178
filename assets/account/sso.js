// Signs in by a provider of single sign-on: the way there, with a verifier that only this tab has, and the way back.
const element = (id) => document.getElementById(id);
const faults = {
  denied: "The provider did not sign you in. Choose a way to sign in again.",
  failed: "The provider did not answer as it should. Try again later, or tell those who run the server.",
  stale: "That took too long, or was done already. Choose a way to sign in again.",
};
const VERIFIER = "stead-sso-verifier";

const base64url = (bytes) => btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

const post = (path, body) =>
  fetch(`/api/v1/auth/sso/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });

const fail = (text) => {
  element("page-error").textContent = text;
};

const begin = async (provider) => {
  const codeVerifier = base64url(crypto.getRandomValues(new Uint8Array(32)));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(codeVerifier));
  const redirectTo = location.origin + location.pathname;
  const answer = await post("start", { provider, redirectTo, codeChallenge: base64url(new Uint8Array(digest)) });
  const body = await answer.json();
  if (!answer.ok) return fail(body.errors?.[0]?.detail ?? body.detail);
  sessionStorage.setItem(VERIFIER, codeVerifier);
  location.assign(body.url);
};

const finish = async (ticket) => {
  const codeVerifier = sessionStorage.getItem(VERIFIER) ?? "";
  sessionStorage.removeItem(VERIFIER);
  if (!codeVerifier) return fail(faults.stale);
  const answer = await post("sign-in", { ticket, codeVerifier, cookies: true });
  const body = await answer.json();
  if (!answer.ok) return fail(body.errors?.[0]?.detail ?? body.detail);
  element("providers").hidden = true;
  element("intro").textContent = "";
  const more = body.secondFactorRequired ? " Now prove your second factor." : "";
  element("done").textContent = `You are signed in as ${body.user.email}.${more}`;
  element("done").hidden = false;
};

const offer = async () => {
  const { items } = await (await fetch("/api/v1/auth/sso")).json();
  if (items.length === 0) return;
  element("intro").textContent = "Sign in, or open this page by the link in a mail.";
  element("providers").hidden = false;
  element("providers").replaceChildren(
    ...items.map(({ name, label }) => {
      const button = document.createElement("button");
      button.textContent = `Sign in with ${label}`;
      button.addEventListener("click", () => guarded(() => begin(name)));
      return button;
    }),
  );
};

const guarded = async (step) => {
  fail("");
  try {
    await step();
  } catch {
    fail("The server does not answer. Try again later.");
  }
};

// What stands behind the # when somebody comes back, or undefined.
export const signOn = async (name, value) => {
  if (name === "sso" || name === "sso-error") history.replaceState(null, "", location.pathname);
  await guarded(offer);
  if (name === "sso-error") fail(faults[value] ?? faults.failed);
  if (name === "sso") await guarded(() => finish(value));
};
