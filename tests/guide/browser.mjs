// Walks through the pages as a person would. Arguments: the tools' folder, where screenshots go, the server, the set-up link.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const [tools, shots, server, link] = process.argv.slice(2);
const { chromium } = createRequire(`${tools}/`)("playwright-core");

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
const faults = [];
const strangers = [];
page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
page.on("pageerror", (error) => faults.push(String(error)));
page.on("request", (request) => {
  const url = request.url();
  if (!url.startsWith(server) && !url.startsWith("data:") && !url.startsWith("blob:")) strangers.push(url);
});

await page.goto(link);
await page.getByLabel("E-mail address").fill("ann@example.com");
await page.getByLabel("Password").fill("short");
await page.getByRole("button", { name: "Make the admin" }).click();
await page.getByText("must have at least 10 characters").waitFor();
// The browser itself logs the refusal that was asked for.
assert.equal(faults.splice(0).length, 1);
await page.getByLabel("Password").fill("a long enough password");
await page.getByRole("button", { name: "Make the admin" }).click();
await page.getByText("The admin is made.").waitFor();
assert.equal(await page.getByLabel("Password").isVisible(), false);
await page.screenshot({ path: `${shots}/setup.png` });

const answer = await page.request.post(`${server}/api/v1/auth/login`, {
  data: { email: "ann@example.com", password: "a long enough password" },
});
assert.equal(answer.status(), 200);

// A forgotten password: asked for, found in the outbox, set on the page of the link.
const bearer = { authorization: `Bearer ${(await answer.json()).accessToken}` };
await page.request.post(`${server}/api/v1/auth/forgot-password`, { data: { email: "ann@example.com" } });
const newest = async () => (await (await page.request.get(`${server}/api/v1/mail`, { headers: bearer })).json()).items[0];
while (!(await newest())) await new Promise(setImmediate);
const mail = await page.request.get(`${server}/api/v1/mail/${(await newest()).number}`, { headers: bearer });
const token = /#reset=(\S+)/.exec((await mail.json()).text)[1];
await page.goto(`${server}/account#reset=${token}`);
await page.getByRole("heading", { name: "Set a new password" }).waitFor();
await page.getByLabel("Password").fill("password123");
await page.getByRole("button", { name: "Go on" }).click();
await page.getByText("must not be easy to guess").waitFor();
assert.equal(faults.splice(0).length, 1);
await page.getByLabel("Password").fill("an even longer password");
await page.screenshot({ path: `${shots}/account.png` });
await page.getByRole("button", { name: "Go on" }).click();
await page.getByText("The password is set.").waitFor();
assert.equal(new URL(page.url()).hash, "");
const again = await page.request.post(`${server}/api/v1/auth/login`, {
  data: { email: "ann@example.com", password: "an even longer password" },
});
assert.equal(again.status(), 200);

await page.goto(`${server}/docs`);
await page.getByText("playlistTracks").first().waitFor();
await page.screenshot({ path: `${shots}/docs.png` });

assert.deepEqual(faults, []);
assert.deepEqual(strangers, []);
await browser.close();
console.log("the browser is content");
