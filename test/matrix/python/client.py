"""One request by one library, set up for no proxy: client.py LIBRARY URL."""

import asyncio
import os
import ssl
import sys
import urllib.parse

library, url = sys.argv[1:3]
host = urllib.parse.urlsplit(url).hostname
path = urllib.parse.urlsplit(url).path
head = "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % (path, host)


def with_urllib():
    import urllib.request

    return urllib.request.urlopen(url).read()


def with_http_client():
    import http.client

    connection = http.client.HTTPSConnection(host)
    connection.request("GET", path)
    return connection.getresponse().read()


def with_socket():
    import socket

    with socket.create_connection((host, 443)) as raw:
        with ssl.create_default_context().wrap_socket(raw, server_hostname=host) as secured:
            secured.sendall(head.encode())
            return b"".join(iter(lambda: secured.recv(65536), b""))


async def with_asyncio():
    reader, writer = await asyncio.open_connection(host, 443, ssl=True)
    writer.write(head.encode())
    answer = await reader.read(65536)
    writer.close()
    return answer


def with_requests():
    import requests

    return requests.get(url).text


def with_requests_untrusting():
    import requests

    with requests.Session() as session:
        session.trust_env = False
        session.verify = os.environ["REQUESTS_CA_BUNDLE"]
        return session.get(url).text


def with_requests_pinning():
    import requests

    with requests.Session() as session:
        session.trust_env = False
        return session.get(url).text


def with_urllib3():
    import urllib3

    context = ssl.create_default_context()
    return urllib3.PoolManager(ssl_context=context, retries=False).request("GET", url).data


def with_urllib3_proxy():
    import urllib3

    proxy = urllib3.ProxyManager(os.environ["HTTPS_PROXY"], ca_certs=os.environ["SSL_CERT_FILE"], retries=False)
    return proxy.request("GET", url).data


def with_httpx(**options):
    import httpx

    with httpx.Client(**options) as client:
        return client.get(url).text


async def with_httpx_async(**options):
    import httpx

    async with httpx.AsyncClient(**options) as client:
        return (await client.get(url)).text


async def with_aiohttp(**options):
    import aiohttp

    async with aiohttp.ClientSession(**options) as session:
        async with session.get(url) as answer:
            return await answer.text()


async def with_aiohttp_websocket(**options):
    import aiohttp

    async with aiohttp.ClientSession(**options) as session:
        async with session.ws_connect("wss://%s/ws" % host) as connection:
            await connection.send_str("squeak")
            return (await connection.receive()).data


def with_tornado():
    from tornado import httpclient, ioloop

    return ioloop.IOLoop.current().run_sync(lambda: httpclient.AsyncHTTPClient().fetch(url)).body


async def with_websockets():
    import websockets

    async with websockets.connect("wss://%s/ws" % host) as connection:
        await connection.send("squeak")
        return await connection.recv()


def with_websocket_client():
    import websocket

    connection = websocket.create_connection("wss://%s/ws" % host)
    connection.send("squeak")
    return connection.recv()


def with_httplib2():
    import httplib2

    return httplib2.Http().request(url)[1]


def with_boto3():
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    config = Config(signature_version=UNSIGNED, retries={"max_attempts": 0}, s3={"addressing_style": "path"})
    return boto3.client("s3", region_name="us-east-1", endpoint_url="https://" + host, config=config).list_buckets()


def with_grpcio():
    import grpc

    channel = grpc.secure_channel(host + ":443", grpc.ssl_channel_credentials())
    try:
        return channel.unary_unary("/lab.Lab/Ask")(b"", timeout=20)
    except grpc.RpcError as e:
        return e.code()


def with_pycurl():
    import pycurl

    curl = pycurl.Curl()
    curl.setopt(curl.URL, url)
    curl.perform()


def with_pycurl_cainfo():
    import pycurl

    curl = pycurl.Curl()
    curl.setopt(curl.URL, url)
    curl.setopt(curl.CAINFO, os.environ["SSL_CERT_FILE"])
    curl.perform()


def with_github():
    import github

    return github.Github(os.environ["GITHUB_TOKEN"], retry=None).get_user().login


def with_xmlrpc():
    import xmlrpc.client

    try:
        return xmlrpc.client.ServerProxy(url).ask()
    except Exception as e:  # the answer is no XML
        return e


def with_treq():
    import treq
    from twisted.internet import task

    return task.react(lambda reactor: treq.get(url).addCallback(treq.content).addCallback(print))


answer = {
    "urllib": with_urllib,
    "http.client": with_http_client,
    "socket": with_socket,
    "asyncio": with_asyncio,
    "requests": with_requests,
    "requests-untrusting": with_requests_untrusting,
    "requests-certifi": with_requests_pinning,
    "urllib3": with_urllib3,
    "urllib3-proxy": with_urllib3_proxy,
    "httpx": with_httpx,
    "httpx-h2": lambda: with_httpx(http2=True),
    "httpx-untrusting": lambda: with_httpx(trust_env=False, verify=ssl.create_default_context()),
    "httpx-async": with_httpx_async,
    "httpx-async-h2": lambda: with_httpx_async(http2=True),
    "aiohttp": with_aiohttp,
    "aiohttp-trusting": lambda: with_aiohttp(trust_env=True),
    "aiohttp-websocket": with_aiohttp_websocket,
    "aiohttp-websocket-trusting": lambda: with_aiohttp_websocket(trust_env=True),
    "tornado": with_tornado,
    "websockets": with_websockets,
    "websocket-client": with_websocket_client,
    "httplib2": with_httplib2,
    "boto3": with_boto3,
    "grpcio": with_grpcio,
    "pycurl": with_pycurl,
    "pycurl-cainfo": with_pycurl_cainfo,
    "PyGithub": with_github,
    "xmlrpc": with_xmlrpc,
    "treq": with_treq,
}[library]()
if asyncio.iscoroutine(answer):
    answer = asyncio.run(answer)
print(answer)
