"""A worker: takes jobs of a queue, does them, and tells what came of each.

Make the client that it stands on from the server's own description, once:

    stead openapi > openapi.json
    openapi-python-client generate --path openapi.json --meta none --output-path stead_client

Run it with a key that has the permission `queues.sync:work`; it ends after the jobs that it has when it is told to (SIGTERM, Ctrl-C):

    STEAD_URL=http://127.0.0.1:8090 STEAD_KEY=... python worker.py sync

With `--once` it ends as soon as there is nothing to do. A job may be done twice, for a crash may come between doing and telling, so what it
does should not mind that.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from httpx import Timeout, TransportError
from stead_client import AuthenticatedClient
from stead_client.api.jobs import complete_job, fail_job, heartbeat_job, lease_jobs
from stead_client.models import JobCompletion, JobFailure, JobHeartbeat, LeasedJob, LeasedJobList, LeaseRequest, Problem

AT_ONCE = 4
LEASE_SECONDS = 30
WAIT_SECONDS = 20


class Final(Exception):
    """A job that there is no point in trying again."""


def count_words(payload: Any, stopped: threading.Event) -> Any:
    """How many words a text has."""
    if not isinstance(payload, dict) or not isinstance(payload.get("text"), str):
        raise Final("the payload has no text")
    return {"words": len(payload["text"].split())}


HANDLERS: dict[str, Callable[[Any, threading.Event], Any]] = {"words.count": count_words}


def heartbeats(client: AuthenticatedClient, job: LeasedJob, done: threading.Event, stopped: threading.Event) -> None:
    """Keeps the job for as long as it is worked on, and hears when it is not wanted any more."""
    while not done.wait(LEASE_SECONDS / 3):
        try:
            body = JobHeartbeat(lease_token=job.lease_token, lease_seconds=LEASE_SECONDS)
            heard = heartbeat_job.sync(job.id, client=client, body=body)
        except TransportError:
            continue  # The next one may come through.
        if heard is None or isinstance(heard, Problem) or heard.cancel_requested:
            stopped.set()


def work(client: AuthenticatedClient, job: LeasedJob) -> None:
    """Does one job, and tells what came of it."""
    done, stopped = threading.Event(), threading.Event()
    threading.Thread(target=heartbeats, args=(client, job, done, stopped), daemon=True).start()
    try:
        handler = HANDLERS.get(job.kind)
        if handler is None:
            raise Final(f"nobody here knows jobs of the kind {job.kind}")
        result = handler(job.payload, stopped)
    except Exception as error:
        failure = JobFailure(lease_token=job.lease_token, error=str(error), final=isinstance(error, Final))
        fail_job.sync(job.id, client=client, body=failure)
        print(f"{job.kind} {job.id}: attempt {job.attempts} of {job.attempts_max} failed: {error}", flush=True)
    else:
        complete_job.sync(job.id, client=client, body=JobCompletion(lease_token=job.lease_token, result=result))
        print(f"{job.kind} {job.id}: done", flush=True)
    finally:
        done.set()


def main(queue: str, once: bool) -> None:
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    timeout = Timeout(WAIT_SECONDS + 10)
    client = AuthenticatedClient(os.environ["STEAD_URL"], token=os.environ["STEAD_KEY"], timeout=timeout)
    running: set[Future[None]] = set()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while not stop.is_set():
            request = LeaseRequest(
                max_=AT_ONCE - len(running),
                lease_seconds=LEASE_SECONDS,
                wait_seconds=0 if once else WAIT_SECONDS,
                worker=f"python-{os.getpid()}",
            )
            try:
                leased = lease_jobs.sync(queue, client=client, body=request)
            except TransportError as error:
                print(f"the server cannot be reached: {error}", flush=True)
                stop.wait(5)
                continue
            if not isinstance(leased, LeasedJobList):
                sys.exit(f"no jobs are to be had: {leased.detail if leased else 'no answer'}")
            if once and not leased.items and not running:
                break
            running |= {pool.submit(work, client, job) for job in leased.items}
            # More may come when one of these is done with: here, or in a queue that lets so many run at once.
            full = len(running) == AT_ONCE or (once and not leased.items)
            _, running = wait(running, timeout=None if full else 0, return_when=FIRST_COMPLETED)


if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if argument != "--once"]
    main(arguments[0] if arguments else "sync", "--once" in sys.argv)
