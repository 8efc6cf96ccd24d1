"""The credential goes on each request, as the Python original's addon put it."""

import os

SECRET = os.environ["BENCH_SECRET"]


class Inject:
    def request(self, flow):
        flow.request.headers["Authorization"] = SECRET


addons = [Inject()]
