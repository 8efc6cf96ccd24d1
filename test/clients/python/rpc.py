"""gRPC calls with messages of bytes: rpc.py HOST:PORT. Prints the echoes."""

import queue
import sys

import grpc

placeholder = [("authorization", "Bearer authsome-proxy-managed"), ("lab-client", "python-grpc")]


def unary(channel):
    call = channel.unary_unary("/lab.Echo/Once")
    answer, rpc = call.with_call(b"squeak", metadata=placeholder, timeout=60)
    return f"unary {answer.decode()} {dict(rpc.trailing_metadata())['lab-trailer']}"


def stream(channel):
    """Sends the next message when the one before has come back."""
    sent = queue.Queue()
    answers = channel.stream_stream("/lab.Echo/Stream")(iter(sent.get, None), metadata=placeholder, timeout=60)
    echoes = []
    for n in range(5):
        sent.put(b"cheese %d" % n)
        echoes.append(next(answers).decode())
    sent.put(None)
    if list(answers):
        raise SystemExit("more answers than messages")
    return f"stream {echoes} {answers.code().name}"


with grpc.secure_channel(sys.argv[1], grpc.ssl_channel_credentials()) as channel:
    print(unary(channel))
    print(stream(channel))
