"""Starts mitmproxy in this process, runs the command given, and ends: how the
Python original ran a command, without its login and vault."""

import asyncio
import os
import socket
import subprocess
import sys
import threading

from mitmproxy import options
from mitmproxy.tools import dump

from inject import Inject

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]

loop = asyncio.new_event_loop()
started = threading.Event()
master = None


class Running:
    def running(self):
        started.set()


def serve():
    global master

    async def main():
        global master
        opts = options.Options(listen_host="127.0.0.1", listen_port=port, confdir=os.environ["BENCH_CONFDIR"])
        master = dump.DumpMaster(opts, with_termlog=False, with_dumper=False)
        master.addons.add(Inject(), Running())
        await master.run()

    loop.run_until_complete(main())


thread = threading.Thread(target=serve, daemon=True)
thread.start()
if not started.wait(60):
    sys.exit("mitmproxy did not start")
code = subprocess.run(sys.argv[1:], env={**os.environ, "HTTPS_PROXY": f"http://127.0.0.1:{port}"}).returncode
loop.call_soon_threadsafe(master.shutdown)
thread.join(10)
sys.exit(code)
