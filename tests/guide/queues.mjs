// Walks through the queues, jobs and schedules as an admin would. Arguments: the tools' folder, where screenshots go, the server, the
// set-up link.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const [tools, shots, server, link] = process.argv.slice(2);
const require = createRequire(`${tools}/`);
const { chromium } = require("playwright-core");
const { default: AxeBuilder } = require("@axe-core/playwright");

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, colorScheme: "light" });
const page = await context.newPage();
const faults = [];
const strangers = [];
page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
page.on("pageerror", (error) => faults.push(String(error)));
page.on("request", (request) => {
  const url = request.url();
  if (!url.startsWith(server) && !url.startsWith("data:") && !url.startsWith("blob:")) strangers.push(url);
});
/** Faults of the browser's own log that were asked for: answers that refuse. */
const expectRefusals = (count) => assert.equal(faults.splice(0).filter((fault) => fault.includes("status of")).length, count);
const shot = (name) => page.screenshot({ path: `${shots}/${name}.png` });
const button = (name) => page.getByRole("button", { name, exact: true });
process.on("uncaughtException", async (error) => {
  await page.screenshot({ path: `${shots}/failed.png` }).catch(() => {});
  console.error(error, faults);
  process.exit(1);
});
const accessible = async (what) => {
  const { violations } = await new AxeBuilder({ page }).withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]).analyze();
  const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.html} ${node.failureSummary}`).join("; ")}`);
  assert.deepEqual(told, [], what);
};

// The first admin, by the API as any client.
const password = "a long enough password";
const made = await page.request.post(`${server}/api/v1/setup`, {
  data: { token: /setup#(\S+)/.exec(link)[1], email: "ann@example.com", password },
});
assert.ok(made.ok(), await made.text());
const signedIn = await page.request.post(`${server}/api/v1/auth/login`, { data: { email: "ann@example.com", password } });
const headers = { authorization: `Bearer ${(await signedIn.json()).accessToken}` };
const api = async (method, path, data) => {
  const answer = await page.request.fetch(`${server}/api/v1${path}`, { method, headers, data });
  assert.ok(answer.ok(), `${method} ${path}: ${await answer.text()}`);
  return answer.status() === 204 ? null : answer.json();
};
const lease = async (queue) => (await api("POST", `/queues/${queue}/lease`, { worker: "w1" })).items[0];

// Signing in, first with a wrong password.
await page.goto(`${server}/admin`);
await page.getByLabel("E-mail address").fill("ann@example.com");
await page.getByLabel("Password").fill("another password");
await button("Sign in").click();
await page.getByRole("alert").waitFor();
await accessible("sign-in");
await page.getByLabel("Password").fill(password);
await page.keyboard.press("Enter");
await page.getByRole("heading", { name: "Queues" }).waitFor();
assert.equal(new URL(page.url()).pathname, "/admin/queues");
await page.getByText("Live", { exact: true }).waitFor();
// Who is not signed in is refused once, and the wrong password was.
faults.splice(0).forEach((fault) => assert.match(fault, /status of 40[01]/));

// What happens elsewhere shows by itself.
for (let number = 1; number <= 5; number += 1) await api("POST", "/jobs", { queue: "sync", kind: "shop.sync", payload: { shop: number, order: 1 } });
await page.getByRole("link", { name: "5 ready in sync" }).waitFor();
const done = await lease("sync");
await api("POST", `/jobs/${done.id}/complete`, { leaseToken: done.leaseToken, result: { orders: 200 } });
const dead = await lease("sync");
await api("POST", `/jobs/${dead.id}/fail`, { leaseToken: dead.leaseToken, error: "the shop does not answer", final: true });
await page.getByRole("link", { name: "1 dead in sync" }).waitFor();
await shot("queues");
await accessible("queues");

// Into a queue, by keyboard alone.
await page.keyboard.press("ArrowDown");
while (!(await page.evaluate(() => document.activeElement.textContent === "sync"))) await page.keyboard.press("ArrowDown");
await page.keyboard.press("Enter");
await page.getByRole("heading", { name: "sync" }).waitFor();
await page.getByRole("tab", { name: /ready/ }).click();
await page.getByRole("link", { name: "shop.sync" }).nth(2).waitFor();
assert.equal(await page.getByRole("link", { name: "shop.sync" }).count(), 3);
assert.match(page.url(), /state=ready/);
await shot("queue");
await accessible("queue");
await button("Pause").click();
await page.locator("h1 .badge").waitFor();
assert.equal((await api("GET", "/queues/sync")).paused, true);
await button("Resume").click();
await button("Pause").waitFor();

// A filter stands in the address, and survives a reload.
await page.keyboard.press("/");
await page.keyboard.type("nothing.of.this.kind");
await page.keyboard.press("Enter");
await page.getByText("No job fits.").waitFor();
await page.reload();
await page.getByText("No job fits.").waitFor();
await page.getByLabel("Kind").fill("");
await page.keyboard.press("Enter");

// All that are dead run again.
await page.getByRole("tab", { name: /dead/ }).click();
await page.getByText("the shop does not answer").waitFor();
await button("Retry all dead…").click();
await button("Retry").click();
await page.getByText("1 retried.").waitFor();
await page.getByText("No job fits.").waitFor();

// One job: its attempts, its progress while it runs, its log; it is cancelled, changed, and runs again.
const running = await lease("sync");
await page.goto(`${server}/admin/jobs/${running.id}`);
await page.getByRole("heading", { name: "shop.sync" }).waitFor();
await page.getByText("Live", { exact: true }).waitFor();
await api("POST", `/jobs/${running.id}/heartbeat`, { leaseToken: running.leaseToken, progress: 0.25, log: ["fetched 50 orders"] });
await page.getByText("25 %").waitFor();
await page.getByText("fetched 50 orders").waitFor();
await shot("job");
await button("Cancel").click();
await button("Asked to stop").waitFor();
await api("POST", `/jobs/${running.id}/fail`, { leaseToken: running.leaseToken, error: "stopped halfway" });
await page.locator(".state.cancelled").waitFor();
await page.getByText("stopped halfway").first().waitFor();
await accessible("job");
await button("Edit").click();
await page.getByRole("textbox", { name: "Payload" }).fill("{broken");
await button("Save and run").click();
await page.getByText(/The payload is not JSON/).waitFor();
await page.getByRole("textbox", { name: "Payload" }).fill('{"shop": 9007199254740993}');
await button("Save and run").click();
await page.locator(".state.ready").waitFor();
// Not one digit is rounded.
await page.getByText("9007199254740993").waitFor();
assert.match(await (await page.request.get(`${server}/api/v1/jobs/${running.id}`, { headers })).text(), /9007199254740993/);

// A job by hand, with a kind that is missing at first.
await page.goto(`${server}/admin/queues/reports`);
await button("New job").click();
await shot("new-job");
await button("Make the job").click();
await page.locator("#kind-error").waitFor();
expectRefusals(1);
await page.getByRole("textbox", { name: "Kind", exact: true }).fill("sales.report");
await button("Make the job").click();
await page.getByRole("link", { name: "sales.report" }).waitFor();
await page.getByLabel(/Choose sales.report/).check();
await button("Remove").click();
await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
await page.getByText("No job fits.").waitFor();
await button("Settings").click();
await page.getByLabel("Jobs at once").fill("7");
await button("Save").click();
await page.getByText("The settings are saved.").waitFor();
assert.equal((await api("GET", "/queues/reports")).concurrency, 7);

// A schedule: made, run at once, looked at, changed, removed.
await page.keyboard.press("g");
await page.keyboard.press("s");
await page.getByText("No schedule makes jobs yet.").waitFor();
await button("New schedule").click();
await page.getByLabel("Name").fill("nightly");
await page.getByRole("textbox", { name: "Kind", exact: true }).fill("sales.report");
await page.getByLabel("Queue").selectOption("reports");
await page.getByLabel("Cron expression").fill("every day");
await button("Make the schedule").click();
await page.locator("#cron-error").waitFor();
expectRefusals(1);
await page.getByLabel("Cron expression").fill("30 2 * * *");
await page.getByLabel("Time zone").fill("Europe/Berlin");
await shot("new-schedule");
await accessible("new schedule");
await button("Make the schedule").click();
await page.getByRole("link", { name: "nightly" }).waitFor();
await page.getByRole("button", { name: "Run now: nightly" }).click();
await page.getByText("A job is made.").waitFor();
await shot("schedules");
await page.getByRole("link", { name: "nightly" }).click();
await page.getByText("A job was made").waitFor();
await shot("schedule");
await accessible("schedule");
await button("Edit").click();
await page.getByLabel("What it is for").fill("What was sold.");
await button("Save").click();
await page.getByText("What was sold.").waitFor();
await page.getByRole("button", { name: "Pause nightly" }).click();
await page.getByText("rests").waitFor();

// In the dark, and on a phone.
await page.emulateMedia({ colorScheme: "dark" });
await page.goto(`${server}/admin/queues`);
await page.getByRole("heading", { name: "Queues" }).waitFor();
await page.locator(".uplot").waitFor();
await shot("queues-dark");
await accessible("queues in the dark");
await page.goto(`${server}/admin/jobs/${running.id}`);
await page.getByText("Attempts that failed").waitFor();
await shot("job-dark");
await accessible("a job in the dark");
await page.setViewportSize({ width: 390, height: 844 });
for (const path of ["queues", "queues/sync", "jobs", `jobs/${running.id}`, "schedules", "schedules/nightly"]) {
  await page.goto(`${server}/admin/${path}`);
  await page.getByText("Live", { exact: true }).waitFor();
  await page.locator("main h1").waitFor();
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `${path} is ${wide} px wider than a phone`);
  await shot(`phone-${path.split("/").join("-").slice(0, 14)}`);
}
await page.emulateMedia({ colorScheme: "light" });
await page.goto(`${server}/admin/schedules/nightly`);
await button("Remove…").click();
await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
await page.getByText("No schedule makes jobs yet.").waitFor();

// Signing out, and in again.
assert.deepEqual(faults.splice(0), []);
await button("Sign out").click();
await page.getByLabel("E-mail address").fill("ann@example.com");
await page.getByLabel("Password").fill(password);
await page.keyboard.press("Enter");
await page.getByText("Live", { exact: true }).waitFor();

// A session that ends elsewhere ends here, and the stream with it.
faults.splice(0).forEach((fault) => assert.match(fault, /status of 40[01]/));
await api("POST", "/auth/logout-all");
await page.reload();
await button("Sign in").waitFor();
assert.ok((await page.content()).length < 5000);
faults.splice(0).forEach((fault) => assert.match(fault, /status of 40[01]/));

assert.deepEqual(strangers, []);
await browser.close();
console.log("the browser is content");
