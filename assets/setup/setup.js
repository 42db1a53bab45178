// Sends the form with the one-time token, which stands behind the # of the link and so is in no log.
const form = document.querySelector("#form");

const show = (field, text) => {
  document.querySelector(`#${field}-error`).textContent = text;
};

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  ["email", "password", "form"].forEach((field) => show(field, ""));
  const button = form.querySelector("button");
  button.disabled = true;
  const body = { token: location.hash.slice(1), email: form.email.value, password: form.password.value };
  try {
    const answer = await fetch("/api/v1/setup", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (answer.ok) {
      history.replaceState(null, "", location.pathname);
      form.hidden = true;
      document.querySelector("#done").hidden = false;
      return;
    }
    const problem = await answer.json();
    for (const error of problem.errors ?? []) {
      show(error.pointer.slice(1), error.detail);
    }
    if (!problem.errors) show("form", problem.detail);
  } catch {
    show("form", "The server does not answer. Is it running?");
  } finally {
    button.disabled = false;
  }
});
