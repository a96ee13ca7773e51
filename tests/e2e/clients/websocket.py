"""Drives a machine over a WebSocket: one JSON text per frame.

usage: websocket.py PORT

The machine was started with -S and a ring buffer `serial` as its serial port. Ends with status 0
if every answer and event is the expected one.
"""

import json
import sys
import time

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

TIMEOUT = 120
BOOT = 400


class Session:
    """One JSON text per frame; events are kept in order."""

    def __init__(self, socket):
        self.socket = socket
        self.events = []
        self.count = 0
        greeting = self.receive()
        assert greeting["QMP"]["capabilities"] is not None, greeting
        # Before the negotiation nothing else is answered.
        refused = self.answer("query-status")
        assert refused["error"]["class"] == "CommandNotFound", refused
        self.run("qmp_capabilities")

    def receive(self):
        frame = self.socket.recv(timeout=TIMEOUT)
        assert isinstance(frame, str), "a frame that is no text"
        return json.loads(frame)

    def answer(self, command, **arguments):
        self.count += 1
        request = {"execute": command, "id": {"n": self.count}}
        if arguments:
            request["arguments"] = arguments
        self.socket.send(json.dumps(request))
        while True:
            text = self.receive()
            if "event" in text:
                self.events.append(text)
                continue
            assert text.pop("id") == {"n": self.count}, text
            return text

    def run(self, command, **arguments):
        answer = self.answer(command, **arguments)
        assert "return" in answer, (command, answer)
        return answer["return"]

    def event(self):
        message = self.events.pop(0) if self.events else self.receive()
        assert set(message["timestamp"]) == {"seconds", "microseconds"}, message
        return message["event"], message.get("data")

    def status(self):
        return self.run("query-status")["status"]

    def wait_for_serial(self, text):
        """Reads the serial port until the text has come."""
        heard, end = "", time.monotonic() + BOOT
        while text not in heard:
            assert time.monotonic() < end, f"the guest did not say {text}: {heard[-2000:]}"
            heard += self.run("ringbuf-read", device="serial", size=65536)
            time.sleep(0.2)


def dialogue(port):
    with connect(f"ws://127.0.0.1:{port}", open_timeout=TIMEOUT) as socket:
        qmp = Session(socket)
        assert qmp.status() == "prelaunch"
        qmp.run("cont")
        assert qmp.event() == ("RESUME", None)
        assert qmp.status() == "running"
        qmp.wait_for_serial("guest ready")

        qmp.run("stop")
        assert qmp.event() == ("STOP", None)
        assert qmp.status() == "paused"
        # What is no JSON is refused, and the session goes on.
        socket.send("{nonsense}")
        assert qmp.receive()["error"]["class"] == "GenericError"
        qmp.run("cont")
        assert qmp.event() == ("RESUME", None)

        qmp.run("system_reset")
        reset = {"guest": False, "reason": "host-qmp-system-reset"}
        assert qmp.event() == ("RESET", reset)
        assert qmp.status() == "running"
        qmp.wait_for_serial("guest ready")

        # Two sessions at once: both hear of the end.
        with connect(f"ws://127.0.0.1:{port}", open_timeout=TIMEOUT) as other:
            second = Session(other)
            assert second.status() == "running"
            qmp.run("quit")
            end = ("SHUTDOWN", {"guest": False, "reason": "host-qmp-quit"})
            assert qmp.event() == end
            assert second.event() == end
            for session in (qmp, second):
                try:
                    text = session.receive()
                except ConnectionClosed:
                    continue
                raise AssertionError(f"after the end: {text}")


dialogue(sys.argv[1])
print("done")
