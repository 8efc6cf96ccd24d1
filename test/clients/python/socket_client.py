"""One websocket by one client library: socket_client.py CLIENT URL."""
import asyncio
import os
import random
import socket
import ssl
import sys
import urllib.parse

client, url = sys.argv[1:]
host = urllib.parse.urlsplit(url).hostname
proxy = urllib.parse.urlsplit(os.environ["HTTPS_PROXY"])
headers = {"Authorization": "Bearer " + os.environ.get("OPENAI_API_KEY", ""), "Lab-Client": client}


def messages():
    """1,000 of random sizes, text and binary."""
    for i in range(1000):
        data = random.randbytes(70000 if i % 100 == 0 else random.randrange(2000))
        yield data if i % 2 else data.hex()


async def websockets_echo():
    """This version knows no proxies: it is given a tunnel."""
    import websockets

    tunnel = socket.create_connection((proxy.hostname, proxy.port))
    tunnel.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += tunnel.recv(1)
    assert b" 200 " in answer, answer
    context = ssl.create_default_context()
    async with websockets.connect(
        url, sock=tunnel, ssl=context, server_hostname=host, extra_headers=headers, max_size=None
    ) as ws:
        sent = []

        async def send():
            for message in messages():
                sent.append(message)
                await ws.send(message)

        task = asyncio.create_task(send())
        for i in range(1000):
            assert await ws.recv() == sent[i], i
        await task
    return f"1000 messages, closed with {ws.close_code}"


def client_echo():
    """It finds the proxy in the environment and sends an Origin."""
    import websocket

    ws = websocket.create_connection(url, header=headers)
    for message in messages():
        if isinstance(message, bytes):
            ws.send_binary(message)
        else:
            ws.send(message)
        assert ws.recv() == message
    ws.send_close(1000, b"done")
    opcode, payload = ws.recv_data()
    assert opcode == websocket.ABNF.OPCODE_CLOSE, opcode
    return f"1000 messages, closed with {int.from_bytes(payload[:2], 'big')}"


def client_auth():
    """As Home Assistant has it: the first message is the credential."""
    import websocket

    ws = websocket.create_connection(url, header={"Lab-Client": client})
    assert ws.recv() == '{"type":"auth_required"}'
    ws.send('{"type": "auth", "access_token": "%s"}' % os.environ["HOME_KEY"])
    return ws.recv()


if client == "websockets-echo":
    print(asyncio.run(websockets_echo()))
elif client == "websocket-client-echo":
    print(client_echo())
else:
    print(client_auth())
