// A worker: takes jobs of a queue, does them, and tells what came of each.
//
// Make the types that it stands on from the server's own description, once:
//
//     stead openapi > openapi.json
//     npm install openapi-fetch openapi-typescript typescript
//     npx openapi-typescript openapi.json --output schema.d.ts
//
// Run it with a key that has the permission `queues.sync:work`; it ends after the jobs that it has when it is told to (SIGTERM, Ctrl-C):
//
//     STEAD_URL=http://127.0.0.1:8090 STEAD_KEY=... node worker.js sync
//
// With `--once` it ends as soon as there is nothing to do. A job may be done twice, for a crash may come between doing and telling, so what
// it does should not mind that.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Job = components["schemas"]["LeasedJob"];
type Handler = (payload: unknown, stopped: AbortSignal) => Promise<unknown>;

const AT_ONCE = 4;
const LEASE_SECONDS = 30;
const WAIT_SECONDS = 20;

/** A job that there is no point in trying again. */
class Final extends Error {}

/** How many words a text has. */
async function countWords(payload: unknown): Promise<unknown> {
  if (typeof payload !== "object" || payload === null || !("text" in payload) || typeof payload.text !== "string") {
    throw new Final("the payload has no text");
  }
  return { words: payload.text.split(/\s+/).filter((word) => word !== "").length };
}

const HANDLERS: Record<string, Handler> = { "words.count": countWords };

const once = process.argv.includes("--once");
const queue = process.argv.slice(2).find((argument) => !argument.startsWith("--")) ?? "sync";
const { STEAD_URL: baseUrl = "", STEAD_KEY: key = "" } = process.env;
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${key}` } });
const ending = new AbortController();
for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, () => ending.abort());

/** What the server answers, unless that is a problem. */
function accepted<T>({ data, error }: { data?: T; error?: components["schemas"]["Problem"] }): T | undefined {
  if (error !== undefined) throw new Error(`the server answers: ${error.detail}`);
  return data;
}

/** Does one job, and tells what came of it. */
async function work(job: Job): Promise<void> {
  const params = { path: { id: job.id } };
  const leaseToken = job.leaseToken;
  const stopped = new AbortController();
  // Keeps the job for as long as it is worked on, and hears when it is not wanted any more.
  const heartbeats = setInterval(async () => {
    const body = { leaseToken, leaseSeconds: LEASE_SECONDS, log: [] };
    const heard = await client.POST("/api/v1/jobs/{id}/heartbeat", { params, body }).catch(() => undefined);
    if (heard !== undefined && (heard.data === undefined || heard.data.cancelRequested)) stopped.abort();
  }, (LEASE_SECONDS / 3) * 1000);
  try {
    const handler = HANDLERS[job.kind];
    if (handler === undefined) throw new Final(`nobody here knows jobs of the kind ${job.kind}`);
    const result = await handler(job.payload, stopped.signal);
    accepted(await client.POST("/api/v1/jobs/{id}/complete", { params, body: { leaseToken, result } }));
    console.log(`${job.kind} ${job.id}: done`);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    console.log(`${job.kind} ${job.id}: attempt ${job.attempts} of ${job.attemptsMax} failed: ${text}`);
    const body = { leaseToken, error: text, final: error instanceof Final };
    // Whoever is too late for that has lost the job to another worker, or its lease ends by itself.
    await client.POST("/api/v1/jobs/{id}/fail", { params, body }).catch(() => undefined);
  } finally {
    clearInterval(heartbeats);
  }
}

/** Jobs that there are, or that come within a while. */
async function lease(max: number): Promise<Job[]> {
  const body = { max, leaseSeconds: LEASE_SECONDS, waitSeconds: once ? 0 : WAIT_SECONDS, worker: `typescript-${process.pid}` };
  const request = { params: { path: { queue } }, body, signal: ending.signal };
  const { data, error } = await client.POST("/api/v1/queues/{queue}/lease", request);
  if (error !== undefined) {
    console.error(`no jobs are to be had: ${error.detail}`);
    process.exit(1);
  }
  return data.items;
}

const running = new Set<Promise<void>>();
while (!ending.signal.aborted) {
  let jobs: Job[] = [];
  try {
    jobs = await lease(AT_ONCE - running.size);
  } catch (error) {
    if (ending.signal.aborted) break;
    console.log(`the server cannot be reached: ${error}`);
    await new Promise((done) => setTimeout(done, 5000));
    continue;
  }
  if (once && jobs.length === 0 && running.size === 0) break;
  for (const job of jobs) {
    const done = work(job).finally(() => running.delete(done));
    running.add(done);
  }
  // More may come when one of these is done with: here, or in a queue that lets so many run at once.
  if (running.size === AT_ONCE || (once && jobs.length === 0)) await Promise.race(running);
}
await Promise.all(running);
