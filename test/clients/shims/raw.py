"""One request by one library that knows of no proxy: raw.py CLIENT URL."""

import asyncio
import http.client
import os
import socket
import ssl
import sys
import urllib.parse

client, url = sys.argv[1:3]
fields = {"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"], "Lab-Client": client}
host = urllib.parse.urlsplit(url).hostname
path = urllib.parse.urlsplit(url).path
head = "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n" % (path, host, "".join("%s: %s\r\n" % f for f in fields.items()))


def with_http_client():
    connection = http.client.HTTPSConnection(host)
    connection.request("GET", path, headers=fields)
    return connection.getresponse().read().decode()


def with_socket():
    with socket.create_connection((host, 443)) as raw:
        with ssl.create_default_context().wrap_socket(raw, server_hostname=host) as secured:
            secured.sendall(head.encode())
            return b"".join(iter(lambda: secured.recv(65536), b"")).decode()


async def with_asyncio():
    reader, writer = await asyncio.open_connection(host, 443, ssl=True)
    writer.write(head.encode())
    answer = (await reader.read(65536)).decode()
    writer.close()
    return answer


async def with_aiohttp():
    import aiohttp

    async with aiohttp.ClientSession() as session:
        async with session.get(url, headers=fields, raise_for_status=True) as answer:
            return await answer.text()


def with_urllib3():
    import urllib3

    return urllib3.PoolManager(ca_certs=os.environ["SSL_CERT_FILE"]).request("GET", url, headers=fields).data.decode()


def with_requests():
    import requests

    with requests.Session() as session:
        session.trust_env = False
        session.verify = os.environ["REQUESTS_CA_BUNDLE"]
        return session.get(url, headers=fields).text


print(
    {
        "http.client": with_http_client,
        "socket": with_socket,
        "asyncio": lambda: asyncio.run(with_asyncio()),
        "aiohttp-default": lambda: asyncio.run(with_aiohttp()),
        "urllib3": with_urllib3,
        "requests-untrusting": with_requests,
    }[client.partition("-")[2]]()
)
