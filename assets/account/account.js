import { signOn } from "./sso.js";

// Does what the link of a mail is for. The token stands behind the # and so is in no log; nothing happens before the button is pressed,
// for programs that look at mails open links, too.
const flows = {
  register: { title: "Finish your registration", path: "register/confirm", password: true, done: "You are registered." },
  invite: { title: "Join", path: "register/confirm", password: true, done: "You are registered." },
  reset: { title: "Set a new password", path: "reset-password", password: true, done: "The password is set. Sign in with it." },
  verify: { title: "Confirm your address", path: "verify-email/confirm", done: "Your address is confirmed." },
  "change-email": { title: "Confirm your new address", path: "change-email/confirm", done: "Your address is changed." },
  unsubscribe: { title: "No more mails like this one", at: (token) => `/api/v1/notification-preferences/unsubscribe?token=${token}`, done: "You get no more mails like it." },
  "sign-in": { title: "Sign in", path: "email-sign-in/confirm", cookies: true, done: "You are signed in." },
};

// A link that is opened in a tab that is here already.
addEventListener("hashchange", () => location.reload());

const [name, token] = location.hash.slice(1).split("=");
const flow = flows[name];
const element = (id) => document.getElementById(id);

if (flow && token) {
  document.title = flow.title;
  element("title").textContent = flow.title;
  element("intro").textContent = flow.password ? "Choose a password: some words that do not belong together are good." : "";
  element("secret").hidden = !flow.password;
  element("form").hidden = false;
} else {
  await signOn(name, token);
}

element("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  element("password-error").textContent = "";
  element("form-error").textContent = "";
  element("go").disabled = true;
  const body = { token };
  if (flow.password) body.password = element("password").value;
  if (flow.cookies) body.cookies = true;
  try {
    const answer = await fetch(flow.at?.(encodeURIComponent(token)) ?? `/api/v1/auth/${flow.path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (answer.ok) {
      history.replaceState(null, "", location.pathname);
      element("form").hidden = true;
      element("intro").textContent = "";
      element("done").textContent = flow.done;
      element("done").hidden = false;
      return;
    }
    const problem = await answer.json();
    const fault = (problem.errors ?? []).find((error) => error.pointer === "/password");
    if (fault) element("password-error").textContent = fault.detail;
    else element("form-error").textContent = problem.detail;
  } catch {
    element("form-error").textContent = "The server does not answer. Try again later.";
  } finally {
    element("go").disabled = false;
  }
});
