// Signing in: the password, then a code if the account has a second factor.
import { html, useState } from "./vendor/preact.js";
import { call, get, post } from "./api.js";
import { Button, Field, useForm } from "./ui.js";

const NO_COOKIES =
  "The browser did not keep the session, because this page did not come over HTTPS. Open it over HTTPS or as localhost, " +
  "or set auth.cookie_secure = false on a network that you trust.";

export const SignIn = ({ done }) => {
  const { values, text } = useForm({ email: "", password: "", code: "" });
  const [half, setHalf] = useState(false);
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);

  const signIn = async () => {
    const { email, password } = values;
    const made = await call("POST", "/api/v1/auth/login", { email, password, cookies: true });
    if (made.secondFactorRequired) return setHalf(true);
    await settle();
  };
  const prove = async () => {
    await post("/api/v1/auth/second-factor", { code: values.code.replaceAll(" ", "") });
    await settle();
  };
  const settle = async () => {
    try {
      done(await get("/api/v1/auth/me"));
    } catch (error) {
      throw error.status === 401 ? new Error(NO_COOKIES) : error;
    }
  };
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      await (half ? prove() : signIn());
    } catch (error) {
      setProblem(error);
    } finally {
      setBusy(false);
    }
  };
  const wrong = problem?.fields ?? {};
  return html`<main class="sign-in">
    <form onSubmit=${submit} novalidate>
      <h1>Stead</h1>
      ${half
        ? html`<${Field} id="code" label="Code" hint="From your authenticator app, or a recovery code." error=${wrong["/code"]}>
            ${(field) => html`<input ...${field} ...${text("code")} autocomplete="one-time-code" inputmode="text" autofocus required />`}
          <//>`
        : html`<${Field} id="email" label="E-mail address" error=${wrong["/email"]}>
              ${(field) => html`<input ...${field} ...${text("email")} type="email" autocomplete="username" autofocus required />`}
            <//>
            <${Field} id="password" label="Password" error=${wrong["/password"]}>
              ${(field) => html`<input ...${field} ...${text("password")} type="password" autocomplete="current-password" required />`}
            <//>`}
      ${problem && html`<p class="error" role="alert">${problem.message}</p>`}
      <${Button} type="submit" kind="main" busy=${busy} onClick=${submit}>${half ? "Go on" : "Sign in"}<//>
    </form>
  </main>`;
};
