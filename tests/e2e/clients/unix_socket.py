"""Drives a machine over a unix socket with qemu.qmp, the client of the QEMU project.

usage: unix_socket.py SOCKET

The guest runs and listens to its power key. Ends with status 0 if every answer and event is the
expected one.
"""

import asyncio
import sys

from qemu.qmp import ExecuteError, QMPClient

TIMEOUT = 120


async def event(listener):
    """The next event's name and data."""
    message = await asyncio.wait_for(listener.get(), TIMEOUT)
    assert set(message["timestamp"]) == {"seconds", "microseconds"}, message
    return message["event"], message.get("data")


async def dialogue(path):
    qmp = QMPClient("ferrite")
    await qmp.connect(path)
    assert {"qemu", "package"} <= set(qmp.greeting.QMP.version), qmp.greeting

    async def status():
        return (await qmp.execute("query-status"))["status"]

    assert await status() == "running"
    commands = {c["name"] for c in await qmp.execute("query-commands")}
    assert {"stop", "cont", "quit", "system_powerdown", "query-status"} <= commands
    schema = await qmp.execute("query-qmp-schema")
    described = {e["name"] for e in schema if e["meta-type"] == "command"}
    assert commands <= described | {"qmp_capabilities"}, commands - described
    cpus = await qmp.execute("query-cpus-fast")
    assert [cpu["cpu-index"] for cpu in cpus] == [0, 1], cpus

    for command, arguments, wrong in [
        ("no-such-command", {}, "CommandNotFound"),
        ("query-status", {"no-such-argument": 1}, "GenericError"),
        ("system_wakeup", {"x": [[]]}, "GenericError"),
    ]:
        try:
            await qmp.execute(command, arguments)
        except ExecuteError as error:
            assert error.error_class == wrong, (command, error.error_class)
        else:
            raise AssertionError(f"{command} was not refused")

    with qmp.listener() as listener:
        await qmp.execute("stop")
        assert await event(listener) == ("STOP", None)
        assert await status() == "paused"
        await qmp.execute("cont")
        assert await event(listener) == ("RESUME", None)
        assert await status() == "running"

        # Many requests at once come back in order, each with its own answer.
        answers = await asyncio.gather(*(qmp.execute("query-name") for _ in range(50)))
        assert all(answer == {"name": "e2e"} for answer in answers), answers

        await qmp.execute("system_powerdown")
        assert await event(listener) == ("POWERDOWN", None)
        expected = ("SHUTDOWN", {"guest": True, "reason": "guest-shutdown"})
        assert await event(listener) == expected
    # The server goes away with the machine.
    try:
        await asyncio.wait_for(qmp.disconnect(), TIMEOUT)
    except EOFError:
        pass


asyncio.run(dialogue(sys.argv[1]))
print("done")
