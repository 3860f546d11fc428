"""Runs steps of Alembic for one tenant after another: a line of JSON asks, lines of JSON answer."""

import os
import queue
import sys
import threading

import migrationd_children as children
import migrationd_failures as failures
import migrationd_protocol as protocol
import migrationd_rows as rows
import migrationd_sessions as sessions
import migrationd_state as state
import migrationd_steps as steps

REQUESTS_SERVED = 500


def main():
    channel = protocol.Channel()
    children.adopt_orphans()
    requests = queue.Queue()
    threading.Thread(target=_listen, args=(channel, requests), daemon=True).start()
    try:
        protocol.import_alembic()
        worker = Worker(channel, requests)
    except protocol.Failure as error:
        channel.answer({"event": "failed", "error": protocol.shortened(error.document())})
        channel.end()
    channel.answer({"event": "ready", "versions": protocol.versions()})
    while worker.serve():
        pass
    channel.end()


def _listen(channel, requests):
    """Hands requests on. When the daemon is gone, this process goes too, whatever it is at: its
    connection breaks, and PostgreSQL rolls back."""
    while True:
        request = channel.read_line()
        if request is None:
            os._exit(0)
        requests.put(request)


class Worker:
    """Serves requests one by one, in the main thread."""

    def __init__(self, channel, requests):
        self._channel, self._requests = channel, requests
        self._request, self._secrets = {}, protocol.Secrets()
        self._served, self._is_clean = 0, True
        # A request that came while env.py still ran for the one before, which has its answer.
        self._waiting = None
        self._place = state.Place()
        self._sessions = sessions.Sessions(channel)
        self._steps = steps.Steps(
            self._sessions.work, self._sessions.schema_lock, self._take_next)
        self._actions = {
            "step": self._steps.run,
            "read": lambda request: {"rows": rows.read(request)},
            "stamp": lambda request: {"rows": rows.stamp(request)},
            # What the request before has left open is closed when this one is served.
            "end": lambda request: {},
        }

    def serve(self):
        """Answers the next request; False where the process is to be replaced after it."""
        self._begin(self._waiting or self._requests.get())
        self._waiting = None
        answer = self._perform()
        answer["committed"] = self._sessions.work.statements
        self._sessions.work.forget()
        self._sessions.close()
        self._tidy()
        if self._waiting is not None:
            return True  # It has its answer; what env.py does behind its last step is no step's.
        is_last = self._served >= REQUESTS_SERVED or not self._is_clean
        self._answer({**answer, "retiring": True} if is_last else answer)
        return not is_last

    def _begin(self, request):
        self._request, self._secrets = request, protocol.Secrets()
        self._sessions.begin(request, self._secrets)
        self._served += 1

    def _perform(self):
        request = self._request
        try:
            self._place.enter()
            if "url" in request:
                self._secrets.add_url(request["url"])
                rows.check_supported(request["url"])
            return {"event": "done", **self._actions[request["action"]](request)}
        except protocol.Failure as error:
            return {"event": "failed", **error.document()}
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            return {"event": "failed", **failures.describe(
                error, self._sessions.statement, self._request.get("direction"))}

    def _take_next(self, answer):
        """Answers a step that is done while env.py continues, and waits for the next one's request;
        None where env.py has to end first."""
        self._tidy()
        if not self._is_clean or self._served >= REQUESTS_SERVED:
            return None
        self._answer({"event": "done", **answer, "is_open": True})
        request = self._requests.get()
        if request["action"] != "step" or not request.get("continues"):
            self._waiting = request
            self._sessions.begin(request, self._secrets)  # Whose turn it is from here on.
            return None
        self._begin(request)
        self._secrets.add_url(request["url"])
        return request

    def _answer(self, answer):
        document = {"id": self._request.get("id"), **self._secrets.scrub(answer)}
        self._channel.answer(protocol.shortened(document))

    def _tidy(self):
        """Ends what the step has started, and puts back what it has changed around itself."""
        self._sessions.pause()
        lost = self._steps.put_back()
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError):
            lost.append("stderr")
        self._is_clean = children.end_all() and not lost and self._is_clean
